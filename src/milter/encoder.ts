/** Writes the packets of a filter. Text is latin1: one character is one byte. */
import { MACRO_STAGES, REPLIES } from "./wire.ts";

type Replies = typeof REPLIES;

type NamesOf<Shape> = {
  [Name in keyof Replies]: Replies[Name]["shape"] extends Shape ? Name : never;
}[keyof Replies];

/** A reply, with the data of its shape in the wire table. */
export type Reply =
  | { readonly reply: NamesOf<"none"> }
  | { readonly reply: NamesOf<"text">; readonly text: string }
  | { readonly reply: NamesOf<"field">; readonly name: string; readonly value: string }
  | { readonly reply: NamesOf<"indexed">; readonly index: number; readonly name: string; readonly value: string }
  | { readonly reply: NamesOf<"bytes">; readonly bytes: string }
  | { readonly reply: NamesOf<"address">; readonly address: string; readonly parameters?: string };

/**
 * Writes a reply.
 *
 * @throws {TypeError} when a string contains NUL, which would end it early
 */
export function encodeReply(reply: Reply): string {
  return packet(REPLIES[reply.reply].byte, replyData(reply));
}

function replyData(reply: Reply): string {
  if ("text" in reply) return string(reply.text);
  if ("bytes" in reply) return reply.bytes;
  if ("index" in reply) return uint32(reply.index) + string(reply.name) + string(reply.value);
  if ("name" in reply) return string(reply.name) + string(reply.value);
  if (!("address" in reply)) return "";
  return string(reply.address) + (reply.parameters === undefined ? "" : string(reply.parameters));
}

/** What a filter agrees to. */
export interface OptionReply {
  readonly version: number;
  readonly actions: number;
  readonly protocol: number;
  /** Names of macros by stage. */
  readonly macros: Readonly<Partial<Record<keyof typeof MACRO_STAGES, readonly string[]>>>;
}

/** Writes the reply to OPTNEG. */
export function encodeOptions({ version, actions, protocol, macros }: OptionReply): string {
  const lists = (Object.keys(MACRO_STAGES) as (keyof typeof MACRO_STAGES)[]).map((stage) => {
    const names = macros[stage];
    return names === undefined ? "" : uint32(MACRO_STAGES[stage]) + string(names.join(" "));
  });
  return packet("O", uint32(version) + uint32(actions) + uint32(protocol) + lists.join(""));
}

function packet(byte: string, data: string): string {
  return uint32(1 + data.length) + byte + data;
}

function string(text: string): string {
  if (text.includes("\0")) throw new TypeError(`Cannot send ${JSON.stringify(text)}: want a text without NUL`);
  return `${text}\0`;
}

function uint32(number: number): string {
  return String.fromCharCode((number >>> 24) & 0xff, (number >>> 16) & 0xff, (number >>> 8) & 0xff, number & 0xff);
}
