/**
 * The table of all configuration keys: default, parser and help. The parser, the Config type, `postvouch help config`,
 * the example file and docs/config.md all come from this table.
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
import { DKIM_PARAMETERS } from "./dkim-parameters.ts";
import { LISTENERS, type ListenerKey } from "./listeners.ts";
import { ARC_PARAMETERS, DMARC_PARAMETERS, MILTER_PARAMETERS } from "./milter-parameters.ts";
import { type Parameter, parameter } from "./parameter.ts";
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

/** A list of endpoints. */
function listener(key: ListenerKey): Parameter<readonly Endpoint[]> {
  return parameter(listOf(endpoint), LISTENERS[key].default, LISTENERS[key].help);
}

/** The disposition for an SPF result. */
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
    parameter(disposition, value, `Disposition of the result ${result} for ${identity}.`);
  return {
    [`${prefix}.fail`]: row("reject", "fail"),
    [`${prefix}.softfail`]: row("tag", "softfail"),
    [`${prefix}.neutral`]: row("tag", "neutral"),
    [`${prefix}.none`]: row("tag", "none"),
    [`${prefix}.pass`]: row("tag", "pass"),
    [`${prefix}.permerror`]: row("tag", "permerror"),
    [`${prefix}.temperror`]: row("tag", "temperror"),
    [`${prefix}.check`]: parameter(flag, true, `Checks ${identity}.`),
  } as unknown as Record<`${Prefix}.${SpfResult}`, Parameter<Disposition>> &
    Record<`${Prefix}.check`, Parameter<boolean>>;
}

