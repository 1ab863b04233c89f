/** The MTA's half of the milter protocol, written from the description of the protocol and not from the sources. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** What Postfix offers on every connection: version, actions, protocol. */
export const POSTFIX_OFFER = [6, 0x1ff, 0x1fffff] as const;

/** An MTA that waits for a reply to every step, and keeps the blanks in fields. */
export const LOCKSTEP_OFFER = [6, 0x1ff, 0x100000] as const;

/** An MTA that can do nothing but wait, as before version 3. */
export const OLD_OFFER = [2, 0x1ff, 0] as const;

/** A packet (latin1). */
export function packet(byte: string, data = ""): string {
  return number32(data.length + 1) + byte + data;
}

function number32(number: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes.toString("latin1");
}

function number16(number: number): string {
  return String.fromCharCode(number >> 8, number & 0xff);
}

const ended = (text: string): string => `${text}\0`;

/** The packets of an MTA. */
export const mta = {
  options: (version: number, actions: number, protocol: number) =>
    packet("O", [version, actions, protocol].map(number32).join("")),
  /** @param step the command byte of the step that follows */
  macros: (step: string, macros: Readonly<Record<string, string>> = {}) =>
    packet("D", step + Object.entries(macros).flat().map(ended).join("")),
  connect: (hostname = "client.example", address = "192.0.2.1", family = "4", port = 25_000) =>
    packet("C", ended(hostname) + family + (family === "U" ? "" : number16(port) + ended(address))),
  helo: (name = "helo.example") => packet("H", ended(name)),
  mail: (...strings: readonly string[]) => packet("M", strings.map(ended).join("")),
  rcpt: (...strings: readonly string[]) => packet("R", strings.map(ended).join("")),
  data: () => packet("T"),
  unknown: (command: string) => packet("U", ended(command)),
  field: (name: string, value: string) => packet("L", ended(name) + ended(value)),
  eoh: () => packet("N"),
  body: (bytes: string) => packet("B", bytes),
  eom: (bytes = "") => packet("E", bytes),
  abort: () => packet("A"),
  quit: () => packet("Q"),
  quitNc: () => packet("K"),
};

/** A packet of a filter. */
export interface FilterPacket {
  readonly byte: string;
  readonly data: string;
}

/**
 * Cuts what a filter sent into packets.
 *
 * @throws {SyntaxError} for bytes that are no whole packets
 */
export function readPackets(bytes: string): FilterPacket[] {
  const packets: FilterPacket[] = [];
  const buffer = Buffer.from(bytes, "latin1");
  for (let at = 0; at < buffer.length; ) {
    if (at + 5 > buffer.length) throw new SyntaxError("a packet without length and command");
    const end = at + 4 + buffer.readUInt32BE(at);
    if (end > buffer.length || end < at + 5) throw new SyntaxError("a packet of another length");
    packets.push({ byte: bytes.charAt(at + 4), data: bytes.slice(at + 5, end) });
    at = end;
  }
  return packets;
}

/** The replies in short: the byte, and for those with data the data, NUL shown as "|". */
export function replies(bytes: string): string[] {
  return readPackets(bytes).map(({ byte, data }) => (data === "" ? byte : `${byte} ${shown(byte, data)}`));
}

function shown(byte: string, data: string): string {
  const isIndexed = byte === "i" || byte === "m";
  const index = isIndexed ? `${Buffer.from(data.slice(0, 4), "latin1").readUInt32BE()} ` : "";
  return index + (isIndexed ? data.slice(4) : data).replace(/\0$/, "").replaceAll("\0", "|");
}

/** A recorded packet, with the decoded fields that its command has. */
export interface RecordedPacket {
  readonly from: "mta" | "milter";
  readonly command: string;
  readonly hex?: string;
  readonly version?: number;
  readonly actions?: string;
  readonly protocol?: string;
  readonly symlists?: readonly (readonly [number, string])[];
  readonly for?: string;
  readonly macros?: readonly (readonly [string, string])[];
  readonly hostname?: string;
  readonly family?: string;
  readonly port?: number;
  readonly address?: string;
  readonly arguments?: readonly string[];
  readonly name?: string;
  readonly value?: string;
  readonly index?: number;
  readonly body?: string;
  readonly data?: string;
}

/** A recorded test. */
export interface Transcript {
  readonly name: string;
  readonly about: string;
  readonly connections: readonly (readonly RecordedPacket[])[];
}

/** What a real Postfix and a raw milter sent to each other: test/testdata/milter/README.md. */
export function readTranscripts(): Transcript[] {
  const file = join(import.meta.dirname, "../testdata/milter/transcripts.json.gz");
  return JSON.parse(gunzipSync(readFileSync(file)).toString()) as Transcript[];
}

/** The bytes of a recorded packet (latin1); `undefined` for one of which only the head was kept. */
export function bytesOf({ hex }: RecordedPacket): string | undefined {
  return hex === undefined ? undefined : Buffer.from(hex, "hex").toString("latin1");
}
