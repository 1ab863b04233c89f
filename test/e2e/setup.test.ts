/** Tests setup on a main.cf with other settings, under mail: what it keeps, what it changes, and the way back. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { forwarder, srsDomainRecords, startForwarderDaemon } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { blocks, commandsOf } from "./lab/pages.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { setup } from "./lab/setup.ts";

const missing = requireLab();

const FWD = "10.77.0.20";

describe.skipIf(missing !== undefined)(`setup in a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Postfix;
  let daemon: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], srsDomainRecords());
    host = lab.host("fwd");
    daemon = await startForwarderDaemon(lab, "srs.fwd.test");
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** A Postfix that setup has not seen, with additions to its main.cf. */
  const fresh = async (mainCf: string): Promise<void> => {
    rmSync(join(host.configDir, "postvouch-setup.json"), { force: true });
    await host.configure({ mainCf });
  };
  const run = (...args: readonly string[]): Promise<string> => setup(host, daemon.configFile, ...args);
  const rcpt = async (recipient: string): Promise<string> => {
    const session = ["EHLO mail.origin.test", "MAIL FROM:<>", `RCPT TO:<${recipient}>`, "QUIT"];
    return (await lab.host("origin").smtp(FWD, 25, ...session))[3] ?? "";
  };
  const srsOfBob = async (): Promise<string> => {
    const map = "socketmap:inet:127.0.0.1:10003:forward";
    return (await host.command("postmap", "-q", "bob@origin.test", map)).trim();
  };
  const localCopy = async (): Promise<string> => {
    const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "team@fwd.test" });
    expect((await lab.host("dest").arrived("alice", tag)).returnPath).toMatch(/^SRS0=.*@srs\.fwd\.test$/);
    return (await host.arrived("dave", tag)).returnPath;
  };

  test("maps that are there go on", async () => {
    const maps = "recipient_canonical_maps = inline:{ {old@fwd.test = dave@fwd.test} }\n";
    const transports = "sender_dependent_default_transport_maps = inline:{ {eve@elsewhere.test = error:eve} }\n";
    await fresh(maps + transports);
    expect(await rcpt("old@fwd.test")).toMatch(/^250 /);
    await run("forward-only", "--apply");
    expect(await rcpt("old@fwd.test")).toMatch(/^250 /);
    expect(await rcpt(await srsOfBob())).toMatch(/^250 /);
    expect(await rcpt("SRS0=AAAA=AA=origin.test=bob@srs.fwd.test")).toMatch(/^550 5\.1\.1 /);
    expect(await localCopy()).toBe("bob@origin.test");
  });

  test("bounces to every domain that signed are taken, and no other recipient waits for the daemon", async () => {
    await fresh("virtual_mailbox_domains = fwd.test, former.fwd.test\n");
    const toml = readFileSync(daemon.configFile, "utf8");
    const former = 'former_domains = ["fwd.test", "former.fwd.test", "older.test"]';
    host.write("former.toml", toml.replace("[srs]\n", `[srs]\n${former}\n`));
    await setup(host, join(host.configDir, "former.toml"), "forward-only", "--apply");
    const address = await srsOfBob();
    for (const domain of ["fwd.test", "former.fwd.test", "older.test"]) {
      expect(await rcpt(address.replace("srs.fwd.test", domain))).toMatch(/^250 /);
    }
    expect(await rcpt(address.replace("srs.fwd.test", "srsxfwd.test"))).toMatch(/^454 /);
    expect(await localCopy()).toBe("bob@origin.test");
  });

  test("a classic set-up is taken out: local mail keeps its sender", async () => {
    const senders = "sender_canonical_maps = tcp:127.0.0.1:10001\nsender_canonical_classes = envelope_sender\n";
    const recipients = "recipient_canonical_maps = tcp:127.0.0.1:10002\n";
    await fresh(senders + recipients);
    expect(await run("forward-only", "--apply")).toContain("sender_canonical_maps: takes out tcp:127.0.0.1:10001");
    expect(await localCopy()).toBe("bob@origin.test");
    expect(await rcpt(await srsOfBob())).toMatch(/^250 /);
  });

  test("the commands of the page run, one after the other", async () => {
    await fresh("");
    const before = await host.command("postconf", "-n");
    const lines = commandsOf(blocks("postfix.md", "## postvouch setup", "sh").join(""));
    expect(lines.map((line) => line.split(" ").at(-1))).toEqual(["policy", "--apply", "--undo"]);
    for (const line of lines) await run(...line.split(" ").slice(2));
    expect(await host.command("postconf", "-n")).toBe(before);
  });

  describe("on the way back", () => {
    let before: string[];
    const files = (): string[] =>
      ["main.cf", "master.cf"].map((name) => readFileSync(join(host.configDir, name), "utf8"));

    beforeEach(async () => {
      await fresh("sender_canonical_maps = socketmap:inet:127.0.0.1:10003:forward\n");
      before = files();
      await run("forward-only", "--apply");
    });

    test("--undo gives the files back to the byte", async () => {
      await run("--undo");
      expect(files()).toEqual(before);
      expect(await rcpt("SRS0=AAAA=AA=origin.test=bob@srs.fwd.test")).toMatch(/^454 /);
    });

    test("bounces-only lets the bounces of mail that is under way come home", async () => {
      const address = await srsOfBob();
      await run("bounces-only", "--apply");
      expect(await rcpt(address)).toMatch(/^250 /);
      const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "dave@fwd.test" });
      expect((await host.arrived("dave", tag)).returnPath).toMatch(/^SRS0=/);
      await run("--undo");
      expect(files()).toEqual(before);
    });
  });
});
