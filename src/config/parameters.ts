/**
 * Every configuration key, once: its default, how it is read, and what it is for. The parser, the Config type,
 * `--help`, the example file and docs/config.md all come from this table.
 */

import { parseServer, SERVER_WISH } from "../dns/server-address.ts";
import { ipVersion } from "../mail/address-groups.ts";
import type { Endpoint } from "../net/endpoint.ts";
import {
  DISPOSITION_WISH,
  type Disposition,
  HEADER_TYPES,
  POLICY_MODES,
  parseDisposition,
  parseReplyText,
  REPLY_TEXT_WISH,
} from "../policy/settings.ts";
import type { SpfResult } from "../spf/verdict.ts";
import { parseStoreUrl } from "../store/url.ts";
import { LISTENERS, type ListenerKey } from "./listeners.ts";
import {
  absolutePath,
  byteSize,
  cidr,
  domainName,
  domainPattern,
  duration,
  endpoint,
  fileMode,
  flag,
  integer,
  type Kind,
  kind,
  listOf,
  oneOf,
  oneOrMore,
  tableOf,
  text,
} from "./value.ts";

export interface Parameter<T> {
  /** One or two sentences for an admin. */
  readonly help: string;
  /** As TOML would give it; it must parse. */
  readonly default: unknown;
  readonly kind: Kind<T>;
}

function parameter<T>(kindOfValue: Kind<T>, defaultValue: unknown, help: string): Parameter<T> {
  return { kind: kindOfValue, default: defaultValue, help };
}

/** A list of endpoints. */
function listener(key: ListenerKey): Parameter<readonly Endpoint[]> {
  return parameter(listOf(endpoint), LISTENERS[key].default, LISTENERS[key].help);
}

/** What is done for an SPF result. */
const disposition: Kind<Disposition> = kind(DISPOSITION_WISH, (value) =>
  typeof value === "string" ? parseDisposition(value) : undefined,
);

const printableLine = kind("one line of printable ASCII", (value) =>
  typeof value === "string" && /^[\x20-\x7e]{1,400}$/.test(value) ? value : undefined,
);

/** Text that goes into an SMTP reply. */
const replyText = kind(REPLY_TEXT_WISH, (value) => (typeof value === "string" ? parseReplyText(value) : undefined));

const identityTable = tableOf({
  fail: disposition,
  softfail: disposition,
  neutral: disposition,
  none: disposition,
  pass: disposition,
  permerror: disposition,
  temperror: disposition,
  check: flag,
});

const mailbox = kind('"user@example.org", or "@example.org" for every address there', (value) =>
  typeof value === "string" && /^[^\s@]*@[^\s@]+$/.test(value) ? value : undefined,
);

/** A mailbox, or the null sender. */
const senderBox = kind(
  '"user@example.org", "@example.org" for every address there, or "<>" for the null sender',
  (value) => (typeof value === "string" && /^(?:[^\s@]*@[^\s@]+|<>)$/.test(value) ? value : undefined),
);

const headerList = listOf(oneOf(...HEADER_TYPES));

const override = tableOf({
  recipient: oneOrMore(mailbox),
  sender: oneOrMore(senderBox),
  sender_domain: oneOrMore(domainPattern),
  helo_name: oneOrMore(domainPattern),
  client_address: oneOrMore(cidr),
  mode: oneOf(...POLICY_MODES),
  headers: headerList,
  reject_message: replyText,
  defer_message: replyText,
  helo: identityTable,
  mail_from: identityTable,
});

export type OverrideTable = typeof override extends Kind<infer T> ? T : never;

const dnsServer = kind(SERVER_WISH, (value) => (typeof value === "string" ? parseServer(value) : undefined));

const storeUrl = kind('"", "sqlite:/path", "redis://host:6379/0" or "redis+unix:/path"', (value) => {
  if (typeof value !== "string" || value === "") return value === "" ? "" : undefined;
  try {
    parseStoreUrl(value);
    return value;
  } catch {
    return undefined;
  }
});

function identityParameters<Prefix extends "policy.helo" | "policy.mail_from">(prefix: Prefix, identity: string) {
  const row = (value: string, result: string) =>
    parameter(disposition, value, `What is done when SPF for ${identity} gives ${result}.`);
  return {
    [`${prefix}.fail`]: row("reject", "fail"),
    [`${prefix}.softfail`]: row("tag", "softfail"),
    [`${prefix}.neutral`]: row("tag", "neutral"),
    [`${prefix}.none`]: row("tag", "none"),
    [`${prefix}.pass`]: row("tag", "pass"),
    [`${prefix}.permerror`]: row("tag", "permerror"),
    [`${prefix}.temperror`]: row("tag", "temperror"),
    [`${prefix}.check`]: parameter(flag, true, `Whether ${identity} is checked at all.`),
  } as unknown as Record<`${Prefix}.${SpfResult}`, Parameter<Disposition>> &
    Record<`${Prefix}.check`, Parameter<boolean>>;
}

