/** What all handlers of messages share: the header, the removal of forged results, and the report at the end. */
import type { Eventual } from "../collections/eventual.ts";
import type {
  Decision,
  FieldIndex,
  HeaderEdits,
  HeaderField,
  MessageHandler,
  SmtpSession,
} from "../milter/application.ts";
import { endTransaction, type SpfTransaction } from "../spf/transactions.ts";
import { MessageHeader } from "./header.ts";
import type { MailAction, MessageReport } from "./report.ts";
import type { Origin } from "./role.ts";
import type { AuthenticationParts } from "./settings.ts";

/** One message, as Postfix tells it at MAIL. */
export interface Arrival {
  readonly parts: AuthenticationParts;
  readonly smtp: SmtpSession;
  readonly origin: Origin;
  /** The envelope sender without brackets; "" is the null sender. */
  readonly sender: string;
  /** Our names in Authentication-Results, in lower case. */
  readonly ids: readonly string[];
  /** True if the client is a host of ours whose results are believed. */
  readonly isRelayed: boolean;
  /** Shared with the policy service; `undefined` for mail that did not come by SMTP. */
  readonly transaction: SpfTransaction | undefined;
}

/** The part of a report that a handler knows. */
type Told = Partial<Pick<MessageReport, "authorDomain" | "results" | "would" | "signed" | "sealed" | "problem">>;

/**
 * Most fields that are removed. For each one cleanup(8) reads the queue file from its beginning: it takes seconds for 8,000 and
 * minutes for 16,000. No honest message has one in our name.
 */
const MAX_REMOVED = 500;

/** A message that is handled. Whatever becomes of it, results that claim to be ours are removed. */
export abstract class Handled implements MessageHandler {
  protected readonly arrival: Arrival;
  protected readonly head: MessageHeader;
  readonly #startMs: number;

  constructor(arrival: Arrival) {
    this.arrival = arrival;
    const { ids, isRelayed, parts, transaction } = arrival;
    this.head = new MessageHeader({ ids, trustedIds: parts.relays.ids, isRelayed }, transaction?.given);
    this.#startMs = parts.clockMs();
  }

  header(field: HeaderField, isExcess: boolean): void {
    this.head.add(field, isExcess);
  }

  /** The decision, but for a message with more forged results than Postfix could remove in time: that is refused. */
  eom(): Eventual<Decision> {
    const count = this.forged().length;
    if (count <= MAX_REMOVED || this.arrival.parts.settings.isReport) return this.decide();
    this.report("reject", { problem: `${count} forged results` });
    return {
      reply: { code: 550, enhancedCode: "5.7.1", text: "Too many authentication results in the name of this host" },
    };
  }

  protected abstract decide(): Eventual<Decision>;

  abort(hasFailed = false): void {
    this.report(hasFailed ? "error" : "aborted", {});
  }

  rescue(): HeaderEdits {
    return { remove: this.forged() };
  }

  /** The fields that are removed. */
  protected forged(): FieldIndex[] {
    return [...this.head.forged.all(), ...this.head.prepended.copies()];
  }

  /** The time at which the lookups that begin now are given up. */
  protected deadlineMs(): number {
    return this.arrival.parts.clockMs() + this.arrival.parts.settings.timeLimitMs;
  }

  protected report(action: MailAction, told: Told): void {
    const { parts, origin, smtp, sender, transaction } = this.arrival;
    if (transaction !== undefined) endTransaction(transaction);
    const ms = parts.clockMs() - this.#startMs;
    parts.observe({ role: origin.role, smtp, sender, authorDomain: "", results: [], signed: [], ...told, action, ms });
  }
}
