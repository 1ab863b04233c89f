/** Tests the main.cf lines of README and `serve`: a real Postfix runs each block unchanged. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { freePorts, postvouch, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { missingRoot, startPostfix } from "../helpers/postfix-server.ts";
import { programPath, requirePrograms } from "../helpers/requires.ts";

const ROOT = join(import.meta.dirname, "../..");
const missing = requirePrograms("postfix", "script") ?? missingRoot();

/** The first block of README that sets main.cf parameters. */
function readmeBlock(): string {
  const blocks = readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```[a-z]*\n(.*?)^```$/gms);
  const block = [...blocks]
    .map(([, text = ""]) => text)
    .find((text) => text.includes("smtpd_recipient_restrictions ="));
  if (block === undefined) throw new Error("Cannot find the main.cf block of README.md");
  return block;
}

/** What `serve` prints on a terminal, until Ctrl-C ends it. */
async function printedBlock(config: string): Promise<string> {
  const command = [process.execPath, join(ROOT, "src/main.js"), "serve", "--config", config].join(" ");
  const script = spawn(String(programPath("script")), ["-qec", command, "/dev/null"]);
  const ended = once(script, "close");
  let output = "";
  for await (const chunk of script.stdout) {
    const hadAll = hasPolicyLine(output);
    output += String(chunk);
    if (!hadAll && hasPolicyLine(output)) script.stdin.write("\u0003");
  }
  await ended;
  const lines = output.replaceAll("\r", "").split("\n");
  const start = lines.findIndex((line) => line.startsWith("# main.cf"));
  return lines.slice(start, lines.findLastIndex((line) => line.includes("check_policy_service")) + 1).join("\n");
}

function hasPolicyLine(output: string): boolean {
  return /^#.*check_policy_service .*\r?\n/m.test(output);
}

/** The block with its commented policy line where its comment says that it belongs. */
function withPolicyLine(block: string): string {
  const line = /^# {3}(check_policy_service .*)$/m.exec(block)?.[1];
  return `${block}\nsmtpd_recipient_restrictions = reject_unauth_destination, ${line}\n`;
}

/** Time for up to three daemons and three Postfixes, one after the other, on a busy machine. */
const SLOW = { timeout: 90_000 };

describe.skipIf(missing !== undefined)(`main.cf lines that we show ${missing ?? ""}`, SLOW, () => {
  let toml = "";
  let ports: number[] = [];
  beforeAll(async () => {
    ports = await freePorts(4);
    const [forward, reverse, socketmap, policy] = ports;
    toml = `hostname = "mx.example.com"\n[srs]\ndomain = "example.com"\n[tcptable]\nforward = ["127.0.0.1:${forward}"]\nreverse = ["127.0.0.1:${reverse}"]\n[socketmap]\nlisten = ["127.0.0.1:${socketmap}"]\n[policy]\nlisten = ["127.0.0.1:${policy}"]\n[metrics]\nlisten = []\n`;
  });

  /** What a real Postfix with these lines says to a recipient at home, while the daemon runs. */
  async function replyWith(block: string, config: string): Promise<string | undefined> {
    await using daemon = new RunningDaemon(["--config", config]);
    await daemon.said("listener=policy.listen");
    await using postfix = await startPostfix(() => `mydestination = home.test\nlocal_transport = discard\n${block}\n`);
    const [reply] = await postfix.rcptReplies(["user@home.test"]);
    return reply;
  }

  /** What a real Postfix with these lines says to a bounce that comes back to an SRS domain of its own. */
  async function replyToBounce(block: string, srsDomain: string): Promise<string | undefined> {
    using directory = scratch();
    const text = toml.replace('"example.com"', `"${srsDomain}"`);
    const config = directory.write("c.toml", `state_dir = "${directory.path}"\n${text}`);
    await using daemon = new RunningDaemon(["--config", config]);
    await daemon.said("listener=policy.listen");
    const { stdout } = postvouch(["srs", "forward", "--config", config, "bob@elsewhere.test"]);
    const lines = block
      .replaceAll("127.0.0.1:10003", `127.0.0.1:${ports[2]}`)
      .replaceAll("127.0.0.1:10030", `127.0.0.1:${ports[3]}`);
    await using postfix = await startPostfix(() => `${lines}smtpd_reject_unlisted_recipient = yes\n`);
    const [reply] = await postfix.rcptReplies([stdout.trim()]);
    return reply;
  }

  test("those that serve prints on a terminal", async () => {
    using directory = scratch();
    const config = directory.write("c.toml", `state_dir = "${directory.path}"\n${toml}`);
    const block = await printedBlock(config);
    expect(block).toContain("sender_canonical_maps = ");
    expect(await replyWith(withPolicyLine(block), config)).toMatch(/^250 /);
  });

  test("those of README", async () => {
    using directory = scratch();
    const config = directory.write("c.toml", `state_dir = "${directory.path}"\n${toml}`);
    const block = readmeBlock()
      .replaceAll("127.0.0.1:10003", `127.0.0.1:${ports[2]}`)
      .replaceAll("127.0.0.1:10030", `127.0.0.1:${ports[3]}`);
    expect(await replyWith(block, config)).toMatch(/^250 /);
  });

  test("README's and docs/postfix.md's let a bounce come back to an SRS domain of its own", async () => {
    expect(await replyToBounce(readmeBlock(), "srs.example.net")).toMatch(/^250 /);
    const [maps, domain] = ["socketmap", "srs-domain"].map((name) =>
      readFileSync(join(ROOT, `deploy/postfix/canonical-${name}.main.cf`), "utf8"),
    );
    expect(await replyToBounce(`${maps}${domain}`, "srs.example.org")).toMatch(/^250 /);
    expect(await replyToBounce(String(maps), "srs.example.org")).toMatch(/Relay access denied/);
  });
});
