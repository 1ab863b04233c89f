/** The messages of a chaos run, each known by its number, and what became of each. */
import type { StoredMessage } from "../e2e/lab/mail.ts";

/** What a message is there to show. */
type MessageKind = "plain" | "long" | "refused" | "bounced";

export interface ChaosMessage {
  readonly kind: MessageKind;
  readonly from: string;
  readonly to: string;
  /** Stands in its Subject, and in a bounce of it. */
  readonly tag: string;
}

/** A local part that does not fit into a rewritten one, so that its address goes to the store. */
const LONG = "a-very-long-local-part-that-goes-to-the-store-of-addresses";

/** Senders are all different: what Postfix remembers of one says nothing of another. */
export function chaosMessage(number: number): ChaosMessage {
  const tag = `chaos-${number}-`;
  if (number % 10 === 3) return { kind: "refused", from: `eve+${number}@strict.test`, to: "alice@fwd.test", tag };
  if (number % 10 === 6) return { kind: "bounced", from: `bob+${number}@origin.test`, to: "late@fwd.test", tag };
  const kind = number % 5 === 4 ? "long" : "plain";
  return { kind, from: `${kind === "long" ? LONG : "bob"}+${number}@origin.test`, to: "alice@fwd.test", tag };
}

/** The commands of an SMTP session that hands messages over. */
export function submission(messages: readonly ChaosMessage[]): string[] {
  const commands = messages.flatMap(({ from, to, tag }) => {
    const text = `From: <${from}>\r\nTo: <${to}>\r\nSubject: ${tag}\r\n\r\nhello\r\n.`;
    return [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA", text];
  });
  return ["EHLO mail.origin.test", ...commands, "QUIT"];
}

/** Where messages can end: mailboxes, and the log of the host that sent them. */
export interface Ends {
  readonly delivered: readonly StoredMessage[];
  readonly bounces: readonly StoredMessage[];
  /** What the sending host says of messages that the forwarder refused. */
  readonly refusals: readonly StoredMessage[];
}

export interface Account {
  readonly delivered: number;
  readonly refused: number;
  readonly bounced: number;
  /** A line for each message that was lost, doubled, not rewritten, or refused for a reason that is not its own. */
  readonly faults: readonly string[];
}

/** Accounts for every message. */
export function account(messages: readonly ChaosMessage[], ends: Ends): Account {
  const delivered = countByTag(ends.delivered.map((message) => message.headers("Subject")[0] ?? ""));
  const bounces = countByTag(ends.bounces.map(tagIn));
  const refusals = countByTag(ends.refusals.map(tagIn));
  const faults = [
    ...ends.delivered
      .filter(({ returnPath }) => !/^SRS0=/.test(returnPath))
      .map((message) => `not rewritten: ${message.headers("Subject")[0]} from ${message.returnPath}`),
    ...ends.refusals
      .filter(({ text }) => !/said: 550\s+5\.7\.23\s/.test(text))
      .map((message) => `refused for another reason: ${message.text.slice(0, 2000)}`),
    ...ends.bounces
      .filter(({ text }) => !text.includes("no such user any more"))
      .map((message) => `bounced for another reason: ${message.text.slice(0, 2000)}`),
  ];
  const totals = { delivered: 0, refused: 0, bounced: 0 };
  for (const { kind, tag } of messages) {
    const found = [delivered, refusals, bounces].map((counts) => counts.get(tag) ?? 0) as [number, number, number];
    if (!isRight(kind, found))
      faults.push(`${kind} ${tag}: delivered ${found[0]}, refused ${found[1]}, bounced ${found[2]}`);
    totals.delivered += found[0];
    totals.refused += found[1];
    totals.bounced += found[2];
  }
  return { ...totals, faults };
}

function isRight(kind: MessageKind, [delivered, refused, bounced]: readonly [number, number, number]): boolean {
  switch (kind) {
    case "plain":
    case "long":
      return delivered === 1 && refused === 0 && bounced === 0;
    case "bounced":
      return delivered === 0 && refused === 0 && bounced === 1;
    case "refused": // While its SPF record cannot be asked for it is let through, as the default for temperror is.
      return delivered + refused === 1 && bounced === 0;
  }
}

function tagIn({ text }: StoredMessage): string {
  return /chaos-\d+-/.exec(text)?.[0] ?? "";
}

function countByTag(tags: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return counts;
}
