/**
 * Google's rules for senders and forwarders (answers 81126, 175365 and 14229414, as of March 2026) beside what the
 * checks have found.
 */
import { normalizeName } from "../mail/names.ts";
import type { Status } from "./check.ts";
import type { Facts } from "./facts.ts";
import type { Result } from "./run.ts";

interface GmailRule {
  readonly id: string;
  /** The rule in Google's words, shortened. */
  readonly rule: string;
  /** The checks that show if it is kept; none if that cannot be seen from here. */
  readonly checks: readonly string[];
  /** What the admin has to know, or look at. */
  readonly note?: string;
}

export const GMAIL_RULES: readonly GmailRule[] = [
  {
    id: "gmail-envelope",
    rule: "Change the envelope sender to your forwarding domain",
    checks: ["srs-use", "srs-endpoints", "one-set-up", "transport-maps", "second-pass", "bounce-path"],
    note: "Up to 2025 the same page said to avoid it; the change is of March 2026",
  },
  {
    id: "gmail-forwarding-spf",
    rule: "The SPF record of the forwarding domain names all forwarding addresses",
    checks: ["srs-spf", "srs-domain"],
  },
  {
    id: "gmail-authentication",
    rule: "All senders: SPF or DKIM passes; bulk senders: both",
    checks: ["own-spf", "helo-spf", "dkim-keys", "dkim-domains", "opendkim-keys"],
  },
  {
    id: "gmail-reverse-name",
    rule: "Every sending address has a reverse name that leads back to it (5.7.25)",
    checks: ["reverse-name", "helo-name"],
  },
  { id: "gmail-tls", rule: "Mail is sent with TLS (5.7.29)", checks: ["tls"] },
  {
    id: "gmail-unchanged",
    rule: "Do not change body, MIME boundaries, From, To, Cc, Subject, Date and Message-ID: DKIM would break",
    checks: ["sender-classes", "second-pass", "signed-unchanged"],
    note: "Filters of yours that add a footer or a mark to the subject are not seen from here",
  },
  { id: "gmail-dmarc", rule: "Bulk senders publish a DMARC record (5.7.40)", checks: ["dmarc"] },
  {
    id: "gmail-separate",
    rule: "Consider a separate domain or address for forwarding",
    checks: ["gmail-separate"],
  },
  {
    id: "gmail-alignment",
    rule: "DMARC alignment is not required of forwarded mail",
    checks: [],
    note: "Mail of a domain with SPF only and p=reject is refused all the same (5.7.26), and no forwarder can mend that",
  },
  {
    id: "gmail-spam",
    rule: "Do not forward spam; complaints stay below 0.3 %",
    checks: [],
    note: "Filter before you forward: SRS makes forwarded spam yours. Postmaster Tools shows the rate",
  },
  {
    id: "gmail-marks",
    rule: "Add X-Forwarded-To: or X-Forwarded-For: to forwarded mail",
    checks: [],
    note: "Optional. postvouch adds none",
  },
  { id: "gmail-arc", rule: "ARC is not asked for any more (withdrawn on 2026-03-11)", checks: [] },
];

/** Tells if forwarding has a domain of its own. */
export async function separateDomain({ setup: { srsDomain }, postfix }: Facts): Promise<Result> {
  const id = "gmail-separate";
  if ("unknown" in postfix) return { id, status: "skipped", reason: postfix.unknown, mend: null };
  const lists = await postfix.known.domains();
  const withMailboxes = ["mydestination", "virtual_mailbox_domains"].flatMap((name) => lists.get(name) ?? []);
  if (!withMailboxes.includes(normalizeName(srsDomain))) {
    return {
      id,
      status: "ok",
      reason: `forwarded mail has the domain ${srsDomain}, which has no mailboxes`,
      mend: null,
    };
  }
  return {
    id,
    status: "warning",
    reason: `forwarded mail has the domain ${srsDomain}, and so has other mail`,
    mend: "in postvouch.toml: [srs] domain, one of its own (docs/postfix.md); then: postvouch setup forward-only --apply",
  };
}

const WORST_FIRST: readonly Status[] = ["error", "warning", "ok", "skipped"];

/** One result for each rule: the worst of its checks, with what they found. */
export function gmailResults(results: readonly Result[]): Result[] {
  return GMAIL_RULES.map(({ id, rule, checks, note }) => {
    const found = results.filter((result) => checks.includes(result.id));
    const status = WORST_FIRST.find((one) => found.some((result) => result.status === one)) ?? "skipped";
    const worst = found.filter((result) => result.status === status);
    const isWrong = status === "error" || status === "warning";
    const reasons = (isWrong ? worst : worst.slice(0, 1)).map(({ reason }) => reason);
    const mends = isWrong ? [...new Set(worst.flatMap(({ mend }) => mend ?? []))] : [];
    const words = [...new Set(reasons), ...(note === undefined ? [] : [note])].join(". ");
    return {
      id,
      status,
      reason: words === "" ? rule : `${rule}: ${words}`,
      mend: mends.length === 0 ? null : mends.join("; then: "),
    };
  });
}
