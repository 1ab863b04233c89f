import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder, forwardOnly, type SrsDomain, srsDomainRecords, startForwarderDaemon } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { StoredMessage } from "./lab/mail.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { MailHost } from "./lab/postfix-files.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab();

const FWD = "10.77.0.20";

/** Senders, and the address that the forwarder gives them (RFC 5321 section 4.1.2: quoted where it must be). */
const SENDERS: readonly { what: string; sender: string; rewritten: RegExp }[] = [
  { what: "a quoted blank", sender: '"john doe"@origin.test', rewritten: /^"SRS0=.{4}=..=origin\.test=john doe"@/ },
  { what: "a quoted @", sender: '"a@b"@origin.test', rewritten: /^"SRS0=.{4}=..=origin\.test=a@b"@/ },
  {
    what: "a quoted quote and backslash",
    sender: '"a\\"b\\\\c"@origin.test',
    rewritten: /^"SRS0=.{4}=..=origin\.test=a\\"b\\\\c"@/,
  },
  { what: "no local part", sender: '""@origin.test', rewritten: /^SRS0=.{4}=..=origin\.test=@/ },
  { what: "a percent sign", sender: "a%b@origin.test", rewritten: /^SRS0=.{4}=..=origin\.test=a%b@/ },
  { what: "an exclamation mark", sender: "a!b@origin.test", rewritten: /^SRS0=.{4}=..=origin\.test=a!b@/ },
  { what: "an equals sign", sender: "a=b=c@origin.test", rewritten: /^SRS0=.{4}=..=origin\.test=a=b=c@/ },
  { what: "a UTF-8 local part", sender: "jörg@origin.test", rewritten: /^SRS0=.{4}=..=origin\.test=j\xc3\xb6rg@/ },
  {
    what: "another forwarder's address",
    sender: "SRS0=Abcd=EF=first.test=eve@origin.test",
    rewritten: /^SRS1=.{4}=origin\.test==Abcd=EF=first\.test=eve@/,
  },
];

/** bob, and a catch-all for the odd ones. */
const ORIGIN = `virtual_mailbox_maps = inline:{ {bob@origin.test = bob/} {@origin.test = odd/} }
allow_untrusted_routing = yes
`;

interface SetUp {
  readonly what: string;
  readonly srsDomain: SrsDomain;
  readonly files: (lab: Lab) => Pick<MailHost, "mainCf" | "masterCf">;
}

const SET_UPS: readonly SetUp[] = [
  { what: "forward-only", srsDomain: "srs.fwd.test", files: (lab) => forwardOnly(lab, "srs.fwd.test") },
  { what: "canonical maps over socketmap", srsDomain: "fwd.test", files: () => canonical("socketmap") },
  { what: "canonical maps over tcp_table", srsDomain: "fwd.test", files: () => canonical("tcp") },
];

function canonical(protocol: "socketmap" | "tcp"): Pick<MailHost, "mainCf"> {
  return { mainCf: snippet(`canonical-${protocol}.main.cf`) };
}