export const PARAMETERS = {
  hostname: parameter(
    domainName,
    "",
    "Our name in Received-SPF (receiver=) and the default of policy.authserv_id. Empty: Postfix's myhostname where Postfix is installed, else the system's.",
  ),
  state_dir: parameter(
    absolutePath,
    "/var/lib/postvouch",
    'Where secrets are kept. When run from a checkout and not writable: "./state".',
  ),
  socket_mode: parameter(fileMode, "0666", "Permissions of unix: endpoints."),
  reuse_port: parameter(
    flag,
    false,
    "Several processes share the inet ports, and the kernel deals out connections (SO_REUSEPORT). A second daemon that was started by mistake is then not refused.",
  ),

  "srs.domain": parameter(
    domainName,
    "",
    "Rewritten senders get this domain. Empty: Postfix's mydomain, else the domain of hostname.",
  ),
  "srs.former_domains": parameter(
    listOf(domainName),
    [],
    "Domains that rewritten senders had before srs.domain: they are own, and their addresses lead back like those of srs.domain. Keep one for max_age and a day after the change, and let Postfix take mail for it as long.",
  ),
  "srs.secrets_file": parameter(
    absolutePath,
    "",
    "One secret per line: the first signs, every one verifies. Empty: the systemd credential srs.secrets, else srs.secrets in state_dir. Made by serve, with one random secret and mode 0600, if absent.",
  ),
  "srs.separator": parameter(oneOf("=", "+", "-"), "=", "The character after SRS0 and SRS1."),
  "srs.hash_length": parameter(integer(1, 20), 4, "Characters of the hash that are written."),
  "srs.hash_min_length": parameter(integer(1, 20), 4, "Shortest hash that is accepted."),
  "srs.hash_alphabet": parameter(
    oneOf("url-safe", "standard"),
    "url-safe",
    'How the hash is written: "url-safe" (with - and _) or "standard" (with + and /, as postsrsd 1.x). Both are always accepted.',
  ),
  "srs.max_age": parameter(
    duration("1d", "1000d"),
    "21d",
    "How long a rewritten address is taken back. Whole days count.",
  ),
  "srs.always_rewrite": parameter(flag, false, "Rewrite senders of own domains too."),
  "srs.forward_transport": parameter(
    printableLine,
    "srs:[127.0.0.1]:12526",
    "What the forward-transport map answers for a sender that needs rewriting.",
  ),

  "srs.own_domains.domains": parameter(
    listOf(domainPattern),
    [],
    'Senders in these are never rewritten. "example.net" is that name alone; ".example.net" is every name below it. srs.domain, hostname and the myorigin of Postfix are always own.',
  ),
  "srs.own_domains.files": parameter(
    listOf(absolutePath),
    [],
    "Files with one entry per line; blanks and commas separate too, # starts a comment. Watched: a change is read at once.",
  ),
  "srs.own_domains.postfix_tables": parameter(
    listOf(text),
    [],
    'Postfix tables, e.g. "mysql:/etc/postfix/mysql_virtual_domains_maps.cf", that are asked for each sender domain through postmap -q. Answers are cached.',
  ),
  "srs.own_domains.postfix_classes": parameter(
    flag,
    false,
    "Take the domains of mydestination, virtual_alias_domains, virtual_mailbox_domains and relay_domains too.",
  ),

  "srs.store.url": parameter(
    storeUrl,
    "",
    'Where addresses go whose rewritten local part would exceed 64 bytes: "sqlite:/path" or "redis://host:6379/0". Empty: they are rewritten all the same, and counted.',
  ),
  "srs.store.mode": parameter(
    oneOf("long", "all"),
    "long",
    '"long": only addresses that do not fit; "all": every address (postsrsd 2.x with original-envelope = database).',
  ),

  "tcptable.forward": listener("tcptable.forward"),
  "tcptable.reverse": listener("tcptable.reverse"),
  "socketmap.listen": listener("socketmap.listen"),

  "policy.listen": listener("policy.listen"),
  "policy.mode": parameter(
    oneOf(...POLICY_MODES),
    "enforce",
    '"report": the reply only tags; what it would have been is logged and counted.',
  ),
  "policy.headers": parameter(
    headerList,
    ["received-spf"],
    "Which headers are prepended, in this order, one for each call about a message. [] for none.",
  ),
  "policy.authserv_id": parameter(domainName, "", "Our name in Authentication-Results. Empty: hostname."),
  "policy.time_limit": parameter(
    duration("1s", "90s"),
    "20s",
    "The time budget of one request; past it the result is temperror. Postfix itself waits 100s.",
  ),
  "policy.skip_authenticated": parameter(flag, true, "Clients with a sasl_username are not checked."),
  "policy.skip_addresses": parameter(
    listOf(cidr),
    ["127.0.0.0/8", "::1"],
    "Clients that are not checked because they are this machine.",
  ),
  "policy.reject_message": parameter(
    replyText,
    "Message rejected due to: SPF {result}: {explanation}",
    "Text of a rejection. Also: {identity}, {domain}, {client_address}, {helo_name}, {sender}, {receiver}.",
  ),
  "policy.defer_message": parameter(
    replyText,
    "Message deferred due to: SPF {result}: {explanation}",
    "Text of a deferral, with the same placeholders.",
  ),
  "policy.enhanced_status_codes": parameter(flag, true, "Rejections carry 5.7.23 or 5.7.24 (RFC 7372)."),
  "policy.hide_receiver": parameter(flag, false, "Headers say receiver=unknown instead of hostname."),
  "policy.prospective_address": parameter(
    kind('"" or an address', (value) =>
      typeof value === "string" && (value === "" || ipVersion(value) !== 0) ? value : undefined,
    ),
    "",
    "Check this address instead of the client's and add no header: would our own mail pass elsewhere? For outgoing mail only.",
  ),
  "policy.max_dns_lookups": parameter(integer(0, 100), 10, "Terms that may cost DNS lookups (RFC 7208 section 4.6.4)."),
  "policy.max_void_lookups": parameter(
    integer(0, 100),
    2,
    "Lookups that may come back empty (RFC 7208 section 4.6.4).",
  ),

  ...identityParameters("policy.helo", "HELO"),
  ...identityParameters("policy.mail_from", "MAIL FROM"),

  "policy.allow.addresses": parameter(listOf(cidr), [], "Clients that are not checked."),
  "policy.allow.spf_domains": parameter(
    listOf(domainName),
    [],
    "Not checked is a client that passes SPF of one of these: known forwarders.",
  ),
  "policy.allow.helo_names": parameter(
    listOf(domainName),
    [],
    "Not checked is a client whose HELO is one of these, if that name's A or AAAA holds the client.",
  ),
  "policy.allow.ptr_domains": parameter(
    listOf(domainPattern),
    [],
    'Not checked is a client whose forward-confirmed reverse name is one of these, or below a ".name".',
  ),
  "policy.override": parameter(
    listOf(override),
    [],
    "Exceptions, the first match counts alone: each names what it matches (recipient, sender, sender_domain, helo_name, client_address; one or a list) and what it changes (mode, headers, reject_message, defer_message, helo, mail_from).",
  ),

  "dns.servers": parameter(
    listOf(dnsServer),
    [],
    'Recursive resolvers, "127.0.0.1" or "127.0.0.1:5353". Empty: those of /etc/resolv.conf.',
  ),
  "dns.timeout": parameter(duration("50ms", "30s"), "3s", "How long one try may take."),
  "dns.tries": parameter(integer(1, 10), 2, "How often each server is tried."),
  "dns.cache_size": parameter(integer(0, 10_000_000), 65_536, "Answers kept."),
  "dns.max_ttl": parameter(duration("0s", "7d"), "1d", "Upper bound of an answer's lifetime."),
  "dns.negative_ttl": parameter(
    duration("0s", "1d"),
    "5m",
    "Upper bound of the lifetime of a missing answer; the SOA minimum rules below it.",
  ),

  "metrics.listen": listener("metrics.listen"),

  "limits.buffered": parameter(
    byteSize("256KiB", "16GiB"),
    "64MiB",
    "Bytes of half requests over all connections. When it is exceeded, the one that has been idle longest is dropped.",
  ),

  "log.level": parameter(
    oneOf("trace", "debug", "info", "warn", "error"),
    "info",
    "The least severe events that are logged.",
  ),
  "log.format": parameter(
    oneOf("text", "json"),
    "text",
    '"text": one line per event, key=value; "json": one object per event.',
  ),
} as const satisfies Record<string, Parameter<unknown>>;

type ValueOf<P> = P extends Parameter<infer T> ? T : never;

/** The whole configuration: frozen, values parsed, durations in milliseconds, under the names that the file uses. */
export type Config = { readonly [Name in keyof typeof PARAMETERS]: ValueOf<(typeof PARAMETERS)[Name]> };
