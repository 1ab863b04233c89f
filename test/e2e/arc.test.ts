/** Tests ARC behind real Postfix servers: mail that the second pass forwards and seals, and a receiver that believes it. */
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dkimpyChains, findDkimpy, mailauthChain } from "../dkim/peers.ts";
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
const KEY_NAME = "a1._domainkey.srs.fwd.test";

const RECORDS = [
  ...srsDomainRecords(),
  `${KEY_NAME}. TXT "v=DKIM1; k=rsa; p=${PUBLIC.slice(0, 200)}" "${PUBLIC.slice(200)}"`,
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject"',
];

const MILTER = '[milter]\nlisten = ["127.0.0.1:8891"]\n';
const MAIN_CF = "smtpd_milters = inet:127.0.0.1:8891\n";
/** What docs/milter.md makes of one line of the second pass. */
const [FORWARD = ""] = blocks("milter.md", "## Sealing with ARC", "", {});

const FWD = "10.77.0.20";
const SRS_DOMAIN = "srs.fwd.test";

/** Results that claim to be the forwarder's. */
const PLANTED = [
  "Authentication-Results: mail.fwd.test; dmarc=pass header.from=bank.example",
  "From: <bob@origin.test>",
];

describe.skipIf(missing !== undefined)(`ARC behind a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let forwarding: Postvouch;
  let receiving: Postvouch;
  const toml = (more: string): string => `hostname = "mail.dest.test"\n${MILTER}[dmarc]\nreject = true\n${more}`;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], RECORDS);
    const keys = join(lab.directory, "keys");
    mkdirSync(join(keys, SRS_DOMAIN), { recursive: true });
    const file = join(keys, SRS_DOMAIN, "a1.key");
    writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
    chmodSync(file, 0o600);
    const { mainCf, masterCf } = forwardOnly(lab, SRS_DOMAIN);
    const sealing = masterCf.replace(/^ {2}-o receive_override_options=.*,no_milters\n/m, FORWARD);
    if (sealing === masterCf) throw new Error("the second pass has milters already");
    await lab.host("fwd").configure({ mainCf: mainCf + MAIN_CF, masterCf: sealing });
    const settings = snippet("forward-only.toml", { "srs.example.org": SRS_DOMAIN });
    const sign = `${MILTER}[dkim.sign]\nkey_directory = "${keys}"\n`;
    forwarding = await lab.startPostvouch("fwd", settings + sign, { MAIL_CONFIG: lab.host("fwd").configDir });
    await forwarding.logged(/dkim_key domain=srs\.fwd\.test selector=a1 state="published, may sign"/);
    receiving = await lab.startPostvouch("dest", toml(`[arc]\ntrusted_sealers = ["${SRS_DOMAIN}"]\n`));
    await lab.host("dest").configure({ mainCf: MAIN_CF });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Sends a message of bob, whose domain has SPF alone, to an address of the forwarder. */
  async function send(to: string): Promise<string> {
    const tag = newTag();
    const text = [...PLANTED, `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["EHLO mail.origin.test", "MAIL FROM:<bob@origin.test>", `RCPT TO:<${to}>`, "DATA"];
    const replies = await lab.host("origin").smtp(FWD, 25, ...envelope, text, "QUIT");
    expect(replies.at(-2)).toMatch(/^250 /);
    return tag;
  }

  test("what leaves is sealed with the results of the first pass, and passes DMARC at who trusts the sealer", async () => {
    const tag = await send("team@fwd.test");
    const outside = await lab.host("dest").arrived("alice", tag);
    expect(outside.returnPath).toMatch(/@srs\.fwd\.test$/);
    expect(outside.headers("ARC-Seal")).toEqual([
      expect.stringMatching(/^i=1; a=rsa-sha256; cv=none; d=srs\.fwd\.test; s=a1;/),
    ]);
    const [results = "", ...more] = outside.headers("ARC-Authentication-Results");
    expect(more).toEqual([]);
    expect(results).toMatch(
      /^i=1; mail\.fwd\.test; spf=pass .*; dkim=none .*; arc=none .*; dmarc=pass .*header\.from=origin\.test/,
    );
    expect(results).not.toContain("bank.example");
    const [received = ""] = outside.headers("Authentication-Results");
    expect(received).toMatch(/^mail\.dest\.test; spf=pass .*smtp\.mailfrom=srs\.fwd\.test/);
    expect(received).toMatch(
      /; arc=pass \(i=1\) smtp\.remote-ip=10\.77\.0\.20; dmarc=fail \(p=reject dis=none\) header\.from=origin\.test/,
    );
    await forwarding.logged(/^info milter .*role=forward .*sealed=a1\._domainkey\.srs\.fwd\.test/m);

    const records = { [KEY_NAME]: [`v=DKIM1; k=rsa; p=${PUBLIC}`] };
    const message = outside.text.replace(/\r?\n/g, "\r\n");
    expect(await mailauthChain(message, records, Math.floor(Date.now() / 1000))).toBe("pass");
    const python = findDkimpy();
    if (python !== undefined) expect(dkimpyChains(python, [message], records)).toEqual(["pass"]);
  });

  test("what stays is not sealed", async () => {
    const tag = await send("team@fwd.test");
    const local = await lab.host("fwd").arrived("dave", tag);
    expect(local.headers("ARC-Seal")).toEqual([]);
    expect(local.headers("Authentication-Results")).toEqual([expect.stringMatching(/^mail\.fwd\.test; spf=pass /)]);
    await lab.host("dest").arrived("alice", tag);
  });

  test("a receiver that does not trust the sealer applies the policy of the author", async () => {
    await receiving.reload(toml(""));
    const tag = await send("alice@fwd.test");
    const bounce = await lab.host("origin").arrived("bob", tag, "bounce");
    expect(bounce.text).toMatch(/550 5\.7\.1 Message rejected due to the DMARC policy of\s+origin\.test/);
  });
});
