/** The main.cf and master.cf of every Postfix of the lab, as Debian has them for a virtual host. */

/** One Postfix of the lab. */
export interface MailHost {
  readonly name: string;
  /** IPv4 address in 10.77.0.0/24. */
  readonly address: string;
  /** What it receives mail for, and its myorigin. Default: `<name>.test`. */
  readonly domain?: string;
  /** Added to main.cf: `postconf -e` lines, a later one wins. */
  readonly mainCf?: string;
  /** Added to master.cf. */
  readonly masterCf?: string;
}

export function domainOf(host: MailHost): string {
  return host.domain ?? `${host.name}.test`;
}

export function hostnameOf(host: MailHost): string {
  return `mail.${host.name}.test`;
}

/** @param directory where this instance has its queue, its mail and its log */
export function mainCf(host: MailHost, directory: string): string {
  return `compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
myhostname = ${hostnameOf(host)}
mydomain = ${domainOf(host)}
myorigin = ${domainOf(host)}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
# On a host with several addresses this is set, and it must not reach the hop on loopback.
smtp_bind_address = ${host.address}
maillog_file = ${directory}/maillog
maillog_file_prefixes = /
alias_maps =
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
smtpd_policy_service_timeout = 30s
virtual_mailbox_base = ${directory}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
policyd-spf_time_limit = 3600
${host.mainCf ?? ""}
`;
}

/**
 * main.cf with the last setting of each parameter, where it has several. Postfix takes the last too, but each of its
 * processes logs a warning, and so many at once after a reload block the master, which waits for the log daemon.
 */
export function lastOfEach(text: string): string {
  const settings = new Map<string, string>();
  let name = "";
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const isContinued = /^\s/.test(line);
    if (!isContinued) name = line.split("=", 1)[0]?.trim() ?? "";
    settings.set(name, isContinued ? `${settings.get(name)}\n${line}` : line);
  }
  return `${[...settings.values()].join("\n")}\n`;
}

/** The services of Debian's master.cf, none of them in a chroot, and policyd-spf as its manual has it. */
export function masterCf(host: MailHost, directory: string): string {
  return `smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf ${directory}/policyd-spf.conf
${host.masterCf ?? ""}
`;
}

/** policyd-spf as a strict receiver runs it. TestOnly = 1 means that it enforces. */
export const POLICYD_SPF_CONF = `debugLevel = 1
TestOnly = 1
HELO_reject = Fail
Mail_From_reject = Fail
PermError_reject = False
TempError_Defer = False
`;
