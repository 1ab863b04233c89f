/** Tests canonical maps with LMTP delivery: rewritten for everyone, restored for local recipients. */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./lab/eventually.ts";
import { forwarder, srsRecipients, startForwarderDaemon } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { StoredMessage } from "./lab/mail.ts";
import type { Postfix } from "./lab/postfix.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("smtp-sink");

describe.skipIf(missing !== undefined)(`one pass with LMTP in a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Readonly<Record<"origin" | "fwd" | "dest", Postfix>>;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()]);
    host = { origin: lab.host("origin"), fwd: lab.host("fwd"), dest: lab.host("dest") };
    startLmtpServer(lab);
    const lmtp = snippet("canonical-lmtp.main.cf", srsRecipients(lab, "fwd.test"));
    const mainCf = `${snippet("canonical-socketmap.main.cf")}${lmtp}virtual_transport = lmtp:inet:127.0.0.1:2424\n`;
    await host.fwd.configure({ mainCf });
    await startForwarderDaemon(lab, "fwd.test");
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  test("the local copy comes with the sender as it was, the outside copy rewritten, out of one queue file", async () => {
    const tag = await host.origin.send({ from: "bob@origin.test", to: "team@fwd.test" });
    expect((await host.dest.arrived("alice", tag)).returnPath).toMatch(/^SRS0=.{4}=..=origin\.test=bob@fwd\.test$/);
    const local = await deliveredByLmtp(lab, tag);
    expect(local.headers("X-Mail-Args")).toEqual(["<bob@origin.test>"]);
    expect(local.headers("From")).toEqual(["<bob@origin.test>"]);
    expect(host.fwd.queueIdsOf(tag)).toHaveLength(1);
  });

  test("a quoted local part is put back with its quotes", async () => {
    const tag = await host.origin.send({ from: '"john doe"@origin.test', to: "dave@fwd.test" });
    expect((await deliveredByLmtp(lab, tag)).headers("X-Mail-Args")).toEqual(['<"john doe"@origin.test>']);
  });
});

/** Postfix's own test server, which keeps what it is given, envelope included, in files. */
function startLmtpServer(lab: Lab): void {
  const directory = join(lab.directory, "lmtp");
  mkdirSync(directory);
  chmodSync(directory, 0o777);
  const sink = ["smtp-sink", "-u", "nobody", "-L", "-d", `${directory}/`, "127.0.0.1:2424", "10"];
  const [program = "", ...args] = lab.on("fwd", sink);
  const child = spawn(program, args, { stdio: "ignore" });
  lab.use({ [Symbol.dispose]: () => void child.kill() });
}

function deliveredByLmtp(lab: Lab, tag: string): Promise<StoredMessage> {
  const directory = join(lab.directory, "lmtp");
  return eventually(`${tag} delivered by LMTP`, () => {
    const texts = readdirSync(directory).map((name) => readFileSync(join(directory, name), "latin1"));
    const text = texts.find((each) => each.includes(`Subject: ${tag}`) && each.endsWith("hello\n\n"));
    return text === undefined ? undefined : new StoredMessage(text);
  });
}
