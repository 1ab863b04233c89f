/** The configuration keys of the milter, DMARC and ARC: the sections [milter], [dmarc], [dmarc.report] and [arc]. */
import { parseHistoryPlace } from "../history/place.ts";
import { LOOPBACK, parseAddress, parseCidr } from "../mail/ip.ts";
import { isDomainName } from "../mail/names.ts";
import { parseReplyText } from "../policy/settings.ts";
import { selector } from "./dkim-parameters.ts";
import { parameter } from "./parameter.ts";
import {
  absolutePath,
  cidr,
  domainName,
  domainPattern,
  duration,
  endpoint,
  flag,
  integer,
  type Kind,
  kind,
  listOf,
  oneOf,
} from "./value.ts";

const daemonName = kind("the value of milter_macro_daemon_name of a service in master.cf", (value) =>
  typeof value === "string" && /^[!-~]{1,100}$/.test(value) ? value : undefined,
);

/** A name in Authentication-Results, which need not be a domain name. */
const authservId = kind('a name as in Authentication-Results, such as "mx.example.net"', (value) =>
  typeof value === "string" && /^[!-~]{1,253}$/.test(value) ? value : undefined,
);

/** Mail from this host is its own, and signed: a relay here would have strangers' mail signed. */
const otherHosts = kind('an address or a network of other hosts, such as "192.0.2.0/24"', (value) => {
  const range = typeof value === "string" ? parseCidr(value) : undefined;
  const first = range === undefined ? undefined : parseAddress(range.address);
  return first !== undefined && LOOPBACK.has(first) ? undefined : range;
});

const rejectMessage = kind("one line of printable ASCII; {domain} stands for the author's domain", (value) =>
  typeof value === "string" && parseReplyText(value.replaceAll("{domain}", "")) !== undefined ? value : undefined,
);

const historyPlace = kind('"", "sqlite:/path" or "opendmarc:/path"', (value) =>
  typeof value === "string" && (value === "" || parseHistoryPlace(value) !== undefined) ? value : undefined,
);

const organization = kind('"" or a name of up to 100 printable ASCII characters', (value) =>
  typeof value === "string" && /^[\x20-\x7e]{0,100}$/.test(value) ? value : undefined,
);

/** A mailbox of which nothing must be quoted. */
const MAILBOX = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?<domain>[^@]+)$/;

const reportAddress = kind('"" or an address such as "postmaster@example.net"', (value) => {
  if (typeof value !== "string" || value.length > 254) return undefined;
  const domain = MAILBOX.exec(value)?.groups?.domain ?? "";
  return value === "" || (isDomainName(domain) && domain.includes(".")) ? value : undefined;
});

const submitEndpoint = kind('"address:port" or "[v6address]:port" of an SMTP server', (value) => {
  const parsed = endpoint.parse(value);
  return parsed.ok && parsed.value.type === "inet" && parsed.value.port > 0 ? parsed.value : undefined;
});

const selectorOrEmpty: Kind<string> = {
  want: selector.want,
  parse: (value) => (value === "" ? { ok: true, value } : selector.parse(value)),
};

export const MILTER_PARAMETERS = {
  "milter.mode": parameter(
    oneOf("enforce", "report"),
    "enforce",
    'What becomes of decisions: "enforce", or "report" to reject, hold and defer nothing, and log and count what would have been.',
  ),
  "milter.authserv_id": parameter(
    domainName,
    "",
    "Name in our Authentication-Results. Default: policy.authserv_id, else hostname.",
  ),
  "milter.internal": parameter(
    listOf(cidr),
    ["127.0.0.0/8", "::1"],
    "Clients whose mail is ours: it is signed if there is a key for its author, and not checked.",
  ),
  "milter.skip": parameter(listOf(cidr), [], "Clients whose mail is left as it is, but for forged results."),
  "milter.submission_daemons": parameter(
    listOf(daemonName),
    ["ORIGINATING"],
    "Values of milter_macro_daemon_name: mail of these services is ours.",
  ),
  "milter.forward_daemons": parameter(
    listOf(daemonName),
    ["FORWARD"],
    "The same for the second pass of forward-only, where results of the first pass stay.",
  ),
  "milter.skip_daemons": parameter(
    listOf(daemonName),
    ["REINJECT"],
    "The same for services behind a content filter, whose mail was handled before.",
  ),
  "milter.trusted_authserv_ids": parameter(
    listOf(authservId),
    [],
    "Names whose Authentication-Results fields are believed if a client in trusted_relays has added them, and removed otherwise.",
  ),
  "milter.trusted_relays": parameter(
    listOf(otherHosts),
    [],
    "Our other MX and backup MX hosts: SPF and iprev are theirs, from their field above the first Received. What it lacks is none.",
  ),
  "milter.remove_authserv_ids": parameter(
    listOf(authservId),
    [],
    "Further names whose Authentication-Results fields are removed. Ours always are.",
  ),
  "milter.malformed": parameter(
    oneOf("tag", "quarantine", "reject"),
    "tag",
    "Mail without From, with several, or with one that cannot be read: dmarc=permerror, Postfix's hold queue, or a rejection.",
  ),
  "milter.time_limit": parameter(
    duration("1s", "250s"),
    "25s",
    "Longest wait for DNS at one step of a message. Then the result is temperror.",
  ),
  "milter.on_error": parameter(
    oneOf("tempfail", "accept"),
    "tempfail",
    "What becomes of a message after an internal error. Results that claim to be ours are removed either way.",
  ),
  "milter.max_header_bytes": parameter(
    integer(10_000, 16_777_216),
    1_048_576,
    "Longest header in bytes, 10,000 fields at most. A longer one is malformed. Bodies are hashed as they come and not kept.",
  ),
} as const;

