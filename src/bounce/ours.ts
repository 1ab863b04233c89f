/** Replies and log lines of postvouch and postsrsd, and of a Postfix that asks them. */
import { logLines } from "./example.ts";
import type { Rule } from "./rule.ts";

const { bounced, deferred } = logLines("mx.dest.example[198.51.100.25]", "bob@dest.example");

const SRS = "SRS0=Ab1d=EF=elsewhere.example=alice@srs.example.org";

const POSTVOUCH: readonly Rule[] = [
  {
    id: "policy-reject",
    by: "postvouch",
    codes: ["7.23"],
    text: /Message rejected due to: SPF|SPF fail|Sender Policy Framework|SPF check/i,
    line: "postfix/smtpd[2911]: NOQUEUE: reject: RCPT from unknown[192.0.2.99]: 550 5.7.23 <bob@example.org>: Recipient address rejected: Message rejected due to: SPF fail: 192.0.2.99 is not authorized to send mail of elsewhere.example; from=<alice@elsewhere.example> to=<bob@example.org> proto=ESMTP helo=<mx.elsewhere.example>",
    means: "The receiver refused the mail, because SPF of the sender's domain does not allow the client.",
    todo: 'If your host refused it: "postvouch spf --ip CLIENT --helo HELO --sender SENDER --explain" shows why. A client that forwards without SRS can be excepted ([[policy.override]] or policy.skip_addresses), and mail_from.fail = "reject-unless-dmarc" is milder. If another host refused yours: allow this host in the SPF record.',
    mends: "you",
  },
  {
    id: "policy-permerror",
    by: "postvouch",
    codes: ["7.24"],
    text: /SPF permerror/,
    line: "postfix/smtpd[2911]: NOQUEUE: reject: RCPT from unknown[192.0.2.99]: 550 5.7.24 <bob@example.org>: Recipient address rejected: Message rejected due to: SPF permerror: SPF of elsewhere.example is published with an error: 2 SPF records; from=<alice@elsewhere.example> to=<bob@example.org> proto=ESMTP helo=<mx.elsewhere.example>",
    means: "The SPF record of the sender's domain is wrong: two records, a typing error, or over ten lookups.",
    todo: 'Its owner must mend it. To take such mail, set mail_from.permerror = "tag".',
    mends: "sender",
  },
  {
    id: "policy-temperror",
    by: "postvouch",
    codes: ["7.24"],
    text: /SPF temperror/,
    line: "postfix/smtpd[2911]: NOQUEUE: reject: RCPT from unknown[192.0.2.99]: 450 4.7.24 <bob@example.org>: Recipient address rejected: Message deferred due to: SPF temperror: SPF of elsewhere.example could not be checked now: timeout for TXT elsewhere.example; from=<alice@elsewhere.example> to=<bob@example.org> proto=ESMTP helo=<mx.elsewhere.example>",
    means: "DNS did not answer, so SPF could not be checked. The sender's server tries again.",
    todo: 'For one domain: wait. For many: is the resolver of this host alive (lines "dns" in the log of postvouch)?',
    mends: "time",
  },
  {
    id: "srs-bad-hash",
    by: "postvouch",
    text: /\bsrs map="?reverse"? .*outcome="?bad_hash\b|hash invalid\b/,
    line: `warn srs map=reverse from="${SRS}" outcome=bad_hash reason="hash invalid"`,
    means: "A bounce came to an SRS address that none of our secrets has signed.",
    todo: 'A single one is a forgery or a mistyped address. Many are a lost secret: put the old secret (of postsrsd, or of the other host) behind the new one in srs.secrets, one in a line, and reload. "postvouch srs reverse ADDRESS" shows whether it helps.',
    mends: "you",
  },
  {
    id: "srs-expired",
    by: "postvouch",
    text: /\bsrs map="?reverse"? .*outcome="?expired\b|time stamp out of date\b/,
    line: `warn srs map=reverse from="${SRS}" outcome=expired reason="time stamp out of date"`,
    means: "A bounce came to an SRS address that is older than srs.max_age, or that the store no longer has.",
    todo: "Mostly spam to old addresses: nothing to do. If the address is fresh, the clock of a host is wrong.",
    mends: "nobody",
  },
  {
    id: "srs-store",
    by: "postvouch",
    text: /\berror (?:srs .*part="?store\b|store\b)/,
    line: `error srs map=forward from=alice@elsewhere.example outcome=tempfail reason="connect ECONNREFUSED 127.0.0.1:6379" part=store`,
    means: "The store of long addresses does not answer. Mail that needs it waits, other mail flows.",
    todo: "Start the server that srs.store.url names, or give the file back. Nothing is lost meanwhile.",
    mends: "you",
  },
  {
    id: "srs-own-domains",
    by: "postvouch",
    text: /\berror (?:srs .*part="?own_domains\b|own_domains\b)/,
    line: `error srs map=forward from=alice@elsewhere.example outcome=tempfail reason="mysql:/etc/postfix/domains.cf: lookup failed" part=own_domains`,
    means:
      "A table or file of own domains does not answer, so nobody knows whether the sender is our own. The mail waits.",
    todo: 'Ask the table as Postfix would: "postmap -q example.org mysql:/etc/postfix/domains.cf". Start its server, or mend the file.',
    mends: "you",
  },
  {
    id: "dns-dead",
    by: "postvouch",
    text: /\berror dns state="?every server fails|\bwarn dns\b.*\btrouble=/,
    line: `error dns state="every server fails" failures=5 problem="timeout: no reply within 3000 ms"`,
    means: 'No DNS server answers. SPF gives temperror, and with temperror = "defer" mail waits.',
    todo: "Start the resolver, or name others: dns.servers, or /etc/resolv.conf if that is empty.",
    mends: "you",
  },
  {
    id: "hidden-client",
    by: "postvouch",
    text: /\bwarn hidden_client\b/,
    line: `warn hidden_client client=172.17.0.1 problem="172.17.0.1 is a private address (RFC 1918), so the real client is hidden behind a NAT, a proxy or a relay of our own"`,
    means:
      "SPF is checked for an address of your own network: the real client is hidden, and SPF of all mail will fail.",
    todo: "Behind a proxy set smtpd_upstream_proxy_protocol. In a container use the host's network. List your own relays in policy.skip_addresses.",
    mends: "you",
  },
];

const POSTSRSD: readonly Rule[] = [
  {
    id: "postsrsd-bad-hash",
    by: "postsrsd",
    text: /Hash (?:invalid|too short) in SRS address/,
    line: `postsrsd[2803]: srs_reverse: <${SRS}> not rewritten: Hash invalid in SRS address.`,
    means:
      "postsrsd got a bounce to an SRS address that its secrets have not signed, or whose hash has another length.",
    todo: 'A single one is a forgery. Many are a lost secret. If postvouch signed before, it needs hash_alphabet = "standard" for postsrsd 1.x to accept its addresses.',
    mends: "you",
  },
  {
    id: "postsrsd-expired",
    by: "postsrsd",
    text: /Time stamp out of date\.|Bad base32 character in timestamp/,
    line: `postsrsd[2803]: srs_reverse: <${SRS}> not rewritten: Time stamp out of date.`,
    means: "postsrsd got a bounce to an SRS address that is older than 21 days.",
    todo: "Mostly spam to old addresses: nothing to do. If the address is fresh, the clock of a host is wrong.",
    mends: "nobody",
  },
];

const POSTFIX: readonly Rule[] = [
  {
    id: "map-unreachable",
    by: "postfix",
    text: /connect to (?:TCP map )?[^\s[]+: (?:Connection refused|Connection timed out|No such file or directory|Permission denied)|(?:tcp|socketmap):\S+(?: lookup error|: query error)|socketmap server \S+ error/,
    line: "postfix/cleanup[2915]: warning: connect to TCP map 127.0.0.1:10001: Connection refused",
    means: "Postfix cannot reach a map or the policy service of postvouch. Mail waits, or gets 451.",
    todo: 'Is it running, and does it listen where main.cf asks ("postvouch check-config", "ss -ltnp")? For a unix: path: Postfix looks for it inside its chroot, /var/spool/postfix. After a restart "postqueue -f" sends what waits.',
    mends: "you",
  },
  {
    id: "policy-unreachable",
    by: "postfix",
    text: /problem talking to server \S+|4\.3\.5\b.*Server configuration (?:problem|error)/,
    line: "postfix/smtpd[2911]: warning: problem talking to server 127.0.0.1:10030: Connection refused",
    means: "smtpd got no answer from the policy service. The sender gets 451 4.3.5 and tries again.",
    todo: 'Is postvouch running, and is policy.listen the endpoint that check_policy_service names? With "Connection timed out": the timeout in check_policy_service must be over policy.time_limit.',
    mends: "you",
  },
  {
    id: "resolver-failure",
    by: "postfix",
    text: /\(address resolver failure\)/,
    line: "postfix/error[2920]: 4fX1cW2kQ0z1: to=<bob@dest.example>, relay=none, delay=0.4, delays=0.3/0/0/0.1, dsn=4.3.0, status=deferred (address resolver failure)",
    means:
      "With the forward-only set-up: the map forward-transport did not answer, so mail that leaves this host waits.",
    todo: 'Start postvouch, then "postqueue -f". Nothing leaves without being rewritten meanwhile.',
    mends: "you",
  },
  {
    id: "lookup-failure",
    by: "postfix",
    text: /4\.3\.0 .*Temporary lookup failure|Temporary lookup failure/,
    line: `postfix/smtpd[2911]: NOQUEUE: reject: RCPT from mx.dest.example[198.51.100.25]: 451 4.3.0 <${SRS}>: Temporary lookup failure; from=<> to=<${SRS}> proto=ESMTP helo=<mx.dest.example>`,
    means: "A map of Postfix did not answer: postvouch, its store, its own domains, or another database.",
    todo: "Read the lines before it: Postfix names the map there, and postvouch the part that does not answer.",
    mends: "you",
  },
  {
    id: "srs-relay-denied",
    by: "postfix",
    text: /<"?srs[01][-+=][^>]*>: (?:Recipient address rejected: )?Relay access denied|Relay access denied.* to=<"?srs[01][-+=]/i,
    line: `postfix/smtpd[2911]: NOQUEUE: reject: RCPT from mx.dest.example[198.51.100.25]: 454 4.7.1 <${SRS}>: Relay access denied; from=<> to=<${SRS}> proto=ESMTP helo=<mx.dest.example>`,
    means: "Bounces to SRS addresses are refused, because the SRS domain is in no list of this Postfix.",
    todo: "Add the SRS domain to virtual_alias_domains (docs/postfix.md). Keep every domain that ever signed there for 22 days.",
    mends: "you",
  },
  {
    id: "srs-user-unknown",
    by: "postfix",
    text: /<"?srs[01][-+=][^>]*>: Recipient address rejected: User unknown|unknown user: "?srs[01][-+=]/i,
    line: `postfix/smtpd[2911]: NOQUEUE: reject: RCPT from mx.dest.example[198.51.100.25]: 550 5.1.1 <${SRS}>: Recipient address rejected: User unknown in virtual alias table; from=<> to=<${SRS}> proto=ESMTP helo=<mx.dest.example>`,
    means:
      "A bounce to an SRS address was refused for good: forged, too old, signed with a secret that we do not have, or Postfix does not ask the map reverse for this domain.",
    todo: 'Run "postvouch srs reverse ADDRESS". If it prints the sender, main.cf does not ask for this domain: every domain that ever signed belongs to the reverse map for 22 days. If it says "hash invalid", an old secret is missing.',
    mends: "you",
  },
  {
    id: "smtpd-malformed-option",
    by: "postfix",
    text: /fatal:.*malformed option|malformed option/,
    line: 'postfix/smtpd[2911]: fatal: malformed option in "{ inet:127.0.0.1:10030, timeout = 30s }"',
    means: 'smtpd ends at every connection: check_policy_service has blanks around a "=" within its braces.',
    todo: "Write it without: check_policy_service { inet:127.0.0.1:10030, timeout=30s }",
    mends: "you",
  },
  {
    id: "own-dmarc",
    by: "postfix",
    text: /milter-reject:.*DMARC/,
    line: "postfix/cleanup[2915]: 4fX1cW2kQ0z1: milter-reject: END-OF-MESSAGE from mx.elsewhere.example[192.0.2.99]: 5.7.1 rejected by DMARC policy for elsewhere.example; from=<alice@elsewhere.example> to=<bob@example.org> proto=ESMTP helo=<mx.elsewhere.example>",
    means: "The DMARC filter of this host refused the mail: neither DKIM nor SPF proved the domain in From: to it.",
    todo: "If the mail is genuine, see that the filter got our result: a header Received-SPF or Authentication-Results of postvouch, and its authserv_id in TrustedAuthservIDs (docs/opendmarc.md). Mail of SPF-only senders that another host forwards is refused so too.",
    mends: "you",
  },
  {
    id: "loops-back",
    by: "postfix",
    text: /loops back to myself/,
    line: "postfix/smtp[2917]: 4fX1cW2kQ0z1: to=<bob@example.net>, relay=none, delay=0.1, delays=0.1/0/0/0, dsn=5.4.6, status=bounced (mail for example.net loops back to myself)",
    means: "The MX record of that domain leads to this host, but the domain is in no list of this Postfix.",
    todo: "Add the domain to mydestination, virtual_mailbox_domains or virtual_alias_domains. An SRS domain belongs to virtual_alias_domains.",
    mends: "you",
  },
  {
    id: "loop",
    by: "any",
    sure: ["4.6", "4.14"],
    line: bounced("5.4.6", "554 5.4.6 Error: too many hops"),
    means: "The message went round in a loop, or through too many hosts.",
    todo: "Look for two aliases that forward to each other, and for a second pass (port 12526) whose service is not the one of docs/postfix.md.",
    mends: "you",
  },
  {
    id: "sender-domain-not-found",
    by: "any",
    text: /Sender address rejected: (?:Domain not found|.*not found)|(?:domain of sender address|sender domain).*(?:does not (?:resolve|exist)|not found|must resolve)/i,
    line: deferred(
      "4.1.8",
      "450 4.1.8 <SRS0=Ab1d=EF=elsewhere.example=alice@srs.example.org>: Sender address rejected: Domain not found",
      "RCPT TO",
    ),
    means: "The receiver finds no MX and no A record for the envelope sender's domain, which is your SRS domain.",
    todo: "Give the SRS domain an MX record that leads to this host, and an SPF record (docs/postfix.md shows both).",
    mends: "you",
  },
  {
    id: "sender-syntax",
    by: "any",
    sure: ["1.7"],
    line: bounced("5.1.7", "501 5.1.7 Bad sender address syntax", "MAIL FROM"),
    means:
      "The receiver does not accept the envelope sender. A rewritten local part is over 64 bytes if the sender's was long.",
    todo: 'Keep long addresses in a store: srs.store.url = "sqlite:/var/lib/postvouch/long.db" in postvouch.toml.',
    mends: "you",
  },
];

/** Replies of receivers who are not in a table of their own, by their words or by RFC 7372. */
const ANY: readonly Rule[] = [
  {
    id: "dmarc",
    by: "any",
    text: /DMARC.*(?:policy|reject|fail)|(?:policy|rejected by) .*DMARC/i,
    line: bounced("5.7.1", "550 5.7.1 rejected by DMARC policy for elsewhere.example"),
    means:
      "The domain in From: asks by DMARC to refuse what it has not authenticated, and the mail came without an intact DKIM signature of it. After forwarding SPF cannot prove that domain, with or without SRS.",
    todo: "Tell the sender to sign with DKIM, or deliver to a mailbox here. First see that nothing on this host changes the message and breaks a signature.",
    mends: "sender",
  },
  {
    id: "block-list",
    by: "any",
    text: /blocked (?:using|by|with)|listed (?:at|by|in|on)|spamhaus|barracudacentral|spamcop|block ?list|blacklist/i,
    line: bounced(
      "5.7.1",
      "554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.10",
      "RCPT TO",
    ),
    means: "The address of this host is on a block list.",
    todo: "Look it up on the page that the reply names, mend the cause (often forwarded spam), and ask for removal there.",
    mends: "you",
  },
  {
    id: "ptr",
    by: "any",
    sure: ["7.25"],
    line: bounced("5.7.25", "550 5.7.25 Reverse DNS validation failed", "MAIL FROM"),
    means: "The address of this host has no name in DNS, or that name does not lead back to the address (RFC 7372).",
    todo: "Have who gave you the address set its PTR record to the host's name, and give that name an A or AAAA record with this address.",
    mends: "you",
  },
  {
    id: "spf",
    by: "any",
    text: /\bSPF\b|Sender Policy Framework/,
    line: bounced("5.7.1", "550 5.7.1 SPF check failed for srs.example.org", "MAIL FROM"),
    means: "SPF of the envelope sender's domain does not allow this host.",
    todo: 'If the reply names your SRS domain, add the addresses of this host to its SPF record. If it names the domain of who wrote the mail, the message was forwarded without SRS: is there a line "srs map=forward" in the log of postvouch?',
    mends: "you",
  },
  {
    id: "unauthenticated",
    by: "any",
    sure: ["7.26"],
    line: bounced("5.7.26", "550 5.7.26 Multiple authentication checks failed"),
    means: "Neither SPF nor DKIM passed (RFC 7372).",
    todo: "Add the addresses of this host to the SPF record of the SRS domain, and see that forwarded mail is rewritten.",
    mends: "you",
  },
  {
    id: "greylisted",
    by: "any",
    text: /gr[ae]y-?list/i,
    line: deferred(
      "4.2.0",
      "450 4.2.0 <bob@dest.example>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/",
      "RCPT TO",
    ),
    means: "The receiver makes every new sender wait once.",
    todo: "Wait. SRS addresses change each day, and may have to wait anew; after some mails most receivers know the host.",
    mends: "time",
  },
  {
    id: "port-25",
    by: "postfix",
    text: /connect to \S+\[[\da-fA-F.:]+\]:25: (?:Connection timed out|Network is unreachable)/,
    line: "postfix/smtp[2917]: connect to gmail-smtp-in.l.google.com[142.250.27.27]:25: Connection timed out",
    means:
      'No connection to the receiver\'s port 25. If it happens with all receivers, the provider of this host blocks it. "Network is unreachable" for IPv6 is harmless where there is no IPv6.',
    todo: "Ask the provider to open port 25, or send through its relay (relayhost), which then belongs to the SPF record of the SRS domain. Without IPv6: inet_protocols = ipv4.",
    mends: "you",
  },
  {
    id: "full",
    by: "any",
    sure: ["2.2"],
    line: bounced("5.2.2", "552 5.2.2 <bob@dest.example> Quota exceeded", "RCPT TO"),
    means: "The recipient's mailbox is full.",
    todo: "Tell the owner of the mailbox, in another way than by mail there.",
    mends: "recipient",
  },
  {
    id: "no-user",
    by: "any",
    sure: ["1.1", "1.10", "2.1"],
    line: bounced("5.1.1", "550 5.1.1 <bob@dest.example>: Recipient address rejected: User unknown", "RCPT TO"),
    means: "There is no such mailbox, or it was closed.",
    todo: "Correct or remove the address in the alias that forwards there.",
    mends: "you",
  },
];

export const OURS: readonly Rule[] = [...POSTVOUCH, ...POSTSRSD, ...POSTFIX];
export const ANYBODY: readonly Rule[] = ANY;
