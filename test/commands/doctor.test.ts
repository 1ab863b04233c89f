/** Tests `postvouch doctor` as a program: its output, its exit code, and a Postfix that is broken. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { GMAIL_RULES } from "../../src/doctor/gmail.ts";
import { CHECKS } from "../../src/doctor/table.ts";
import { freePorts, postvouch, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { requirePrograms } from "../helpers/requires.ts";

const missing = requirePrograms("postconf");

interface Report {
  readonly ok: boolean;
  readonly checks: readonly { id: string; status: string; reason: string; mend: string | null }[];
}

const OFF = "[tcptable]\nforward = []\nreverse = []\n[policy]\nlisten = []\n";

/** A host without DNS: nothing is asked outside. */
function config(dir: ReturnType<typeof scratch>, ports: readonly number[] = [1, 2]): string {
  dir.write("secrets", "tops3cr3t\n");
  return dir.write(
    "p.toml",
    `hostname = "mx.example.com"
srs.domain = "srs.example.com"
srs.secrets_file = "${join(dir.path, "secrets")}"
dns.servers = ["127.0.0.1:9"]
dns.timeout = "50ms"
dns.tries = 1
socketmap.listen = ["127.0.0.1:${ports[0]}"]
metrics.listen = ["127.0.0.1:${ports[1]}"]
${OFF}`,
  );
}

function report(args: readonly string[], env: Record<string, string> = {}): Report & { readonly exit: number | null } {
  const { status, stdout, stderr } = postvouch(["doctor", ...args, "--json"], { env });
  expect(stderr).toBe("");
  return { ...(JSON.parse(stdout) as Report), exit: status };
}

describe("postvouch doctor", () => {
  test("prints each check, with exit code 1 for an error", () => {
    using dir = scratch();
    const { ok, exit, checks } = report(["--config", config(dir)]);
    expect({ ok, exit }).toEqual({ ok: false, exit: 1 });
    expect([...new Set(checks.map(({ id }) => id))]).toEqual(CHECKS.map(({ id }) => id));
    expect(checks).toContainEqual({
      id: "daemon",
      status: "error",
      reason: "no daemon answers on 127.0.0.1:2: nothing listens there",
      mend: "postvouch serve",
    });
    expect(checks.filter(({ reason }) => reason.startsWith("Cannot check this"))).toEqual([]);
  });

  test("asks a running daemon, and tells when it has another secret", async () => {
    using dir = scratch();
    const ports = await freePorts(2);
    const file = config(dir, ports);
    await using daemon = new RunningDaemon(["--config", file]);
    await daemon.said("listener=metrics");
    const status = (id: string) => report(["--config", file]).checks.find((check) => check.id === id);
    expect(status("daemon")).toMatchObject({ status: "ok" });
    expect(status("running-secrets")).toMatchObject({ status: "ok" });
    dir.write("secrets", "another\n");
    expect(status("running-secrets")).toMatchObject({
      status: "error",
      reason: expect.stringContaining("does not know the first"),
    });
    dir.write("secrets", "tops3cr3t\nanother\n");
    expect(status("running-secrets")).toMatchObject({ status: "ok" });
  });

  test("prints lines for a person, the errors first and the commands whole", () => {
    using dir = scratch();
    const { status, stdout } = postvouch(["doctor", "--config", config(dir)]);
    const lines = stdout.trimEnd().split("\n");
    expect(status).toBe(1);
    expect(lines[0]).toMatch(/^error {4}\S/);
    expect(lines.at(-1)).toMatch(/^\d+ errors?, \d+ warnings?, \d+ skipped, \d+ ok$/);
    expect(lines).toContain("         mend: postvouch serve");
    // The checks of the milter, which is off, share a line, that is wrapped.
    const off = stdout
      .replaceAll(/\n {9}/g, " ")
      .split("\n")
      .filter((line) => line.includes("the milter is off"));
    expect(off).toEqual([expect.stringMatching(/^skipped {2}milter-.*, dkim-keys, .*: milter\.listen is empty: /)]);
  });

  test("gmail has a line for each rule", () => {
    using dir = scratch();
    const { checks, exit } = report(["gmail", "--config", config(dir)]);
    expect(exit).toBe(1);
    expect(checks.map(({ id }) => id)).toEqual(GMAIL_RULES.map(({ id }) => id));
  });

  test("tells of a wrong configuration instead of ending with it", () => {
    using dir = scratch();
    const file = dir.write("p.toml", 'srs.separator = "x"\ndns.servers = ["127.0.0.1:9"]\ndns.timeout = "50ms"\n');
    expect(report(["--config", file]).checks).toContainEqual({
      id: "configuration",
      status: "error",
      reason: expect.stringContaining("srs.separator"),
      mend: `edit ${file}, then: postvouch check-config`,
    });
  });

  test.each([
    ["hangs, and its child too", "sleep 60"],
    ["floods", "yes 'a = b'"],
    ["says nonsense", "printf '\\0\\377 = \\n = x\\n$(x)\\n'; exit 0"],
    ["is ended by a signal", "kill -9 $$"],
    ["fails", "echo 'postconf: fatal: open /etc/postfix/main.cf: Permission denied' >&2; exit 1"],
  ])("ends when postconf %s", { timeout: 60_000 }, (_name, script) => {
    using dir = scratch();
    for (const name of ["postconf", "postmap", "postqueue"]) {
      writeFileSync(join(dir.path, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(dir.path, name), 0o755);
    }
    const startMs = performance.now();
    const { checks } = report(["--config", config(dir)], { PATH: `${dir.path}:${process.env.PATH}` });
    expect(performance.now() - startMs).toBeLessThan(40_000);
    expect(checks.find(({ id }) => id === "daemon")).toMatchObject({ status: "error" });
    expect(new Set(checks.map(({ id }) => id)).size).toBe(CHECKS.length);
  });
});

describe.skipIf(missing !== undefined)(`with Postfix ${missing ?? ""}`, () => {
  test("changes no file of it", () => {
    using dir = scratch();
    const main = dir.write("main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.com\n", 0o444);
    dir.write("master.cf", "smtp inet n - n - - smtpd\n", 0o444);
    const { checks } = report(["--config", config(dir)], { MAIL_CONFIG: dir.path });
    expect(checks.find(({ id }) => id === "postfix")).toMatchObject({ status: "ok" });
    expect(main).toContain(dir.path);
  });
});
