/** Tests mail that comes through another MX: a real Postfix with our milter in front of another one. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag } from "./lab/mail.ts";
import { blocks } from "./lab/pages.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";

const missing = requireLab();

const RELAY = "10.77.0.20";

/** origin and dest have SPF alone. That of dest names its MX hosts, as many do. */
const RECORDS = [
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject"',
  'mx.test. TXT "v=spf1 ip4:10.77.0.20 ip4:10.77.0.30 -all"',
  "mx.test. MX 10 mail.dest.test.",
  '_dmarc.mx.test. TXT "v=DMARC1; p=reject"',
];

const MILTER = '[milter]\nlisten = ["127.0.0.1:8891"]\n';
const MAIN_CF = "smtpd_milters = inet:127.0.0.1:8891\n";
/** What docs/milter.md tells to write into [milter]. */
const [TRUSTED = ""] = blocks("milter.md", "## Behind another MX of yours", "toml", {
  "[milter]\n": "",
  "192.0.2.20": RELAY,
  "mx2.example.org": "mail.fwd.test",
});

/** Accepts mail for dest.test and hands it on. */
const RELAYING = `relay_domains = dest.test
transport_maps = inline:{ {dest.test = relay:[10.77.0.30]} }
`;

describe.skipIf(missing !== undefined)(`Mail through another MX of ours ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let receiving: Postvouch;
  const toml = (trusted: string): string =>
    `hostname = "mail.dest.test"\n${MILTER}${trusted}[dmarc]\nreject = true\n[policy]\nlisten = []\n`;

  beforeAll(async () => {
    const strict = dest();
    const open = { ...strict, mainCf: `${strict.mainCf}smtpd_recipient_restrictions = reject_unauth_destination\n` };
    lab = await Lab.start([origin(), fwd(), open], RECORDS);
    await lab.startPostvouch("fwd", `hostname = "mail.fwd.test"\n${MILTER}`);
    await lab.host("fwd").configure({ mainCf: RELAYING + MAIN_CF });
    receiving = await lab.startPostvouch("dest", toml(TRUSTED));
    await lab.host("dest").set(MAIN_CF.trim());
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Hands a message to the relay from origin. @returns its tag */
  async function send(sender: string, header: readonly string[]): Promise<string> {
    const tag = newTag();
    const text = [...header, `Message-ID: <${tag}@lab.test>`, `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["EHLO mail.origin.test", `MAIL FROM:<${sender}>`, "RCPT TO:<alice@dest.test>", "DATA"];
    const replies = await lab.host("origin").smtp(RELAY, 25, ...envelope, text, "QUIT");
    expect(replies.at(-2)).toMatch(/^250 /);
    return tag;
  }

  /** What became of a message on its way from the relay. */
  async function statusOf(tag: string): Promise<string> {
    await lab.host("fwd").logged(new RegExp(`message-id=<${tag}@`));
    const [id = ""] = lab.host("fwd").queueIdsOf(tag);
    return lab.host("fwd").logged(new RegExp(`${id}: to=<alice@dest\\.test>.* status=(?:sent|bounced)`));
  }

  const PLANTED = "Authentication-Results: mail.fwd.test; spf=pass smtp.mailfrom=mx.test; dkim=pass header.d=mx.test";

  test("has the SPF result of the relay, and passes DMARC by it", async () => {
    const tag = await send("bob@origin.test", [PLANTED, "From: <bob@origin.test>"]);
    const message = await lab.host("dest").arrived("alice", tag);
    const [ours = "", theirs = "", ...more] = message.headers("Authentication-Results");
    expect(ours).toMatch(
      /^mail\.dest\.test; spf=pass \(as mail\.fwd\.test says\) smtp\.mailfrom=origin\.test; spf=pass \(as mail\.fwd\.test says\) smtp\.helo=mail\.origin\.test; dkim=none /,
    );
    expect(ours).toMatch(/; dmarc=pass \(p=reject dis=none\) header\.from=origin\.test; /);
    expect(ours).toMatch(/; iprev=\w+ \(as mail\.fwd\.test says\) policy\.iprev=10\.77\.0\.10$/);
    expect(theirs).toMatch(/^mail\.fwd\.test; spf=pass .*smtp\.mailfrom=origin\.test/);
    expect(more).toEqual([]);
  });

  test("is refused if its author is forged, whatever it says of itself, and whatever the relay's address may send", async () => {
    for (const sender of ["eve@origin.test", "boss@mx.test"]) {
      const tag = await send(sender, [PLANTED, "From: <boss@mx.test>"]);
      expect(await statusOf(tag)).toMatch(
        /status=bounced .*550 5\.7\.1 Message rejected due to the DMARC policy of mx\.test/,
      );
    }
  });

  test("is refused without results of the relay, and without trust in it", async () => {
    await lab.host("fwd").set("smtpd_milters =");
    const unchecked = await send("bob@origin.test", ["From: <bob@origin.test>"]);
    expect(await statusOf(unchecked)).toMatch(/status=bounced .*550 5\.7\.1 /);
    await lab.host("fwd").set(MAIN_CF.trim());
    await receiving.reload(toml(""));
    const untrusted = await send("bob@origin.test", ["From: <bob@origin.test>"]);
    expect(await statusOf(untrusted)).toMatch(/status=bounced .*550 5\.7\.1 /);
    // What that very address may send for its own domain, it can: this is what trust in it takes away.
    const spoofed = await send("boss@mx.test", ["From: <boss@mx.test>"]);
    expect(await statusOf(spoofed)).toMatch(/status=sent/);
  });
});