export const DMARC_PARAMETERS = {
  "dmarc.verify": parameter(flag, true, "Checks DMARC (RFC 9989) on mail from outside."),
  "dmarc.reject": parameter(flag, false, "Rejects mail that fails a policy p=reject. Otherwise it is only tagged."),
  "dmarc.quarantine": parameter(
    oneOf("tag", "hold", "reject"),
    "tag",
    "What becomes of mail that fails a policy p=quarantine: only the result is added, or Postfix's hold queue, or a rejection.",
  ),
  "dmarc.reject_message": parameter(
    rejectMessage,
    "Message rejected due to the DMARC policy of {domain}",
    "Text of the rejection. {domain} is the domain of From.",
  ),
  "dmarc.temperror": parameter(
    oneOf("accept", "tempfail"),
    "accept",
    "What becomes of mail that DNS trouble leaves undecided.",
  ),
  "dmarc.forward_failed": parameter(
    oneOf("forward", "hold"),
    "forward",
    "What becomes of mail that failed a policy p=quarantine or p=reject and is to be forwarded by the second pass: it is sent on, or goes into Postfix's hold queue.",
  ),
  "dmarc.allow_lists": parameter(
    listOf(domainPattern),
    [],
    "Domains of List-Id or of the envelope sender whose failures are only tagged: mailing lists that change what they pass on.",
  ),
  "dmarc.history": parameter(
    historyPlace,
    "",
    'Where results are kept for aggregate reports: "sqlite:/path", 30 days of them, or "opendmarc:/path", the HistoryFile that opendmarc-import reads. Empty: nowhere.',
  ),

  "dmarc.report.enabled": parameter(
    flag,
    false,
    "Lets postvouch dmarc report --send send aggregate reports (RFC 9990) to the domains that ask for them.",
  ),
  "dmarc.report.organization": parameter(
    organization,
    "",
    "Name of who reports, in the report and beside its From address. Empty: the domain of that address.",
  ),
  "dmarc.report.from": parameter(
    reportAddress,
    "",
    "Sender of reports, and whom to ask about them. Empty: postmaster at the domain of hostname.",
  ),
  "dmarc.report.submit": parameter(
    submitEndpoint,
    "127.0.0.1:25",
    "SMTP server that takes the reports from postvouch dmarc report --send.",
  ),
} as const;

export const ARC_PARAMETERS = {
  "arc.verify": parameter(flag, true, "Verifies the ARC chains (RFC 8617) of mail from outside."),
  "arc.trusted_sealers": parameter(
    listOf(domainPattern),
    [],
    "Domains (d= of the newest seal) that are believed: mail with a good chain of theirs that fails DMARC is only tagged.",
  ),
  "arc.seal": parameter(
    oneOf("no", "forwarded", "all"),
    "forwarded",
    'Mail that gets a seal: "forwarded" is that of the second pass (milter.forward_daemons), "all" what comes from outside too.',
  ),
  "arc.domain": parameter(
    domainName,
    "",
    "Domain (d=) whose RSA key seals. Default: srs.domain, else hostname or the domains above it, by the keys of [dkim.sign].",
  ),
  "arc.selector": parameter(
    selectorOrEmpty,
    "",
    "Selector of that key. Default: the newest key of the domain that is published in DNS.",
  ),
  "arc.file": parameter(
    absolutePath,
    "",
    "Absolute path of a key that only seals, in PEM, RSA. Wants arc.domain and arc.selector beside it. Default: a key of [dkim.sign].",
  ),
} as const;
