import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { explainBounce, RULES } from "../../src/bounce/explain.ts";
import { lookupObserver } from "../../src/daemon/lookup-observer.ts";
import { answerLookup } from "../../src/net/lookup.ts";
import { reverseTable } from "../../src/srs/table.ts";
import { Activity } from "../../src/status/activity.ts";
import { blocks, commandsOf } from "../e2e/lab/pages.ts";
import { postvouch, scratch } from "../helpers/daemon.ts";
import { idleMetrics, keepingLogger } from "../helpers/observed.ts";
import { programPath, requirePrograms } from "../helpers/requires.ts";
import { answers, identity } from "../policy/answers.ts";
import { readRecording } from "../srs/recorded.ts";
import { memoryStore, srsTables } from "../srs/tables.ts";

const ids = (text: string): string[] => explainBounce(text).explanations.map(({ id }) => id);

const GMAIL = "gmail-smtp-in.l.google.com[142.250.27.27]";

/** A line of Postfix's log. */
const said = (host: string, reply: string): string =>
  `Nov 26 08:00:00 mx postfix/smtp[2917]: 4fX1: to=<bob@dest.example>, relay=${host}:25, delay=1, dsn=5.0.0, status=bounced (host ${host} said: ${reply} (in reply to end of DATA command))`;

/** The fields of a notification's part for one recipient (RFC 3464 section 2.3). */
const fields = (host: string, reply: string): string =>
  `Final-Recipient: rfc822; bob@dest.example\nAction: failed\nStatus: 5.0.0\nRemote-MTA: dns; ${host}\nDiagnostic-Code: smtp; ${reply}`;

