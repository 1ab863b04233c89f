/**
 * From OpenDKIM and OpenDMARC to the milter and back, by the very commands of docs/from-opendkim.md: a host that signs, and
 * checks what comes in, before, after, and after the way back.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { opendkimResults } from "../dkim/peers.ts";
import { startServer } from "../helpers/server-process.ts";
import { Admin } from "./lab/admin.ts";
import { run } from "./lab/command.ts";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag } from "./lab/mail.ts";
import { blocks } from "./lab/pages.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";

const missing = requireLab("opendkim", "opendmarc", "setpriv");

const PAGE = "from-opendkim.md";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
const KEY = String(privateKey.export({ type: "pkcs8", format: "pem" }));
const RECORD = `v=DKIM1; k=rsa; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;

/** fwd.test and sub.fwd.test sign with one key; forged.test rejects what fails, and has no key. */
const RECORDS = [
  `mail._domainkey.fwd.test. TXT "${RECORD.slice(0, 200)}" "${RECORD.slice(200)}"`,
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject"',
  '_dmarc.forged.test. TXT "v=DMARC1; p=reject"',
];

const OPENDKIM = `Canonicalization relaxed/simple
KeyTable @/opendkim/KeyTable
SigningTable refile:@/opendkim/SigningTable
InternalHosts 127.0.0.1
OversignHeaders From
RequireSafeKeys no
On-DNSError accept
Socket inet:8891@127.0.0.1
`;

const OPENDMARC = `AuthservID mail.fwd.test
TrustedAuthservIDs mail.fwd.test
RejectFailures true
SPFSelfValidate true
SPFIgnoreResults true
Socket inet:8893@127.0.0.1
`;

const MAIN_CF = `virtual_mailbox_domains = fwd.test
virtual_mailbox_maps = inline:{ {dave@fwd.test = dave/} }
smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893
non_smtpd_milters = $smtpd_milters
milter_default_action = tempfail
`;

