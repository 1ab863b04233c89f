/** Tests the ways that a message can take to the milter, through real Postfix servers. */
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifyMessage } from "../dkim/verifying.ts";
import { runProgram } from "../helpers/requires.ts";
import { startServer } from "../helpers/server-process.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag, type StoredMessage } from "./lab/mail.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { MailHost } from "./lab/postfix-files.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { NODE } from "./lab/runtime.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("openssl");

const ADDRESS = "10.77.0.30";
const MILTER = "inet:127.0.0.1:8891";
const EDITING = "inet:127.0.0.1:8893";
const SASL_PORT = 12_345;

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PUBLIC = publicKey.export({ type: "spki", format: "der" }).toString("base64");
const KEY_ZONE = { "s1._domainkey.dest.test": [`v=DKIM1; k=rsa; p=${PUBLIC}`] };

const RECORDS = [
  `s1._domainkey.dest.test. TXT "v=DKIM1; k=rsa; p=${PUBLIC.slice(0, 200)}" "${PUBLIC.slice(200)}"`,
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject"',
  'xn--bcher-kva.test. TXT "v=spf1 ip4:10.77.0.10 -all"',
  "xn--bcher-kva.test. MX 10 mail.origin.test.",
  '_dmarc.xn--bcher-kva.test. TXT "v=DMARC1; p=reject"',
];

/** Where smtpd of dest listens, and what is special there. */
const PORTS = { sasl: 2587, filtered: 2526, second: 2527, first: 2528, tls: 2529, chroot: 2530 } as const;

function smtpd(port: number, chroot: "y" | "n", ...settings: readonly string[]): string {
  return `${port} inet n - ${chroot} - - smtpd\n${settings.map((setting) => `  -o { ${setting} }\n`).join("")}`;
}

function masterCf(directory: string): string {
  return [
    smtpd(
      PORTS.sasl,
      "n",
      ...["smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot", `smtpd_sasl_path = inet:127.0.0.1:${SASL_PORT}`],
      "smtpd_recipient_restrictions = permit_sasl_authenticated, reject",
      "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
    ),
    smtpd(PORTS.filtered, "n", "content_filter = scan:[127.0.0.1]:10025"),
    "scan unix - - n - - smtp -o smtp_bind_address=127.0.0.1\n",
    smtpd(10_025, "n", "content_filter =", "milter_macro_daemon_name = REINJECT"),
    snippet("milter-fetched.master.cf"),
    smtpd(PORTS.second, "n", `smtpd_milters = ${MILTER}, ${EDITING}`),
    smtpd(PORTS.first, "n", `smtpd_milters = ${EDITING}, ${MILTER}`, "milter_macro_daemon_name = ORIGINATING"),
    smtpd(
      PORTS.tls,
      "n",
      ...["smtpd_tls_security_level = encrypt", `smtpd_tls_cert_file = ${directory}/cert.pem`],
      `smtpd_tls_key_file = ${directory}/key.pem`,
    ),
    smtpd(PORTS.chroot, "y", "smtpd_milters = unix:postvouch/milter.sock"),
  ].join("");
}

const MAIN_CF = `smtpd_milters = ${MILTER}
non_smtpd_milters = ${MILTER}
internal_mail_filter_classes = bounce
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
`;

