/**
 * A host with postsrsd, policyd-spf, OpenDKIM and OpenDMARC goes to our milter and back, by the commands of
 * docs/milter.md and while mail flows: all of it arrives once, what comes in is checked, and what leaves is signed.
 */
import { generateKeyPairSync, hash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Admin } from "./lab/admin.ts";
import { classicHost, NEIGHBOURS, SPF_ONLY, startClassicHost } from "./lab/classic-host.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { StoredMessage } from "./lab/mail.ts";
import { whileMailFlows as flow } from "./lab/mail-flow.ts";
import { blocks, type Replacements } from "./lab/pages.ts";
import type { Postfix } from "./lab/postfix.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { PACKAGE } from "./lab/runtime.ts";

const missing = requireLab(...NEIGHBOURS);

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PUBLIC = publicKey.export({ type: "spki", format: "der" }).toString("base64");

/** dave's domain has a key, and wants what fails DMARC to be refused. */
const RECORDS = [
  SPF_ONLY,
  `mail._domainkey.fwd.test. TXT "v=DKIM1; k=rsa; p=${PUBLIC.slice(0, 200)}" "${PUBLIC.slice(200)}"`,
  '_dmarc.fwd.test. TXT "v=DMARC1; p=reject"',
];

/** main.cf as old how-tos have it: an old protocol, and only the macros that OpenDKIM needs. */
const MAIN_CF = `non_smtpd_milters = inet:127.0.0.1:8891
milter_protocol = 2
milter_connect_macros = j
milter_mail_macros = i {mail_addr}
`;

/** Who is on this network may submit. */
const SUBMISSION = `submission inet n - n - - smtpd
  -o mynetworks=10.77.0.0/24,127.0.0.0/8
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
`;

const FWD = "10.77.0.20";
const SECTION = "## In place of OpenDKIM, OpenDMARC and OpenARC";

