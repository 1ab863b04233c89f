/** Converts policyd-spf.conf to our settings, reading it as policyd-spf does: docs/from-policyd-spf.md as code. */
import { type Cidr, parseCidr } from "../../src/mail/ip.ts";
import type {
  Disposition,
  Dispositions,
  IdentityChange,
  IdentitySettings,
  Override,
  OverrideMatch,
  PolicySettings,
} from "../../src/policy/settings.ts";
import type { SpfResult } from "../../src/spf/verdict.ts";
import { DEFAULT_POLICY_SETTINGS, everyResult } from "./fixtures.ts";

/** The options by name, as policyd-spf takes them from its file: "#" cuts, the last line wins, values are literal. */
export type Options = Readonly<Record<string, string>>;

const REJECTED: Readonly<Record<string, readonly SpfResult[]>> = {
  SPF_Not_Pass: ["fail", "softfail", "neutral"],
  Softfail: ["fail", "softfail"],
  Fail: ["fail"],
  Null: ["fail"],
};

export function readOptions(lines: readonly string[]): Options {
  const options: Record<string, string> = {};
  for (const line of lines) {
    const [name = "", value, ...rest] = (line.split("#")[0] ?? "").split("=");
    if (value !== undefined && rest.length === 0) options[name.trim()] = value.trim();
  }
  return options;
}

/** The settings that say the same. `perUser` is the file of that name: "user@dom,Name=val|Name=val". */
export function toSettings(options: Options, perUser: readonly string[] = []): PolicySettings {
  const on = (name: string) => options[name] === "True";
  const both = identities(options);
  return {
    ...DEFAULT_POLICY_SETTINGS,
    ...both,
    mode: options.TestOnly === "0" ? "report" : "enforce",
    headers: headerTypes(options.Header_Type),
    authservId: options.Authserv_Id === "HOSTNAME" ? "" : (options.Authserv_Id ?? ""),
    timeLimitMs: Number(options.Lookup_Time ?? "20") * 1000 || DEFAULT_POLICY_SETTINGS.timeLimitMs,
    skipAuthenticated: true,
    skipAddresses: ranges(options.skip_addresses),
    rejectMessage: message(options, "rejected"),
    deferMessage: message(options, "deferred"),
    enhancedStatusCodes: options.SPF_Enhanced_Status_Codes !== "No",
    hideReceiver: options.Hide_Receiver !== undefined && options.Hide_Receiver !== "No",
    prospectiveAddress: options.Prospective ?? "",
    maxVoidLookups: Number(options.Void_Limit ?? "2"),
    allow: {
      addresses: ranges(options.Whitelist),
      spfDomains: list(options.Domain_Whitelist),
      heloNames: list(options.HELO_Whitelist),
      ptrDomains: list(options.Domain_Whitelist_PTR).flatMap((name) => [name, `.${name}`]),
    },
    overrides: [
      ...perUser.flatMap((line) => perUserOverride(line, options)),
      ...nullOnly(options),
      ...notPass(options, on),
    ],
  };
}

function identities(options: Options): { helo: IdentitySettings; mailFrom: IdentitySettings } {
  return {
    // Null rejects for the null sender only: see nullOnly().
    helo: identity(
      options,
      options.HELO_reject === "Null" ? "Tag" : (options.HELO_reject ?? "Fail"),
      "HELO_pass_restriction",
    ),
    mailFrom: identity(options, options.Mail_From_reject ?? "Fail", "Mail_From_pass_restriction"),
  };
}

function identity(options: Options, reject: string, passOption: string): IdentitySettings {
  const tag = everyResult({ kind: "tag" });
  const pass: Disposition =
    options[passOption] === undefined ? tag.pass : { kind: "action", action: options[passOption] };
  if (reject === "No_Check") return { check: false, dispositions: tag };
  if (reject === "False") return { check: true, dispositions: { ...tag, pass } };
  return { check: true, dispositions: { ...rejecting(options, REJECTED[reject] ?? []), pass } };
}

