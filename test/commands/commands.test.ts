import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, unlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/commands/table.ts";
import { PARAMETERS } from "../../src/config/parameters.ts";
import { DEFAULT_CONFIG_FILE } from "../../src/setup/config-file.ts";
import { freePorts, postvouch, postvouchAsync, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { zoneAuthority } from "../helpers/zone.ts";

const NO_STACK = /^\s+at .*:\d+:\d+/m;

const NO_LISTENERS = ["tcptable]\nforward = []\nreverse", "socketmap]\nlisten", "policy]\nlisten", "metrics]\nlisten"]
  .map((lists) => `[${lists} = []\n`)
  .join("");

/** A moment of the recorded answers of postsrsd: 2020-01-01 00:01 UTC. */
const NOW = { POSTVOUCH_NOW: "1577836860" };

function srsConfig(dir: ReturnType<typeof scratch>, more = ""): string {
  dir.write("secrets", "tops3cr3t\n");
  return dir.write(
    "postvouch.toml",
    `hostname = "mx.example.com"\n[srs]\ndomain = "example.com"\nsecrets_file = "${join(dir.path, "secrets")}"\n${more}`,
  );
}

describe("the command line", () => {
  test.each([
    {
      name: "no command",
      args: [],
      says: "want a command: serve, check-config, srs, spf, dkim, mail, dmarc, import, explain-bounce, doctor, setup or help",
    },
    { name: "an unknown command", args: ["milter"], says: 'no such command: "milter"; "postvouch help" lists' },
    { name: "the name of an object's own", args: ["constructor"], says: 'no such command: "constructor"' },
    { name: "a command misspelt", args: ["chekc-config"], says: "(is check-config meant?)" },
    { name: "a command without its group", args: ["forward", "a@b.example"], says: "(is srs forward meant?)" },
    { name: "a group alone", args: ["srs"], says: "srs: want forward, reverse or secret;" },
    {
      name: "a group with something else",
      args: ["srs", "revers"],
      says: 'srs: want forward, reverse or secret, got "revers" (is reverse meant?)',
    },
    { name: "an unknown option", args: ["serve", "--port", "1"], says: "Unknown option '--port';" },
    { name: "an option misspelt", args: ["spf", "--hello", "x"], says: "Unknown option '--hello' (is --helo meant?)" },
    { name: "an option of another command", args: ["serve", "--json"], says: "serve takes no --json" },
    { name: "an option without its value", args: ["serve", "--config"], says: "--config <value>' argument missing" },
    { name: "help for no command", args: ["help", "chekc-config"], says: "(is check-config meant?)" },
    { name: "help for the help of no command", args: ["help", "help", "sfp"], says: 'no such command: "sfp"' },
    { name: "--help of no command", args: ["sfp", "--help"], says: "(is spf meant?)" },
    {
      name: "an operand too many",
      args: ["check-config", "x.toml"],
      says: 'check-config takes no operand, got "x.toml"',
    },
    { name: "a secret of somebody", args: ["srs", "secret", "a@b.example"], says: "srs secret takes no operand" },
    { name: "srs without an address", args: ["srs", "forward"], says: "srs forward: want ADDRESS..." },
    {
      name: "spf without --ip",
      args: ["spf", "--helo", "x.example"],
      says: "spf: want --ip with the client's address",
    },
  ])("answers $name with 64 and what was wanted", ({ args, says }) => {
    const { status, stderr, stdout } = postvouch(args);
    expect(status).toBe(64);
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(NO_STACK);
    expect(stdout).toBe("");
  });

  test("tells its version", () => {
    expect(postvouch(["--version"])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  test.each([["--help"], ["help"], ["-h"]])("lists every command for %s", (...args) => {
    const { status, stdout } = postvouch(args);
    expect(status).toBe(0);
    for (const { usage, summary } of Object.values(COMMANDS)) {
      expect(stdout.replaceAll(/\s+/g, " ")).toContain(`postvouch ${usage} ${summary}`);
    }
    expect(stdout).toContain(DEFAULT_CONFIG_FILE);
  });

  test.each(Object.entries(COMMANDS))("tells the help of %s, which names each of its options", (name, command) => {
    const { status, stdout } = postvouch([...name.split(" "), "--help"]);
    expect({ status, stdout: stdout.replaceAll(/\s+/g, " ") }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(`postvouch ${command.usage}`),
    });
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    const inUsage = [...command.usage.matchAll(/--([a-z-]+)/g)].map((match) => match[1] ?? "");
    expect(inUsage.sort()).toEqual([...command.options].sort());
    expect(/ (?:[A-Z]+(?:\.\.\.)?|\[[A-Z]+(?:\.\.\.)?\])$/.exec(command.usage)?.[0].trim()).toBe(command.operands);
    if (name !== "help config") expect(postvouch(["help", ...name.split(" ")]).stdout).toBe(stdout);
  });

  test("tells the help of a group, each text once", () => {
    const { status, stdout } = postvouch(["help", "srs"]);
    expect(status).toBe(0);
    expect(stdout).toContain("postvouch srs secret");
    expect(stdout.split("POSTVOUCH_NOW").length).toBe(2);
  });

  test("lists the configuration's keys apart from the help of serve, which fits on a screen", () => {
    expect(postvouch(["serve", "--help"]).stdout.split("\n").length).toBeLessThan(24);
    const { status, stdout } = postvouch(["help", "config"]);
    expect(status).toBe(0);
    for (const key of Object.keys(PARAMETERS)) expect(stdout).toContain(`${key} = `);
    const keys = /^\S+ = /;
    expect(stdout.split("\n").filter((line) => line.length > 80 && !keys.test(line))).toEqual([]);
  });

  test("refuses a clock that is none", () => {
    const { status, stderr } = postvouch(["srs", "forward", "a@b.example"], { env: { POSTVOUCH_NOW: "yesterday" } });
    expect({ status, stderr }).toEqual({
      status: 64,
      stderr: expect.stringContaining('POSTVOUCH_NOW: got "yesterday"'),
    });
  });
});

describe("postvouch check-config", () => {
  test("says what is in force, and makes nothing", () => {
    using dir = scratch();
    const config = dir.write(
      "p.toml",
      `hostname = "mx.example.com"\nstate_dir = "${dir.path}/state"\n[srs]\ndomain = "srs.example.com"`,
    );
    const { status, stdout, stderr } = postvouch(["check-config", "--config", config]);
    expect(status).toBe(0);
    expect(stdout).toContain(`${config}: ok\n`);
    expect(stdout).toContain("own domains: srs.example.com, mx.example.com");
    expect(stderr).toContain('srs.secrets" does not exist; serve will make it');
    expect(existsSync(`${dir.path}/state`)).toBe(false);
  });

  test("names every problem: keys, secrets and domain lists at once", () => {
    using dir = scratch();
    dir.write("secrets", "\n\n");
    dir.write("domains", "good.example\n*.example\n");
    const config = dir.write(
      "p.toml",
      `[srs]\nseparator = "*"\nsecrets_file = "${dir.path}/secrets"\n[srs.own_domains]\nfiles = ["${dir.path}/domains", "${dir.path}/none"]\n[dns]\ntries = 0\n`,
    );
    const { status, stderr } = postvouch(["check-config", "--config", config]);
    expect(status).toBe(78);
    for (const problem of [
      `${config}: srs.separator: got "*", want one of "=", "+", "-"`,
      `${config}: dns.tries: got 0, want a whole number from 1 to 10`,
      `srs.secrets_file: Cannot use "${dir.path}/secrets": it is empty, want one secret per line`,
      `${dir.path}/domains:2`,
      `${dir.path}/none`,
    ]) {
      expect(stderr).toContain(problem);
    }
    expect(stderr).not.toMatch(NO_STACK);
  });

  test.each([
    { name: "a file that is not there", make: () => "/proc/nonexistent/postvouch.toml", says: "no such file" },
    { name: "a directory", make: (dir: { path: string }) => dir.path, says: "directory" },
    { name: "a device without end", make: () => "/dev/zero", says: "not a regular file" },
    {
      name: "a FIFO",
      make: (dir: { path: string }) => {
        spawnSync("mkfifo", [`${dir.path}/fifo`]);
        return `${dir.path}/fifo`;
      },
      says: "not a regular file",
    },
  ])("names $name", ({ make, says }) => {
    using dir = scratch();
    const path = make(dir);
    const { status, stderr } = postvouch(["check-config", "--config", path]);
    expect({ status, stderr }).toEqual({ status: 78, stderr: expect.stringContaining(says) });
    expect(stderr).toContain(path);
    expect(stderr).not.toMatch(NO_STACK);
  });

  test("foresees what serve would stumble over: sockets, the store's folder, a place for the secrets", () => {
    using dir = scratch();
    dir.write("file", "");
    const config = dir.write(
      "p.toml",
      `hostname = "mx.example"
state_dir = "${dir.path}/file/state"
[srs]
domain = "x.example"
[srs.store]
url = "sqlite:${dir.path}/none/db"
[socketmap]
listen = ["unix:${dir.path}/none/s", "unix:${dir.path}/file"]`,
    );
    const { status, stderr } = postvouch(["check-config", "--config", config]);
    expect(status).toBe(78);
    for (const problem of [
      `socketmap.listen: Cannot make "${dir.path}/none/s": its directory does not exist`,
      `socketmap.listen: Cannot listen on "${dir.path}/file": the path exists and is no socket`,
      `srs.store.url: Cannot make "${dir.path}/none/db": its directory does not exist`,
    ]) {
      expect(stderr).toContain(problem);
    }
  });

  test("shows no control character of a key or a value to the terminal", () => {
    using dir = scratch();
    const config = dir.write(
      "p.toml",
      `"\\u001b[2Jkey\\nfake: ok" = 1\n[policy]\nmode = "\\u001b]0;x\\u0007\\u009b"\n[srs.own_domains]\ndomains = ["\\u202ea.example"]\n`,
    );
    const { status, stderr } = postvouch(["check-config", "--config", config]);
    expect(status).toBe(78);
    expect(stderr).toContain("\\x1b[2Jkey\\x0afake: ok: unknown key");
    expect(stderr.split("\n").every((line) => line === "" || line.startsWith("postvouch: "))).toBe(true);
    expect(stderr.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test.each(["serve", "check-config"])("%s refuses secrets that are a link to nothing, or no file", (command) => {
    using dir = scratch();
    const config = dir.write("p.toml", `hostname = "mx.example"\nstate_dir = "${dir.path}"\n${NO_LISTENERS}`);
    const secrets = join(dir.path, "srs.secrets");
    for (const [target, reason] of [
      ["/nonexistent/x", 'it is a link to "/nonexistent/x", which does not exist'],
      [join(dir.path, "x"), "which does not exist"],
      ["/dev/zero", "not a regular file"],
    ] as const) {
      symlinkSync(target, secrets);
      const { status, stderr } = postvouch([command, "--config", config]);
      expect({ status, stderr }).toEqual({ status: 78, stderr: expect.stringContaining(reason) });
      expect(stderr).not.toMatch(NO_STACK);
      unlinkSync(secrets);
    }
    expect(existsSync(join(dir.path, "x"))).toBe(false);
  });

  test("warns of secrets that everybody can read", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    chmodSync(join(dir.path, "secrets"), 0o644);
    const { status, stderr } = postvouch(["check-config", "--config", config]);
    expect(status).toBe(0);
    expect(stderr).toContain("is open to every user of this machine (mode 0644), want 0600");
  });

  test("warns of a DNS server's time that leaves none for the next, and counts own domains by their key", () => {
    using dir = scratch();
    const config = srsConfig(
      dir,
      '[srs.own_domains]\ndomains = ["a.example", "b.example"]\n[policy]\ntime_limit = "5s"\n[dns]\ntimeout = "30s"\n',
    );
    // No Postfix is set up there, which would name more.
    const env = { MAIL_CONFIG: dir.path };
    const { status, stdout, stderr } = postvouch(["check-config", "--config", config], { env });
    expect(status).toBe(0);
    expect(stderr).toContain("warning: dns.timeout: 30000 ms is not below policy.time_limit (5000 ms)");
    expect(stdout).toContain("own domains: example.com, mx.example.com, 2 from srs.own_domains.domains\n");
  });

  test("warns of secrets in state_dir when others are in use", () => {
    using dir = scratch();
    const used = dir.write("used", "tops3cr3t\n");
    const unused = dir.write("srs.secrets", "another\n");
    const config = dir.write(
      "p.toml",
      `state_dir = "${dir.path}"\n[srs]\ndomain = "x.example"\nsecrets_file = "${used}"`,
    );
    const { status, stderr } = postvouch(["check-config", "--config", config]);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining(`srs.secrets_file: "${unused}" is not in use, "${used}" is`),
    });
  });

  test("names secrets that cannot be read", () => {
    using dir = scratch();
    mkdirSync(join(dir.path, "secrets"));
    const config = dir.write("p.toml", `[srs]\nsecrets_file = "${dir.path}/secrets"`);
    const { status, stderr } = postvouch(["check-config", "--config", config]);
    expect({ status, stderr }).toEqual({ status: 78, stderr: expect.stringContaining("it is a directory") });
  });
});

describe("postvouch serve, when it cannot start", () => {
  test("names a wrong value with 78 and binds nothing", () => {
    using dir = scratch();
    const config = dir.write("p.toml", 'hostname = "mx.example"\n[policy]\nmode = "warn"');
    const { status, stdout, stderr } = postvouch(["serve", "--config", config]);
    expect({ status, stdout }).toEqual({ status: 78, stdout: "" });
    expect(stderr).toBe(`postvouch: ${config}: policy.mode: got "warn", want one of "enforce", "report"\n`);
  });

  test("says which port is taken and how to change it", async () => {
    using dir = scratch();
    const [taken = 0, free = 0] = await freePorts(2);
    const server = createServer().listen(taken, "127.0.0.1");
    const config = srsConfig(
      dir,
      `[tcptable]\nforward = ["127.0.0.1:${free}"]\nreverse = ["127.0.0.1:${taken}"]\n[socketmap]\nlisten = []\n[policy]\nlisten = []\n[metrics]\nlisten = []`,
    );
    const { status, stderr } = await postvouchAsync(["serve", "--config", config]);
    server.close();
    expect(status).toBe(69);
    expect(stderr).toContain(
      `Cannot listen on 127.0.0.1:${taken} for tcptable.reverse: another process has it (EADDRINUSE)`,
    );
    expect(stderr).toContain("set tcptable.reverse to another endpoint");
    expect(stderr).not.toMatch(NO_STACK);
  });

  test("says why a socket cannot be made", () => {
    using dir = scratch();
    const config = srsConfig(
      dir,
      `[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = ["unix:${dir.path}/none/s"]\n[policy]\nlisten = []\n[metrics]\nlisten = []`,
    );
    const { status, stderr } = postvouch(["serve", "--config", config]);
    expect(status).toBe(73);
    expect(stderr).toContain("its directory does not exist");
  });
});

describe("postvouch srs", () => {
  test("rewrites and leads back, as postsrsd 2.4 does with the same secret on the same day", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const forward = postvouch(["srs", "forward", "--config", config, "alice@example.org"], { env: NOW });
    expect(forward).toEqual({ status: 0, stdout: "SRS0=-xpx=2W=example.org=alice@example.com\n", stderr: "" });
    const reverse = postvouch(["srs", "reverse", "--config", config, "srs0=-XPX=2w=example.org=alice@example.com"], {
      env: NOW,
    });
    expect(reverse).toEqual({ status: 0, stdout: "alice@example.org\n", stderr: "" });
  });

  test("takes an address as the log shows it, from standard input too", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const address = "SRS0=-xpx=2W=example.org=alice@example.com";
    const input = `from=<${address}>,\n  <${address}>\n${address.replaceAll("=", "=3D")}\n`;
    const { status, stdout } = postvouch(["srs", "reverse", "--config", config, ` ${address} `, "-"], {
      env: NOW,
      input,
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "alice@example.org\n".repeat(4) });
  });

  test("gives 1 and the reason when one was not rewritten, and goes on with the rest", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const { status, stdout, stderr } = postvouch(
      ["srs", "forward", "--config", config, "a@example.com", "plain", "b@example.org"],
      { env: NOW },
    );
    expect(status).toBe(1);
    expect(stdout).toBe("SRS0=m0Ef=2W=example.org=b@example.com\n".replace("m0Ef", stdout.slice(5, 9)));
    expect(stderr).toBe(
      "postvouch: a@example.com: not rewritten: the domain is our own\npostvouch: plain: not rewritten: no @ in the address\n",
    );
  });

  test("reads stdin and writes JSON, UTF-8 included", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const { status, stdout } = postvouch(["srs", "forward", "--json", "--config", config, "-"], {
      env: NOW,
      input: "jürgen@bücher.example\n\n<>\n",
    });
    expect(status).toBe(1);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      {
        address: "jürgen@bücher.example",
        map: "forward",
        rewritten: expect.stringMatching(/^SRS0=....=2W=bücher\.example=jürgen@example\.com$/),
        outcome: "rewritten",
        reason: null,
      },
      { address: "<>", map: "forward", rewritten: null, outcome: "null", reason: "the null sender is never rewritten" },
    ]);
  });

  test("shows no control character of an address to the terminal", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const { stdout, stderr } = postvouch(
      ["srs", "forward", "--config", config, "v\nX\x1b[31m@example.com", "a\nb@x.example"],
      { env: NOW },
    );
    expect(stderr).toBe("postvouch: v\\x0aX\\x1b[31m@example.com: not rewritten: the domain is our own\n");
    expect(stdout).toMatch(/^"SRS0=....=2W=x\.example=a\\x0ab"@example\.com\n$/);
  });

  test("replays an incident: POSTVOUCH_NOW rules the store too, and what had expired since is there", () => {
    using dir = scratch();
    const config = srsConfig(dir, `[srs.store]\nurl = "sqlite:${dir.path}/db"`);
    const address = `${"x".repeat(70)}@example.org`;
    const at = (seconds: number, ...args: string[]) =>
      postvouch(["srs", ...args, "--config", config], { env: { POSTVOUCH_NOW: String(seconds) } });
    const then = 1_577_836_860;
    const year = 31_536_000;
    const rewritten = at(then, "forward", address).stdout.trim();
    expect(at(then + year, "reverse", rewritten).status).toBe(1);
    expect(at(then + 60, "reverse", rewritten).stdout.trim()).toBe(address);
  });

  test("names a store that cannot be used, without a stack trace", () => {
    using dir = scratch();
    const config = srsConfig(dir, `[srs.store]\nurl = "sqlite:${dir.path}/none/db"`);
    const { status, stderr } = postvouch(["srs", "forward", "--config", config, "a@b.example"]);
    expect(status).toBe(69);
    expect(stderr).toContain("srs.store.url: ");
    expect(stderr).not.toMatch(NO_STACK);
  });

  test("makes a secret, another one each time", () => {
    const [first, second] = [postvouch(["srs", "secret"]).stdout, postvouch(["srs", "secret"]).stdout];
    expect(first).toMatch(/^[A-Za-z0-9_-]{32}\n$/);
    expect(second).not.toBe(first);
  });

  test.each(["forward", "reverse"])(
    "srs %s without a secret ends with 78, names LoadCredential, makes none",
    (verb) => {
      using dir = scratch();
      const config = dir.write("p.toml", `state_dir = "${dir.path}/state"\n[srs]\ndomain = "x.example"`);
      const { status, stdout, stderr } = postvouch([
        "srs",
        verb,
        "--config",
        config,
        "SRS0=AAAA=2W=b.example=a@x.example",
      ]);
      expect({ status, stdout }).toEqual({ status: 78, stdout: "" });
      expect(stderr).toContain(`srs.secrets_file: "${dir.path}/state/srs.secrets" does not exist`);
      expect(stderr).toContain("LoadCredential=srs.secrets:FILE");
      expect(existsSync(`${dir.path}/state`)).toBe(false);
    },
  );

  test.skipIf(process.getuid?.() !== 0)("as another user says that the service's secrets may not be read", () => {
    using dir = scratch();
    chmodSync(dir.path, 0o755);
    mkdirSync(`${dir.path}/state`, { mode: 0o700 });
    dir.write("state/srs.secrets", "tops3cr3t\n");
    const config = dir.write("p.toml", `state_dir = "${dir.path}/state"\n[srs]\ndomain = "x.example"`, 0o644);
    for (const command of [["srs", "reverse", "SRS0=AAAA=2W=b.example=a@x.example"], ["check-config"]]) {
      const { status, stderr } = postvouch([...command, "--config", config], { uid: 65_534 });
      expect(status).toBe(78);
      expect(stderr).toContain(`srs.secrets_file: Cannot use "${dir.path}/state/srs.secrets": no permission`);
      expect(stderr).not.toMatch(NO_STACK);
    }
  });

  test("says which secrets did not verify an address", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const { status, stderr } = postvouch(
      ["srs", "reverse", "--config", config, "SRS0=AAAA=2W=b.example=a@example.com"],
      {
        env: NOW,
      },
    );
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining(`not rewritten: hash invalid, with the secrets of ${dir.path}/secrets\n`),
    });
  });

  test("takes former domains for own, and their addresses back", () => {
    using dir = scratch();
    const config = srsConfig(dir, 'former_domains = ["old.example"]\n');
    const forward = postvouch(["srs", "forward", "--config", config, "a@old.example"], { env: NOW });
    expect(forward).toMatchObject({ status: 1, stderr: expect.stringContaining("the domain is our own") });
    const reverse = ["srs", "reverse", "--config", config, "SRS0=-xpx=2W=example.org=alice@old.example"];
    expect(postvouch(reverse, { env: NOW }).stdout).toBe("alice@example.org\n");
  });

  test("takes the secrets from systemd's credentials", () => {
    using dir = scratch();
    dir.write("srs.secrets", "tops3cr3t\n");
    const config = dir.write("p.toml", 'hostname = "mx.example.com"\n[srs]\ndomain = "example.com"');
    const env = { ...NOW, CREDENTIALS_DIRECTORY: dir.path };
    const { stdout } = postvouch(["srs", "forward", "--config", config, "alice@example.org"], { env });
    expect(stdout).toBe("SRS0=-xpx=2W=example.org=alice@example.com\n");
  });
});

