/** Tests which modules each command loads: `postvouch srs secret` must not wait for code of the daemon. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { scratch } from "../helpers/daemon.ts";

const ROOT = join(import.meta.dirname, "../..");

/** What every command loads. */
const CLI = [
  "commands/call.ts",
  "cli.ts",
  "commands/output.ts",
  "commands/table.ts",
  "main.js",
  "process/builtins.ts",
  "process/exit.ts",
];

/** Modules of Node's own that take milliseconds to load. */
const HEAVY = [
  "child_process",
  "crypto",
  "dgram",
  "dns",
  "fs/promises",
  "http",
  "net",
  "readline",
  "sqlite",
  "tls",
  "tty",
  "worker_threads",
];

/** Tells on standard error, at the end, each file that was loaded and each module of Node's that is there. */
const TRACER = `
const { registerHooks } = process.getBuiltinModule("node:module");
const files = [];
registerHooks({ load(url, context, next) { files.push(url); return next(url, context); } });
process.on("exit", () => {
  const builtins = process.moduleLoadList.flatMap((line) => /^NativeModule (\\S+)$/.exec(line)?.[1] ?? []);
  process.getBuiltinModule("node:fs").writeSync(2, "\\n" + JSON.stringify({ files, builtins }));
});`;

interface Loaded {
  /** Files of src/, and packages by their names. */
  readonly files: readonly string[];
  /** Of Node's own modules, the heavy ones. */
  readonly heavy: readonly string[];
  readonly status: number | null;
}

