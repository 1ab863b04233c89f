/** Tests the milter behind real Postfix servers: one that signs, and one that checks. */
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag, type StoredMessage } from "./lab/mail.ts";
import { blocks, commandsOf } from "./lab/pages.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { PACKAGE } from "./lab/runtime.ts";
import { setup } from "./lab/setup.ts";

const missing = requireLab();

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PUBLIC = publicKey.export({ type: "spki", format: "der" }).toString("base64");
const KEY_RECORD = `s1._domainkey.origin.test. TXT "v=DKIM1; k=rsa; p=${PUBLIC.slice(0, 200)}" "${PUBLIC.slice(200)}"`;

/** origin rejects what fails; nospf has no SPF record. */
const RECORDS = [
  KEY_RECORD,
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject"',
  '_dmarc.nospf.test. TXT "v=DMARC1; p=none"',
  "nospf.test. A 10.77.0.99",
];

const MILTER_PAGE = readFileSync(join(PACKAGE, "docs/milter.md"), "utf8");

/** What docs/milter.md tells to write. */
const [TOML = ""] = blocks("milter.md", "## Ten lines", "toml", {});
const [MAIN_CF = "", SUBMISSION = ""] = blocks("milter.md", "## Ten lines", "", {});
const SETUP = commandsOf(blocks("milter.md", "## Ten lines", "sh")[1] ?? "");
const [MILTER = "", SIGN = ""] = TOML.split(/\n(?=\[dkim\.sign\])/);

/** The port of a service for submission. */
const SUBMISSION_PORT = 2587;

const DEST_ADDRESS = "10.77.0.30";

