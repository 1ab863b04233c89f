/** Converts the keys of the configuration to the settings of the parts. */
import type { AuthenticationSettings } from "../authentication/settings.ts";
import type { SignSettings } from "../dkim/sign.ts";
import type { VerifySettings } from "../dkim/verify.ts";
import type { ResolverSettings } from "../dns/resolver.ts";
import type { Disposition, IdentityChange, IdentitySettings, Override, PolicySettings } from "../policy/settings.ts";
import { SPF_RESULTS, type SpfResult } from "../spf/verdict.ts";
import type { Config, OverrideTable } from "./parameters.ts";

/** The settings of the policy service, from [policy]. An empty authserv_id becomes `hostname`. */
export function policySettings(config: Config, hostname: string): PolicySettings {
  return {
    mode: config["policy.mode"],
    headers: [...new Set(config["policy.headers"])],
    authservId: config["policy.authserv_id"] || hostname,
    timeLimitMs: config["policy.time_limit"],
    skipAuthenticated: config["policy.skip_authenticated"],
    skipAddresses: config["policy.skip_addresses"],
    rejectMessage: config["policy.reject_message"],
    deferMessage: config["policy.defer_message"],
    enhancedStatusCodes: config["policy.enhanced_status_codes"],
    hideReceiver: config["policy.hide_receiver"],
    prospectiveAddress: config["policy.prospective_address"],
    maxDnsLookups: config["policy.max_dns_lookups"],
    maxVoidLookups: config["policy.max_void_lookups"],
    helo: identitySettings(config, "policy.helo"),
    mailFrom: identitySettings(config, "policy.mail_from"),
    allow: {
      addresses: config["policy.allow.addresses"],
      spfDomains: config["policy.allow.spf_domains"],
      heloNames: config["policy.allow.helo_names"],
      ptrDomains: config["policy.allow.ptr_domains"],
    },
    overrides: config["policy.override"].map(toOverride),
  };
}

function identitySettings(config: Config, section: "policy.helo" | "policy.mail_from"): IdentitySettings {
  const entries = SPF_RESULTS.map((result) => [result, config[`${section}.${result}`]] as const);
  return {
    check: config[`${section}.check`],
    dispositions: Object.fromEntries(entries) as Record<SpfResult, Disposition>,
  };
}

function toOverride(table: OverrideTable): Override {
  return {
    match: {
      recipients: table.recipient ?? [],
      senders: table.sender ?? [],
      senderDomains: table.sender_domain ?? [],
      heloNames: table.helo_name ?? [],
      clientAddresses: table.client_address ?? [],
    },
    change: {
      mode: table.mode,
      headers: table.headers,
      rejectMessage: table.reject_message,
      deferMessage: table.defer_message,
      helo: identityChange(table.helo),
      mailFrom: identityChange(table.mail_from),
    },
  };
}

function identityChange(table: OverrideTable["helo"]): IdentityChange | undefined {
  if (table === undefined) return undefined;
  const { check, ...dispositions } = table;
  return { check, dispositions };
}

/** What may pass, from [dkim]. */
export function dkimPolicy(config: Config): Pick<VerifySettings, "minKeyBits" | "maxSignatures" | "bodyLength"> {
  return {
    minKeyBits: config["dkim.min_key_bits"],
    maxSignatures: config["dkim.max_signatures"],
    bodyLength: config["dkim.body_length"],
  };
}

/** The form of our signatures, from [dkim.sign]. */
export function signSettings(config: Config): SignSettings {
  const [headerForm, bodyForm] = config["dkim.sign.canonicalization"].split("/") as [Form, Form];
  const expireMs = config["dkim.sign.expire"];
  return {
    headerForm,
    bodyForm,
    headers: config["dkim.sign.headers"],
    oversign: config["dkim.sign.oversign"],
    expireSeconds: expireMs === undefined ? undefined : expireMs / 1000,
  };
}

type Form = SignSettings["headerForm"];

/** The settings of mail authentication, from [milter], [dkim], [dmarc] and [arc]. */
export function authenticationSettings(
  config: Config,
  { hostname, srsDomain }: { readonly hostname: string; readonly srsDomain: string },
): AuthenticationSettings {
  const policyId = config["policy.authserv_id"] || hostname;
  return {
    authservId: config["milter.authserv_id"] || policyId,
    // What the policy service has added is taken into the one field.
    removeIds: [policyId, ...config["milter.remove_authserv_ids"]],
    trustedIds: config["milter.trusted_authserv_ids"],
    trustedRelays: config["milter.trusted_relays"],
    internal: config["milter.internal"],
    skip: config["milter.skip"],
    submissionDaemons: config["milter.submission_daemons"],
    forwardDaemons: config["milter.forward_daemons"],
    skipDaemons: config["milter.skip_daemons"],
    isReport: config["milter.mode"] === "report",
    timeLimitMs: config["milter.time_limit"],
    maxHeaderBytes: config["milter.max_header_bytes"],
    onError: config["milter.on_error"],
    verifiesDkim: config["dkim.verify"],
    verifiesDmarc: config["dmarc.verify"],
    // A seal tells what was found of the chain.
    verifiesArc: config["arc.verify"] || config["arc.seal"] === "all",
    arc: {
      seal: config["arc.seal"],
      domains: config["arc.domain"] === "" ? [srsDomain, ...namesUpwards(hostname)] : [config["arc.domain"]],
      selector: config["arc.selector"],
    },
    dmarc: {
      reject: config["dmarc.reject"],
      quarantine: config["dmarc.quarantine"],
      temperror: config["dmarc.temperror"],
      malformed: config["milter.malformed"],
      forwardFailed: config["dmarc.forward_failed"],
      allowLists: config["dmarc.allow_lists"],
      trustedSealers: config["arc.trusted_sealers"],
    },
    rejectMessage: config["dmarc.reject_message"],
    sign: {
      ...signSettings(config),
      onError: config["dkim.sign.on_error"],
      listMail: config["dkim.sign.list_mail"],
    },
  };
}

/** A name, and the names of several labels above it. */
function namesUpwards(name: string): string[] {
  const labels = name.split(".");
  return labels.map((_label, at) => labels.slice(at).join(".")).filter((one) => one.includes("."));
}

/** The settings of the resolver, from [dns]. */
export function resolverSettings(config: Config): ResolverSettings {
  return {
    servers: config["dns.servers"],
    timeoutMs: config["dns.timeout"],
    tries: config["dns.tries"],
    cacheSize: config["dns.cache_size"],
    maxTtlMs: config["dns.max_ttl"],
    negativeTtlMs: config["dns.negative_ttl"],
  };
}
