/** Turns the options of policyd-spf that decide about results into dispositions. */
import { listEntries, type Options, optionValue } from "./policyd-spf-options.ts";

const RESULTS = ["fail", "softfail", "neutral", "none", "pass", "permerror", "temperror"] as const;

/** `[policy.helo]` or `[policy.mail_from]`: a disposition for each result, and `check`. */
export type Identity = Readonly<Record<(typeof RESULTS)[number], string>> & { readonly check: boolean };

export interface Identities {
  readonly helo: Identity;
  readonly mail_from: Identity;
}

const TAG: Identity = {
  fail: "tag",
  softfail: "tag",
  neutral: "tag",
  none: "tag",
  pass: "tag",
  permerror: "tag",
  temperror: "tag",
  check: true,
};

/** The defaults, which are those of policyd-spf too. */
export const IDENTITY_DEFAULTS: Identity = { ...TAG, fail: "reject" };

/** The results that a value of `HELO_reject` or `Mail_From_reject` rejects. */
const REJECTED: Readonly<Record<string, readonly (typeof RESULTS)[number][]>> = {
  SPF_Not_Pass: ["fail", "softfail", "neutral"],
  Softfail: ["fail", "softfail"],
  Fail: ["fail"],
};

/** The dispositions for both identities. `HELO_reject = Null` is a variant: see variantsOf. */
export function identitiesOf(options: Options): Identities {
  return {
    helo: identity(options, optionValue(options, "HELO_reject", "Fail"), "HELO_pass_restriction"),
    mail_from: identity(options, optionValue(options, "Mail_From_reject", "Fail"), "Mail_From_pass_restriction"),
  };
}

function identity(options: Options, reject: string, passOption: string): Identity {
  const action = options.get(passOption)?.value;
  const pass = action === undefined || action === "" ? "tag" : `action:${action}`;
  if (reject === "No_Check") return { ...TAG, check: false };
  // False turns off the options for errors too.
  if (reject === "False") return { ...TAG, pass };
  const results = Object.hasOwn(REJECTED, reject) ? (REJECTED[reject] ?? []) : [];
  return {
    ...TAG,
    ...Object.fromEntries(results.map((result) => [result, rejection(options)])),
    pass,
    permerror: optionValue(options, "PermError_reject") === "True" ? "reject" : "tag",
    temperror: optionValue(options, "TempError_Defer") === "True" ? "defer" : "tag",
  };
}

function rejection(options: Options): string {
  return optionValue(options, "No_Mail") === "True" ? "reject-no-mail" : "reject";
}

type Change = Readonly<Partial<Record<keyof Identity, string | boolean>>>;

/** A kind of message with other dispositions. */
export interface Variant {
  readonly option: "HELO_reject" | "Reject_Not_Pass_Domains";
  /** The conditions of a `[[policy.override]]`. */
  readonly match: Readonly<Record<string, string | readonly string[]>>;
  readonly change: { readonly helo?: Change; readonly mail_from?: Change };
}

/** The exceptions from the dispositions, the more special ones first, because the first one that matches applies. */
export function variantsOf(options: Options): Variant[] {
  const variants: Variant[] = [];
  const isNull = optionValue(options, "HELO_reject") === "Null";
  if (isNull) {
    const change = { helo: { fail: rejection(options) } };
    variants.push({ option: "HELO_reject", match: { sender: "<>" }, change });
  }
  const domains = listEntries(optionValue(options, "Reject_Not_Pass_Domains"));
  if (domains.length === 0) return variants;
  const kind = rejection(options);
  const strict: Change = { fail: kind, softfail: kind, neutral: kind };
  // An identity that is not checked stays so.
  const helo = isNull || optionValue(options, "HELO_reject") === "No_Check" ? {} : { helo: strict };
  const mailFrom = optionValue(options, "Mail_From_reject") === "No_Check" ? {} : { mail_from: strict };
  const option = "Reject_Not_Pass_Domains";
  const both = { ...helo, ...mailFrom };
  const domainVariants: Variant[] = [
    // With one identity left alone, this would be the same as one of the others.
    {
      option,
      match: { sender_domain: domains, helo_name: domains },
      change: Object.keys(both).length === 2 ? both : {},
    },
    { option, match: { sender_domain: domains }, change: mailFrom },
    { option, match: { helo_name: domains }, change: helo },
  ];
  return [...variants, ...domainVariants.filter(({ change }) => Object.keys(change).length > 0)];
}

/** The keys in which one identity differs from another. */
export function difference(one: Identity, other: Identity): Change {
  const keys = [...RESULTS, "check"] as const;
  return Object.fromEntries(keys.filter((key) => one[key] !== other[key]).map((key) => [key, one[key]]));
}
