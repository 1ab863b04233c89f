/** Hands whole messages to mail authentication, from MAIL to the decision, as the milter does. */
import { createAuthentication } from "../../src/authentication/application.ts";
import type { MessageReport } from "../../src/authentication/report.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { SigningKeys } from "../../src/dkim/keys.ts";
import type { HistoryMessage } from "../../src/dmarc/history.ts";
import type { Resolver } from "../../src/dns/types.ts";
import { splitMessage } from "../../src/mail/header-field.ts";
import type { Application, Decision, MessageHandler, SmtpSession } from "../../src/milter/application.ts";
import { createMilterService } from "../../src/milter/service.ts";
import { createCheckParts } from "../../src/setup/mail-checks.ts";
import type { Setup } from "../../src/setup/setup.ts";
import { createChecker } from "../../src/setup/spf-checker.ts";
import { SpfTransactions } from "../../src/spf/transactions.ts";
import { fed, recordingObserver } from "../milter/applications.ts";
import { type FilterPacket, mta, POSTFIX_OFFER, readPackets } from "../milter/mta.ts";

const NOW_SECONDS = 1_795_648_000;

const LOOPBACK = { hostname: "localhost", family: "inet", address: "127.0.0.1", port: 40_000 } as const;
export const STRANGER = { hostname: "mail.example.net", family: "inet", address: "192.0.2.1", port: 40_000 } as const;

export interface Handling {
  readonly resolver: Resolver;
  readonly keys?: SigningKeys;
  readonly toml?: string;
  readonly client?: SmtpSession["client"];
  readonly daemon?: string;
  readonly heloName?: string;
  readonly sender?: string;
  readonly nowSeconds?: number;
  readonly transactions?: SpfTransactions;
  /** Beside `{daemon_name}`. */
  readonly macros?: Readonly<Record<string, string>>;
  /** What is kept for reports. */
  readonly record?: (message: HistoryMessage) => void;
  /** What happens between RCPT and DATA. */
  readonly beforeData?: () => Promise<unknown>;
}

export interface Outcome {
  readonly decision: Decision | "accept";
  readonly report: MessageReport | undefined;
  /** The message with its new fields. Those that are removed are still there. */
  readonly message: string;
  /** The names of the new fields. */
  readonly inserted: readonly string[];
}

/** Mail authentication of mx.example.org. */
function authentication(handling: Handling): {
  readonly application: Application;
  /** What was told of the last message that has ended. */
  readonly reported: () => MessageReport | undefined;
} {
  const { resolver, toml = "" } = handling;
  const { config, problems } = parseConfig(toml, "test.toml");
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const setup = { config, hostname: "mx.example.org", srsDomain: "srs.example.org" } as Setup;
  const timeMs = (): number => (handling.nowSeconds ?? NOW_SECONDS) * 1000;
  let report: MessageReport | undefined;
  const application = createAuthentication({
    ...createCheckParts(setup, { resolver, checker: createChecker(setup, resolver as never), timeMs }),
    keys: handling.keys ?? new SigningKeys([], { requirePublished: false, seen: [] }),
    transactions: handling.transactions ?? new SpfTransactions(),
    timeMs,
    record: handling.record,
    observe: (one) => {
      report = one;
    },
  });
  return { application, reported: () => report };
}

/** Begins one message. */
export function beginMessage(handling: Handling): {
  readonly handler: MessageHandler;
  /** What was told of it, once it has ended. */
  readonly reported: () => MessageReport | undefined;
} {
  const { client = LOOPBACK, daemon = "smtpd", heloName = "mail.example.net" } = handling;
  const { application, reported } = authentication(handling);
  const smtp: SmtpSession = {
    client,
    heloName,
    macros: new Map(Object.entries({ "{daemon_name}": daemon, ...handling.macros })),
  };
  const handler = application.begin(smtp, { address: handling.sender ?? "ann@example.com", parameters: [] });
  return { handler, reported };
}

/** Handles one message, from RCPT on. */
export async function handleMessage(message: string, handling: Handling): Promise<Outcome> {
  const { handler, reported } = beginMessage(handling);
  await handler.rcpt?.({ address: "bob@example.org", parameters: [] });
  await handling.beforeData?.();
  const { fields, body } = splitMessage(Buffer.from(message, "latin1"));
  for (const { name, value } of fields) handler.header?.({ name, value: value.replaceAll("\r\n", "\n") }, false);
  if ((await handler.eoh?.()) === "accept") return { decision: "accept", report: reported(), message, inserted: [] };
  handler.body?.(body.toString("latin1"));
  const decision = await handler.eom();
  const lines = (decision.edits?.insert ?? []).map(
    ({ name, value }) => `${name}:${value.replace(/\r?\n/g, "\r\n")}\r\n`,
  );
  return {
    decision,
    report: reported(),
    message: lines.join("") + message,
    inserted: lines.map((line) => line.split(":")[0] ?? ""),
  };
}

/** What Postfix is told about a message, in its own packets. */
export interface Replied {
  /** The reply to the end of the message: `c`, or `y` and its text. */
  readonly reply: string;
  readonly isHeld: boolean;
  /** The numbers of the removed fields, by name. */
  readonly removed: readonly { readonly name: string; readonly index: number }[];
  /** The new fields, those at the top first. */
  readonly inserted: readonly { readonly name: string; readonly value: string }[];
}

/** Sends a message to the milter as Postfix does. @param login the value of {auth_type} */
export async function sendThroughMilter(message: string, handling: Handling, login?: string): Promise<Replied> {
  const { client = LOOPBACK, daemon = "smtpd", heloName = "mail.example.net", sender = "ann@example.com" } = handling;
  const { application } = authentication(handling);
  const { observer, problems } = recordingObserver();
  const session = createMilterService(() => application, observer).open();
  const { fields, body } = splitMessage(Buffer.from(message, "latin1"));
  const packets = [
    mta.options(...POSTFIX_OFFER),
    mta.macros("C", { "{daemon_name}": daemon }) + mta.connect(client.hostname, client.address, "4", client.port),
    mta.helo(heloName),
    mta.macros("M", login === undefined ? {} : { "{auth_type}": login }) + mta.mail(`<${sender}>`),
    mta.rcpt("<bob@example.org>") + mta.data(),
    ...fields.map(({ name, value }) => mta.field(name, value.replaceAll("\r\n", "\n"))),
    mta.eoh(),
    body.length === 0 ? "" : mta.body(body.toString("latin1")),
    mta.eom(),
  ];
  let out = "";
  for (const one of packets) out += await fed(session, one);
  if (problems.length > 0) throw new Error(problems.join("; "));
  return readReplies(readPackets(out).slice(1));
}

function readReplies(replies: readonly FilterPacket[]): Replied {
  const last = replies.at(-1);
  const edits = replies.flatMap(({ byte, data }) => {
    if (byte !== "i" && byte !== "m") return [];
    const [name = "", value = ""] = data.slice(4).split("\0");
    return [{ byte, name, value, index: Buffer.from(data.slice(0, 4), "latin1").readUInt32BE() }];
  });
  return {
    reply: `${last?.byte} ${last?.data ?? ""}`.replace("\0", "").trim(),
    isHeld: replies.some(({ byte }) => byte === "q"),
    removed: edits.filter(({ byte }) => byte === "m").map(({ name, index }) => ({ name, index })),
    // Each new one is put above the others.
    inserted: edits.filter(({ byte }) => byte === "i").reverse(),
  };
}