describe.skipIf(missing !== undefined)(`from OpenDKIM and OpenDMARC to the milter ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let admin: Admin;
  let host: Readonly<Record<"origin" | "fwd" | "dest", Postfix>>;
  let postvouch: Postvouch | undefined;

  beforeAll(async () => {
    lab = await Lab.start([origin(), fwd({ mainCf: MAIN_CF }), dest()], RECORDS);
    host = { origin: lab.host("origin"), fwd: lab.host("fwd"), dest: lab.host("dest") };
    admin = new Admin(lab, host.fwd);
    write("opendkim.conf", OPENDKIM);
    write("opendkim/KeyTable", "main fwd.test:mail:@/opendkim/keys/mail.private\n");
    write("opendkim/SigningTable", "*@fwd.test main\n*@*.fwd.test main\n");
    write("opendkim/keys/mail.private", KEY);
    write("opendmarc.conf", OPENDMARC);
    const start = (program: string, option: string, port: number) => async () => {
      const [first = "", ...args] = lab.on("fwd", [program, "-f", option, join(admin.etc, `${program}.conf`)]);
      const listens = lab.on("fwd", ["ss", "-Hltn", `sport = :${port}`]);
      return startServer(first, args, { isReady: async () => (await run(listens)) !== "" });
    };
    admin.addUnit("opendkim", { start: start("opendkim", "-x", 8891) });
    admin.addUnit("opendmarc", { start: start("opendmarc", "-c", 8893) });
    admin.addUnit("postvouch", {
      start: async () => {
        const toml = readFileSync(join(admin.etc, "postvouch/postvouch.toml"), "utf8");
        postvouch = await lab.startPostvouch("fwd", toml, { MAIL_CONFIG: host.fwd.configDir });
        // A key signs once its record was seen.
        await postvouch.logged(/dkim_key domain=fwd\.test selector=mail state="published, may sign"/);
        return postvouch;
      },
    });
    await admin.does("systemctl start opendkim opendmarc");
  }, 60_000);
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Writes a file below /etc, for which `@` stands. */
  function write(name: string, text: string): void {
    mkdirSync(dirname(join(admin.etc, name)), { recursive: true });
    writeFileSync(join(admin.etc, name), text.replaceAll("@/", `${admin.etc}/`), { mode: 0o600 });
  }

  const page = (heading: string): string[] => blocks(PAGE, heading, "sh", { "/etc/postfix": host.fwd.configDir });

  /** Sends mail in both directions until `work` is done. All of it arrives, signed and checked. */
  async function whileMailFlows(work: () => Promise<unknown>): Promise<void> {
    let isDone = false;
    const working = work().finally(() => {
      isDone = true;
    });
    const sent: Promise<unknown>[] = [];
    const both = async (): Promise<void> => {
      const out = await host.fwd.send({ from: "ann@fwd.test", to: "alice@dest.test" });
      sent.push(
        host.dest.arrived("alice", out).then((message) => expect(message.headers("DKIM-Signature")).toHaveLength(1)),
      );
      const tag = await host.origin.send({ from: "bob@origin.test", to: "dave@fwd.test" });
      sent.push(
        host.fwd
          .arrived("dave", tag)
          .then((message) => expect(message.headers("Authentication-Results").join()).toContain("dmarc=pass")),
      );
    };
    while (!isDone) {
      await both();
      await sleep(200);
    }
    await working;
    await both();
    expect(sent.length).toBeGreaterThan(2);
    await Promise.all(sent);
  }

  /** What holds before, after, and after the way back. */
  function holds(milter: "OpenDKIM" | "ours"): void {
    test.each(["ann@fwd.test", "ann@sub.fwd.test"])("mail of %s is signed with the key in DNS", async (from) => {
      const tag = await host.fwd.send({ from: "ann@fwd.test", headerFrom: `<${from}>`, to: "alice@dest.test" });
      const message = await host.dest.arrived("alice", tag);
      const [signature = "", ...others] = message.headers("DKIM-Signature");
      expect(others).toEqual([]);
      expect(signature).toMatch(/c=relaxed\/simple; d=fwd\.test; s=mail;/);
      const sent = message.text.slice(message.text.indexOf("\nDKIM-Signature:") + 1).replaceAll("\n", "\r\n");
      expect(opendkimResults(sent, { "mail._domainkey.fwd.test": [RECORD] })).toEqual(["pass"]);
    });

    test("mail from outside has its result, and only that", async () => {
      const forged = "Authentication-Results: mail.fwd.test; dkim=pass header.d=bank.test";
      const tag = await host.origin.send({ from: "bob@origin.test", to: "dave@fwd.test", headers: [forged] });
      const results = (await host.fwd.arrived("dave", tag)).headers("Authentication-Results");
      expect(results.join("\n")).toMatch(
        /^mail\.fwd\.test; (?:.|\n)*dmarc=pass \(p=reject dis=none\) header\.from=origin\.test/,
      );
      expect(results.join("\n")).not.toContain("bank.test");
      if (milter === "ours") expect(results).toHaveLength(1);
    });

    test("what fails DMARC is refused", async () => {
      const text = [
        "From: ceo@forged.test",
        "To: dave@fwd.test",
        "Date: Thu, 26 Nov 2026 12:00:00 +0000",
        `Subject: ${newTag()}`,
        "",
        "pay",
        ".",
      ].join("\r\n");
      const session = [
        "EHLO mail.origin.test",
        "MAIL FROM:<ceo@forged.test>",
        "RCPT TO:<dave@fwd.test>",
        "DATA",
        text,
        "QUIT",
      ];
      const replies = await host.origin.smtp("10.77.0.20", 25, ...session);
      expect(replies.at(-2)).toMatch(/^550 5\.7\.1 .*forged\.test/);
    });
  }

  describe("before", () => holds("OpenDKIM"));

  describe("after the change", () => {
    beforeAll(async () => {
      const [imports = "", starts = "", change = "", stops = ""] = page("## The change");
      const printed = await admin.does(imports);
      expect(printed).toContain("fwd.test");
      expect(readFileSync(join(admin.etc, "postvouch/postvouch.toml"), "utf8")).toContain(
        'listen = ["127.0.0.1:8892"]',
      );
      const copy = join(admin.etc, "postvouch/dkim/fwd.test/mail.pem");
      expect([readFileSync(copy, "utf8"), statSync(copy).mode & 0o777]).toEqual([KEY, 0o600]);
      await admin.does(starts);
      await whileMailFlows(() => admin.does(change));
      await admin.does(stops);
    }, 60_000);
    holds("ours");
  });

  describe("after the way back", () => {
    beforeAll(async () => {
      await whileMailFlows(() => admin.does(page("### The way back").join("")));
      await admin.does("systemctl stop postvouch");
    }, 60_000);
    holds("OpenDKIM");
  });
});
