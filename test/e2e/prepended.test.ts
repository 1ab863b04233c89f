/** Tests the policy service and the milter of one process behind a real Postfix: the fields of a message, and its DNS queries. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag, type StoredMessage } from "./lab/mail.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";

const missing = requireLab();

const POLICY = "inet:127.0.0.1:10030";

/** Where smtpd asks the milter alone, and both of them, the policy service also before MAIL is accepted. */
const PORTS = { milter: 2525, early: 2526 } as const;

const MASTER_CF = `${PORTS.milter} inet n - n - - smtpd
  -o smtpd_recipient_restrictions=reject_unauth_destination
  -o smtpd_data_restrictions=
${PORTS.early} inet n - n - - smtpd
  -o smtpd_delay_reject=no
  -o { smtpd_sender_restrictions=check_policy_service ${POLICY} }
  -o smtpd_recipient_restrictions=reject_unauth_destination
  -o smtpd_data_restrictions=
`;

const TOML = `hostname = "mail.dest.test"
[milter]
listen = ["127.0.0.1:8891"]
[policy]
headers = ["received-spf", "authentication-results"]
`;

/** No answer about brief.test may be kept. */
const RECORDS = ['brief.test. 0 TXT "v=spf1 ip4:10.77.0.10 -all"', "brief.test. 0 MX 10 mail.origin.test."];

describe.skipIf(missing !== undefined)(
  `Policy service and milter behind a real Postfix ${missing ?? ""}`,
  LAB_TEST,
  () => {
    let lab: Lab;
    let postvouch: Postvouch;

    beforeAll(async () => {
      const both = dest(POLICY);
      const mainCf = `${both.mainCf}smtpd_data_restrictions = check_policy_service ${POLICY}\nsmtpd_milters = inet:127.0.0.1:8891\n`;
      lab = await Lab.start([origin(), { ...both, mainCf, masterCf: MASTER_CF }], RECORDS);
      postvouch = await lab.startPostvouch("dest", TOML);
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());

    interface Sent {
      readonly sender?: string;
      readonly planted?: readonly string[];
      /** SMTP commands before MAIL. */
      readonly before?: readonly string[];
    }

    /** Sends messages in one session to alice and carol. @returns alice's copies */
    async function deliver(port: number, ...messages: readonly Sent[]): Promise<StoredMessage[]> {
      const tags = messages.map(() => newTag());
      const commands = messages.flatMap(({ sender = "bob@origin.test", planted = [], before = [] }, index) => [
        ...before,
        `MAIL FROM:<${sender}>`,
        ...["alice", "carol", "alice"].map((user) => `RCPT TO:<${user}@dest.test>`),
        "DATA",
        [...planted, "From: <bob@origin.test>", `Subject: ${tags[index]}`, "", "hello", "."].join("\r\n"),
      ]);
      const replies = await lab.host("origin").smtp("10.77.0.30", port, "EHLO mail.origin.test", ...commands, "QUIT");
      expect(replies.filter((reply) => /^250 .*queued/.test(reply))).toHaveLength(messages.length);
      return Promise.all(tags.map((tag) => lab.host("dest").arrived("alice", tag)));
    }

    const spfOf = (message: StoredMessage): string[] => message.headers("Received-SPF");

    /** Each of the messages of a session has one field of each kind. */
    function expectOneOfEach(messages: readonly StoredMessage[]): void {
      for (const message of messages) {
        expect(spfOf(message)).toEqual([expect.stringMatching(/^pass .*receiver=mail\.dest\.test$/)]);
        expect(message.headers("Authentication-Results")).toEqual([
          expect.stringMatching(/^mail\.dest\.test; spf=pass .*; dkim=none .*; dmarc=/),
        ]);
      }
    }

    test("a message for several recipients, and each message of a session, has one field of each kind", async () => {
      const abandoned = ["MAIL FROM:<bob@origin.test>", "RCPT TO:<alice@dest.test>", "RSET"];
      expectOneOfEach(await deliver(25, {}, {}, { before: abandoned }, { before: ["EHLO mail.origin.test"] }));
    });

    test("also if the policy service is asked before MAIL is accepted", async () => {
      expectOneOfEach(await deliver(PORTS.early, {}));
    });

    test.each([
      { what: "at RCPT", port: 25, sender: "bob@origin.test" },
      { what: "at RCPT, for a sender that Postfix unquotes", port: 25, sender: '"bob b"@origin.test' },
      { what: "at MAIL", port: PORTS.early, sender: "bob@origin.test" },
    ])(
      "copies of our Received-SPF are removed, and other fields of the sender stay: $what",
      async ({ port, sender }) => {
        const [first] = await deliver(port, { sender });
        const [ours = ""] = first === undefined ? [] : spfOf(first);
        const foreign = ours.replace("pass", "fail");
        const planted = [`Received-SPF: ${ours}`, `Received-SPF: ${foreign}`, `Received-SPF: ${ours}`];
        const sent = { sender, planted };
        // At MAIL the policy service cannot tell two messages of a session apart, and gives the second one its other field.
        const messages = port === PORTS.early ? await deliver(port, sent) : await deliver(port, sent, sent);
        for (const message of messages) expect(spfOf(message)).toEqual([ours, foreign]);
      },
    );

    test("a text that this message was not given is any text of the sender", async () => {
      const [first] = await deliver(25, {});
      const [ours = ""] = first === undefined ? [] : spfOf(first);
      const [message] = await deliver(PORTS.milter, { planted: [`Received-SPF: ${ours}`, `Received-SPF: ${ours}`] });
      expect(message === undefined ? [] : spfOf(message)).toEqual([ours, ours]);
    });

    /** Number of queries for TXT records so far. */
    async function queries(): Promise<number> {
      const lines = (await postvouch.scrape())
        .split("\n")
        .filter((line) => /^postvouch_dns_queries_total\{.*"TXT"/.test(line));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
    }

    test("both together ask DNS no more often than the milter alone, even if no answer may be kept", async () => {
      const cost = async (port: number): Promise<number> => {
        const before = await queries();
        await deliver(port, { sender: "bob@brief.test" });
        return (await queries()) - before;
      };
      await cost(PORTS.milter);
      const alone = await cost(PORTS.milter);
      expect(alone).toBeGreaterThan(0);
      expect(await cost(25)).toBe(alone);
      expect(await cost(PORTS.early)).toBe(alone);
    });
  },
);