describe("postvouch spf", () => {
  const ZONE = {
    "mail.pass.example": [{ TXT: "v=spf1 a -all" }, { A: "192.0.2.1" }],
    "pass.example": [{ TXT: "v=spf1 ip4:192.0.2.1 -all" }],
  };

  async function check(...args: string[]) {
    using dir = scratch();
    await using dns = await startDnsServer(zoneAuthority(ZONE));
    const config = srsConfig(dir, `[dns]\nservers = ["${dns.address}"]`);
    return await postvouchAsync([
      "spf",
      "--config",
      config,
      "--helo",
      "mail.pass.example",
      "--sender",
      "joe@pass.example",
      ...args,
    ]);
  }

  test("prints the object that the contract names", async () => {
    const { status, stdout } = await check("--ip", "192.0.2.1", "--json");
    expect(status).toBe(0);
    const mailFrom = {
      result: "pass",
      identity: "mailfrom",
      domain: "pass.example",
      mechanism: "ip4:192.0.2.1",
      explanation: expect.any(String),
      problem: null,
      lookups: 0,
      voidLookups: 0,
      elapsedMs: expect.any(Number),
    };
    expect(JSON.parse(stdout)).toEqual({
      ...mailFrom,
      helo: { ...mailFrom, identity: "helo", domain: "mail.pass.example", mechanism: "a", lookups: 1 },
      mailFrom,
      receivedSpf: expect.stringMatching(/^Received-SPF: pass .*identity=mailfrom/),
      action: expect.stringMatching(/^PREPEND Received-SPF: pass /),
    });
  });

  test("decides as the service: a HELO that fails is refused, and what MAIL FROM gives is told", async () => {
    const { stdout } = await check("--ip", "192.0.2.99", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      result: "fail",
      identity: "helo",
      mailFrom: { result: "fail", mechanism: "-all" },
      action: expect.stringMatching(/^550 5\.7\.23 /),
    });
  });

  test("explains itself within 80 columns, and gives the tree as JSON", async () => {
    const { status, stdout } = await check("--ip", "192.0.2.99", "--explain");
    expect(status).toBe(0);
    expect(stdout).toContain("v=spf1 ip4:192.0.2.1 -all");
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    const { stdout: json } = await check("--ip", "192.0.2.99", "--explain", "--json");
    expect(JSON.parse(json)).toHaveProperty("mailFrom.trace");
  });

  test("explains each identity once, also where an allow list asks the same of SPF", async () => {
    using dir = scratch();
    await using dns = await startDnsServer(zoneAuthority(ZONE));
    const config = srsConfig(
      dir,
      `[policy.allow]\nspf_domains = ["pass.example"]\n[dns]\nservers = ["${dns.address}"]`,
    );
    const args = ["--helo", "mail.pass.example", "--sender", "postmaster@pass.example"];
    const { stdout } = await postvouchAsync(["spf", "--config", config, "--ip", "192.0.2.99", "--explain", ...args]);
    const identities = stdout.match(/^(?:helo|mailfrom) \S+, client .*$/gm);
    expect(identities).toEqual([
      "helo mail.pass.example, client 192.0.2.99",
      "mailfrom pass.example, client 192.0.2.99",
    ]);
  });

  test("has every key of the contract when there is nothing to check, and for the null sender", async () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const { stdout } = postvouch(["spf", "--config", config, "--ip", "192.0.2.1", "--json"]);
    const keys = [
      "result",
      "identity",
      "domain",
      "mechanism",
      "explanation",
      "problem",
      "lookups",
      "voidLookups",
      "elapsedMs",
    ];
    const nothing = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
    expect(Object.keys(nothing)).toEqual(
      expect.arrayContaining([...keys, "helo", "mailFrom", "receivedSpf", "action"]),
    );
    const { stdout: json } = await check("--ip", "192.0.2.1", "--sender", "<>", "--json");
    const bounce = JSON.parse(json) as Record<string, Record<string, unknown>>;
    expect(bounce).toMatchObject({
      identity: "helo",
      helo: { result: "pass" },
      mailFrom: { result: "pass", identity: "mailfrom" },
    });
    expect(Object.keys(bounce.mailFrom ?? {}).sort()).toEqual([...keys].sort());
  });

  test("tries a record before it is published, for the name itself and for those that include it", async () => {
    const trial = ["--record", "v=spf1 ip4:192.0.2.99 -all", "--domain", "Pass.Example."];
    const { stdout } = await check("--ip", "192.0.2.99", "--json", ...trial);
    expect(JSON.parse(stdout)).toMatchObject({ mailFrom: { result: "pass", mechanism: "ip4:192.0.2.99" } });
    const { stdout: other } = await check("--ip", "192.0.2.1", "--helo", "", "--json", ...trial);
    expect(JSON.parse(other)).toMatchObject({
      result: "fail",
      domain: "pass.example",
      action: expect.stringMatching(/^550/),
    });
    const { stdout: text } = await check(
      "--ip",
      "192.0.2.99",
      "--explain",
      "--record",
      "v=spf1 ipv4:192.0.2.99 \u2013all",
      "--domain",
      "pass.example",
    );
    expect(text).toContain("U+2013 (en dash)");
  });

  test.each([
    [
      "that the TCP port of the server is dead",
      () => "truncate" as const,
      "reply over UDP truncated, and no answer over TCP",
      "connect ECONNREFUSED",
    ],
    [
      "what the server says of the failure",
      () => ({ extendedErrors: [{ code: 6, text: "no valid RRSIG" }] }),
      "DNSSEC Bogus",
      "DNSSEC Bogus: no valid RRSIG",
    ],
    [
      "that the server reaches no authority",
      () => ({ extendedErrors: [{ code: 22, text: "" }] }),
      "No Reachable Authority",
      "RCODE 2, No Reachable Authority",
    ],
  ])("tells %s, in the problem and in the tree", async (_name, quirk, cause, detail) => {
    using dir = scratch();
    await using dns = await startDnsServer(zoneAuthority(ZONE), { quirk });
    await dns.closeTcp();
    const config = srsConfig(dir, `[dns]\nservers = ["${dns.address}"]`);
    const args = ["spf", "--config", config, "--ip", "192.0.2.1", "--sender", "joe@pass.example", "--explain"];
    const { stdout: json } = await postvouchAsync([...args, "--json"]);
    expect(JSON.parse(json)).toMatchObject({
      result: "temperror",
      problem: expect.stringContaining(`(${cause})`),
      mailFrom: { trace: { record: { lookups: [{ answers: [expect.stringContaining(detail)] }] } } },
    });
    const { stdout } = await postvouchAsync(args);
    const words = stdout.replace(/\s+/g, " ");
    expect(words).toContain(`(${cause}), so nothing can be said about pass.example until that works again.`);
    expect(words).toContain(detail);
  });

  test("does what docs/spf.md shows", async () => {
    using dir = scratch();
    const zone = { ...ZONE, "pass.example": [{ TXT: "v=spf1 include:_spf.pass.example -all" }] };
    await using dns = await startDnsServer(zoneAuthority(zone));
    const config = srsConfig(dir, `[dns]\nservers = ["${dns.address}"]`);
    const page = readFileSync(join(import.meta.dirname, "../../docs/spf.md"), "utf8");
    const results: string[] = [];
    for (const [line] of page.matchAll(/^postvouch spf .*$/gm)) {
      // As a shell splits it.
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((word) => word[1] ?? word[2] ?? "");
      const { status, stdout } = await postvouchAsync([...words.slice(1), "--config", config]);
      expect(status).toBe(0);
      results.push(/^MAIL FROM: .*$/m.exec(stdout)?.[0].slice(0, 60) ?? stdout);
    }
    expect(results).toEqual([
      expect.stringContaining("MAIL FROM: permerror (pass.example)"),
      expect.stringContaining("MAIL FROM: pass by ip4:192.0.2.0/24 (pass.example)"),
      expect.stringContaining("MAIL FROM: pass by include:_spf.pass.example (pass.exam"),
    ]);
  });

  test("takes postmaster of the domain for the sender of a record that is tried", () => {
    using dir = scratch();
    const config = srsConfig(dir);
    const args = [
      "--ip",
      "2001:db8::1",
      "--record",
      "v=spf1 ip6:2001:db8::/32 -all",
      "--domain",
      "new.example",
      "--json",
    ];
    const { stdout } = postvouch(["spf", "--config", config, ...args]);
    expect(JSON.parse(stdout)).toMatchObject({ result: "pass", identity: "mailfrom", domain: "new.example" });
  });

  test.each([
    [["--record", "v=spf1 -all"], "want --record and --domain together"],
    [["--domain", "pass.example"], "want --record and --domain together"],
    [["--record", "v=spf1 -all", "--domain", "localhost"], 'Cannot try a record for "localhost"'],
  ])("refuses %j with 64", (args, says) => {
    using dir = scratch();
    const { status, stderr } = postvouch(["spf", "--config", srsConfig(dir), "--ip", "192.0.2.1", ...args]);
    expect({ status, stderr }).toEqual({ status: 64, stderr: expect.stringContaining(says) });
  });

  test("says with an explanation that the daemon may know older answers, and nowhere else", async () => {
    const remark = /A\s+running\s+daemon\s+may\s+still\s+use\s+older\s+ones\s+until\s+their\s+TTL\s+ends\./;
    expect((await check("--ip", "192.0.2.1", "--explain")).stdout).toMatch(remark);
    expect((await check("--ip", "192.0.2.1")).stdout).not.toMatch(remark);
  });

  test("names an address that is none with 65", async () => {
    const { status, stderr } = await check("--ip", "mail.example");
    expect({ status, stderr }).toEqual({
      status: 65,
      stderr: expect.stringContaining('Cannot check client address "mail.example"'),
    });
  });
});

describe("an old Node.js", () => {
  const old = ["/usr/local/bin/node", "/usr/bin/node"].find((path) => {
    const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
    return /^v(?:18|20|22)\./.test(stdout ?? "");
  });
  const main = join(import.meta.dirname, "../../dist/main.js");
  const isBuilt = existsSync(join(import.meta.dirname, "../../dist/cli.js"));
  const reason = old === undefined ? "no Node.js before 24 here" : isBuilt ? undefined : "dist/ is not built";

  test.skipIf(reason !== undefined)(
    `goes on under the runtime that npm brought along${reason === undefined ? "" : ` (${reason})`}`,
    () => {
      using dir = scratch();
      const args = [main, "srs", "forward", "--config", srsConfig(dir), "alice@example.org", "a@example.com"];
      const { status, stdout, stderr } = spawnSync(old ?? "", args, {
        encoding: "utf8",
        env: { ...process.env, ...NOW },
      });
      expect({ status, stdout, stderr }).toEqual({
        status: 1,
        stdout: "SRS0=-xpx=2W=example.org=alice@example.com\n",
        stderr: "postvouch: a@example.com: not rewritten: the domain is our own\n",
      });
    },
  );
});
