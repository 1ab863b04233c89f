/** Tests that changes of a running daemon do not lose, delay or duplicate a message. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./lab/eventually.ts";
import { forwarder, forwardOnly, startForwarderDaemon } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("smtp-source");

/** Messages that are sent in one go, and how many of them have to have arrived before a signal is sent. */
const BATCH = 10;
const UNDER_WAY = 5;

describe.skipIf(missing !== undefined)(`a running daemon behind a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Readonly<Record<"origin" | "fwd" | "dest", Postfix>>;
  let postvouch: Postvouch;
  let ownDomains: string;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()]);
    host = { origin: lab.host("origin"), fwd: lab.host("fwd"), dest: lab.host("dest") };
    // The judge would be most of the work.
    await host.dest.set("smtpd_recipient_restrictions =");
    ownDomains = join(lab.directory, "own-domains");
    writeFileSync(ownDomains, "fwd.test\n");
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /**
   * Has bob send to alice by way of fwd for as long as something is done. Messages wait at the origin when fwd says 451.
   *
   * @returns how many there were
   */
  async function sendDuring(action: () => Promise<void>): Promise<number> {
    const argv = ["smtp-source", "-m", String(BATCH), "-s", "2", "-f", "bob@origin.test", "-t", "alice@fwd.test"];
    let sent = 0;
    let isDone = false;
    const sending = (async () => {
      for (; !isDone; sent += BATCH) {
        await host.origin.run([...argv, "127.0.0.1:25"]);
        await sleep(50);
      }
    })();
    try {
      await action();
    } finally {
      isDone = true;
      await sending;
    }
    return sent;
  }

  const arrived = (): number => host.dest.mailbox("alice").length;

  const arrivedAtLeast = (count: number): Promise<true> =>
    eventually(
      `${count} messages`,
      () => (arrived() >= count ? true : undefined),
      () => `there are ${arrived()}`,
    );

  /** Waits until no host has anything to send any more. */
  const allQuiet = (): Promise<true> =>
    eventually("empty queues", async () => {
      const queues = await Promise.all([host.origin.queue(), host.fwd.queue(), host.dest.queue()]);
      return queues.flat().length === 0 ? true : undefined;
    });

  describe("with own domains in a file", () => {
    beforeAll(async () => {
      await host.fwd.configure(forwardOnly(lab, "fwd.test"));
      const files = `\n[srs.own_domains]\nfiles = ["${ownDomains}"]\n`;
      postvouch = await lab.startPostvouch("fwd", `hostname = "mail.fwd.test"\n[srs]\ndomain = "fwd.test"${files}`);
      return async () => {
        await postvouch.stop();
      };
    });

    // To another user each time: qmgr remembers where it last sent what for 30 s.
    test.each([
      { what: "is rewritten while its domain is not in it", text: "fwd.test\n", user: "alice", sender: /^SRS0=/ },
      {
        what: "is left alone a second after it came in",
        text: "fwd.test origin.test\n",
        user: "carol",
        sender: /^bob@/,
      },
      { what: "is rewritten a second after it went", text: "fwd.test\n", user: "alice", sender: /^SRS0=/ },
    ])("a sender $what", async ({ text, user, sender }) => {
      writeFileSync(ownDomains, text);
      await sleep(1000);
      const tag = await host.fwd.send({ from: "bob@origin.test", to: `${user}@dest.test` });
      expect((await host.dest.arrived(user, tag)).returnPath).toMatch(sender);
    });
  });

  describe.each([
    { what: "forward-only", files: () => forwardOnly(lab, "fwd.test") },
    { what: "canonical maps over socketmap", files: () => ({ mainCf: snippet("canonical-socketmap.main.cf") }) },
    { what: "canonical maps over tcp_table", files: () => ({ mainCf: snippet("canonical-tcp.main.cf") }) },
  ])("under load, with $what", ({ files }) => {
    beforeAll(async () => {
      await host.fwd.configure(files());
      postvouch = await startForwarderDaemon(lab, "fwd.test");
      return async () => {
        await postvouch.stop();
      };
    });

    test("a reload is not noticed by any message", async () => {
      const before = arrived();
      const warnings = host.fwd.logLines(TROUBLE).length;
      const sent = await sendDuring(async () => {
        await arrivedAtLeast(before + UNDER_WAY);
        for (let reload = 1; reload <= 3; reload++) {
          postvouch.signal("SIGHUP");
          await eventually("a reload", () => postvouch.logLines(/ reload result=ok /)[reload - 1]);
        }
      });
      await arrivedAtLeast(before + sent);
      expect(host.fwd.logLines(TROUBLE).slice(warnings)).toEqual([]);
    });

    test("a stop and a new start lose no message and double none", async () => {
      const before = arrived();
      const sent = await sendDuring(async () => {
        await arrivedAtLeast(before + UNDER_WAY);
        expect(await postvouch.stop()).toBe(0);
        postvouch = await startForwarderDaemon(lab, "fwd.test");
      });
      await forgetLastAddress(host);
      await arrivedAtLeast(before + sent);
      await allQuiet();
      expect(arrived()).toBe(before + sent);
      const unrewritten = host.dest.mailbox("alice").filter(({ returnPath }) => returnPath === "bob@origin.test");
      expect(unrewritten).toEqual([]);
    });
  });
});

/** Warnings and deferrals, without those of cleanup(8) about the clock of a virtual machine. */
const TROUBLE = /warning: (?!file system clock|resetting file time stamps)|status=deferred/;

/**
 * qmgr remembers what it last asked about, and that there was no answer, for 30 s. All messages here are alike, so it
 * would ask no more in that time; mail to somebody else makes it forget.
 */
async function forgetLastAddress({ fwd }: { readonly fwd: Postfix }): Promise<void> {
  await fwd.arrived("dave", await fwd.send({ from: "dave@fwd.test", to: "dave@fwd.test" }));
  await fwd.flush();
}
