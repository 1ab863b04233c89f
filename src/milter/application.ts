/**
 * The interface of an application: what it is told of a message, and what it may decide. It knows no packets. Text is
 * latin1: one character is one byte.
 *
 * For each connection the MTA tells CONNECT and HELO, then any number of messages: MAIL, RCPT, DATA, header fields, end
 * of header, body, end of message. A message may be aborted at any time. Steps come one at a time, in this order.
 */
import type { Eventual } from "../collections/eventual.ts";

/** An application, the same one for all connections. */
export interface Application {
  readonly wants: Wants;
  connect?(smtp: SmtpSession): Eventual<SessionReply>;
  /** Called for each HELO or EHLO: Postfix tells it twice with STARTTLS, and the last one counts. */
  helo?(smtp: SmtpSession): Eventual<SessionReply>;
  /** Begins a message, at MAIL. `smtp` stays the same object, and is up to date at each step. */
  begin(smtp: SmtpSession, sender: EnvelopeAddress): MessageHandler;
}

/** What an application asks of the MTA when the connection begins, and how it wants to be treated. */
export interface Wants {
  /** The edits that it makes. */
  readonly actions: readonly Action[];
  /**
   * The steps that it answers. For the others the MTA waits for no answer, which saves a round trip each, and what their
   * methods return is ignored. The end of the message is always answered.
   */
  readonly answers: readonly AnsweredStep[];
  /** Steps that need not be told. */
  readonly ignores?: readonly IgnoredStep[];
  /** Macros by stage, in place of those that the admin of the MTA has chosen. */
  readonly macros?: Readonly<Partial<Record<MacroStage, readonly string[]>>>;
  /** Largest size of a body packet. Default: 65,535, all that Postfix has. Chunks are handed on as they are read. */
  readonly maxChunkBytes?: 65_535 | 262_143 | 1_048_575;
  /** Largest header of one message, in bytes. Fields beyond it are marked, so that they need not be kept. */
  readonly maxHeaderBytes: number;
  /**
   * The answer after an error of the application: a 451 reply, or the message is let through with the edits of `rescue`.
   * Errors of `begin`, `header` and `rescue` are always answered with 451, because then those edits are not known.
   */
  readonly onError: "tempfail" | "accept";
}

export type Action = "addHeaders" | "changeHeaders" | "quarantine";

/** With `body` in the list a message whose body is not needed can be cut short, for a round trip for each chunk. */
export type AnsweredStep = "connect" | "helo" | "mail" | "rcpt" | "data" | "eoh" | "body";

export type IgnoredStep = "helo" | "rcpt" | "data" | "header" | "eoh" | "body";

type MacroStage = "connect" | "helo" | "mail" | "rcpt" | "data" | "eoh" | "eom";

/** One SMTP session, from CONNECT to QUIT. */
export interface SmtpSession {
  readonly client: Client;
  /** The name in the last HELO or EHLO; "" before it. */
  readonly heloName: string;
  readonly macros: Macros;
}

/** The client, as the MTA tells it. Mail from sendmail(1) has localhost, 127.0.0.1 and port 0 in Postfix. */
export interface Client {
  /** The verified name, or the address in brackets. */
  readonly hostname: string;
  /** `unknown` has no address, and port 0. */
  readonly family: "inet" | "inet6" | "unix" | "unknown";
  /** Without `IPv6:`. For `unix` the path. */
  readonly address: string;
  readonly port: number;
}

/** The macros that are known now. Those of a message are forgotten at its end. */
export interface Macros {
  /** The value of `i`, `{auth_type}` or `auth_type`, from the latest stage that has it. */
  get(name: string): string | undefined;
}

/** The sender or a recipient. */
export interface EnvelopeAddress {
  /** As the client wrote it, without the angle brackets around it; "" is the null sender. */
  readonly address: string;
  /** ESMTP parameters, such as `SIZE=376`. */
  readonly parameters: readonly string[];
}

/** A header field. */
export interface HeaderField {
  readonly name: string;
  /** All that follows the colon, with its leading blank. Lines of a folded field are separated by LF. */
  readonly value: string;
}

/**
 * The handler of one message. After `eom`, `abort`, or a reply that ends the message, nothing more is called, but for
 * `header` and `rescue` of a message that is let through after an error.
 */
export interface MessageHandler {
  /** Called right after `begin`. */
  mail?(): Eventual<StepReply>;
  /** Called for each recipient that the MTA accepts. A reply other than `accept` and `discard` is for this recipient. */
  rcpt?(recipient: EnvelopeAddress): Eventual<StepReply>;
  /** May be called again, with more recipients before it, after it was answered with a rejection. */
  data?(): Eventual<StepReply>;
  /**
   * Called for each field from the top. The field of the MTA's own that is above all others (Received:) is not told.
   *
   * @param isExcess true for a field with which the header is over `maxHeaderBytes` or 10,000 fields, and for all after it
   */
  header?(field: HeaderField, isExcess: boolean): void;
  /** Called at the end of the header. `accept` gives up all edits, and the body is not sent. */
  eoh?(): Eventual<StepReply>;
  /**
   * Takes bytes of the body, cut anywhere. The last ones are CRLF if there are any.
   *
   * @returns false if no more are needed
   */
  body?(chunk: string): boolean;
  /** Decides, at the end of the message. The edits and the reply are sent in one write. */
  eom(): Eventual<Decision>;
  /** Called when there will be no `eom`: the MTA or the client gave up, or a method of this handler `hasFailed`. */
  abort?(hasFailed: boolean): void;
  /** The edits to make although a method has failed, if `onError` is `accept`. Called at the end of the message. */
  rescue?(): HeaderEdits;
}

/** The reply to CONNECT and HELO. All but `continue` end the session's mail: `accept` lets all of it through. */
export type SessionReply = "continue" | "accept" | "reject" | "tempfail" | SmtpReply;

/** The reply to a step of a message. */
export type StepReply = SessionReply | "discard";

/** A reply to the client in the application's own words. */
export interface SmtpReply {
  /** 4xx or 5xx. 421 closes the client's connection. */
  readonly code: number;
  /** Such as `5.7.1`. Its class must be that of `code`. */
  readonly enhancedCode?: string;
  /** Made one line of printable ASCII. */
  readonly text: string;
}

/** The decision about a whole message. */
export interface Decision {
  readonly reply: StepReply;
  /** Made only if the message goes on. */
  readonly edits?: HeaderEdits;
  /** The reason to put the message into the MTA's hold queue. */
  readonly quarantine?: string;
}

/** Wanted changes of the header. They are made in this order: `change` and `remove`, `insert`, `append`. */
export interface HeaderEdits {
  readonly change?: readonly (FieldIndex & { readonly value: string })[];
  readonly remove?: readonly FieldIndex[];
  /** New fields. Those of one position stand in the order of this list, the first one on top. */
  readonly insert?: readonly (HeaderField & Position)[];
  /** New fields at the end of the header, in this order. */
  readonly append?: readonly HeaderField[];
}

/** One field of the message as it came. */
export interface FieldIndex {
  readonly name: string;
  /** Counts the fields of this name from the top, in any case of letters; the first one that was told is 1. */
  readonly index: number;
}

/** A place in the header. */
interface Position {
  /** Number of fields above it: 0 is the top, 1 is below the Received: field of the MTA itself. */
  readonly position: number;
}