describe("each line of the tables", () => {
  test.each(RULES.map((rule) => [rule.id, rule] as const))("%s is explained by its own row", (id, { line }) => {
    const { explanations } = explainBounce(line);
    expect(explanations.map((one) => one.id)).toEqual([id]);
    const [{ means, todo } = { means: "{x:", todo: "" }] = explanations;
    expect(`${means} ${todo}`).not.toMatch(/\{\w+:/);
  });

  test("has a name of its own", () => {
    expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
  });
});

/** Texts from the pages of the receivers, shortened, in the words that they had in 2026. */
describe("a reply that a receiver lists on its page", () => {
  test.each([
    [GMAIL, "421 4.7.0 The IP address sending this message does not have a PTR record", "gmail-ptr"],
    [GMAIL, "451 4.7.23 The sending IP address for this message doesn't have a PTR record", "gmail-ptr"],
    [GMAIL, "550 5.7.1 does not meet IPv6 sending guidelines regarding PTR records and authentication", "gmail-ptr"],
    [GMAIL, "451 4.7.24 The SPF record of the sending domain has one or more suspicious entries.", "gmail-spf-entries"],
    [GMAIL, "421 4.7.26 This email has been rate limited because it is unauthenticated.", "gmail-unauthenticated"],
    [GMAIL, "550 5.7.27 This message was blocked because it didn't pass SPF authentication.", "gmail-spf"],
    [GMAIL, "550 5.7.28 There is an unusual rate of unsolicited email originating from your IP", "gmail-rate"],
    [GMAIL, "421 4.7.0 TLS required for RCPT domain, closing connection.", "gmail-tls"],
    [GMAIL, "421 4.7.32 the From: header isn't aligned with either the authenticated SPF or DKIM", "gmail-alignment"],
    [GMAIL, "421 4.7.40 the sending domain doesn't have a DMARC record", "gmail-no-dmarc"],
    [GMAIL, "550 5.2.1 The email account that you tried to reach is inactive.", "gmail-no-user"],
    [GMAIL, "450 4.2.1 receiving email at a rate that prevents additional messages", "gmail-user-rate"],
    [GMAIL, "421 4.7.28 something new", "gmail-rate"],
    [GMAIL, "550 5.7.26 something new", "gmail-unauthenticated"],
    ["mx.outlook.com[192.0.2.1]", "550 5.7.515 something new", "microsoft-bulk"],
    [GMAIL, "554 5.4.6 Message exceeded 50 hops, this may indicate an email loop.", "loop"],
    ["mx.outlook.com[192.0.2.1]", "550 5.7.636 Access denied, banned sending IP [192.0.2.10]", "microsoft-banned"],
    ["mx.outlook.com[192.0.2.1]", "451 4.7.860 Access denied, please try again later", "microsoft-later"],
    [
      "mx.mail.protection.outlook.com[192.0.2.1]",
      "550 5.4.1 Recipient address rejected: Access denied.",
      "microsoft-no-user",
    ],
    ["mta5.am0.yahoodns.net[192.0.2.1]", "421 4.7.0 [TSS05] Messages temporarily deferred", "yahoo-deferred"],
    [
      "mta5.am0.yahoodns.net[192.0.2.1]",
      "554 delivery error: dd This user doesn't have a yahoo.com account",
      "yahoo-no-user",
    ],
    [
      "mx00.emig.gmx.net[192.0.2.1]",
      "554-gmx.net (mxgmx014) Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record. 554 For explanation visit https://www.gmx.net/mail/senderguidelines?ip=192.0.2.10&c=rdns",
      "gmx-ptr",
    ],
    [
      "mx01.kundenserver.de[192.0.2.1]",
      "554-kundenserver.de (mxeue110) Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record.",
      "gmx-ptr",
    ],
    [
      "mx00.gmx.net[192.0.2.1]",
      "554-Transaction failed 554-Reject due to policy restrictions. 554 For explanation visit https://postmaster.gmx.net/de/case?c=r0735&i=ip&v=192.0.2.10&r=1McHM6-1srIWI1qNo-00dbDH",
      "gmx-policy",
    ],
    ["mx-ha02.web.de[192.0.2.1]", "421 Rate limit reached. Please try again later", "gmx-rate"],
    [
      "mx02.t-online.de[192.0.2.1]",
      "554 IP=192.0.2.10 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.) (BL)",
      "t-online-blocked",
    ],
    [
      "mx00.t-online.de[192.0.2.1]",
      "554 IP=192.0.2.10 - Dialup/transient IP not allowed. Use a mailgateway or contact toda@rx.t-online.de if obsolete. (DIAL)",
      "t-online-dialup",
    ],
    ["mx01.mail.icloud.com[192.0.2.1]", "554 5.7.1 [CS02] Message rejected due to local policy.", "apple-policy"],
    [
      "mx01.mail.icloud.com[192.0.2.1]",
      "450 4.1.8 <x@y>: Sender address rejected: Domain not found",
      "sender-domain-not-found",
    ],
  ])("%s: %s", (host, reply, id) => {
    expect(ids(said(host, reply))).toEqual([id]);
    expect(ids(fields(host.replace(/\[.*/, ""), reply))).toEqual([id]);
  });
});

describe("what these programs say themselves", () => {
  test("postvouch's log of refused lookups", async () => {
    const { logger, lines } = keepingLogger("info");
    const observer = lookupObserver("tcp_table", idleMetrics(), logger, new Activity());
    const broken = { ...memoryStore(), get: () => Promise.reject(new Error("connect ECONNREFUSED")) };
    const table = reverseTable(srsTables({ store: broken }));
    const tables = srsTables();
    const { address: old = "" } = tables.rewriter.forward(
      { local: "alice", domain: "elsewhere.example" },
      undefined,
      5,
    );
    const { address: kept = "" } = tables.rewriter.forward({ local: "0".repeat(32), domain: "1" }, undefined, 18_262);
    for (const key of ["SRS0=Ab1d=2W=elsewhere.example=alice@example.com", old, kept]) {
      await answerLookup(table, key, observer, () => "");
    }
    expect(lines.map((line) => ids(`Nov 26 08:00:00 mx postvouch[99]: ${line}`))).toEqual([
      ["srs-bad-hash"],
      ["srs-expired"],
      ["srs-store"],
    ]);
  });

  test("postvouch's policy replies", async () => {
    const mailFrom = identity({
      fail: { kind: "reject" },
      permerror: { kind: "reject" },
      temperror: { kind: "defer" },
    });
    const refusals = await Promise.all(
      (["fail", "permerror", "temperror"] as const).map(async (result) => {
        const [reply = ""] = await answers({ "mail.sender.test": "none", "sender.test": result }, [{}], { mailFrom });
        return reply.replace("DEFER_IF_PERMIT ", "450 ");
      }),
    );
    expect(refusals.map((reply) => ids(reply))).toEqual([
      ["policy-reject"],
      ["policy-permerror"],
      ["policy-temperror"],
    ]);
  });

  test("every refusal of a hash or a stamp that postsrsd 1.10 and 2.4.0 gave", () => {
    const replies = (["postsrsd1", "postsrsd2"] as const).flatMap((name) =>
      Object.values(readRecording(name).vectors).flatMap(({ reverse = [] }) => reverse.map(([, reply]) => reply)),
    );
    const refusals = [...new Set(replies)].filter((reply) => /hash (?:invalid|too)|stamp out/i.test(reply));
    expect(refusals.length).toBeGreaterThan(3);
    for (const reply of refusals) {
      expect(ids(reply)).toEqual([reply.includes("stamp") ? "postsrsd-expired" : "postsrsd-bad-hash"]);
    }
  });
});

const postfix = requirePrograms("postmap");

test.skipIf(postfix !== undefined).each(["socketmap:inet:127.0.0.1:1:forward", "socketmap:unix:/nowhere:forward"])(
  `what Postfix says of a map that nobody serves: %s ${postfix ?? ""}`,
  (map) => {
    const { stderr } = spawnSync(programPath("postmap") ?? "", ["-q", "a@b.example", map], { encoding: "utf8" });
    expect(stderr).toContain("lookup error");
    expect(stderr.trim().split("\n").map(ids)).toEqual([["map-unreachable"], ["map-unreachable"], ["map-unreachable"]]);
    expect(ids(stderr)).toEqual(["map-unreachable"]);
  },
);

describe("a text however it was pasted", () => {
  const reply =
    "550-5.7.26 Your email has been blocked because the sender is unauthenticated. 550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. 550-5.7.26 550-5.7.26  Authentication results: 550-5.7.26  DKIM = did not pass 550-5.7.26  SPF [srs.example.org] with ip: [192.0.2.10] = did not pass 550-5.7.26 550 5.7.26  https://support.google.com/mail/answer/81126 x-gsmtp";
  const notification = `This is the mail system at host mx.example.org.

<bob@dest.example> (expanded from <team@example.org>): host
    ${GMAIL} said: ${reply.replaceAll(". ", ".\n    ")} (in reply to end of DATA command)

--4fX1/mx.example.org
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

${fields("gmail-smtp-in.l.google.com", reply.replaceAll(". ", ".\n    "))}

--4fX1/mx.example.org
Content-Type: message/rfc822

Subject: mailbox full

552 5.2.2 <eve@elsewhere.example>: user is over quota
`;
  const wrapped = said(GMAIL, reply).replace(/(.{60}[^ ]*) /g, "$1\n");

  test.each([
    ["as a line of the log", said(GMAIL, reply)],
    ["as a line that the terminal wrapped", wrapped],
    ["as a notification, without the message that it returns", notification],
    ["with CR LF", notification.replaceAll("\n", "\r\n")],
    ["as a quotation", notification.replaceAll(/^/gm, "> ")],
    ["with the soft line breaks of quoted-printable", notification.replaceAll("authenticate", "authen=\nticate")],
    ["as the reply alone", reply],
  ])("%s", (_, text) => {
    const [one, ...others] = explainBounce(text).explanations;
    expect(others).toEqual([]);
    expect(one).toMatchObject({ id: "gmail-unauthenticated", by: "Gmail", code: "550 5.7.26", mends: "you" });
    expect(one?.means).toContain("SPF was checked for srs.example.org from 192.0.2.10");
  });

  test.each([
    ["Diagnostic-Code: smtp;550 5.7.25 no PTR", "550 5.7.25", "ptr"],
    [
      "Remote host said: 554 delivery error: dd This user doesn't have a yahoo.com account [-5] - mta1.mail.mud.yahoo.com, see https://senders.yahooinc.com",
      "554",
      "yahoo-no-user",
    ],
    ["#< #5.7.25 smtp;550 5.7.25 no reverse DNS> #SMTP#", "550 5.7.25", "ptr"],
    ["550-5.1.1 no\n550 5.1.1 such user", "550 5.1.1", "no-user"],
    [
      'info spf client=192.0.2.1 helo=x sender=a@b action=reject reply="550 5.7.23 Message rejected due to: SPF fail: x" ms=1',
      "550 5.7.23",
      "policy-reject",
    ],
  ])("by another program: %s", (text, code, id) => {
    expect(explainBounce(text).explanations).toMatchObject([{ id, code }]);
  });

  test("tells whose words they are: a receiver's, a host's or a program's of this one", () => {
    const by = (text: string): string[] => explainBounce(text).explanations.map((one) => one.by);
    const refusal = "550 5.7.23 <bob@dest.example>: Recipient address rejected: SPF fail";
    expect(by(said(GMAIL, "552 5.2.2 full"))).toEqual(["Gmail"]);
    expect(by(said("mx.dest.example[192.0.2.1]", refusal))).toEqual(["mx.dest.example"]);
    expect(by(`postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: ${refusal}`)).toEqual(["postvouch"]);
    expect(by("552 5.2.2 full")).toEqual(["A receiver"]);
  });

  test("with several causes and recipients gives each cause once", () => {
    const full = "552 5.2.2 Quota exceeded";
    const log = [
      said("mx.a.example[192.0.2.1]", full),
      said(GMAIL, reply).replace("bob@", "eve@"),
      "Nov 26 08:00:01 mx postfix/qmgr[3]: 4fX1: removed",
      said("mx.a.example[192.0.2.1]", full).replace("bob@", "carol@"),
    ];
    const { explanations } = explainBounce(log.join("\n"));
    expect(explanations.map(({ id, recipients }) => [id, recipients])).toEqual([
      ["full", ["bob@dest.example", "carol@dest.example"]],
      ["gmail-unauthenticated", ["eve@dest.example"]],
    ]);
  });

  test("names nothing in a command that a shell would run", () => {
    const [one] = explainBounce(reply.replace("srs.example.org", "$(reboot).example")).explanations;
    expect(one?.todo).not.toContain("$(");
  });

  test.each([
    "550 5.7.26 unauthenticated ",
    "DMARC ",
    "MAIL FROM domain [x] has an SPF record with a hard fail policy ",
    "\n> \n",
  ])("that repeats %j without end is read to a limit", (piece) => {
    expect(explainBounce(piece.repeat(1_000_000 / piece.length)).explanations.length).toBeLessThan(2);
  });
});

describe("postvouch explain-bounce", () => {
  test("explains every line of docs/troubleshooting.md as the page does", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/troubleshooting.md"), "utf8");
    const entries = [...page.matchAll(/^```\n(.*)\n```\n\n- (.*)\n- \*\*Do:\*\* (.*)\n- \*(.*)\*$/gm)];
    expect(entries.length).toBe(RULES.length);
    const { status, stdout } = postvouch(["explain-bounce", "--json"], {
      input: entries.map(([, line]) => line).join("\n\n"),
    });
    expect(status).toBe(0);
    const explained = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, string>);
    const plain = (text = ""): string => text.replaceAll("\\", "");
    const [printed, shown] = [
      explained.map(({ means, todo, who }) => [means, todo, who]),
      entries.map(([, , means, todo, who]) => [plain(means), plain(todo), who]),
    ];
    expect(new Set(printed)).toEqual(new Set(shown));
  });

  test("runs as docs/troubleshooting.md shows", () => {
    using dir = scratch();
    const main = join(import.meta.dirname, "../../src/main.js");
    dir.write("postvouch", `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`, 0o755);
    dir.write("mail.log", `${said("mx.a.example[192.0.2.1]", "552 5.2.2 Quota exceeded")}\n`);
    const env = { ...process.env, PATH: `${dir.path}:${process.env.PATH}` };
    const commands = blocks("troubleshooting.md", "# Troubleshooting", "sh", { "/var/log": dir.path }).flatMap(
      commandsOf,
    );
    const ran = commands.map((line) => spawnSync("sh", ["-c", line], { encoding: "utf8", env }));
    expect(ran.map(({ status }) => status)).toEqual([0, 0]);
    const [one, fromLog] = ran.map(({ stdout }) => stdout);
    expect(fromLog).toContain("The recipient's mailbox is full.");
    expect(one).toMatch(/^A receiver, 550 5\.7\.25\n {2}means: /);
    expect(one?.split("\n").every((line) => line.length <= 80)).toBe(true);
  });

  test("says plainly what no forwarder can mend", () => {
    const dmarc =
      "550-5.7.26 Unauthenticated email from elsewhere.example is not accepted due to domain's DMARC policy.";
    const { status, stdout } = postvouch(["explain-bounce"], { input: said(GMAIL, dmarc) });
    expect(status).toBe(0);
    expect(stdout).toContain("No forwarder can mend this.");
    expect(stdout).toContain("elsewhere.example");
  });

  test.each([
    { text: "599 5.9.99 Nope", code: 1, says: "599 is a permanent failure" },
    {
      text: "454 4.4.99 Nope",
      code: 1,
      says: "4.4.99 is a temporary failure, so Postfix tries again, about the network",
    },
    { text: "550 5.7.30 Nope", code: 1, says: "about security or a policy: TLS is required" },
    { text: "the weather", code: 1, says: "want a line of the mail log, a reply of a server or a whole notification" },
    { text: " \n", code: 65, says: "it is empty, want a log line or a notification" },
    { text: "", code: 65, says: "it is empty" },
  ])("answers $text with $code", ({ text, code, says }) => {
    const { status, stderr, stdout } = postvouch(["explain-bounce", "-"], { input: text });
    expect({ status, stdout, stderr }).toEqual({ status: code, stdout: "", stderr: expect.stringContaining(says) });
  });

  test("escapes what a sender could have put into a reply", () => {
    const { stdout } = postvouch(["explain-bounce"], {
      input: "to=<bob\u001b[31m\u202e@x.example>, (host mx.dest.example[192.0.2.1] said: 552 5.2.2 full)",
    });
    expect(stdout).toContain("bob\\x1b[31m\\u{202e}@x.example");
  });
});
