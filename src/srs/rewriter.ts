/**
 * The Sender Rewriting Scheme, byte for byte as postsrsd 1.10 and 2.4 and Mail::SRS write it. Pure: the day is an
 * argument. In cases where those programs lose mail this one differs; test/srs/deviations.ts lists them all.
 */

import { formatMailbox, isBare, isQuotedString, type Mailbox, parseMailbox } from "../mail/mailbox.ts";
import type { Outcome } from "../net/lookup.ts";
import { isSeparator, parseSrs, type Srs0, type Srs1, type SrsTag, srsTag } from "./form.ts";
import type { Signer } from "./signer.ts";
import { checkStamp, encodeStamp } from "./stamp.ts";

/** Longest address that is read or written, the size of postsrsd's buffer. Mail has no longer ones. */
export const MAX_ADDRESS_BYTES = 1023;

/** Longest local part (RFC 5321 section 4.5.3.1.1). Receivers may refuse a longer one. */
export const MAX_LOCAL_PART_BYTES = 64;

export interface RewriterSettings {
  readonly signer: Signer;
  /** The domain of rewritten addresses, exactly as it will be written. */
  readonly srsDomain: string;
  /** The character after SRS0 and SRS1 in addresses that we write: `=`, `+` or `-`. */
  readonly separator: string;
  /** Number of days for which a stamp is valid after its own day. */
  readonly maxAgeDays: number;
}

/** An address, or the reason why there is none. */
export type Rewrite =
  | { readonly address: string; readonly outcome: Outcome }
  | { readonly address?: never; readonly outcome: Outcome; readonly reason: string };

export class Rewriter {
  readonly #settings: RewriterSettings;

  constructor(settings: RewriterSettings) {
    this.#settings = settings;
  }

  /**
   * Rewrites a foreign sender into an address that leads a bounce back. The caller has handled own domains and the null
   * sender.
   *
   * @param tag the result of srsTag for the local part
   */
  forward(sender: Mailbox, tag: SrsTag | undefined, day: number): Rewrite {
    if (!isCarriable(sender.domain)) return refuse("malformed", "domain cannot be carried in a local part");
    // Postfix would cut the answer at a NUL.
    if (sender.local.includes("\0")) return refuse("malformed", "NUL in the local part");
    if (tag === undefined && !isBareTag(sender.local)) return this.#signSrs0(sender, day);
    if (tag === 1 || /^srs1$/i.test(sender.local)) return this.#forwardSrs1(sender.local);
    return this.#signSrs1(sender.domain, sender.local.slice(4));
  }

  /** Tells if we have signed an address and would accept it on `day`. */
  isOwnValid(address: string, day: number): boolean {
    return this.reverse(address, day).outcome === "rewritten";
  }

  /**
   * Finds the original of a rewritten address. Only the hash decides, not the domain, so that former SRS domains still
   * work.
   */
  reverse(address: string, day: number): Rewrite {
    if (address.length > MAX_ADDRESS_BYTES) return refuse("too_long", `over ${MAX_ADDRESS_BYTES} bytes`);
    const mailbox = parseMailbox(address);
    const local = mailbox === undefined ? address : mailbox.local;
    const first = this.#reverseLocal(local, address.startsWith('"'), day);
    if (first.outcome !== "bad_hash" && first.outcome !== "malformed") return first;
    // postsrsd splits at the first "@", so an address that it signed is read in that way too.
    const legacy = address.slice(0, Math.max(0, address.indexOf("@")));
    if (legacy === local || legacy === "" || address.startsWith('"')) return first;
    const second = this.#reverseLocal(legacy, false, day);
    return second.outcome === "rewritten" ? second : first;
  }