function load(...args: string[]): Loaded {
  const tracer = `data:text/javascript,${encodeURIComponent(TRACER)}`;
  const { status, stderr } = spawnSync(process.execPath, ["--import", tracer, "src/main.js", ...args], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const { files, builtins } = JSON.parse(stderr.slice(stderr.lastIndexOf("\n") + 1)) as Record<string, string[]>;
  const ours = (files ?? []).flatMap(
    (url) => /\/src\/(.*)$/.exec(url)?.[1] ?? /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? [],
  );
  return { status, files: [...new Set(ours)].sort(), heavy: HEAVY.filter((name) => builtins?.includes(name)) };
}

/** Then neither DNS nor the programs beside us are asked. */
const NOTHING_LISTENS =
  "[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = []\n[policy]\nlisten = []\n[metrics]\nlisten = []\n";

describe("what is loaded", () => {
  test.each([
    { args: ["--version"], more: [], heavy: [] },
    { args: ["--help"], more: ["collections/nearest.ts", "commands/usage.ts", "commands/wrap.ts"], heavy: [] },
    { args: ["help", "spf"], more: ["collections/nearest.ts", "commands/usage.ts", "commands/wrap.ts"], heavy: [] },
    {
      args: ["explain-bounce", "550 5.1.1 x"],
      more: [
        ..."apple example explain gmail gmx microsoft ours reports rule speakers status t-online yahoo"
          .split(" ")
          .map((name) => `bounce/${name}.ts`),
        "commands/explain-bounce.ts",
        "commands/wrap.ts",
      ],
      heavy: [],
    },
    { args: ["srs", "secret"], more: ["commands/srs-secret.ts", "setup/new-secret.ts"], heavy: [] },
  ])("for $args is what it uses", ({ args, more, heavy }) => {
    expect(load(...args)).toEqual({ status: 0, files: [...CLI, ...more].sort(), heavy });
  });

  test("for check-config is the configuration, the names and the secrets", () => {
    using dir = scratch();
    const config = dir.write(
      "p.toml",
      `hostname = "mx.example"\nstate_dir = "${dir.path}"\n[srs]\ndomain = "srs.example"\n${NOTHING_LISTENS}`,
    );
    const { status, files, heavy } = load("check-config", "--config", config);
    expect({ status, heavy }).toEqual({ status: 0, heavy: [] });
    const folders = new Set(files.map((name) => name.replace(/\/.*/, "")));
    expect([...folders].sort()).toEqual([
      "cli.ts",
      "collections",
      "commands",
      "config",
      "dns",
      "history",
      "mail",
      "main.js",
      "net",
      "policy",
      "process",
      "setup",
      "smol-toml",
      "srs",
      "store",
    ]);
    // No service, no resolver, no store: of these folders, what reads and checks values.
    const values = files.filter((name) => /^(?:dns|history|mail|net|policy|srs|store)\//.test(name));
    expect(values).toEqual([
      "dns/name.ts",
      "dns/server-address.ts",
      "history/place.ts",
      "mail/address-groups.ts",
      "mail/ip.ts",
      "mail/names.ts",
      "net/endpoint.ts",
      "policy/settings.ts",
      "srs/secrets.ts",
      "store/url.ts",
    ]);
  });

  test("for setup is no service and no engine", () => {
    const { status, files } = load("setup", "nosuch");
    expect(status).toBe(64);
    expect(files).toContain("connect/parts.ts");
    const services =
      /^(?:spf|mailauth|metrics|status|daemon|tcptable|socketmap|srs)\/|^(?:mailauth|prom-client|pino|tldts)$/;
    expect(files.filter((name) => services.test(name) && name !== "srs/secrets.ts")).toEqual([]);
  });

  test("for srs forward is nothing of SPF, metrics and the log", () => {
    using dir = scratch();
    dir.write("srs.secrets", "tops3cr3t\n");
    const config = dir.write(
      "p.toml",
      `hostname = "mx.example"\nstate_dir = "${dir.path}"\n[srs]\ndomain = "srs.example"\n`,
    );
    const { status, files } = load("srs", "forward", "--config", config, "a@b.example");
    expect(status).toBe(0);
    expect(files).toContain("srs/table.ts");
    const strange =
      /^(?:spf|mailauth|metrics|status|daemon|tcptable|socketmap)\/|^(?:mailauth|prom-client|pino|@redis\/client|tldts)$|^process\/log|^policy\/(?!settings)/;
    expect(files.filter((name) => strange.test(name))).toEqual([]);
  });

  test("for dkim keygen is nothing of SPF, SRS, the daemon and its packages; for mail verify of the last two", () => {
    using dir = scratch();
    const config = dir.write(
      "p.toml",
      `hostname = "mx.example"\nstate_dir = "${dir.path}"\n[srs]\ndomain = "s.example"\n`,
    );
    const message = dir.write("message", "From: a@b.example\n\nHi\n");
    const notOfMail =
      /^(?:metrics|status|daemon|tcptable|socketmap|store)\/|^(?:prom-client|pino|@redis\/client|tldts)$|^policy\/(?!settings)/;
    const notOfKeys = new RegExp(`${notOfMail.source}|^spf\\/(?!verdict)|^mailauth\\/spf`);
    for (const { args, strange } of [
      { args: ["dkim", "keygen", "--config", config, "--algorithm", "ed25519", "example.net"], strange: notOfKeys },
      { args: ["mail", "verify", "--config", config, message], strange: notOfMail },
    ]) {
      const { status, files } = load(...args);
      expect(status).toBe(0);
      expect(files.filter((name) => strange.test(name) && name !== "store/url.ts")).toEqual([]);
    }
  });

  test("for import is nothing of SPF, metrics, the log and the daemon", () => {
    using dir = scratch();
    const defaults = dir.write("postsrsd", `SRS_DOMAIN=a.example\nSRS_SECRET=${dir.write("secret", "x\n")}\n`);
    const { status, files } = load("import", "--dry-run", "--config", `${dir.path}/p.toml`, defaults);
    expect(status).toBe(0);
    expect(files).toContain("import/readers/postsrsd1.ts");
    const strange =
      /^(?:spf\/(?!verdict)|mailauth|metrics|status|daemon|tcptable|socketmap)|^(?:mailauth|prom-client|pino|@redis\/client|tldts)$|^process\/log|^policy\/(?!settings)/;
    expect(files.filter((name) => strange.test(name))).toEqual([]);
  });
});