describe.skipIf(missing !== undefined)(`odd addresses through a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Readonly<Record<"origin" | "fwd" | "dest", Postfix>>;

  beforeAll(async () => {
    lab = await Lab.start([origin({ mainCf: ORIGIN }), forwarder(), dest()], srsDomainRecords());
    host = { origin: lab.host("origin"), fwd: lab.host("fwd"), dest: lab.host("dest") };
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  describe.each(SET_UPS)("$what", ({ srsDomain, files }) => {
    /** bob's address as it reaches the receiver. */
    let srsOfBob: string;

    beforeAll(async () => {
      const { mainCf = "", masterCf = "" } = files(lab);
      const routed = snippet("routed-senders.main.cf");
      await host.fwd.configure({ mainCf: mainCf + routed, masterCf });
      const postvouch = await startForwarderDaemon(lab, srsDomain);
      const tag = await host.origin.send({ from: "bob@origin.test", to: "alice@fwd.test" });
      srsOfBob = (await host.dest.arrived("alice", tag)).returnPath;
      return async () => {
        await postvouch.stop();
      };
    });

    test.each(SENDERS)("$what goes there and comes back as it was", async ({ sender, rewritten }) => {
      const tag = await host.origin.send({
        from: sender,
        to: ["alice@fwd.test", "late@fwd.test"],
        headerFrom: "<bob@origin.test>",
      });
      const message = await host.dest.arrived("alice", tag);
      expect(message.returnPath).toMatch(rewritten);
      expect(message.returnPath.endsWith(`@${srsDomain}`)).toBe(true);
      const bounce = await host.origin.arrived("odd", tag, "bounce");
      expect(originalTo(bounce)).toBe(Buffer.from(sender).toString("latin1"));
    });

    test("a domain that cannot be carried leaves as it came, and is not deferred", async () => {
      await host.fwd.send({ from: "bob@a=b.test", to: "carol@dest.test" });
      const line = await host.fwd.logged(/to=<carol@dest\.test>.* status=(?!sent)/);
      // Postfix itself takes no such sender from another host.
      expect(line).toMatch(/status=bounced .* 501 5\.1\.7 Bad sender address syntax/);
    });

    test.each([
      { what: "SRS address", local: "SRS0=AAAA=AA=origin.test=alice%dest.test" },
      { what: "address", local: "alice%dest.test" },
    ])("an unsigned $what with a source route in it is not relayed", async ({ local }) => {
      const session = ["EHLO mail.origin.test", "MAIL FROM:<>", `RCPT TO:<${local}@${srsDomain}>`, "QUIT"];
      expect((await host.origin.smtp(FWD, 25, ...session))[3]).toMatch(/^550 5\.1\.1 /);
    });

    test("an SRS1 address that leads nowhere leaves as it came, and is not deferred", async () => {
      const tag = await host.origin.submit(FWD, 25, { from: "SRS1=abcd@silent.test", to: "alice@fwd.test" });
      expect((await host.dest.arrived("alice", tag)).returnPath).toBe("SRS1=abcd@silent.test");
    });

    test("an address that we have signed is not wrapped again", async () => {
      const tag = await host.fwd.send({ from: srsOfBob, to: "alice@fwd.test" });
      expect((await host.dest.arrived("alice", tag)).returnPath).toBe(srsOfBob);
    });

    test("a bounce to our address in lower case finds the sender", async () => {
      const tag = await host.dest.send({ from: "", to: srsOfBob.toLowerCase() });
      expect(originalTo(await host.origin.arrived("bob", tag))).toBe("bob@origin.test");
    });

    test("a recipient with another host's SRS address is passed on untouched", async () => {
      await host.fwd.send({ from: "dave@fwd.test", to: "SRS0=Abcd=EF=first.test=eve@dest.test" });
      const line = await host.fwd.logged(/to=<SRS0=Abcd=EF=first\.test=eve@dest\.test>,.* status=/);
      expect(line).toMatch(/relay=mail\.dest\.test.* said: 550 5\.1\.1 /);
    });

    test("a To: of over 512 bytes does not hold mail up", async () => {
      const long = (domain: string): string => `<SRS0=AAAA=AA=origin.test=${"x".repeat(600)}@${domain}>`;
      const headerTo = `${long(srsDomain)},\n ${long("dest.test")}`;
      const tag = await host.fwd.send({ from: "bob@origin.test", to: "alice@dest.test", headerTo });
      expect((await host.dest.arrived("alice", tag)).headers("To")[0]).toContain("x".repeat(600));
    });

    test("a notice to the postmaster elsewhere keeps double-bounce as its sender", async () => {
      await host.fwd.set("notify_classes = bounce", "bounce_notice_recipient = carol@dest.test");
      const tag = await host.origin.send({ from: "bob@origin.test", to: "nobody@fwd.test" });
      const notice = await host.dest.arrived("carol", tag, "bounce");
      expect(notice.returnPath).toMatch(/^double-bounce@(?:mail\.)?fwd\.test$/);
    });
  });

  describe("with always_rewrite", () => {
    test("own senders are rewritten once, and what is signed is not wrapped again", async () => {
      await host.fwd.configure(canonical("socketmap"));
      await startForwarderDaemon(lab, "fwd.test", "always_rewrite = true\n");
      const first = await host.dest.arrived(
        "alice",
        await host.fwd.send({ from: "dave@fwd.test", to: "alice@fwd.test" }),
      );
      expect(first.returnPath).toMatch(/^SRS0=.{4}=..=fwd\.test=dave@fwd\.test$/);
      const again = await host.fwd.send({ from: first.returnPath, to: "alice@fwd.test" });
      expect((await host.dest.arrived("alice", again)).returnPath).toBe(first.returnPath);
    });
  });
});

function originalTo(message: StoredMessage): string | undefined {
  return message.headers("X-Original-To")[0];
}
