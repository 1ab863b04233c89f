/** Hands whole messages to mail authentication, from MAIL to the decision, as the milter does. */
import { createAuthentication } from "../../src/authentication/application.ts";
import type { MessageReport } from "../../src/authentication/report.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { SigningKeys } from "../../src/dkim/keys.ts";
import type { Resolver } from "../../src/dns/types.ts";
import { splitMessage } from "../../src/mail/header-field.ts";
import type { Decision, MessageHandler, SmtpSession } from "../../src/milter/application.ts";
import { createCheckParts } from "../../src/setup/mail-checks.ts";
import type { Setup } from "../../src/setup/setup.ts";
import { createChecker } from "../../src/setup/spf-checker.ts";
import { SpfTransactions } from "../../src/spf/transactions.ts";

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

/** Begins one message on mx.example.org. */
export function beginMessage(handling: Handling): {
  readonly handler: MessageHandler;
  /** What was told of it, once it has ended. */
  readonly reported: () => MessageReport | undefined;
} {
  const { resolver, toml = "", client = LOOPBACK, daemon = "smtpd", heloName = "mail.example.net" } = handling;
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
    observe: (one) => {
      report = one;
    },
  });
  const smtp: SmtpSession = { client, heloName, macros: new Map([["{daemon_name}", daemon]]) };
  const handler = application.begin(smtp, { address: handling.sender ?? "ann@example.com", parameters: [] });
  return { handler, reported: () => report };
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
