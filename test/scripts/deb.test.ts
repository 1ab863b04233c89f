/** Tests what is in the Debian package, and that lintian accepts it. `npm run test:deb` installs it. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readLockFile } from "../../scripts/bill-of-materials.ts";
import { buildDeb } from "../../scripts/deb.ts";
import { packagedUnit } from "../../scripts/deb-texts.ts";
import { copyRuntimePackages } from "../../scripts/runtime-packages.ts";
import { freePorts, Peer, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { requirePrograms } from "../helpers/requires.ts";

const ROOT = join(import.meta.dirname, "../..");
const missing = requirePrograms("dpkg-deb", "strip", "lintian", "systemd-analyze", "systemd-sysusers");

/** On a busy machine. */
const MINUTES_MS = 300_000;

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe.skipIf(missing !== undefined)(`the Debian package ${missing ?? ""}`, () => {
  const dir = scratch();
  const tree = join(dir.path, "tree");
  const lib = join(tree, "usr/lib/postvouch");
  let deb = "";
  beforeAll(() => {
    // Else a commit between two builds would make them differ.
    vi.stubEnv("SOURCE_DATE_EPOCH", "1790000000");
    deb = buildDeb(dir.path, { quick: true });
    run("dpkg-deb", "-R", deb, tree);
  }, MINUTES_MS);
  afterAll(() => {
    vi.unstubAllEnvs();
    dir[Symbol.dispose]();
  });

  test("has no error for lintian, and is accepted with few overrides", { timeout: MINUTES_MS }, () => {
    const { status, stdout } = run("lintian", "--fail-on", "error", deb);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
    const overrides = readFileSync(join(tree, "usr/share/lintian/overrides/postvouch"), "utf8");
    expect(overrides.match(/^postvouch: /gm)).toHaveLength(4);
  });

  test("has the files that Debian's programs look for, with their modes", () => {
    const list = run("dpkg-deb", "-c", deb)
      .stdout.trimEnd()
      .split("\n")
      .map((line) => line.split(/\s+/));
    const modes = Object.fromEntries(
      list.map(([mode = "", owner = "", , , , path = ""]) => [path.slice(1), `${mode} ${owner}`]),
    );
    const plain = "-rw-r--r-- root/root";
    const program = "-rwxr-xr-x root/root";
    expect(modes).toMatchObject({
      "/usr/bin/postvouch": program,
      "/usr/lib/postvouch/node": program,
      "/usr/lib/postvouch/dist/main.js": plain,
      "/usr/lib/systemd/system/postvouch.service": plain,
      "/usr/lib/systemd/system/postvouch-maps.socket": plain,
      "/usr/lib/systemd/system/postvouch-policy.socket": plain,
      "/usr/lib/systemd/system/postvouch-report.service": plain,
      "/usr/lib/systemd/system/postvouch-report.timer": plain,
      "/usr/lib/sysusers.d/postvouch.conf": plain,
      "/usr/lib/tmpfiles.d/postvouch.conf": plain,
      "/usr/share/man/man8/postvouch.8.gz": plain,
      "/usr/share/man/man5/postvouch.toml.5.gz": plain,
      "/usr/share/man/man1/postvouch-spf.1.gz": plain,
      "/usr/share/bash-completion/completions/postvouch": plain,
      "/usr/share/zsh/vendor-completions/_postvouch": plain,
      "/usr/share/fish/vendor_completions.d/postvouch.fish": plain,
      "/usr/share/doc/postvouch/changelog.gz": plain,
      "/usr/share/doc/postvouch/copyright": plain,
      "/usr/share/doc/postvouch/postvouch.cdx.json": plain,
      "/usr/share/doc/postvouch/docs/install.md": plain,
    });
    expect(Object.entries(modes).filter(([, mode]) => /^.(?!rw[x-]r-[x-]r-[x-])/.test(mode))).toEqual([]);
    const conffiles = readFileSync(join(tree, "DEBIAN/conffiles"), "utf8");
    expect(conffiles).toBe("/etc/fail2ban/filter.d/postvouch.conf\n/etc/postvouch/postvouch.toml\n");
  });

  test("has units that systemd finds sound, and as closed as the one for an installation by hand", () => {
    const units = join(tree, "usr/lib/systemd/system");
    const service = join(units, "postvouch.service");
    const report = join(units, "postvouch-report.service");
    const others = ["postvouch-maps.socket", "postvouch-report.timer"].map((name) => join(units, name));
    const { stderr } = run("systemd-analyze", "verify", "--man=no", service, report, ...others);
    expect(stderr.split("\n").filter((line) => line !== "" && !line.includes("is not executable"))).toEqual([]);
    for (const unit of [service, report])
      expect(run("systemd-analyze", "security", "--offline=true", "--threshold=13", unit).status).toBe(0);
    expect(readFileSync(report, "utf8")).toContain("\nExecStart=/usr/bin/postvouch dmarc report --send\n");
    expect(readFileSync(report, "utf8")).toContain("\nUser=postvouch\nGroup=postvouch\n");
    expect(() => packagedUnit("postvouch.service", "[Service]\n")).toThrow(
      "Cannot change postvouch.service: want a line like",
    );
  });

  test("has a user and a folder that systemd takes", () => {
    const root = join(dir.path, "root");
    mkdirSync(join(root, "etc"), { recursive: true });
    const sysusers = run("systemd-sysusers", `--root=${root}`, join(tree, "usr/lib/sysusers.d/postvouch.conf"));
    expect(sysusers.status).toBe(0);
    expect(readFileSync(join(root, "etc/passwd"), "utf8")).toMatch(
      /^postvouch:x:\d+:\d+:.*:\/var\/lib\/postvouch:.*nologin$/m,
    );
    const tmpfiles = run(
      "systemd-tmpfiles",
      `--root=${root}`,
      "--create",
      join(tree, "usr/lib/tmpfiles.d/postvouch.conf"),
    );
    expect(tmpfiles).toMatchObject({ status: 0, stderr: "" });
    expect(run("stat", "-c", "%a", join(root, "var/lib/postvouch")).stdout).toBe("700\n");
  });

  test("has scripts that every shell reads", () => {
    for (const script of ["postinst", "prerm", "postrm"])
      expect(run("sh", "-n", join(tree, "DEBIAN", script))).toMatchObject({ status: 0, stderr: "" });
  });

  test("loads every package, and serves with the runtime that it brings", { timeout: MINUTES_MS }, async () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { dependencies: object };
    const names = Object.keys(dependencies).filter((name) => name !== "node");
    const node = join(lib, "node");
    const code = names.map((name) => `await import("${name}");`).join("");
    dir.write("tree/usr/lib/postvouch/all.mjs", code);
    expect(run(node, join(lib, "all.mjs"))).toMatchObject({ status: 0, stderr: "" });
    const [forward = 0, policy = 0, milter = 0] = await freePorts(3);
    const config = dir.write(
      "p.toml",
      `hostname = "mx.example"
state_dir = "${dir.path}/state"
srs.domain = "srs.mail.example.org"
srs.store.url = "sqlite:${dir.path}/store"
dns.servers = ["127.0.0.1:9"]
tcptable.forward = ["127.0.0.1:${forward}"]
tcptable.reverse = []
socketmap.listen = []
policy.listen = ["127.0.0.1:${policy}"]
milter.listen = ["127.0.0.1:${milter}"]
dmarc.history = "sqlite:${dir.path}/history"
metrics.listen = []
`,
    );
    await using daemon = new RunningDaemon(["--config", config], {}, join(lib, "dist/main.js"), node);
    await daemon.said("info listening", 3);
    using peer = new Peer(forward);
    expect(await peer.ask("get bob@elsewhere.example\n")).toMatch(/^200 SRS0=.*@srs\.mail\.example\.org\n$/);
    const report = [join(lib, "dist/main.js"), "dmarc", "report", "--config", config];
    await vi.waitFor(() => expect(run(node, ...report)).toMatchObject({ status: 0, stderr: "" }), 10_000);
    using smtpd = new Peer(policy);
    const request =
      "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nhelo_name=[192.0.2.1]\n";
    expect(await smtpd.ask(`${request}sender=\nrecipient=b@x.example\n\n`, "\n\n")).toMatch(/^action=PREPEND /);
  });

  test("is the same, byte by byte, when it is built again", { timeout: MINUTES_MS }, () => {
    const again = buildDeb(join(dir.path, "again"), { quick: true });
    expect(run("cmp", deb, again)).toMatchObject({ status: 0, stdout: "" });
  });
});

test("packages that are not those of the lock file are not packed", () => {
  using dir = scratch();
  const lock = readLockFile(ROOT);
  expect(() => copyRuntimePackages(lock, dir.path, dir.path)).toThrow(
    /^Cannot pack "node_modules\/.*": want .*, found nothing; run "npm ci"$/,
  );
});