function rejecting(options: Options, results: readonly SpfResult[]): Dispositions {
  const kind = options.No_Mail === "True" ? "reject-no-mail" : "reject";
  return {
    ...everyResult({ kind: "tag" }),
    ...Object.fromEntries(results.map((result) => [result, { kind }])),
    ...(options.PermError_reject === "True" ? { permerror: { kind: "reject" } } : {}),
    ...(options.TempError_Defer === "True" ? { temperror: { kind: "defer" } } : {}),
  } as Dispositions;
}

/** postfix-policyd-spf-perl has no options, but two lists in files. */
export function perlSettings(files: Readonly<Record<string, string>> = {}): PolicySettings {
  const tag = everyResult({ kind: "tag" });
  const dispositions: Dispositions = { ...tag, fail: { kind: "reject" }, temperror: { kind: "defer" } };
  const addresses = (files.exempt_spf_addresses ?? "").split(/[\s,]+/).join(",");
  return {
    ...DEFAULT_POLICY_SETTINGS,
    helo: { check: true, dispositions },
    mailFrom: { check: true, dispositions },
    enhancedStatusCodes: false,
    rejectMessage: "{explanation}",
    deferMessage: "SPF-Result={explanation}",
    allow: { ...DEFAULT_POLICY_SETTINGS.allow, addresses: ranges(addresses) },
  };
}

const ANY: OverrideMatch = { recipients: [], senders: [], senderDomains: [], heloNames: [], clientAddresses: [] };

function nullOnly(options: Options): Override[] {
  if (options.HELO_reject !== "Null") return [];
  return [{ match: { ...ANY, senders: ["<>"] }, change: { helo: { dispositions: { fail: { kind: "reject" } } } } }];
}

/** Reject_Not_Pass_Domains speaks of the sender's domain and of the HELO name. */
function notPass(options: Options, on: (name: string) => boolean): Override[] {
  const domains = list(options.Reject_Not_Pass_Domains);
  if (domains.length === 0) return [];
  const kind = on("No_Mail") ? "reject-no-mail" : "reject";
  const change: IdentityChange = { dispositions: { fail: { kind }, softfail: { kind }, neutral: { kind } } };
  const helo = options.HELO_reject === "Null" ? {} : { helo: change };
  return [
    { match: { ...ANY, senderDomains: domains, heloNames: domains }, change: { ...helo, mailFrom: change } },
    { match: { ...ANY, senderDomains: domains }, change: { mailFrom: change } },
    { match: { ...ANY, heloNames: domains }, change: helo },
  ];
}

function perUserOverride(line: string, global: Options): Override[] {
  const comma = line.indexOf(",");
  if (comma === -1 || line.startsWith("#")) return [];
  const changes = line.slice(comma + 1).split("|");
  const options = { ...global, ...readOptions(changes.filter((change) => !change.startsWith("TestOnly"))) };
  const match = { ...ANY, recipients: [line.slice(0, comma)] };
  const exempt = changes
    .filter((change) => change.startsWith("Whitelist="))
    .flatMap((change) => ranges(change.slice(10)));
  const unchecked: Override = {
    match: { ...match, clientAddresses: exempt },
    change: { helo: { check: false }, mailFrom: { check: false } },
  };
  const changed: Override = {
    match,
    change: {
      ...identities(options),
      headers: headerTypes(options.Header_Type),
      rejectMessage: message(options, "rejected"),
      deferMessage: message(options, "deferred"),
    },
  };
  return exempt.length > 0 ? [unchecked, changed] : [changed];
}

/** Anything that is not AR or None is SPF to policyd-spf. */
function headerTypes(value = "SPF"): PolicySettings["headers"] {
  if (value === "None") return [];
  return value === "AR" ? ["authentication-results"] : ["received-spf"];
}

/** {url} is left out: the site that it names is gone. */
function message(options: Options, rejectdefer: "rejected" | "deferred"): string {
  const template = options.Reason_Message ?? "Message {rejectdefer} due to: {spf}. Please see {url}";
  return template.replaceAll("{rejectdefer}", rejectdefer).replaceAll("{spf}", "{explanation}").replaceAll("{url}", "");
}

function list(value = ""): string[] {
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function ranges(value?: string): Cidr[] {
  return list(value)
    .map(parseCidr)
    .filter((range) => range !== undefined);
}