describe.skipIf(missing !== undefined)(`The ways to the milter ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let receiver: Postfix;
  let sender: Postfix;
  let postvouch: Postvouch;
  let toml = "";

  beforeAll(async () => {
    const host: MailHost = dest();
    lab = await Lab.start([origin(), host], RECORDS);
    [receiver, sender] = [lab.host("dest"), lab.host("origin")];
    const keys = join(lab.directory, "keys", "dest.test");
    mkdirSync(keys, { recursive: true });
    writeFileSync(join(keys, "s1.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
    chmodSync(join(keys, "s1.key"), 0o600);
    const socket = join(receiver.directory, "queue", "postvouch");
    mkdirSync(socket);
    toml = [
      'hostname = "mail.dest.test"\n[milter]',
      `listen = ["127.0.0.1:8891", "unix:${socket}/milter.sock"]`,
      `[dkim.sign]\nkey_directory = "${lab.directory}/keys"\n`,
    ].join("\n");
    postvouch = await lab.startPostvouch("dest", toml);
    await postvouch.logged(/dkim_key domain=dest\.test selector=s1 state="published, may sign"/);
    makeCertificate(lab.directory);
    await startHelper(
      fileURLToPath(new URL("../milter/filter.ts", import.meta.url)),
      "127.0.0.1:8894",
      "127.0.0.1:8893",
    );
    await startHelper(fileURLToPath(new URL("./lab/sasl.ts", import.meta.url)), String(SASL_PORT));
    await receiver.configure({ mainCf: MAIN_CF, masterCf: masterCf(lab.directory) });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Starts a program of ours on dest. Its first argument is a file that it makes once it listens. */
  async function startHelper(program: string, ...args: readonly string[]): Promise<void> {
    const log = join(lab.directory, `${basename(program)}.log`);
    const [command = "", ...rest] = lab.on("dest", [NODE, program, log, ...args]);
    lab.use(await startServer(command, rest, { isReady: () => existsSync(log) }));
  }

  /** Sends a message of bob's to alice by SMTP. */
  async function deliver(port: number, lines: readonly string[] = [], before: readonly string[] = []): Promise<string> {
    const tag = newTag();
    const text = [...lines, "From: <bob@origin.test>", `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["MAIL FROM:<bob@origin.test>", "RCPT TO:<alice@dest.test>", "DATA", text, "QUIT"];
    const replies = await sender.smtp(ADDRESS, port, "EHLO mail.origin.test", ...before, ...envelope);
    expect(replies.at(-2)).toMatch(/^250 .*queued/);
    return tag;
  }

  /** The one field of ours. */
  function resultsOf(message: StoredMessage): string {
    const fields = message.headers("Authentication-Results").filter((value) => value.startsWith("mail.dest.test"));
    expect(fields).toHaveLength(1);
    return fields[0] ?? "";
  }

  const PASSED = /^mail\.dest\.test; spf=pass .*smtp\.helo=mail\.origin\.test; dkim=none .*; dmarc=pass \(p=reject /;
  const PLANTED = "Authentication-Results: mail.dest.test; dmarc=pass header.from=bank.example";

  /** The results of the signatures of a message as it lies in a mailbox. */
  async function signaturesOf(message: StoredMessage): Promise<string[]> {
    const text = message.text.replace(/\r?\n/g, "\r\n");
    const verdicts = await verifyMessage(text, KEY_ZONE, { nowSeconds: Date.now() / 1000 });
    return verdicts.map(({ result, domain }) => `${result} ${domain}`);
  }

  test("a client that has logged in: signed, not judged, and what it has planted goes", async () => {
    const tag = newTag();
    const login = Buffer.from("\0alice\0secret").toString("base64");
    const text = [PLANTED, "From: <alice@dest.test>", `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["MAIL FROM:<alice@dest.test>", "RCPT TO:<bob@origin.test>", "DATA", text, "QUIT"];
    const replies = await sender.smtp(ADDRESS, PORTS.sasl, "EHLO laptop", `AUTH PLAIN ${login}`, ...envelope);
    expect([replies[2], replies.at(-2)]).toEqual([expect.stringMatching(/^235 /), expect.stringMatching(/^250 /)]);
    const message = await sender.arrived("bob", tag);
    expect(message.headers("Authentication-Results")).toEqual([]);
    expect(await signaturesOf(message)).toEqual(["pass dest.test"]);
    await postvouch.logged(/^info milter .*role=submitted .*signed=s1\._domainkey\.dest\.test/m);
  });

  test("sendmail(1): signed", async () => {
    const tag = await receiver.send({ from: "alice@dest.test", to: "bob@origin.test" });
    expect(await signaturesOf(await sender.arrived("bob", tag))).toEqual(["pass dest.test"]);
  });

  test("a bounce: signed for the domain of MAILER-DAEMON", async () => {
    const tag = await sender.send({ from: "bob@origin.test", to: "late@dest.test" });
    const bounce = await sender.arrived("bob", tag, "bounce");
    expect(bounce.headers("From")[0]).toMatch(/MAILER-DAEMON@dest\.test/i);
    expect(await signaturesOf(bounce)).toEqual(["pass dest.test"]);
  });

  test("a content filter that hands it back: judged once, and the field of the first pass stays", async () => {
    const message = await receiver.arrived("alice", await deliver(PORTS.filtered, [PLANTED]));
    expect(resultsOf(message)).toMatch(PASSED);
    expect(message.headers("Received")).toHaveLength(2);
    await postvouch.logged(/^info milter .*role=skip /m);
  });

  test("fetchmail: by port 25 a forged author is signed, by the service of its own not, and what is planted goes", async () => {
    const messages: StoredMessage[] = [];
    for (const port of [25, 10_027]) {
      const tag = newTag();
      const fetched = [
        "Received: from pop.example.net [192.0.2.9]",
        "\tby localhost with POP3 (fetchmail-6.4.37)",
        "\tfor <carol@localhost> (single-drop); Thu, 26 Nov 2026 08:00:00 +0000",
        "Received: from evil.example (localhost [127.0.0.1]) by pop.example.net; Thu, 26 Nov 2026 07:00:00 +0000",
        PLANTED,
        "From: <alice@dest.test>",
      ];
      const text = [...fetched, `Subject: ${tag}`, "", "hello", "."].join("\r\n");
      const envelope = ["MAIL FROM:<x@evil.example>", "RCPT TO:<carol@dest.test>", "DATA", text, "QUIT"];
      const replies = await receiver.smtp("127.0.0.1", port, "EHLO localhost", ...envelope);
      expect(replies.at(-2)).toMatch(/^250 .*queued/);
      messages.push(await receiver.arrived("carol", tag));
    }
    expect(messages.map((message) => message.headers("DKIM-Signature").length)).toEqual([1, 0]);
    expect(messages.flatMap((message) => message.headers("Authentication-Results"))).toEqual([]);
  });

  test("a second milter that edits: our field stays, and its edits are in their places", async () => {
    const message = await receiver.arrived(
      "alice",
      await deliver(PORTS.second, ["X-Do: edit", "X-Edit: a", "X-Edit: b", "X-Edit: c"]),
    );
    expect(resultsOf(message)).toMatch(PASSED);
    expect([message.headers("X-Top"), message.headers("X-Edit")]).toEqual([["one", "two"], ["changed folded"]]);
  });

  test("a first milter that edits: what it adds is under the signature", async () => {
    const tag = newTag();
    const lines = ["From: <alice@dest.test>", `Subject: ${tag}`, "X-Do: edit", "X-Edit: a", "X-Edit: b", "X-Edit: c"];
    const envelope = ["EHLO x", "MAIL FROM:<alice@dest.test>", "RCPT TO:<carol@dest.test>", "DATA"];
    await sender.smtp(ADDRESS, PORTS.first, ...envelope, [...lines, "", "hello", "."].join("\r\n"), "QUIT");
    const message = await receiver.arrived("carol", tag);
    expect(message.headers("X-Edit")).toEqual(["changed folded"]);
    expect(await signaturesOf(message)).toEqual(["pass dest.test"]);
  });

  test("STARTTLS: the name of the second EHLO is checked", async () => {
    await sender.set(`relayhost = [${ADDRESS}]:${PORTS.tls}`, "smtp_tls_security_level = encrypt");
    const tags = [
      await sender.send({ from: "bob@origin.test", to: "alice@dest.test" }),
      await sender.send({ from: "bob@origin.test", to: "alice@dest.test" }),
    ];
    for (const tag of tags) {
      const message = await receiver.arrived("alice", tag);
      expect(resultsOf(message)).toMatch(PASSED);
      expect(message.headers("Received")[0]).toMatch(/ with ESMTPS id /);
    }
    await sender.set("relayhost =", "smtp_tls_security_level =");
  });

  test("SMTPUTF8: domains in U-labels are those of their A-labels", async () => {
    const tag = newTag();
    const address = Buffer.from("jürgen@bücher.test").toString("latin1");
    const text = [`From: <${address}>`, `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["EHLO mail.origin.test", `MAIL FROM:<${address}> SMTPUTF8`, "RCPT TO:<alice@dest.test>", "DATA"];
    const replies = await sender.smtp(ADDRESS, 25, ...envelope, text, "QUIT");
    expect(replies.at(-2)).toMatch(/^250 /);
    const results = resultsOf(await receiver.arrived("alice", tag));
    expect(results).toMatch(
      /; spf=pass .*smtp\.mailfrom=xn--bcher-kva\.test; .*dmarc=pass .*header\.from=xn--bcher-kva\.test; /,
    );
  });

  test("a unix socket in smtpd's chroot", async () => {
    expect(resultsOf(await receiver.arrived("alice", await deliver(PORTS.chroot, [PLANTED])))).toMatch(PASSED);
  });

  test("SIGHUP under load: no message is lost, refused, or without its one field", async () => {
    const sessions = Array.from({ length: 6 }, async (_, index) => {
      const tags: string[] = [];
      for (let i = 0; i < 6; i++) tags.push(await deliver(index % 2 === 0 ? 25 : PORTS.chroot, [PLANTED]));
      return tags;
    });
    let isDone = false;
    const reloads = (async () => {
      let count = 0;
      for (; !isDone; count++) await postvouch.reload(count % 2 === 0 ? `${toml}[dmarc]\nquarantine = "hold"\n` : toml);
      return count;
    })();
    const tags = (await Promise.all(sessions)).flat();
    isDone = true;
    expect(await reloads).toBeGreaterThan(2);
    for (const tag of tags) expect(resultsOf(await receiver.arrived("alice", tag))).toMatch(PASSED);
    expect(postvouch.logLines(/ protocol=milter | internal /)).toEqual([]);
  });

  test("a daemon that is killed amid a message: it waits at its sender, and is judged by the next one", async () => {
    // Nobody answers there, so that the decision takes long.
    await postvouch.reload(`${toml}[dns]\nservers = ["10.77.0.99"]\n`);
    const tag = await sender.send({ from: "bob@origin.test", to: "alice@dest.test", headers: [PLANTED] });
    await sender.logged(new RegExp(`message-id=<${tag}@`));
    const [id = ""] = sender.queueIdsOf(tag);
    await receiver.logged(new RegExp(`message-id=<${tag}@`));
    await setTimeout(300);
    postvouch.signal("SIGKILL");
    await sender.logged(new RegExp(`${id}: to=<alice@dest\\.test>.* status=deferred .*451 4\\.7\\.1`));
    expect(receiver.mailbox("alice").some(({ text }) => text.includes(tag))).toBe(false);
    await lab.startPostvouch("dest", toml);
    await sender.flush();
    expect(resultsOf(await receiver.arrived("alice", tag))).toMatch(PASSED);
  });
});

/** A key and a certificate of nobody, which smtp(8) takes where it only encrypts. */
function makeCertificate(directory: string): void {
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const form = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.dest.test", "-days", "2"];
  runProgram("openssl", ["req", ...form, "-keyout", key, "-out", certificate]);
}
