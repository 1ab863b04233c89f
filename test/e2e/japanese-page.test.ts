/** Follows docs/ja-gmail-forwarding.md on a real Postfix: its configuration, and its commands one after the other. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder, srsDomainRecords } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { blocks, commandsOf } from "./lab/pages.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { NODE, PACKAGE } from "./lab/runtime.ts";
import { setup } from "./lab/setup.ts";

const missing = requireLab();

const PAGE = "ja-gmail-forwarding.md";
const [TOML = ""] = blocks(PAGE, "# Gmail への転送で SPF を失敗させない", "toml", {
  "srs.example.org": "srs.fwd.test",
});
const [SHOW = "", APPLY = "", UNDO = ""] = blocks(PAGE, "## Postfix につなぐ", "sh");
const [DOCTOR = "", EXPLAIN = ""] = blocks(PAGE, "## 確かめる", "sh");

describe.skipIf(missing !== undefined)(`the page in Japanese ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Postfix;
  let daemon: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], srsDomainRecords());
    host = lab.host("fwd");
    daemon = await lab.startPostvouch("fwd", TOML, { MAIL_CONFIG: host.configDir });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Runs the commands of a block. @returns what `postvouch setup` says */
  async function follow(block: string): Promise<string> {
    let said = "";
    for (const command of commandsOf(block)) {
      if (command === "postfix reload") await host.reload();
      else said += await setup(host, daemon.configFile, ...command.replace(/^postvouch setup /, "").split(" "));
    }
    return said;
  }
  const returnPath = async (): Promise<string> => {
    const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "alice@fwd.test" });
    return (await lab.host("dest").arrived("alice", tag)).returnPath;
  };
  /** Runs another command of the page as a shell does. */
  const shell = (command: string): Promise<string> => {
    const program = `${NODE} ${join(PACKAGE, "src/main.js")}`;
    return host.run(["sh", "-c", `${command.replace(/^postvouch/, program)} 2>&1; echo "exit $?"`], {
      env: { MAIL_CONFIG: host.configDir },
    });
  };

  test("shows a change, makes it, and forwards with an SRS sender", async () => {
    expect(await follow(SHOW)).toContain("--apply would put in place: forward-only, policy");
    expect(await follow(APPLY)).toContain("done: forward-only, policy is in place");
    expect(await returnPath()).toMatch(/^SRS0=.*=origin\.test=bob@srs\.fwd\.test$/);
  });

  test("has a doctor that judges it", async () => {
    for (const command of commandsOf(DOCTOR)) {
      expect(await shell(`${command} --config ${daemon.configFile}`)).toMatch(
        /^(?:ok|warning|error) [\s\S]*\nexit [01]\n$/m,
      );
    }
  });

  test("explains the bounce that it begins with", async () => {
    const [command = ""] = commandsOf(EXPLAIN);
    expect(await shell(command)).toMatch(/^[\s\S]*Gmail[\s\S]*\nexit 0\n$/);
  });

  test("leads back", async () => {
    expect(await follow(UNDO)).toContain("nothing of ours is in place");
  });
});
