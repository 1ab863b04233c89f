/** Tests aggregate reports behind real Postfix servers: one keeps results and reports, the other one gets the reports. */
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HistoryDatabase } from "../../src/history/database.ts";
import { dayOf } from "../../src/history/entry.ts";
import { findDkimpy, opendkimResults } from "../dkim/peers.ts";
import { run } from "./lab/command.ts";
import { eventually } from "./lab/eventually.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag, type StoredMessage } from "./lab/mail.ts";
import { blocks } from "./lab/pages.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { NODE, PACKAGE } from "./lab/runtime.ts";

const missing = requireLab("opendkim", "xmllint");

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PUBLIC = publicKey.export({ type: "spki", format: "der" }).toString("base64");
const KEY_TEXT = `v=DKIM1; k=rsa; p=${PUBLIC}`;

const RECORDS = [
  `s1._domainkey.dest.test. TXT "${KEY_TEXT.slice(0, 200)}" "${KEY_TEXT.slice(200)}"`,
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject; rua=mailto:bob@origin.test"',
  '_dmarc.nospf.test. TXT "v=DMARC1; p=none; rua=mailto:eve@nospf.test,mailto:bob@origin.test,mailto:alice@dest.test"',
  'nospf.test._report._dmarc.origin.test. TXT "v=DMARC1"',
  '_dmarc.dest.test. TXT "v=DMARC1; p=reject; rua=mailto:alice@dest.test"',
];

const SCHEMA = new URL("../testdata/dmarc/rfc9990.xsd", import.meta.url).pathname;
const DAY_SECONDS = 86_400;

/** Both pages tell what to write. */
const [MILTER = ""] = blocks("milter.md", "## Ten lines", "toml", {});
const [MAIN_CF = ""] = blocks("milter.md", "## Ten lines", "", {});
const [REPORTS = ""] = blocks("dmarc-reports.md", "## Set up", "toml", { "example.org": "dest.test" });

