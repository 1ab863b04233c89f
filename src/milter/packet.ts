/** Reads the data of one packet from the MTA. Text is latin1: one character is one byte. */
import type { CommandByte } from "./wire.ts";

/** A packet from the MTA, under its command byte. */
export type Packet =
  | { readonly command: "O"; readonly version: number; readonly actions: number; readonly protocol: number }
  /** `step` is the command byte of the step that follows. */
  | { readonly command: "D"; readonly step: string; readonly macros: readonly (readonly [string, string])[] }
  | ConnectPacket
  | { readonly command: "H" | "U"; readonly value: string }
  /** The address and its ESMTP parameters: at least one string. */
  | { readonly command: "M" | "R"; readonly strings: readonly string[] }
  | { readonly command: "L"; readonly name: string; readonly value: string }
  /** A part of a chunk: as much as has come. `ends` is true for the last part of a BODY packet. */
  | { readonly command: "B"; readonly bytes: string; readonly ends: boolean }
  | { readonly command: "T" | "N" | "E" | "A" | "Q" | "K" }
  | BrokenPacket;

/** `port` and `address` are 0 and "" for the family U. */
export interface ConnectPacket {
  readonly command: "C";
  readonly hostname: string;
  /** 4, 6, L (a path) or U (unknown). */
  readonly family: string;
  readonly port: number;
  readonly address: string;
}

/** A packet with a known command whose data cannot be read. */
export interface BrokenPacket {
  readonly command: "broken";
  readonly of: Breakable;
  readonly problem: string;
  /** Of MACRO, the command byte of the step that it is for, if that can be told. */
  readonly step?: string;
}

/** The commands with data that a reply does not need. */
type Breakable = "D" | "C" | "H" | "U" | "M" | "R" | "L";

/** The commands whose data are read here. Those of a body are handed on as they come. */
export type WholeCommand = Exclude<CommandByte, "B" | "E">;

/** Largest number of strings in one packet. Postfix sends about 20. */
const MAX_STRINGS = 1024;

/** Largest MACRO packet and number of macros in it that are kept. Postfix sends about 20, of some hundred bytes in all. */
const MAX_MACRO_BYTES = 65_536;
const MAX_MACROS = 200;

const OPTNEG_BYTES = 12;

/**
 * Reads a packet.
 *
 * @param data `undefined` if the bytes were dropped to save memory
 * @returns `undefined` for an OPTNEG that cannot be read: without it nothing can be agreed
 */
export function readPacket(command: WholeCommand, data: string | undefined): Packet | undefined {
  switch (command) {
    case "O":
      if (data === undefined || data.length < OPTNEG_BYTES) return undefined;
      return { command, version: uint32(data, 0), actions: uint32(data, 4), protocol: uint32(data, 8) };
    case "T":
    case "N":
    case "A":
    case "Q":
    case "K":
      return { command };
    default:
      return data === undefined ? broken(command, DROPPED) : readStrings(command, data);
  }
}

const DROPPED = "dropped, because half packets hold too much memory";

function readStrings(command: Breakable, data: string): Packet {
  switch (command) {
    case "D":
      return readMacros(data);
    case "C":
      return readConnect(data);
    case "H":
    case "U": {
      const [value, ...more] = strings(data) ?? [];
      return value === undefined || more.length > 0 ? broken(command, "want one string") : { command, value };
    }
    case "M":
    case "R": {
      const found = strings(data);
      return found === undefined ? broken(command, "want strings that end with NUL") : { command, strings: found };
    }
    case "L": {
      const end = data.indexOf("\0");
      const isPair = end !== -1 && data.length > end + 1 && data.indexOf("\0", end + 1) === data.length - 1;
      if (!isPair) return broken(command, "want name and value");
      return { command, name: data.slice(0, end), value: data.slice(end + 1, -1) };
    }
  }
}

function broken(of: Breakable, problem: string): BrokenPacket {
  return { command: "broken", of, problem };
}

function readMacros(data: string): Packet {
  const step = data.slice(0, 1);
  const brokenMacros = (problem: string): BrokenPacket => ({ ...broken("D", problem), step });
  if (data.length > MAX_MACRO_BYTES) return brokenMacros(`over ${MAX_MACRO_BYTES} bytes`);
  const found = data.length > 1 ? strings(data.slice(1)) : [];
  if (step === "" || found === undefined || found.length % 2 > 0) return brokenMacros("want a step, names and values");
  if (found.length > 2 * MAX_MACROS) return brokenMacros(`over ${MAX_MACROS} macros`);
  const macros: [string, string][] = [];
  for (let i = 0; i < found.length; i += 2) macros.push([found[i] ?? "", found[i + 1] ?? ""]);
  return { command: "D", step, macros };
}

const PORT_BYTES = 2;

function readConnect(data: string): Packet {
  const end = data.indexOf("\0");
  const hostname = data.slice(0, end);
  const family = data.charAt(end + 1);
  if (end !== -1 && family === "U") return { command: "C", hostname, family, port: 0, address: "" };
  const portAt = end + 2;
  const [address, ...more] = strings(data.slice(portAt + PORT_BYTES)) ?? [];
  const isKnown = family === "4" || family === "6" || family === "L";
  if (end === -1 || !isKnown || address === undefined || more.length > 0) {
    return broken("C", "want hostname, family, port and address");
  }
  const port = data.charCodeAt(portAt) * 0x100 + data.charCodeAt(portAt + 1);
  return { command: "C", hostname, family, port, address };
}

/** All strings of `data`; `undefined` if there is none, if there are too many, or if the last one has no end. */
function strings(data: string): string[] | undefined {
  if (!data.endsWith("\0")) return undefined;
  const found = data.split("\0", MAX_STRINGS + 2);
  if (found.length > MAX_STRINGS + 1) return undefined;
  found.pop();
  return found;
}

/** The big endian number at `at`. */
export function uint32(text: string, at: number): number {
  const low = (text.charCodeAt(at + 1) << 16) | (text.charCodeAt(at + 2) << 8) | text.charCodeAt(at + 3);
  return text.charCodeAt(at) * 0x1000000 + low;
}
