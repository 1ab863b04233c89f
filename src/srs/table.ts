/** The three maps that Postfix asks: which addresses are rewritten, which are not, and why. */
import { createHash } from "node:crypto";
import { type Mailbox, parseMailbox } from "../mail/mailbox.ts";
import type { LookupResult, LookupTable, Outcome, TempFailPart } from "../net/lookup.ts";
import { errorText } from "../process/exit.ts";
import { type SrsTag, srsTag } from "./form.ts";
import { MAX_ADDRESS_BYTES, type Rewrite, type Rewriter } from "./rewriter.ts";
import type { AddressStore, OwnDomains } from "./seams.ts";
import { dayOf } from "./stamp.ts";

export interface SrsTables {
  readonly rewriter: Rewriter;
  readonly ownDomains: OwnDomains;
  /** Whether a sender is one that Postfix itself makes up, for probes and double bounces: never rewritten. */
  readonly isPostfixSender: (address: string) => boolean;
  /** Rewrite senders of own domains too. An address that we signed is left alone all the same. */
  readonly alwaysRewrite: boolean;
  /** What the forward-transport map answers, e.g. `srs:[127.0.0.1]:12526`. */
  readonly forwardTransport: string;
  readonly store: AddressStore | undefined;
  /** `long`: what exceeds 64 bytes goes to the store; `all`: every address, as postsrsd 2 with original-envelope = database. */
  readonly storeMode: "long" | "all";
  readonly maxAgeDays: number;
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
}

type Answer = LookupResult | Promise<LookupResult>;

/** A sender that is neither null nor own nor signed by us. */
interface ForeignSender {
  readonly key: string;
  readonly mailbox: Mailbox;
  /** Set for an address of another forwarder. */
  readonly tag: SrsTag | undefined;
}

/** Sender to rewritten sender: sender_canonical_maps. */
export function forwardTable(srs: SrsTables): LookupTable {
  return {
    name: "forward",
    get: (key) =>
      withForeignSender(srs, key, (sender, day) => {
        const rewrite = forward(srs, sender, day);
        return rewrite === "store" ? storeAddress(srs, key, day) : toResult(rewrite);
      }),
  };
}

/** Rewritten sender to the original one: recipient_canonical_maps, relay_recipient_maps. */
export function reverseTable(srs: SrsTables): LookupTable {
  return {
    name: "reverse",
    get(key) {
      if (isNullSender(key)) return nullSender;
      const rewrite = srs.rewriter.reverse(key, dayOf(srs.timeMs()));
      const alias = rewrite.address === undefined ? undefined : storedAlias(rewrite.address);
      return alias === undefined ? toResult(rewrite) : fetchAddress(srs.store, alias);
    },
  };
}

/**
 * Sender to the transport that sends its mail through a second, rewriting cleanup: sender_dependent_default_transport_maps.
 * Postfix asks that table with the address and then with `@domain`, which must not be answered for the whole domain.
 */
export function forwardTransportTable(srs: SrsTables): LookupTable {
  const found: LookupResult = { status: "found", outcome: "rewritten", value: srs.forwardTransport };
  return {
    name: "forward-transport",
    get: (key) =>
      withForeignSender(srs, key, (sender, day) => {
        if (key.startsWith("@")) return notFound("already", "a domain alone is no sender");
        const rewrite = forward(srs, sender, day);
        return rewrite === "store" || rewrite.address !== undefined ? found : toResult(rewrite);
      }),
  };
}

/** Sorts out what every forward map leaves alone, then goes on with the rest. */
function withForeignSender(srs: SrsTables, key: string, next: (sender: ForeignSender, day: number) => Answer): Answer {
  if (isNullSender(key)) return nullSender;
  if (key.length > MAX_ADDRESS_BYTES) return tooLong;
  const mailbox = parseMailbox(key);
  if (mailbox === undefined) return noAt;
  const day = dayOf(srs.timeMs());
  const decide = (own: boolean): Answer => {
    if (own) return ownDomain;
    if (srs.isPostfixSender(key)) return postfixSender;
    const tag = srsTag(mailbox.local);
    if (tag !== undefined && srs.rewriter.isOwnValid(key, day)) return already;
    return next({ key, mailbox, tag }, day);
  };
  if (srs.alwaysRewrite) return decide(false);
  const own = srs.ownDomains.has(mailbox.domain);
  return typeof own === "boolean"
    ? decide(own)
    : own.then(decide).catch((error: unknown) => tempFail("own_domains", error));
}

