/** What is told of a message when it is done, for the log and the counters. */
import type { SmtpSession } from "../milter/application.ts";
import type { Role } from "./role.ts";

/** What Postfix was told to do. `aborted`: the client or Postfix gave up; `error`: we have failed (`milter.on_error`). */
export const MAIL_ACTIONS = ["accept", "hold", "reject", "tempfail", "aborted", "error"] as const;

export type MailAction = (typeof MAIL_ACTIONS)[number];

/** The methods that have results. */
export const METHODS = ["spf", "dkim", "arc", "dmarc", "iprev"] as const;

/** The results that any of them can have. */
export const METHOD_RESULTS = [
  "none",
  "neutral",
  "pass",
  "fail",
  "softfail",
  "policy",
  "temperror",
  "permerror",
] as const;

/** The algorithms of signatures (RFC 8463, RFC 8301). */
export const SIGNATURE_ALGORITHMS = ["rsa-sha256", "ed25519-sha256"] as const;

export interface MessageReport {
  readonly role: Role;
  readonly smtp: SmtpSession;
  /** The envelope sender; "" is the null sender. */
  readonly sender: string;
  /** The domain of From, if it has been read. */
  readonly authorDomain: string;
  /** `method result`, in the order of the header field. */
  readonly results: readonly { readonly method: string; readonly result: string }[];
  readonly action: MailAction;
  /** What report mode has suppressed. */
  readonly would?: MailAction | undefined;
  /** The keys that have signed. */
  readonly signed: readonly {
    readonly domain: string;
    readonly selector: string;
    readonly algorithm: (typeof SIGNATURE_ALGORITHMS)[number];
  }[];
  /** The key that has sealed. */
  readonly sealed?: { readonly domain: string; readonly selector: string } | undefined;
  /** The reason why mail of ours was not signed although there is a key for it, or why a message was refused or not sealed. */
  readonly problem?: string | undefined;
  readonly ms: number;
}
