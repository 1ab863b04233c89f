/**
 * The settings of the policy service: [policy] of the configuration, parsed, under names in camelCase that hold the
 * unit. Their defaults stand in the table of parameters.
 */

import type { AllowSettings } from "../mail/allow-list.ts";
import type { Cidr } from "../mail/ip.ts";
import type { SpfResult } from "../spf/verdict.ts";

/** What to do with one SPF result. */
export type Disposition =
  /** Let the mail pass, with the header. */
  | { readonly kind: "tag" }
  | { readonly kind: "reject" }
  | { readonly kind: "defer" }
  /** Reject, but tag when the domain publishes DMARC: then DKIM may still speak for forwarded mail. */
  | { readonly kind: "reject-unless-dmarc" }
  /** Reject only when the domain's whole policy is `v=spf1 -all`, otherwise tag. */
  | { readonly kind: "reject-no-mail" }
  /** Answer with this access(5) action. */
  | { readonly kind: "action"; readonly action: string };

/** The dispositions that are one word in the configuration. */
const DISPOSITION_NAMES = ["tag", "reject", "defer", "reject-unless-dmarc", "reject-no-mail"] as const;

/** What a disposition may look like, for error messages and `--help`. */
export const DISPOSITION_WISH = `one of ${DISPOSITION_NAMES.map((name) => `"${name}"`).join(", ")}, or "action:" and an access(5) action`;

const ACTION_PREFIX = "action:";

/**
 * Reads a disposition as the configuration spells it; `undefined` when it is none. An action must be one line of
 * printable ASCII and not empty: to Postfix an empty action means PERMIT.
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

/** What a reply text may look like, for error messages and `--help`. */
export const REPLY_TEXT_WISH = "one line of printable ASCII without unknown placeholders";

/** Reads the text of a reply; `undefined` when it is not one line, or when it holds an unknown placeholder. */
export function parseReplyText(text: string): string | undefined {
  const names: readonly string[] = PLACEHOLDERS;
  const areKnown = [...text.matchAll(/\{(\w+)\}/g)].every(([, name = ""]) => names.includes(name));
  return areKnown && /^[\x20-\x7e]{1,400}$/.test(text) ? text : undefined;
}

/** The header types that can be given, as `headers` names them. */
export const HEADER_TYPES = ["received-spf", "authentication-results"] as const;

export type HeaderType = (typeof HEADER_TYPES)[number];

/** `report`: mail is only tagged; what the answer would have been is logged and counted. */
export const POLICY_MODES = ["enforce", "report"] as const;

export type PolicyMode = (typeof POLICY_MODES)[number];

/** A disposition for each result of check_host(). */
export type Dispositions = Readonly<Record<SpfResult, Disposition>>;

/** `[policy.helo]` or `[policy.mail_from]`. */
export interface IdentitySettings {
  /** `false`: this identity is not checked. */
  readonly check: boolean;
  readonly dispositions: Dispositions;
}

/** The requests that an override is for. Each list that is not empty must hold the request's value. */
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

/** What an override changes; what is left out stays as it is. */
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
  /** Each type at most once; none: mail that passes gets DUNNO. */
  readonly headers: readonly HeaderType[];
  /** The authserv-id of Authentication-Results. */
  readonly authservId: string;
  /** The time for one request, with all its DNS queries. */
  readonly timeLimitMs: number;
  /** Clients with `sasl_username` are not checked. */
  readonly skipAuthenticated: boolean;
  /** Clients that are ours: not checked, and nothing is added to their mail. */
  readonly skipAddresses: readonly Cidr[];
  /** Reply texts, with the placeholders of `reply-text.ts`. */
  readonly rejectMessage: string;
  readonly deferMessage: string;
  /** `false`: replies without X.7.23 and X.7.24 (RFC 7372). */
  readonly enhancedStatusCodes: boolean;
  /** `true`: headers say `receiver=unknown` instead of our host name. */
  readonly hideReceiver: boolean;
  /** Check this address instead of the client's, and add no header: would our own mail pass elsewhere? Empty: off. */
  readonly prospectiveAddress: string;
  /** For the SPF checker; RFC 7208 section 4.6.4. */
  readonly maxDnsLookups: number;
  readonly maxVoidLookups: number;
  readonly helo: IdentitySettings;
  readonly mailFrom: IdentitySettings;
  readonly allow: AllowSettings;
  /** The first that matches applies, and no other. */
  readonly overrides: readonly Override[];
}