describe.skipIf(missing !== undefined)(`DMARC reports behind a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let reporting: Postvouch;
  let receiving: Postvouch;
  /** Yesterday, when the reporting daemon lives: its clock is set back, so that a day with messages is over. */
  let day = 0;
  /** Today, for the host that gets the reports. */
  let today = 0;
  const history = (name: string): string => join(lab.directory, `${name}.db`);
  const toml = (name: string): string => {
    const keys = join(lab.directory, "keys");
    const reports = REPORTS.replace("/var/lib/postvouch/dmarc.db", history(name));
    return `hostname = "mail.dest.test"\n${MILTER.replace("/var/lib/postvouch/dkim", keys)}\n${reports}`;
  };

  beforeAll(async () => {
    lab = await Lab.start([origin(), dest()], RECORDS);
    const keys = join(lab.directory, "keys");
    mkdirSync(join(keys, "dest.test"), { recursive: true });
    const file = join(keys, "dest.test", "s1.key");
    writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
    chmodSync(file, 0o600);
    receiving = await lab.startPostvouch(
      "origin",
      `hostname = "mail.origin.test"\n${MILTER}\n[dmarc]\nhistory = "sqlite:${history("origin")}"\n`,
    );
    await lab.host("origin").configure({ mainCf: MAIN_CF });
    today = dayOf(Date.now() / 1000);
    day = today - 1;
    reporting = await lab.startPostvouch("dest", toml("first"), yesterday());
    await lab.host("dest").configure({ mainCf: MAIN_CF });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  function yesterday(): Readonly<Record<string, string>> {
    return { POSTVOUCH_NOW: String(day * DAY_SECONDS + DAY_SECONDS / 2) };
  }

  /** Runs `postvouch dmarc report` on dest. */
  async function report(...args: string[]): Promise<string> {
    const command = [NODE, join(PACKAGE, "src/main.js"), "dmarc", "report", "--config", reporting.configFile, ...args];
    return await run(lab.on("dest", ["env", `MAIL_CONFIG=${lab.host("dest").configDir}`, ...command]));
  }

  /** Sends a message with a From of its own from origin to alice. */
  async function send(sender: string, from: string): Promise<void> {
    const tag = await lab.host("origin").send({ from: sender, headerFrom: `<${from}>`, to: "alice@dest.test" });
    await lab.host("dest").arrived("alice", tag);
  }

  function messages(name: string, ofDay = day): number {
    using database = new HistoryDatabase(history(name), "existing");
    return database.policies(ofDay).reduce((sum, policy) => sum + policy.messages, 0);
  }

  function reportsOf(user: string, host: string): StoredMessage[] {
    const isReport = (message: StoredMessage): boolean =>
      message.headers("Subject")[0]?.startsWith("Report Domain:") === true;
    return lab.host(host).mailbox(user).filter(isReport);
  }

  test("results are kept, over a reload to another file, and a stop", async () => {
    await send("bob@origin.test", "bob@origin.test");
    await reporting.reload(toml("second"));
    await send("bob@origin.test", "eve@nospf.test");
    await send("bob@origin.test", "carol@origin.test");
    await eventually("one message in the first file", () => messages("first") === 1 || undefined);
    await eventually("two messages in the second file", () => messages("second") === 2 || undefined);
    const tag = newTag();
    const text = [`From: <eve@nospf.test>`, `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["EHLO mail.origin.test", "MAIL FROM:<bob@origin.test>", "RCPT TO:<alice@dest.test>", "DATA"];
    const replies = await lab.host("origin").smtp("10.77.0.30", 25, ...envelope, text, "QUIT");
    expect(replies.at(-2)).toMatch(/^250 /);
    // Within the half second in which results are collected.
    expect(await reporting.stop()).toBe(0);
    expect(messages("second")).toBe(3);
    // From now on with the clock of the command, whose signatures would be from the future.
    reporting = await lab.startPostvouch("dest", toml("second"));
    await reporting.logged(
      /dkim_key domain=dest\.test selector=s1 state="published, may sign"|listening listener=metrics/,
    );
  });

  test("a report comes by SMTP, signed, passes DMARC, and its XML is that of the schema", async () => {
    const said = await report();
    expect(said).toContain("origin.test: 1 message in 1 record, to bob@origin.test\n");
    expect(said).toContain("nospf.test: 2 messages in 1 record, to eve@nospf.test, bob@origin.test\n");
    // eve's host is nowhere: Postfix takes the report all the same, and bounces it later.
    const sent = await report("--send");
    expect(sent).toMatch(/origin\.test, [\d-]+: sent to bob@origin\.test \(\d+ bytes\)\n/);
    const received = await eventually("two reports in bob's mailbox", () => {
      const found = reportsOf("bob", "origin");
      return found.length === 2 ? found : undefined;
    });
    const message = received.find((one) => one.headers("Subject")[0]?.includes("Domain: origin.test "));
    if (message === undefined) throw new Error("no report about origin.test");
    expect(message.returnPath).toBe("postmaster@dest.test");
    expect(message.headers("From")).toEqual(['"Example Organization" <postmaster@dest.test>']);
    // The milter of port 25 finds that of the command.
    expect(message.headers("DKIM-Signature")).toHaveLength(1);
    expect(message.headers("Authentication-Results")).toEqual([
      expect.stringMatching(/^mail\.origin\.test; .*spf=pass .*dkim=pass .*header\.d=dest\.test .*dmarc=pass /),
    ]);
    const original = message.text.slice(message.text.indexOf("DKIM-Signature:")).replaceAll("\n", "\r\n");
    // Our command has signed it, and the milter once more as mail of this host.
    expect(new Set(opendkimResults(original, { "s1._domainkey.dest.test": [KEY_TEXT] }))).toEqual(new Set(["pass"]));
    const base64 = /application\/gzip;[\s\S]*?\n\n([A-Za-z0-9+/=\n]+)--/.exec(message.text)?.[1] ?? "";
    const xml = gunzipSync(Buffer.from(base64, "base64")).toString("utf8");
    const args = ["--noout", "--nonet", "--schema", SCHEMA, "-"];
    expect(spawnSync("xmllint", args, { input: xml, encoding: "utf8" }).stderr.trim()).toBe("- validates");
    expect(xml).toContain("<source_ip>10.77.0.10</source_ip>\n      <count>1</count>");
    expect(xml).toContain("<org_name>Example Organization</org_name>");
  });

  test.skipIf(findDkimpy() === undefined)("dkimpy verifies it too", () => {
    const [message] = reportsOf("bob", "origin");
    const original = message?.text.slice(message.text.indexOf("DKIM-Signature:")).replaceAll("\n", "\r\n") ?? "";
    const script = `import dkim, sys; print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, timeout=5: sys.argv[1].encode()))`;
    const { stdout } = spawnSync(findDkimpy() ?? "", ["-c", script, KEY_TEXT], { input: original, encoding: "latin1" });
    expect(stdout).toBe("True\n");
  });

  test("the same reports are not sent again", async () => {
    expect(await report("--send")).toContain(": was sent to bob@origin.test before\n");
    await lab.host("dest").flush();
    expect(reportsOf("bob", "origin")).toHaveLength(2);
  });

  test("nobody reports about reports: the receiver counts them as such, the sender not at all", async () => {
    await eventually("two reports counted", () => {
      using database = new HistoryDatabase(history("origin"), "existing");
      return database.untold(today).get("report") === 2 ? true : undefined;
    });
    using database = new HistoryDatabase(history("origin"), "existing");
    expect(database.policies(today)).toEqual([]);
    using own = new HistoryDatabase(history("second"), "existing");
    expect(own.policies(day).map(({ policy }) => policy.domain)).not.toContain("dest.test");
    expect(receiving.logLines(/dmarc_history/)).toEqual([]);
  });

  test("a history that is damaged delays no mail", async () => {
    const path = join(lab.directory, "broken.db");
    writeFileSync(path, "no database\n".repeat(1000));
    await reporting.reload(toml("broken"));
    await reporting.logged(
      /error dmarc_history state="cannot be written, mail goes on" problem=.*file is not a database/,
    );
    const startMs = performance.now();
    await send("bob@origin.test", "bob@origin.test");
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(reporting.logLines(/dmarc_history/)).toHaveLength(1);
  });
});