  #reverseLocal(local: string, wasQuoted: boolean, day: number): Rewrite {
    const tag = srsTag(local);
    if (tag === undefined) return refuse("not_srs", "not an SRS address");
    const srs = parseSrs(tag, local);
    if (srs === undefined) return refuse("malformed", "a field of the SRS address is missing");
    return srs.tag === 0 ? this.#reverseSrs0(srs, wasQuoted, day) : this.#reverseSrs1(srs);
  }

  #reverseSrs0(srs: Srs0, wasQuoted: boolean, day: number): Rewrite {
    const age = checkStamp(srs.stamp, day, this.#settings.maxAgeDays);
    if (age === "malformed") return refuse("malformed", "bad character in the time stamp");
    if (age === "expired") return refuse("expired", "time stamp out of date");
    if (!this.#settings.signer.verify(srs.hash, srs.stamp + srs.host + srs.user)) return badHash;
    // A legacy address contains the quoted-string itself, ours is quoted as a whole.
    const external = !wasQuoted && isQuotedString(srs.user);
    return { outcome: "rewritten", address: external ? `${srs.user}@${srs.host}` : join(srs.user, srs.host) };
  }

  #reverseSrs1(srs: Srs1): Rewrite {
    if (!this.#settings.signer.verify(srs.hash, srs.host + srs.opaque)) return badHash;
    return { outcome: "rewritten", address: join(`SRS0${srs.opaque}`, srs.host) };
  }

  #signSrs0({ domain, local }: Mailbox, day: number): Rewrite {
    const { signer, separator } = this.#settings;
    const stamp = encodeStamp(day);
    return this.#write(`SRS0${separator}${signer.sign(stamp + domain + local)}=${stamp}`, domain, local);
  }

  #signSrs1(host: string, opaque: string): Rewrite {
    const { signer, separator } = this.#settings;
    return this.#write(`SRS1${separator}${signer.sign(host + opaque)}`, host, opaque);
  }

  /**
   * Signs an SRS1 address again, as a third forwarder: keeps the first one's address, drops the second one's signature.
   */
  #forwardSrs1(local: string): Rewrite {
    const srs = parseSrs(1, local);
    if (srs?.tag !== 1 || srs.host === "" || !isCarriable(srs.host) || !isSeparator(srs.opaque.charCodeAt(0))) {
      return refuse("malformed", "the SRS1 address leads nowhere, so it is not signed");
    }
    return this.#signSrs1(srs.host, srs.opaque);
  }

  #write(signed: string, host: string, user: string): Rewrite {
    const { srsDomain } = this.#settings;
    const local = `${signed}=${host}=${user}`;
    // Checks the parts, because V8 would have to copy the joined string for that.
    const address = isBare(host) && isBare(user) ? `${local}@${srsDomain}` : formatMailbox(local, srsDomain);
    if (address.length > MAX_ADDRESS_BYTES) return refuse("too_long", `over ${MAX_ADDRESS_BYTES} bytes`);
    return { address, outcome: local.length > MAX_LOCAL_PART_BYTES ? "too_long" : "rewritten" };
  }
}

const badHash: Rewrite = { outcome: "bad_hash", reason: "hash invalid" };

function refuse(outcome: Outcome, reason: string): Rewrite {
  return { outcome, reason };
}

/**
 * The address that was signed. A host with an `@` comes from postsrsd, which splits `"a@b"@example.org` at the first
 * `@` and cannot read the result itself. The joined parts are the original address.
 */
function join(user: string, host: string): string {
  const whole = host.includes("@") ? parseMailbox(`${user}@${host}`) : undefined;
  return whole === undefined ? formatMailbox(user, host) : formatMailbox(whole.local, whole.domain);
}

/** Tells if a domain can stand between two `=` and be read back unchanged. */
function isCarriable(domain: string): boolean {
  for (let i = 0; i < domain.length; i++) {
    const code = domain.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code === 0x3d || code === 0x40 || code === 0x22) return false;
  }
  return true;
}

/** Tells if a local part is just `SRS0` or `SRS1`. postsrsd treats it as tagged too. */
function isBareTag(local: string): boolean {
  return local.length === 4 && /^srs[01]$/i.test(local);
}
