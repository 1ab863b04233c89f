/** Agrees with an MTA on version, edits, steps and replies. */
import { ProtocolError } from "../net/session.ts";
import type { Action, AnsweredStep, IgnoredStep, Wants } from "./application.ts";
import { encodeOptions } from "./encoder.ts";
import { ACTIONS, PROTOCOL, STEPS, type StepByte, VERSIONS } from "./wire.ts";

/** What an MTA offers: the packet OPTNEG. */
export interface Offer {
  readonly version: number;
  readonly actions: number;
  readonly protocol: number;
}

/** What holds for one connection. */
export interface Agreement {
  readonly actions: number;
  readonly protocol: number;
  /** The packet that says so. */
  readonly reply: string;
  /** Edits that the application wants and the MTA does not offer. */
  readonly refused: readonly Action[];
}

/** The application's names of the steps. It never answers UNKNOWN and HEADER, and is never told UNKNOWN. */
const STEP_NAMES: Readonly<Partial<Record<StepByte, AnsweredStep | IgnoredStep>>> = {
  C: "connect",
  H: "helo",
  M: "mail",
  R: "rcpt",
  T: "data",
  L: "header",
  N: "eoh",
  B: "body",
};

/**
 * Accepts what is both offered and wanted. Bits that the MTA does not offer are never claimed: Postfix counts an unknown
 * action as a failure of the filter.
 *
 * @throws {ProtocolError} for a version before 2, which nobody has spoken for twenty years
 */
export function negotiate(offer: Offer, wants: Wants): Agreement {
  if (offer.version < VERSIONS.lowest) {
    throw new ProtocolError(`Cannot speak milter version ${offer.version}: want ${VERSIONS.lowest} or later`);
  }
  const version = Math.min(offer.version, VERSIONS.highest);
  const protocol = (wantedProtocol(wants) & offer.protocol) >>> 0;
  const asksMacros = wants.macros !== undefined && (offer.actions & ACTIONS.setMacros) > 0;
  const wanted = wants.actions.reduce((sum, action) => sum | ACTIONS[action], asksMacros ? ACTIONS.setMacros : 0);
  const actions = (wanted & offer.actions) >>> 0;
  const macros = asksMacros ? (wants.macros ?? {}) : {};
  return {
    actions,
    protocol,
    reply: encodeOptions({ version, actions, protocol, macros }),
    refused: wants.actions.filter((action) => (offer.actions & ACTIONS[action]) === 0),
  };
}

function wantedProtocol(wants: Wants): number {
  let bits: number = PROTOCOL.leadingSpace | chunkBits(wants);
  const answers = new Set<string>(wants.answers);
  const ignores = new Set<string>(wants.ignores);
  for (const [byte, { off, noReply }] of Object.entries(STEPS)) {
    const name = STEP_NAMES[byte as StepByte];
    const isIgnored = name === undefined || ignores.has(name);
    if (isIgnored) bits |= off;
    if (isIgnored || !answers.has(name)) bits |= noReply;
  }
  // Without the wait for a reply to each chunk there is no way to say it.
  return answers.has("body") ? bits | PROTOCOL.skip : bits;
}

function chunkBits({ maxChunkBytes = 65_535 }: Wants): number {
  if (maxChunkBytes > 0x40000) return PROTOCOL.chunks1m;
  return maxChunkBytes > 0x10000 ? PROTOCOL.chunks256k : 0;
}
