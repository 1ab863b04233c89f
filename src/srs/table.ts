/** The three maps that Postfix asks. They decide which addresses are rewritten, and give the reason for the others. */
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
  /** Tells if Postfix itself has made up a sender, for probes and double bounces. Such senders are never rewritten. */
  readonly isPostfixSender: (address: string) => boolean;
  /** True to rewrite senders of own domains too. An address that we have signed is still left alone. */
  readonly alwaysRewrite: boolean;
  /** The answer of the forward-transport map, such as `srs:[127.0.0.1]:12526`. */
  readonly forwardTransport: string;
  readonly store: AddressStore | undefined;
  /**
   * `long` stores local parts over 64 bytes, `all` stores every address, as postsrsd 2 with original-envelope =
   * database.
   */
  readonly storeMode: "long" | "all";
  readonly maxAgeDays: number;
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
}

type Answer = LookupResult | Promise<LookupResult>;

/** A sender that is not null, not own and not signed by us. */
interface ForeignSender {
  readonly key: string;
  readonly mailbox: Mailbox;
  /** The tag of an address that another forwarder has rewritten. */
  readonly tag: SrsTag | undefined;
}

/** The map `forward`, from sender to rewritten sender, for sender_canonical_maps. */
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

/** The map `reverse`, from rewritten to original sender, for recipient_canonical_maps and relay_recipient_maps. */
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
 * The map `forward-transport`, for sender_dependent_default_transport_maps: from a sender to the transport that sends
 * its mail through a second cleanup, which rewrites. Postfix asks with the address and then with `@domain`. The second
 * must get no answer, because it would apply to the whole domain.
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

/** Answers for senders that no forward map rewrites, and calls `next` for the others. */
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

/** Decides for both forward maps: the rewritten sender, the reason why there is none, or `store` to use the store. */
function forward(srs: SrsTables, { key, mailbox, tag }: ForeignSender, day: number): Rewrite | "store" {
  if (srs.store === undefined) return srs.rewriter.forward(mailbox, tag, day);
  if (srs.storeMode === "all" && tag === undefined && isStorable(key)) return "store";
  const rewrite = srs.rewriter.forward(mailbox, tag, day);
  return rewrite.outcome === "too_long" && isStorable(key) ? "store" : rewrite;
}

/** The host part of addresses whose user part is a key of the store, as in postsrsd 2. */
const ALIAS_HOST = "1";
const ALIAS = /^[0-9A-V]{32}@1$/i;

/** Tells if an address may be stored and returned. A control character could end the reply. */
function isStorable(address: string): boolean {
  return address.length <= MAX_ADDRESS_BYTES && address.includes("@") && !/[\0-\x1f\x7f]/.test(address);
}

function storedAlias(address: string): string | undefined {
  return ALIAS.test(address) ? address.slice(0, -ALIAS_HOST.length - 1).toUpperCase() : undefined;
}

async function storeAddress(srs: SrsTables, address: string, day: number): Promise<LookupResult> {
  const alias = base32Hex(createHash("sha1").update(address, "latin1").digest());
  try {
    // Kept as long as the stamp is valid: on the day before its own, on its own day, and maxAgeDays after it.
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
    // canonical(5) would read "@domain" as the same user in that domain.
    const value = address.startsWith("@") ? `""${address}` : address;
    return { status: "found", outcome: "rewritten", value };
  } catch (error) {
    return tempFail("store", error);
  }
}

/** Encodes a multiple of five bytes in base32hex (RFC 4648 section 7), which needs no padding. */
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

/** Tells if a key is the null sender: `""` in canonical maps, `<>` or `"<>"` in transport maps, or an empty key. */
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
