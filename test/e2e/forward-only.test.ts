import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explainBounce } from "../../src/bounce/explain.ts";
import { forwarder, forwardOnly, type SrsDomain, srsDomainRecords, startForwarderDaemon } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";

const missing = requireLab();

const FWD = "10.77.0.20";

/** What postvouch explain-bounce makes of it. */
const explained = (text: string): string[] => explainBounce(text).explanations.map(({ id }) => id);

describe.skipIf(missing !== undefined)(`rewriting only what is forwarded ${missing ?? ""}`, LAB_TEST, () => {
  describe.each<{ what: string; srsDomain: SrsDomain }>([
    { what: "with a domain of its own for SRS", srsDomain: "srs.fwd.test" },
    { what: "with the domain that mail comes to", srsDomain: "fwd.test" },
  ])("$what", ({ srsDomain }) => {
    const srsOfBob = new RegExp(`^SRS0=[\\w-]{4}=[A-Z2-7]{2}=origin\\.test=bob@${srsDomain.replaceAll(".", "\\.")}$`);
    let lab: Lab;
    let postvouch: Postvouch;
    let host: Readonly<Record<"origin" | "fwd" | "dest", Postfix>>;

    beforeAll(async () => {
      lab = await Lab.start([origin(), forwarder(), dest()], srsDomainRecords());
      host = { origin: lab.host("origin"), fwd: lab.host("fwd"), dest: lab.host("dest") };
      await host.fwd.configure(forwardOnly(lab, srsDomain));
      postvouch = await startForwarderDaemon(lab, srsDomain);
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());

    test("an alias with a local and an outside target keeps the sender here and rewrites it there", async () => {
      const tag = await host.origin.send({ from: "bob@origin.test", to: "team@fwd.test" });
      const outside = await host.dest.arrived("alice", tag);
      const local = await host.fwd.arrived("dave", tag);
      expect([local.returnPath, outside.returnPath]).toEqual(["bob@origin.test", expect.stringMatching(srsOfBob)]);
      expect(outside.headers("Received-SPF")).toEqual([expect.stringMatching(/^Pass /)]);
      for (const message of [local, outside]) expect(message.headers("From")).toEqual(["<bob@origin.test>"]);
      expect(host.fwd.queueIdsOf(tag)).toHaveLength(2);
    });

    test("postmap -q shows what Postfix is told", async () => {
      const ask = (key: string, map: string): Promise<string> =>
        host.fwd.command("postmap", "-q", key, `socketmap:inet:127.0.0.1:10003:${map}`).then((answer) => answer.trim());
      expect(await ask("bob@origin.test", "forward-transport")).toBe("srs:[127.0.0.1]:12526");
      await expect(ask("dave@fwd.test", "forward-transport")).rejects.toThrow("exit code 1");
      const there = await ask("bob@origin.test", "forward");
      expect(there).toMatch(srsOfBob);
      expect(await ask(there, "reverse")).toBe("bob@origin.test");
    });

    test("a bounce that the receiver sends later finds the sender", async () => {
      const tag = await host.origin.send({ from: "bob@origin.test", to: "late@fwd.test" });
      const bounce = await host.origin.arrived("bob", tag, "bounce");
      expect(bounce.text).toContain("no such user any more");
      expect(bounce.headers("X-Original-To")).toEqual(["bob@origin.test"]);
    });

    test("a bounce of our own shows the sender's own address in To:", async () => {
      const tag = await host.origin.send({ from: "bob@origin.test", to: "nobody@fwd.test" });
      const bounce = await host.origin.arrived("bob", tag, "bounce");
      expect(bounce.headers("To")).toEqual(["bob@origin.test"]);
    });

    test("the null sender stays null on both ways", async () => {
      const tag = await host.origin.send({ from: "", to: "team@fwd.test" });
      expect((await host.dest.arrived("alice", tag)).returnPath).toBe("");
      expect((await host.fwd.arrived("dave", tag)).returnPath).toBe("");
      expect(host.fwd.queueIdsOf(tag)).toHaveLength(1);
    });

    test("a sender of an own domain goes out as it is, in one pass", async () => {
      const tag = await host.fwd.send({ from: "dave@fwd.test", to: "team@fwd.test" });
      expect((await host.dest.arrived("alice", tag)).returnPath).toBe("dave@fwd.test");
      expect(host.fwd.queueIdsOf(tag)).toHaveLength(1);
    });

    test("what a Sieve script sends on with the sender that it had goes out rewritten", async () => {
      const tag = await host.fwd.send({ from: "bob@origin.test", to: "carol@dest.test" });
      const message = await host.dest.arrived("carol", tag);
      expect(message.returnPath).toMatch(srsOfBob);
      expect(message.headers("From")).toEqual(["<bob@origin.test>"]);
    });

    test("an alias of local(8) goes out rewritten too", async () => {
      const tag = await host.fwd.send({ from: "bob@origin.test", to: "outside@local.fwd.test" });
      expect((await host.dest.arrived("alice", tag)).returnPath).toMatch(srsOfBob);
    });

    test("a forwarded message keeps its headers to the letter, for DKIM", async () => {
      const message = { from: "bob@origin.test", to: "alice@fwd.test", headerTo: "team" };
      const forwarded = await host.dest.arrived("alice", await host.origin.submit(FWD, 25, message));
      expect(forwarded.returnPath).toMatch(srsOfBob);
      expect([forwarded.headers("To"), forwarded.headers("Date")]).toEqual([["team"], []]);
    });

    test.each([
      { what: "a forged SRS address", local: "SRS0=AAAA=AA=origin.test=bob" },
      { what: "a bare tag", local: "SRS0=" },
      { what: "an address that nobody has", local: "no.such.user" },
    ])("$what is refused at RCPT with 550 5.1.1", async ({ local }) => {
      const session = ["EHLO mail.origin.test", "MAIL FROM:<>", `RCPT TO:<${local}@${srsDomain}>`, "QUIT"];
      const replies = await host.origin.smtp(FWD, 25, ...session);
      expect(replies[3]).toMatch(/^550 5\.1\.1 /);
      const line = await host.fwd.logged(new RegExp(`reject: RCPT .*to=<${local}@`));
      expect(explained(line)).toEqual([local.startsWith("SRS0=") ? "srs-user-unknown" : "no-user"]);
    });

    test("an outside domain in transport_maps goes past the second pass, as the manual warns", async () => {
      await host.fwd.set("transport_maps = inline:{ {dest.test = smtp:} }");
      const tag = await host.origin.send({ from: "bob@origin.test", to: "alice@fwd.test" });
      const { text } = await host.origin.arrived("bob", tag, "bounce");
      expect(text).toMatch(/said: 550\s+5\.7\.23 /);
      expect(explained(text)).toEqual(["policy-reject"]);
      await host.fwd.set("transport_maps =");
    });

    test("while the daemon is down local mail is delivered, and what is forwarded waits", async () => {
      expect(await postvouch.stop()).toBe(0);
      const tag = await host.origin.send({ from: "bob@origin.test", to: "team@fwd.test" });
      expect((await host.fwd.arrived("dave", tag)).returnPath).toBe("bob@origin.test");
      const deferred = /to=<alice@dest\.test>.* status=deferred \(address resolver failure\)/;
      expect(explained(await host.fwd.logged(deferred))).toEqual(["resolver-failure"]);
      expect(explained(await host.fwd.logged(/socketmap:\S+ lookup error/))).toEqual(["map-unreachable"]);

      const session = ["EHLO mail.origin.test", "MAIL FROM:<>", `RCPT TO:<SRS0=AAAA=AA=a.test=b@${srsDomain}>`, "QUIT"];
      expect((await host.origin.smtp(FWD, 25, ...session))[3]).toMatch(/^451 4\.3\.0 /);
      expect(explained(await host.fwd.logged(/reject: RCPT .* 451 4\.3\.0 /))).toEqual(["lookup-failure"]);

      postvouch = await startForwarderDaemon(lab, srsDomain);
      // qmgr remembers the last address that it asked about for 30 s: another one makes it forget.
      await host.fwd.arrived("dave", await host.origin.send({ from: "bob@origin.test", to: "dave@fwd.test" }));
      await host.fwd.flush();
      expect((await host.dest.arrived("alice", tag)).returnPath).toMatch(srsOfBob);
    });
  });
});
