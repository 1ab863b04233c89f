/** Tests forward-only with a content filter: the second pass knows the results of the first, which lie below the filter's fields. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder, forwardOnly, srsDomainRecords } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag } from "./lab/mail.ts";
import { blocks } from "./lab/pages.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab();

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PUBLIC = publicKey.export({ type: "spki", format: "der" }).toString("base64");

const RECORDS = [
  ...srsDomainRecords(),
  `a1._domainkey.srs.fwd.test. TXT "v=DKIM1; k=rsa; p=${PUBLIC.slice(0, 200)}" "${PUBLIC.slice(200)}"`,
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject"',
  '_dmarc.dest.test. TXT "v=DMARC1; p=reject"',
];

const FWD = "10.77.0.20";
const [FORWARD = ""] = blocks("milter.md", "## Sealing with ARC", "", {});
const MAIN_CF =
  "smtpd_milters = inet:127.0.0.1:8891\nnon_smtpd_milters = inet:127.0.0.1:8891\ncontent_filter = scan:[127.0.0.1]:10025\n";

/** Postfix's own transport stands for the filter. */
function filter(...settings: readonly string[]): string {
  return `scan unix - - n - - smtp -o smtp_bind_address=127.0.0.1
127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
${settings.map((setting) => `  -o ${setting}\n`).join("")}`;
}

const WAYS: readonly [what: string, masterCf: string][] = [
  ["as setup has it", filter("milter_macro_daemon_name=REINJECT")],
  ["as amavis has it", filter("receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters")],
];

describe.skipIf(missing !== undefined).each(WAYS)(`forward-only behind a filter, %s ${missing ?? ""}`, (_what, way) => {
  let lab: Lab;
  let postvouch: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], RECORDS);
    const keys = join(lab.directory, "keys");
    mkdirSync(join(keys, "srs.fwd.test"), { recursive: true });
    writeFileSync(join(keys, "srs.fwd.test", "a1.key"), privateKey.export({ type: "pkcs8", format: "pem" }), {
      mode: 0o600,
    });
    const { mainCf, masterCf } = forwardOnly(lab, "srs.fwd.test");
    const sealing = masterCf.replace(/^ {2}-o receive_override_options=.*,no_milters\n/m, FORWARD);
    if (sealing === masterCf) throw new Error("the second pass has milters already");
    await lab.host("fwd").configure({ mainCf: mainCf + MAIN_CF, masterCf: sealing + way });
    const toml = `${snippet("forward-only.toml", { "srs.example.org": "srs.fwd.test" })}
[milter]
listen = ["127.0.0.1:8891"]
[dmarc]
forward_failed = "hold"
[dkim.sign]
key_directory = "${keys}"
`;
    postvouch = await lab.startPostvouch("fwd", toml, { MAIL_CONFIG: lab.host("fwd").configDir });
    await postvouch.logged(/dkim_key domain=srs\.fwd\.test selector=a1 state="published, may sign"/);
  }, LAB_TEST.timeout);
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Sends a message with results of a stranger in it. */
  async function send(from: string, to: string): Promise<string> {
    const tag = newTag();
    const planted = "Authentication-Results: mail.fwd.test; dmarc=pass header.from=bank.example";
    const text = [planted, `From: <${from}>`, `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["EHLO [127.0.0.1]", "MAIL FROM:<bob@origin.test>", `RCPT TO:<${to}>`, "DATA"];
    const replies = await lab.host("origin").smtp(FWD, 25, ...envelope, text, "QUIT");
    expect(replies.at(-2)).toMatch(/^250 /);
    return tag;
  }

  test.each([
    ["an alias of virtual(5)", "alice@fwd.test"],
    ["an alias of local(8)", "outside@local.fwd.test"],
  ])("what leaves by %s is sealed with the results of the first pass", LAB_TEST, async (_way, to) => {
    const tag = await send("bob@origin.test", to);
    const outside = await lab.host("dest").arrived("alice", tag);
    expect(outside.headers("ARC-Authentication-Results")).toEqual([
      expect.stringMatching(/^i=1; mail\.fwd\.test; spf=pass .*; dmarc=pass .*header\.from=origin\.test/),
    ]);
    expect(outside.headers("Authentication-Results")).toEqual([
      expect.stringMatching(/^mail\.fwd\.test; spf=pass .*; dmarc=pass .*header\.from=origin\.test/),
    ]);
  });

  test("what failed DMARC is held", LAB_TEST, async () => {
    await send("ceo@dest.test", "alice@fwd.test");
    await postvouch.logged(/^\w+ milter .*role=forward .*action=hold/m);
    await lab.host("fwd").logged(/milter-hold: END-OF-MESSAGE from localhost/);
  });
});
