/**
 * The wire table of the milter protocol, versions 2 to 6, as Postfix and Sendmail speak it (libmilter/mfdef.h).
 *
 *     uint32 length (big endian), command byte, data        MTA -> filter: COMMANDS, one by one
 *                                                           filter -> MTA: REPLIES
 *
 * The length counts the command byte and the data. A string ends with NUL. The MTA tells the steps of an SMTP session
 * and of its messages, and waits after each for one reply, unless both have agreed on none. At the end of a message any
 * number of edits may come before the reply. MACRO, ABORT, QUIT and QUIT_NC are never answered.
 *
 *     OPTNEG   uint32 version, actions, protocol       [+ in the reply: (uint32 stage, string names)*]
 *     MACRO    command byte of the step that it is for, (string name, string value)*
 *     CONNECT  string hostname, byte family, uint16 port and string address unless the family is U
 *     HELO     string name
 *     MAIL     string address, (string ESMTP parameter)*          RCPT the same
 *     UNKNOWN  string SMTP command
 *     HEADER   string name, string value
 *     BODY     bytes
 *     BODYEOB  bytes, usually none
 */

/** Largest packet in bytes, without its length. Postfix's longest are a header field (102,400) and a body chunk. */
export const MAX_PACKET_BYTES = 1_048_576;

export const VERSIONS = { lowest: 2, highest: 6 } as const;

/** A step with the bits of the protocol mask by which a filter says: do not tell it (NO), do not wait for a reply (NR). */
interface StepBits {
  /** As in libmilter: SMFIC_…. */
  readonly name: string;
  readonly off: number;
  readonly noReply: number;
}

/** The steps by their command bytes. The end of the message has no bits: it is always told, and always answered. */
export const STEPS = {
  C: { name: "CONNECT", off: 0x000001, noReply: 0x001000 },
  H: { name: "HELO", off: 0x000002, noReply: 0x002000 },
  M: { name: "MAIL", off: 0x000004, noReply: 0x004000 },
  R: { name: "RCPT", off: 0x000008, noReply: 0x008000 },
  T: { name: "DATA", off: 0x000200, noReply: 0x010000 },
  U: { name: "UNKNOWN", off: 0x000100, noReply: 0x020000 },
  L: { name: "HEADER", off: 0x000020, noReply: 0x000080 },
  N: { name: "EOH", off: 0x000040, noReply: 0x040000 },
  B: { name: "BODY", off: 0x000010, noReply: 0x080000 },
  E: { name: "BODYEOB", off: 0, noReply: 0 },
} as const satisfies Record<string, StepBits>;

export type StepByte = keyof typeof STEPS;

/** All commands by their bytes. */
export const COMMANDS = {
  O: { name: "OPTNEG" },
  D: { name: "MACRO" },
  ...STEPS,
  A: { name: "ABORT" },
  Q: { name: "QUIT" },
  K: { name: "QUIT_NC" },
} as const satisfies Record<string, { readonly name: string }>;

export type CommandByte = keyof typeof COMMANDS;

/** Further bits of the protocol mask. 0x800 (tell refused recipients) is not used. */
export const PROTOCOL = {
  /** SKIP may be answered to BODY. */
  skip: 0x000400,
  /** The blank after the colon of a header field belongs to its value, in both directions. */
  leadingSpace: 0x100000,
  /** Body chunks of 256 KiB and 1 MiB instead of 64 KiB. Sendmail only. */
  chunks256k: 0x10000000,
  chunks1m: 0x20000000,
} as const;

/** Bits of the action mask. */
export const ACTIONS = {
  addHeaders: 0x001,
  changeBody: 0x002,
  addRecipients: 0x004,
  deleteRecipients: 0x008,
  changeHeaders: 0x010,
  quarantine: 0x020,
  changeSender: 0x040,
  addRecipientsWithParameters: 0x080,
  /** Lists of macros in the reply to OPTNEG. */
  setMacros: 0x100,
} as const;

/** Numbers of the stages in macro lists. */
export const MACRO_STAGES = { connect: 0, helo: 1, mail: 2, rcpt: 3, data: 4, eom: 5, eoh: 6 } as const;

/** The data of a reply. */
type ReplyShape =
  /** Nothing. */
  | "none"
  /** string */
  | "text"
  /** string name, string value */
  | "field"
  /** uint32 index, string name, string value */
  | "indexed"
  /** Bytes without an end. */
  | "bytes"
  /** string address, [string ESMTP parameters] */
  | "address";

/** The replies: to steps, and the edits at the end of a message. 0x66 (f, CONN_FAIL) is unknown to Postfix. */
export const REPLIES = {
  continue: { byte: "c", shape: "none" },
  /** Lets the message through, or at CONNECT and HELO the whole session. */
  accept: { byte: "a", shape: "none" },
  reject: { byte: "r", shape: "none" },
  tempfail: { byte: "t", shape: "none" },
  discard: { byte: "d", shape: "none" },
  replyCode: { byte: "y", shape: "text" },
  /** 421, and the end of the SMTP session. */
  shutdown: { byte: "4", shape: "none" },
  /** No more steps of this kind. */
  skip: { byte: "s", shape: "none" },
  /** Starts the time of the MTA anew, while it waits for the end of a message. */
  progress: { byte: "p", shape: "none" },
  quarantine: { byte: "q", shape: "text" },
  addHeader: { byte: "h", shape: "field" },
  insertHeader: { byte: "i", shape: "indexed" },
  changeHeader: { byte: "m", shape: "indexed" },
  replaceBody: { byte: "b", shape: "bytes" },
  changeSender: { byte: "e", shape: "address" },
  addRecipient: { byte: "+", shape: "address" },
  addRecipientWithParameters: { byte: "2", shape: "address" },
  deleteRecipient: { byte: "-", shape: "address" },
} as const satisfies Record<string, { readonly byte: string; readonly shape: ReplyShape }>;