export const PARAMETERS = {
  hostname: parameter(
    domainName,
    "",
    "Our name in Received-SPF (receiver=) and the default of policy.authserv_id. Empty: Postfix's myhostname if Postfix is installed, else the system's name.",
  ),
  state_dir: parameter(
    absolutePath,
    "/var/lib/postvouch",
    'Directory of the secrets. Run from a checkout, "./state" is used if this one is not writable.',
  ),
  socket_mode: parameter(fileMode, "0666", "Permissions of unix: endpoints."),
  reuse_port: parameter(
    flag,
    false,
    "Lets several processes share the inet ports; the kernel distributes connections (SO_REUSEPORT). A second daemon that is started by mistake is then not refused.",
  ),

  "srs.domain": parameter(
    domainName,
    "",
    "The domain of rewritten senders. Empty: Postfix's mydomain, else the domain of hostname.",
  ),
  "srs.former_domains": parameter(
    listOf(domainName),
    [],
    "Earlier values of srs.domain. They are own domains, and bounces to them are still led back. Keep one for max_age and a day after the change, and let Postfix accept mail for it as long.",
  ),
  "srs.secrets_file": parameter(
    absolutePath,
    "",
    "File with one secret per line: the first signs, all verify. Empty: the systemd credential srs.secrets, else srs.secrets in state_dir. If it is missing, serve makes it, with one random secret and mode 0600.",
  ),
  "srs.separator": parameter(oneOf("=", "+", "-"), "=", "The character after SRS0 and SRS1."),
  "srs.hash_length": parameter(integer(1, 20), 4, "Number of characters of the hash that are written."),
  "srs.hash_min_length": parameter(integer(1, 20), 4, "Length of the shortest hash that is accepted."),
  "srs.hash_alphabet": parameter(
    oneOf("url-safe", "standard"),
    "url-safe",
    'Alphabet of the written hash: "url-safe" (with - and _) or "standard" (with + and /, as in postsrsd 1.x). Both are always accepted.',
  ),
  "srs.max_age": parameter(
    duration("1d", "1000d"),
    "21d",
    "Time for which a rewritten address is accepted, in whole days.",
  ),
  "srs.always_rewrite": parameter(flag, false, "Rewrites senders of own domains too."),
  "srs.forward_transport": parameter(
    printableLine,
    "srs:[127.0.0.1]:12526",
    "Answer of the map forward-transport for a sender that needs rewriting.",
  ),

  "srs.own_domains.domains": parameter(
    listOf(domainPattern),
    [],
    'Own domains, whose senders are never rewritten. "example.net" is only that name; ".example.net" is every name below it. srs.domain, srs.former_domains, hostname and Postfix\'s myorigin are always own.',
  ),
  "srs.own_domains.files": parameter(
    listOf(absolutePath),
    [],
    "Files of own domains, separated by line ends, blanks or commas; # starts a comment. A changed file is read at once.",
  ),
  "srs.own_domains.postfix_tables": parameter(
    listOf(text),
    [],
    'Postfix tables of own domains, such as "mysql:/etc/postfix/mysql_virtual_domains_maps.cf". Each sender domain is looked up with postmap -q. Answers are cached.',
  ),
  "srs.own_domains.postfix_classes": parameter(
    flag,
    false,
    "Adds the domains of mydestination, virtual_alias_domains, virtual_mailbox_domains and relay_domains.",
  ),

  "srs.store.url": parameter(
    storeUrl,
    "",
    'Store for addresses whose rewritten local part would exceed 64 bytes: "sqlite:/path" or "redis://host:6379/0". Empty: such addresses are rewritten anyway, and counted as too_long.',
  ),
  "srs.store.mode": parameter(
    oneOf("long", "all"),
    "long",
    '"long" stores only addresses that do not fit, "all" stores every address (as postsrsd 2.x with original-envelope = database).',
  ),

  "tcptable.forward": listener("tcptable.forward"),
  "tcptable.reverse": listener("tcptable.reverse"),
  "socketmap.listen": listener("socketmap.listen"),

  "policy.listen": listener("policy.listen"),
  "policy.mode": parameter(
    oneOf(...POLICY_MODES),
    "enforce",
    'With "report" mail is only tagged, and the reply that it would have got is logged and counted.',
  ),
  "policy.headers": parameter(
    headerList,
    ["received-spf"],
    "Headers to prepend, in this order, one for each request about a message. [] for none.",
  ),
  "policy.authserv_id": parameter(domainName, "", "Our name in Authentication-Results. Empty: hostname."),
  "policy.time_limit": parameter(
    duration("1s", "90s"),
    "20s",
    "Time limit for one request, after which the result is temperror. Postfix itself waits 100s.",
  ),
  "policy.skip_authenticated": parameter(flag, true, "Clients with a sasl_username are not checked."),
  "policy.skip_addresses": parameter(
    listOf(cidr),
    ["127.0.0.0/8", "::1"],
    "Our own clients, such as this machine. They are not checked.",
  ),
  "policy.reject_message": parameter(
    replyText,
    "Message rejected due to: SPF {result}: {explanation}",
    "Text of a rejection. Other placeholders: {identity}, {domain}, {client_address}, {helo_name}, {sender}, {receiver}.",
  ),
  "policy.defer_message": parameter(
    replyText,
    "Message deferred due to: SPF {result}: {explanation}",
    "Text of a deferral, with the same placeholders.",
  ),
  "policy.enhanced_status_codes": parameter(
    flag,
    true,
    "Adds enhanced status codes to replies: 5.7.23, 5.7.24, 4.7.24 (RFC 7372).",
  ),
  "policy.hide_receiver": parameter(flag, false, "Writes receiver=unknown instead of hostname in headers."),
  "policy.prospective_address": parameter(
    kind('"" or an address', (value) =>
      typeof value === "string" && (value === "" || ipVersion(value) !== 0) ? value : undefined,
    ),
    "",
    "Address to check instead of the client's, without a header, to see if our own mail would pass elsewhere. For outgoing mail only.",
  ),
  "policy.max_dns_lookups": parameter(
    integer(0, 100),
    10,
    "Largest number of terms with DNS lookups (RFC 7208 section 4.6.4).",
  ),
  "policy.max_void_lookups": parameter(
    integer(0, 100),
    2,
    "Largest number of terms whose lookups find nothing (RFC 7208 section 4.6.4).",
  ),

  ...identityParameters("policy.helo", "HELO"),
  ...identityParameters("policy.mail_from", "MAIL FROM"),

  "policy.allow.addresses": parameter(listOf(cidr), [], "Clients that are not checked."),
  "policy.allow.spf_domains": parameter(
    listOf(domainName),
    [],
    "Known forwarders. A client that passes SPF of one of these domains is not checked.",
  ),
  "policy.allow.helo_names": parameter(
    listOf(domainName),
    [],
    "HELO names. A client with one of these is not checked if the name's A or AAAA records contain its address.",
  ),
  "policy.allow.ptr_domains": parameter(
    listOf(domainPattern),
    [],
    'Reverse names. A client whose forward-confirmed reverse name is one of these, or below a ".name", is not checked.',
  ),
  "policy.override": parameter(
    listOf(override),
    [],
    "Exceptions, of which only the first match applies. Each has conditions (recipient, sender, sender_domain, helo_name, client_address; one value or a list) and changes (mode, headers, reject_message, defer_message, helo, mail_from).",
  ),

  "milter.listen": listener("milter.listen"),
  ...MILTER_PARAMETERS,

  ...DKIM_PARAMETERS,

  ...DMARC_PARAMETERS,

  ...ARC_PARAMETERS,

  "dns.servers": parameter(
    listOf(dnsServer),
    [],
    'Recursive resolvers, "127.0.0.1" or "127.0.0.1:5353". Empty: those of /etc/resolv.conf.',
  ),
  "dns.timeout": parameter(duration("50ms", "30s"), "3s", "Time limit for one try."),
  "dns.tries": parameter(integer(1, 10), 2, "Number of tries for each server."),
  "dns.cache_size": parameter(integer(0, 10_000_000), 65_536, "Number of answers in the cache."),
  "dns.max_ttl": parameter(duration("0s", "7d"), "1d", "Upper bound of an answer's lifetime."),
  "dns.negative_ttl": parameter(
    duration("0s", "1d"),
    "5m",
    "Upper bound of the lifetime of a negative answer. Below it the SOA minimum decides.",
  ),

  "metrics.listen": listener("metrics.listen"),
  "metrics.status_page": parameter(
    flag,
    true,
    "Shows the status page at /. It has addresses of refused mail: turn it off where strangers reach the listener.",
  ),

  "limits.buffered": parameter(
    byteSize("256KiB", "16GiB"),
    "64MiB",
    "Memory for half requests over all connections. Above it, the one that has been idle longest is dropped.",
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
