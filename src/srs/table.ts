/** The three maps that Postfix asks: which addresses are rewritten, which are not, and why. */
import { createHash } from "node:crypto";
import { type Mailbox, parseMailbox } from "../mail/mailbox.ts";
import type { LookupResult, LookupTable, Outcome } from "../net/lookup.ts";
import { srsTag } from "./form.ts";
import type { OwnDomains } from "./own-domains.ts";
import { MAX_ADDRESS_BYTES, type Rewrite, type Rewriter } from "./rewriter.ts";
import { dayOf } from "./stamp.ts";
import type { AddressStore } from "./store.ts";

export interface SrsTables {
  readonly rewriter: Rewriter;
  readonly ownDomains: OwnDomains;
  /** Rewrite senders of own domains too. An address that we signed is left alone all the same. */
  readonly alwaysRewrite: boolean;
  /** What the forward-transport map answers, e.g. `srs:[127.0.0.1]:12526`. */
  readonly forwardTransport: string;
  readonly store: AddressStore | undefined;
  /** `long`: what exceeds 64 octets goes to the store; `all`: every address, as postsrsd 2 with original-envelope = database. */
  readonly storeMode: "long" | "all";
  readonly maxAgeDays: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

type Answer = LookupResult | Promise<LookupResult>;

/** Sender to rewritten sender: sender_canonical_maps. */
export function forwardTable(srs: SrsTables): LookupTable {
  return {
    name: "forward",
    get: (key) => withForeignSender(srs, key, (sender, day) => forward(srs, key, sender, day)),
  };
}

/** Rewritten sender to the original one: recipient_canonical_maps, relay_recipient_maps. */
export function reverseTable(srs: SrsTables): LookupTable {
  return {
    name: "reverse",
    get(key) {
      if (isNullSender(key)) return nullSender;
      const rewrite = srs.rewriter.reverse(key, dayOf(srs.now()));
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
        const rewrite = srs.rewriter.forward(sender, day);
        return rewrite.address === undefined && !canStore(srs, rewrite) ? toResult(rewrite) : found;
      }),
  };
}

/** Sorts out what every forward map leaves alone, then goes on with the rest. */
function withForeignSender(srs: SrsTables, key: string, next: (sender: Mailbox, day: number) => Answer): Answer {
  if (isNullSender(key)) return nullSender;
  if (key.length > MAX_ADDRESS_BYTES) return tooLong;
  const sender = parseMailbox(key);
  if (sender === undefined) return noAt;
  const day = dayOf(srs.now());
  const decide = (own: boolean): Answer => {
    if (own) return ownDomain;
    if (srsTag(sender.local) !== undefined && srs.rewriter.isOwnValid(key, day)) return already;
    return next(sender, day);
  };
  if (srs.alwaysRewrite) return decide(false);
  const own = srs.ownDomains.has(sender.domain);
  return typeof own === "boolean" ? decide(own) : own.then(decide).catch(tempFail);
}

function forward(srs: SrsTables, key: string, sender: Mailbox, day: number): Answer {
  const rewrite = srs.rewriter.forward(sender, day);
  const stored = srs.storeMode === "all" && srs.store !== undefined && srsTag(sender.local) === undefined;
  return stored || canStore(srs, rewrite) ? storeAddress(srs, key, day) : toResult(rewrite);
}

/** Host of the addresses whose user part is a key of the store, as postsrsd 2 writes it. */
const ALIAS_HOST = "1";
const ALIAS = /^[0-9A-V]{32}@1$/i;

function canStore(srs: SrsTables, rewrite: Rewrite): boolean {
  return srs.store !== undefined && rewrite.outcome === "too_long";
}

function storedAlias(address: string): string | undefined {
  return ALIAS.test(address) ? address.slice(0, -ALIAS_HOST.length - 1).toUpperCase() : undefined;
}

async function storeAddress(srs: SrsTables, address: string, day: number): Promise<LookupResult> {
  const alias = base32Hex(createHash("sha1").update(address, "latin1").digest());
  try {
    // A stamp is good on its own day and maxAgeDays after it: the address must not be gone before.
    await srs.store?.put(alias, address, (srs.maxAgeDays + 1) * 86_400);
  } catch (error) {
    return tempFail(error);
  }
  return toResult(srs.rewriter.forward({ local: alias, domain: ALIAS_HOST }, day));
}

async function fetchAddress(store: AddressStore | undefined, alias: string): Promise<LookupResult> {
  if (store === undefined) return tempFail(new Error("the address is kept in a store, and srs.store.url names none"));
  try {
    const address = await store.get(alias);
    if (address === undefined) return notFound("expired", "the store no longer has this address");
    return { status: "found", outcome: "rewritten", value: address };
  } catch (error) {
    return tempFail(error);
  }
}

/** RFC 4648 section 7, for multiples of five octets: no padding. */
function base32Hex(octets: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const octet of octets) {
    value = ((value << 8) | octet) & 0xfff;
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
const tooLong = notFound("too_long", `over ${MAX_ADDRESS_BYTES} octets`);
const ownDomain = notFound("own", "the domain is our own");
const already = notFound("already", "already rewritten by us");

function notFound(outcome: Outcome, reason: string): LookupResult {
  return { status: "notFound", outcome, reason };
}

function tempFail(error: unknown): LookupResult {
  return { status: "tempFail", outcome: "tempfail", reason: error instanceof Error ? error.message : String(error) };
}

function toResult(rewrite: Rewrite): LookupResult {
  if (rewrite.address === undefined) return notFound(rewrite.outcome, rewrite.reason);
  return { status: "found", outcome: rewrite.outcome, value: rewrite.address };
}