describe.skipIf(missing !== undefined)(`from OpenDKIM and OpenDMARC to the milter ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Readonly<Record<"origin" | "fwd" | "dest", Postfix>>;
  let admin: Admin;
  let names: Replacements;
  let atFirst: readonly string[];
  let change = "";
  let stopOld = "";
  let back = "";

  beforeAll(async () => {
    const classic = classicHost({ mainCf: MAIN_CF, masterCf: SUBMISSION });
    lab = await Lab.start([origin(), classic, dest()], RECORDS);
    host = { origin: lab.host("origin"), fwd: lab.host("fwd"), dest: lab.host("dest") };
    const key = join(lab.directory, "etc/dkimkeys/mail.private");
    const signing = `Mode sv\nDomain fwd.test\nSelector mail\nKeyFile ${key}\nRequireSafeKeys false\n`;
    mkdirSync(join(lab.directory, "etc/dkimkeys"), { recursive: true });
    writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    admin = await startClassicHost(lab, signing);
    // dest checks what comes from fwd, with a milter of ours.
    await lab.startPostvouch("dest", 'hostname = "mail.dest.test"\n[milter]\nlisten = ["127.0.0.1:8891"]\n');
    await host.dest.configure({ mainCf: "smtpd_milters = inet:127.0.0.1:8891\n" });
    atFirst = checksums();
    names = {
      "/etc/postfix": host.fwd.configDir,
      "/opt/postvouch": PACKAGE,
      "/usr/local/bin/postvouch": join(admin.etc, "bin/postvouch"),
      "/etc/": `${admin.etc}/`,
      "example.org": "fwd.test",
    };
    [change = "", stopOld = "", back = ""] = blocks("milter.md", SECTION, "sh", names);
  }, 60_000);
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const checksums = (): string[] =>
    ["main.cf", "master.cf"].map((name) => hash("sha256", readFileSync(join(host.fwd.configDir, name))));

  /** The message of a tag, which is in a mailbox once. */
  async function once(at: Postfix, user: string, tag: string): Promise<StoredMessage> {
    const message = await at.arrived(user, tag);
    expect(at.mailbox(user).filter(({ text }) => text.includes(tag))).toHaveLength(1);
    return message;
  }

  const incoming = (): Promise<string> => host.origin.send({ from: "bob@origin.test", to: "team@fwd.test" });
  const outgoing = (): Promise<string> => host.fwd.send({ from: "dave@fwd.test", to: "alice@dest.test" });

  /** It is signed once, and dest finds the signature good. */
  async function isSigned(tag: string): Promise<void> {
    const message = await once(host.dest, "alice", tag);
    expect(message.headers("DKIM-Signature")).toEqual([expect.stringMatching(/\bd=fwd\.test; s=mail;/)]);
    expect(message.headers("Authentication-Results")[0]).toMatch(
      /^mail\.dest\.test; .*; dkim=pass \(2048-bit key\) header\.d=fwd\.test .*; dmarc=pass/,
    );
  }

  /** DMARC was judged in one field, here and not only in the copy that goes out. */
  async function isChecked(tag: string): Promise<StoredMessage> {
    const local = await once(host.fwd, "dave", tag);
    const results = local.headers("Authentication-Results").filter((field) => field.startsWith("mail.fwd.test;"));
    expect(results.filter((field) => /\bdmarc=pass .*header\.from=origin\.test/.test(field))).toHaveLength(1);
    return local;
  }

  /** Sends mail both ways until `work` is done: nothing is lost, and nothing goes by unchecked or unsigned. */
  const whileMailFlows = (work: () => Promise<unknown>): Promise<void> =>
    flow(
      work,
      async () => `${await incoming()} ${await outgoing()}`,
      async (tags) => {
        const [inTag = "", outTag = ""] = tags.split(" ");
        await isChecked(inTag);
        await once(host.dest, "alice", inTag);
        await isSigned(outTag);
        expect(host.origin.mailbox("bob").filter(({ text }) => text.includes(inTag))).toEqual([]);
      },
    );

  test("before it, OpenDKIM signs and OpenDMARC checks", async () => {
    await isSigned(await outgoing());
    const local = await isChecked(await incoming());
    expect(local.headers("Authentication-Results").join()).not.toContain("iprev=");
  });

  describe("to the milter", () => {
    beforeAll(async () => {
      // By hand, as the page says: the import would take over the filters too.
      const { etc } = admin;
      await admin.does(`postvouch import ${etc}/default/postsrsd ${etc}/postfix-policyd-spf-python/policyd-spf.conf`);
      const toml = readFileSync(join(admin.etc, "postvouch/postvouch.toml"), "utf8");
      admin.write("postvouch/postvouch.toml", toml + blocks("milter.md", SECTION, "toml", names).join(""));
      await admin.does("systemctl start postvouch");
    });

    test("no message is lost, none is unchecked, none of ours unsigned", async () => {
      await whileMailFlows(async () => {
        const printed = await admin.does(change);
        expect(printed).toContain("\n-smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893\n");
        expect(printed).toMatch(/^\+smtpd_milters = \{ inet:127\.0\.0\.1:8895, .*, protocol=6 \}$/m);
      });
      await admin.does(stopOld);
    });

    test("ours checks what comes in, and removes what claims to be ours", async () => {
      const from = `<bob@origin.test>\nAuthentication-Results: mail.fwd.test; dmarc=pass header.from=bank.example`;
      const tag = await host.origin.send({ from: "bob@origin.test", headerFrom: from, to: "dave@fwd.test" });
      const local = await isChecked(tag);
      expect(local.headers("Authentication-Results")).toEqual([
        expect.stringMatching(/^mail\.fwd\.test; spf=pass .*; iprev=/),
      ]);
    });

    test("ours signs what is submitted, by sendmail(1) or by who may use the service", async () => {
      await isSigned(await outgoing());
      const message = { from: "dave@fwd.test", to: "alice@dest.test" };
      await isSigned(await host.origin.submit(FWD, 587, message));
    });

    test("nobody signs for us at the port for strangers", async () => {
      const message = { from: "bob@origin.test", headerFrom: "<dave@fwd.test>", to: "dave@fwd.test" };
      const tag = await host.origin.submit(FWD, 25, message);
      const stranger = await once(host.fwd, "dave", tag);
      expect(stranger.headers("DKIM-Signature")).toEqual([]);
      expect(stranger.headers("Authentication-Results")).toEqual([expect.stringMatching(/; dmarc=fail \(p=reject/)]);
    });

    test("bounces are signed", async () => {
      // fwd takes what is for hold, and dest refuses that recipient: the notice is fwd's own.
      const tag = await host.origin.send({ from: "bob@origin.test", to: "hold@fwd.test" });
      const bounce = await host.origin.arrived("bob", tag, "bounce");
      expect(bounce.headers("DKIM-Signature")).toEqual([expect.stringMatching(/\bd=fwd\.test; s=mail;/)]);
    });

    test("with forward-only, what is forwarded leaves sealed, and what stays does not", async () => {
      await whileMailFlows(() => admin.does("postvouch setup forward-only policy --apply"));
      const tag = await incoming();
      const outside = await once(host.dest, "alice", tag);
      expect(outside.headers("ARC-Seal")).toEqual([expect.stringMatching(/^i=1; .*cv=none; d=fwd\.test; s=mail;/)]);
      expect(outside.headers("ARC-Authentication-Results")).toEqual([
        expect.stringMatching(/^i=1; mail\.fwd\.test; spf=pass .*dmarc=pass/),
      ]);
      expect((await isChecked(tag)).headers("ARC-Seal")).toEqual([]);
    });

    test("doctor finds no fault in what setup has written", async () => {
      const { checks } = JSON.parse(await admin.does("postvouch doctor --json || true")) as {
        checks: readonly { id: string; status: string; reason: string }[];
      };
      const own = checks.filter(({ id }) => /^(?:milter|second-pass|arc-)/.test(id));
      expect(own.length).toBeGreaterThan(5);
      expect(own.filter(({ status }) => status === "error" || status === "warning")).toEqual([]);
    });
  });

  describe("and back", () => {
    test("is refused while what Postfix would ask again is stopped", async () => {
      await expect(admin.does("postvouch setup --undo")).rejects.toThrow(
        /Cannot bring back the milter inet:127\.0\.0\.1:889[13], which Postfix asked before us: .*; start it first/,
      );
    });

    test("no message is lost, none is unchecked, none of ours unsigned", async () => {
      await whileMailFlows(() => admin.does(back));
      await admin.does("postvouch setup --undo");
      expect(checksums()).toEqual(atFirst);
    });

    test("OpenDKIM signs and OpenDMARC checks again", async () => {
      await isSigned(await outgoing());
      const local = await isChecked(await incoming());
      expect(local.headers("Authentication-Results").join()).not.toContain("iprev=");
    });
  });
});