describe.skipIf(missing !== undefined)(`mail authentication behind a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let checking: Postvouch;
  const toml = (more = ""): string => `hostname = "mail.dest.test"\n${MILTER}\n${more}`;

  beforeAll(async () => {
    lab = await Lab.start([origin(), fwd(), dest()], RECORDS);
    const keys = join(lab.directory, "keys");
    mkdirSync(join(keys, "origin.test"), { recursive: true });
    const file = join(keys, "origin.test", "s1.key");
    writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
    chmodSync(file, 0o600);
    const sign = SIGN.replace("/var/lib/postvouch/dkim", keys);
    const signing = await lab.startPostvouch("origin", `hostname = "mail.origin.test"\n${MILTER}\n${sign}`);
    await signing.logged(/dkim_key domain=origin\.test selector=s1 state="published, may sign"/);
    for (const line of [...SETUP, "postvouch setup milter --apply"]) {
      await setup(lab.host("origin"), signing.configFile, ...line.split(" ").slice(2));
    }
    checking = await lab.startPostvouch("dest", toml());
    const masterCf = `${SUBMISSION_PORT} inet n - n - - smtpd\n${SUBMISSION}`;
    await lab.host("dest").configure({ mainCf: MAIN_CF, masterCf });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** The one field that the receiver has added, its lines joined. */
  function resultsOf(message: StoredMessage): string {
    const fields = message.headers("Authentication-Results");
    expect(fields).toHaveLength(1);
    return fields[0] ?? "";
  }

  /** Sends a message to alice by SMTP from a host, as it stands. @returns its tag, and the reply to its end */
  async function deliver(
    host: string,
    from: string,
    header: readonly string[],
    port = 25,
  ): Promise<[tag: string, reply: string]> {
    const tag = newTag();
    const text = [...header, `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = [`EHLO mail.${host}.test`, `MAIL FROM:<${from}>`, "RCPT TO:<alice@dest.test>", "DATA"];
    const replies = await lab.host(host).smtp(DEST_ADDRESS, port, ...envelope, text, "QUIT");
    return [tag, replies.at(-2) ?? ""];
  }

  test("the page shows setup, its change, and the way back", () => {
    expect(SETUP.map((line) => line.split(" ").slice(2))).toEqual([
      ["milter"],
      ["milter", "--apply"],
      ["milter", "--undo"],
    ]);
  });

  test("mail of sendmail(1) is signed, and passes SPF, DKIM and DMARC", async () => {
    const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "alice@dest.test" });
    const message = await lab.host("dest").arrived("alice", tag);
    expect(message.headers("DKIM-Signature")).toEqual([expect.stringContaining("d=origin.test; s=s1;")]);
    const results = resultsOf(message);
    expect(results).toMatch(/^mail\.dest\.test; spf=pass .*smtp\.mailfrom=origin\.test; /);
    expect(results).toContain("smtp.helo=mail.origin.test");
    expect(results).toMatch(/; dkim=pass \(2048-bit key\) header\.d=origin\.test .*header\.s=s1 header\.a=rsa-sha256/);
    expect(results).toMatch(/; dmarc=pass \(p=reject dis=none\) header\.from=origin\.test; /);
    expect(results).toMatch(/; iprev=\w+ .*policy\.iprev=10\.77\.0\.10$/);
  });

  test("forged results are removed up to 500, and a message with more of them is refused, in the words of the page", async () => {
    const [reply = ""] = /`(550 5\.7\.1 Too many [^`]*)`/.exec(MILTER_PAGE)?.slice(1) ?? [];
    const forged = "Authentication-Results: mail.dest.test; dmarc=pass header.from=nospf.test";
    const header = (count: number): string[] => [
      ...Array.from({ length: count }, () => forged),
      "From: bob@nospf.test",
    ];
    const [tag] = await deliver("origin", "bob@nospf.test", header(500));
    expect(resultsOf(await lab.host("dest").arrived("alice", tag))).not.toContain("dmarc=pass");
    const [, refused] = await deliver("origin", "bob@nospf.test", header(501));
    expect(refused).toBe(reply);
  });

  test.each([
    { what: "our results", planted: ["Authentication-Results: mail.dest.test; spf=pass smtp.mailfrom=nospf.test"] },
    {
      what: "a broken signature and our results",
      planted: [
        "DKIM-Signature: v=1; garbage",
        "Authentication-Results: mail.dest.test; dkim=pass header.d=nospf.test; dmarc=pass header.from=nospf.test",
      ],
    },
    {
      what: "a Received-SPF",
      planted: ["Received-SPF: Pass (mail.dest.test) identity=mailfrom; envelope-from=eve@nospf.test"],
    },
    {
      what: "our results in odd spellings",
      planted: [
        'Authentication-results: (a (b)) "MAIL.dest.test" 1; spf=pass smtp.mailfrom=nospf.test',
        "AUTHENTICATION-RESULTS:\tmail.dest.test; ==; dkim=pass header.d=nospf.test",
        "Authentication-Results:\r\n mail.DEST.test.; none",
      ],
    },
  ])("$what of a sender are not believed, and removed", async ({ planted }) => {
    const [tag, reply] = await deliver("origin", "eve@nospf.test", [...planted, "From: <eve@nospf.test>"]);
    expect(reply).toMatch(/^250 /);
    const results = resultsOf(await lab.host("dest").arrived("alice", tag));
    expect(results).toMatch(/; spf=none .*; dmarc=fail \(p=none dis=none\) header\.from=nospf\.test/);
  });

  test("mail of a service for submission is not judged, and loses forged results all the same", async () => {
    const header = ["Authentication-Results: mail.dest.test; dmarc=pass", "From: <bob@origin.test>"];
    const [tag, reply] = await deliver("fwd", "eve@fwd.test", header, SUBMISSION_PORT);
    expect(reply).toMatch(/^250 /);
    const [results, ...more] = (await lab.host("dest").arrived("alice", tag)).headers("Authentication-Results");
    expect([results, more]).toEqual([expect.stringMatching(/^mail\.dest\.test; dkim=none/), []]);
  });

  test("results of others stay", async () => {
    const others = ["Authentication-Results: mail.dest.test.example; dkim=pass", "Authentication-Results: x; none"];
    const [tag] = await deliver("origin", "bob@origin.test", [...others, "From: <bob@origin.test>"]);
    const fields = (await lab.host("dest").arrived("alice", tag)).headers("Authentication-Results");
    expect(fields).toHaveLength(3);
  });

  test.each([
    { what: "two From fields", from: ["From: <eve@nospf.test>", "From: <bob@origin.test>"] },
    { what: "a group", from: ["From: friends: <bob@origin.test>, <eve@nospf.test>;"] },
    { what: "a comment in the domain", from: ["From: <bob@origin.test(x)@nospf.test>"] },
    { what: "no From", from: [] },
  ])("$what: dmarc=permerror is said, and nothing refused", async ({ from }) => {
    const [tag, reply] = await deliver("origin", "eve@nospf.test", [...from, "To: alice"]);
    expect(reply).toMatch(/^250 /);
    expect(resultsOf(await lab.host("dest").arrived("alice", tag))).toMatch(/; dmarc=permerror/);
  });

  describe("with dmarc.reject", () => {
    beforeAll(() => checking.reload(toml("[dmarc]\nreject = true\n")));

    test("a forged author is refused by his domain's policy", async () => {
      const [, reply] = await deliver("fwd", "eve@fwd.test", ["From: <bob@origin.test>"]);
      expect(reply).toBe("550 5.7.1 Message rejected due to the DMARC policy of origin.test");
    });

    test("a comment in the author's domain is no way round", async () => {
      const [, reply] = await deliver("fwd", "eve@fwd.test", ["From: <bob@origin.test(x)>"]);
      expect(reply).toMatch(/^550 5\.7\.1 /);
    });

    test("in report mode it is let through, and told", async () => {
      await checking.reload(toml('mode = "report"\n[dmarc]\nreject = true\n'));
      const [tag, reply] = await deliver("fwd", "eve@fwd.test", ["From: <bob@origin.test>"]);
      expect(reply).toMatch(/^250 /);
      expect(resultsOf(await lab.host("dest").arrived("alice", tag))).toMatch(/dmarc=fail/);
      await checking.logged(/^info milter .*from=origin\.test .*action=accept would=reject/m);
    });
  });
});