/** The rewritten sender, why there is none, or that the sender goes to the store: the same for both forward maps. */
function forward(srs: SrsTables, { key, mailbox, tag }: ForeignSender, day: number): Rewrite | "store" {
  if (srs.store === undefined) return srs.rewriter.forward(mailbox, tag, day);
  if (srs.storeMode === "all" && tag === undefined && isStorable(key)) return "store";
  const rewrite = srs.rewriter.forward(mailbox, tag, day);
  return rewrite.outcome === "too_long" && isStorable(key) ? "store" : rewrite;
}

/** Host of the addresses whose user part is a key of the store, as postsrsd 2 writes it. */
const ALIAS_HOST = "1";
const ALIAS = /^[0-9A-V]{32}@1$/i;

/** Whether the store may hold an address and give it out again: a control character could end the reply. */
function isStorable(address: string): boolean {
  return address.length <= MAX_ADDRESS_BYTES && address.includes("@") && !/[\0-\x1f\x7f]/.test(address);
}

function storedAlias(address: string): string | undefined {
  return ALIAS.test(address) ? address.slice(0, -ALIAS_HOST.length - 1).toUpperCase() : undefined;
}

async function storeAddress(srs: SrsTables, address: string, day: number): Promise<LookupResult> {
  const alias = base32Hex(createHash("sha1").update(address, "latin1").digest());
  try {
    // A stamp is good on the day before its own, on its own and maxAgeDays after it: the address must not be gone before.
    await srs.store?.put(alias, address, (srs.maxAgeDays + 2) * 86_400);
  } catch (error) {
    return tempFail("store", error);
  }
  return toResult(srs.rewriter.forward({ local: alias, domain: ALIAS_HOST }, undefined, day));
}

async function fetchAddress(store: AddressStore | undefined, alias: string): Promise<LookupResult> {
  if (store === undefined)
    return tempFail("store", new Error("the address is kept in a store, and srs.store.url names none"));
  try {
    const address = await store.get(alias);
    if (address === undefined) return noLongerStored;
    if (!isStorable(address)) return damaged;
    // As canonical(5) reads it, "@domain" is the same user in that domain.
    const value = address.startsWith("@") ? `""${address}` : address;
    return { status: "found", outcome: "rewritten", value };
  } catch (error) {
    return tempFail("store", error);
  }
}

/** RFC 4648 section 7, for multiples of five bytes: no padding. */
function base32Hex(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += "0123456789ABCDEFGHIJKLMNOPQRSTUV".charAt((value >> (bits - 5)) & 31);
  }
  return text;
}

/** Postfix asks `""` in canonical maps, `<>` and `"<>"` in transport maps; an empty key is the same thing. */
function isNullSender(key: string): boolean {
  return key === "" || key === '""' || key === "<>" || key === '"<>"';
}

const nullSender = notFound("null", "the null sender is never rewritten");
const noAt = notFound("malformed", "no @ in the address");
const tooLong = notFound("too_long", `over ${MAX_ADDRESS_BYTES} bytes`);
const ownDomain = notFound("own", "the domain is our own");
const postfixSender = notFound("own", "Postfix's own sender");
const already = notFound("already", "already rewritten by us");
const noLongerStored = notFound("expired", "the store no longer has this address");
const damaged = notFound("malformed", "what the store holds is no address");

function notFound(outcome: Outcome, reason: string): LookupResult {
  return { status: "notFound", outcome, reason };
}

function tempFail(part: TempFailPart, error: unknown): LookupResult {
  return { status: "tempFail", outcome: "tempfail", part, reason: errorText(error) };
}

function toResult(rewrite: Rewrite): LookupResult {
  if (rewrite.address === undefined) return notFound(rewrite.outcome, rewrite.reason);
  return { status: "found", outcome: rewrite.outcome, value: rewrite.address };
}
