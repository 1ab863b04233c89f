/**
 * The settings of the policy service: the parsed [policy] section, under camelCase names with units. The defaults are
 * in the table of parameters.
 */

import type { AllowSettings } from "../mail/allow-list.ts";
import type { Cidr } from "../mail/ip.ts";
import type { SpfResult } from "../spf/verdict.ts";

/** A disposition: what to do with one SPF result. */
export type Disposition =
  /** Accept the mail, with the header. */
  | { readonly kind: "tag" }
  | { readonly kind: "reject" }
  | { readonly kind: "defer" }
  /** Reject, but tag if the domain publishes DMARC: then DKIM may still prove that forwarded mail is genuine. */
  | { readonly kind: "reject-unless-dmarc" }
  /** Reject only when the domain's whole policy is `v=spf1 -all`, otherwise tag. */
  | { readonly kind: "reject-no-mail" }
  /** Answer with this access(5) action. */
  | { readonly kind: "action"; readonly action: string };

/** The dispositions that are one word in the configuration. */
const DISPOSITION_NAMES = ["tag", "reject", "defer", "reject-unless-dmarc", "reject-no-mail"] as const;

/** The wanted form of a disposition, for error messages and `--help`. */
export const DISPOSITION_WISH = `one of ${DISPOSITION_NAMES.map((name) => `"${name}"`).join(", ")}, or "action:" and an access(5) action`;

const ACTION_PREFIX = "action:";

/**
 * Reads a disposition as the configuration spells it; `undefined` for any other text. An action must be one line of
 * printable ASCII and must not be empty: to Postfix an empty action means PERMIT.
 */
export function parseDisposition(text: string): Disposition | undefined {
  for (const kind of DISPOSITION_NAMES) {
    if (text === kind) return { kind };
  }
  if (!text.startsWith(ACTION_PREFIX)) return undefined;
  const action = text.slice(ACTION_PREFIX.length).trim();
  return /^[\x20-\x7e]{1,512}$/.test(action) ? { kind: "action", action } : undefined;
}

/** The names that `reject_message` and `defer_message` may hold in braces. */
export const PLACEHOLDERS = [
  "result",
  "explanation",
  "identity",
  "domain",
  "client_address",
  "helo_name",
  "sender",
  "receiver",
] as const;

/** The wanted form of a reply text, for error messages and `--help`. */
export const REPLY_TEXT_WISH = "one line of printable ASCII without unknown placeholders";

/** Reads the text of a reply; `undefined` if it is not one line, or contains an unknown placeholder. */
export function parseReplyText(text: string): string | undefined {
  const names: readonly string[] = PLACEHOLDERS;
  const areKnown = [...text.matchAll(/\{(\w+)\}/g)].every(([, name = ""]) => names.includes(name));
  return areKnown && /^[\x20-\x7e]{1,400}$/.test(text) ? text : undefined;
}

/** The header types that can be given, as `headers` names them. */
export const HEADER_TYPES = ["received-spf", "authentication-results"] as const;

export type HeaderType = (typeof HEADER_TYPES)[number];

/** The modes. With `report` mail is only tagged, and the answer that it would have got is logged and counted. */
export const POLICY_MODES = ["enforce", "report"] as const;

export type PolicyMode = (typeof POLICY_MODES)[number];

/** A disposition for each result of check_host(). */
export type Dispositions = Readonly<Record<SpfResult, Disposition>>;

/** The settings in `[policy.helo]` or `[policy.mail_from]`. */
export interface IdentitySettings {
  /** False to leave this identity unchecked. */
  readonly check: boolean;
  readonly dispositions: Dispositions;
}

/** The requests that an override applies to. Each list that is not empty must hold the request's value. */
export interface OverrideMatch {
  /** `user@example.org`, or `@example.org` for every address there. */
  readonly recipients: readonly string[];
  /** The same, or `<>` for the null sender. */
  readonly senders: readonly string[];
  /** `example.org`, or `.example.org` for every name below. */
  readonly senderDomains: readonly string[];
  /** The same. */
  readonly heloNames: readonly string[];
  readonly clientAddresses: readonly Cidr[];
}

/** The settings that an override changes. Absent ones stay as they are. */
interface OverrideChange {
  readonly mode?: PolicyMode | undefined;
  readonly headers?: readonly HeaderType[] | undefined;
  readonly rejectMessage?: string | undefined;
  readonly deferMessage?: string | undefined;
  readonly helo?: IdentityChange | undefined;
  readonly mailFrom?: IdentityChange | undefined;
}

/** The part of `[policy.helo]` or `[policy.mail_from]` that an override changes. */
export interface IdentityChange {
  readonly check?: boolean | undefined;
  readonly dispositions?: { readonly [Result in SpfResult]?: Disposition | undefined } | undefined;
}

/** One `[[policy.override]]`. */
export interface Override {
  readonly match: OverrideMatch;
  readonly change: OverrideChange;
}

/** All of `[policy]` but its endpoints. */
export interface PolicySettings {
  readonly mode: PolicyMode;
  /** Header types, each at most once. Empty: mail that passes gets DUNNO. */
  readonly headers: readonly HeaderType[];
  /** The authserv-id of Authentication-Results. */
  readonly authservId: string;
  /** The time for one request, with all its DNS queries. */
  readonly timeLimitMs: number;
  /** True to leave clients with a `sasl_username` unchecked. */
  readonly skipAuthenticated: boolean;
  /** Clients that are ours: not checked, and nothing is added to their mail. */
  readonly skipAddresses: readonly Cidr[];
  /** Reply texts, with the placeholders of `reply-text.ts`. */
  readonly rejectMessage: string;
  readonly deferMessage: string;
  /** False for replies without X.7.23 and X.7.24 (RFC 7372). */
  readonly enhancedStatusCodes: boolean;
  /** True for headers with `receiver=unknown` instead of our host name. */
  readonly hideReceiver: boolean;
  /**
   * Address to check instead of the client's, without a header, to see if our own mail would pass elsewhere. Empty:
   * off.
   */
  readonly prospectiveAddress: string;
  /** Limits for the SPF checker (RFC 7208 section 4.6.4). */
  readonly maxDnsLookups: number;
  readonly maxVoidLookups: number;
  readonly helo: IdentitySettings;
  readonly mailFrom: IdentitySettings;
  readonly allow: AllowSettings;
  /** Overrides. Only the first one that matches applies. */
  readonly overrides: readonly Override[];
}
