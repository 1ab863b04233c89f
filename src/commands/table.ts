/** The table of all commands: usage, help, options, and the file to load when a command is called. */
import type { Call, OptionName } from "./call.ts";

/**
 * Runs the command.
 *
 * @returns the exit code
 * @throws {Failure} if it fails
 */
type Run = (call: Call) => number | Promise<number>;

export interface Command {
  /** The command line after `postvouch`, with options and operands; at most two lines. */
  readonly usage: string;
  /** Half a line for the list of commands. */
  readonly summary: string;
  /** The rest of its help, in lines of at most 80 columns. */
  readonly help: string;
  readonly options: readonly OptionName[];
  /** The name of its operands, in brackets if there may be none. A command without it takes none. */
  readonly operands?: string;
  readonly load: () => Promise<Run>;
}

const REWRITE_HELP = `Prints each rewritten address on a line, and the reason for one that is not
rewritten on stderr. "-" reads addresses from stdin, one per line. An address
may have the form of a log or a bounce: from=<SRS0=...>, <SRS0=...>, SRS0=3D...
--json prints one object per address: address, map, rewritten, outcome,
reason. Exits 1 if one was not rewritten.
POSTVOUCH_NOW=<unix seconds> freezes the clock.`;

/** The commands by name. A name of two words belongs to a group: the help of `srs` is that of all its commands. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    usage: "serve [--config FILE]",
    summary: "run the daemon in the foreground",
    help: `Runs the daemon in the foreground. SIGHUP reads the configuration, the secrets
and the domain lists again. SIGTERM answers requests in progress and ends.
On a terminal it prints the main.cf lines that use it, and ends with it.
"postvouch help config" lists the keys of the configuration.`,
    options: ["config"],
    load: async () => (await import("./serve.ts")).serve,
  },
  "check-config": {
    usage: "check-config [--config FILE]",
    summary: "check the configuration and its surroundings",
    help: `Reads everything that serve would read, and names every problem. Opens no port.
Exits 0 without problems, else 78.`,
    options: ["config"],
    load: async () => (await import("./check-config.ts")).checkConfig,
  },
  "srs forward": {
    usage: "srs forward [--config FILE] [--json] ADDRESS...",
    summary: 'rewrite senders; "-" reads them from stdin',
    help: REWRITE_HELP,
    options: ["config", "json"],
    operands: "ADDRESS...",
    load: async () => (await import("./srs.ts")).forward,
  },
  "srs reverse": {
    usage: "srs reverse [--config FILE] [--json] ADDRESS...",
    summary: "find the originals of rewritten addresses",
    help: REWRITE_HELP,
    options: ["config", "json"],
    operands: "ADDRESS...",
    load: async () => (await import("./srs.ts")).reverse,
  },
  "srs secret": {
    usage: "srs secret",
    summary: "print a new secret for the secrets file",
    help: "Prints a new random secret.",
    options: [],
    load: async () => (await import("./srs-secret.ts")).printSecret,
  },
  spf: {
    usage:
      "spf --ip IP [--helo NAME] [--sender ADDRESS] [--record RECORD --domain NAME] [--config FILE] [--json] [--explain]",
    summary: "check HELO and MAIL FROM as the service would",
    help: `Checks HELO and MAIL FROM as the policy service would, and prints the answer
that Postfix would get. Without --sender it checks the null sender, which is
postmaster at the HELO name.
--record tries a policy before it is published: RECORD replaces the record of
NAME, for NAME itself and for records that include it. The sender is then
postmaster@NAME, unless --sender names another.
--explain prints the evaluation: records, mechanisms, lookups, answers, times,
and the reason for the verdict in a sentence. --json prints one object. All
answers are new from DNS. A running daemon may still use older answers until
their TTL ends.`,
    options: ["config", "json", "explain", "ip", "helo", "sender", "record", "domain"],
    load: async () => (await import("./spf.ts")).runSpf,
  },
  "dkim keygen": {
    usage: "dkim keygen [--config FILE] [--selector NAME] [--algorithm rsa2048|rsa3072|rsa4096|ed25519] DOMAIN",
    summary: "make a key that signs mail, print its record",
    help: `Makes a private key in dkim.sign.key_directory, as DOMAIN/SELECTOR.key, and
prints its record: as a line of a zone, and as name, type and value for a web
form. If key_directory is not set, the key goes to state_dir/dkim, and the lines
of the configuration that use it are printed. Until the record of the new key is
in DNS, the one before it signs. The key is RSA of 2048 bits, and the selector
is made from the date, if nothing else is wanted.`,
    options: ["config", "selector", "algorithm"],
    operands: "DOMAIN",
    load: async () => (await import("./dkim-keygen.ts")).keygen,
  },
  "dkim check": {
    usage: "dkim check [--config FILE] [DOMAIN...]",
    summary: "compare the configured keys with DNS",
    help: `Compares each key that the configuration names with its record in DNS, and
prints for each what is there and what to do. Exits 1 if a key is not usable.`,
    options: ["config"],
    operands: "[DOMAIN...]",
    load: async () => (await import("./dkim-check.ts")).checkKeys,
  },
  "mail verify": {
    usage: "mail verify [--config FILE] [--ip IP] [--helo NAME] [--sender ADDRESS] [--json] [--explain] [FILE]",
    summary: "check a message as the milter would",
    help: `Reads a message from FILE or standard input, and prints the
Authentication-Results field that the milter would add. With the address of the
client, its HELO name and the envelope sender it checks SPF too; without --ip a
result of DMARC does not count SPF. --explain prints DMARC as a tree: the domain
of From, its policy, and what each identifier came to. --json prints one object.
Exits 0 for any result. POSTVOUCH_NOW=<unix seconds> freezes the clock.`,
    options: ["config", "ip", "helo", "sender", "json", "explain"],
    operands: "[FILE]",
    load: async () => (await import("./mail.ts")).verifyMail,
  },
  "mail sign": {
    usage: "mail sign [--config FILE] [FILE]",
    summary: "sign a message with DKIM",
    help: `Reads a message from FILE or standard input, and prints it with DKIM-Signature
fields of the keys that are configured for its author. Exits 1, with the reason
and without the message, if it was not signed.
POSTVOUCH_NOW=<unix seconds> freezes the clock.`,
    options: ["config"],
    operands: "[FILE]",
    load: async () => (await import("./mail.ts")).signMail,
  },
  "mail seal": {
    usage: "mail seal [--config FILE] [--ip IP] [--helo NAME] [--sender ADDRESS] [FILE]",
    summary: "seal a message with ARC",
    help: `Reads a message from FILE or standard input, and prints it with a new ARC set.
It passes on our Authentication-Results above the first Received field, as the
milter does on the second pass; without one it checks the message first, as mail
verify does. Exits 1, with the reason and without the message, if it was not
sealed. POSTVOUCH_NOW=<unix seconds> freezes the clock.`,
    options: ["config", "ip", "helo", "sender"],
    operands: "[FILE]",
    load: async () => (await import("./mail.ts")).sealMail,
  },
  "dmarc report": {
    usage: "dmarc report [--config FILE] [--day YYYY-MM-DD] [--send|--print]",
    summary: "aggregate reports from stored results",
    help: `Makes aggregate reports (RFC 9990) of a day, by UTC, for the domains that ask
for them in their DMARC records, from what dmarc.history has. Without --day it
is yesterday. Says what would be sent to whom.
--print prints the XML of each report.
--send signs the reports and sends them through dmarc.report.submit, each once;
without --day also those of the last three days that could not be sent. It wants
dmarc.report.enabled = true.
Exits 1 if a report could not be sent. POSTVOUCH_NOW=<unix seconds> freezes the
clock.`,
    options: ["config", "day", "send", "print"],
    load: async () => (await import("./dmarc-report.ts")).reportDay,
  },
  import: {
    usage: "import [--dry-run] [--force] [--config FILE] [PATH...]",
    summary: "take over postsrsd, policyd-spf, OpenDKIM and others",
    help: `Reads /etc/default/postsrsd or postsrsd.conf, policyd-spf.conf with its per-user
file, opendkim.conf, opendmarc.conf and openarc.conf with their tables, if
main.cf asks those filters, and Postfix's files.
Writes /etc/postvouch/postvouch.toml with the origin of each key, a copy of the
secrets, and copies of keys for DKIM that the service could not read where they
are. Says what had another meaning there, or never worked. Runs nothing but
postconf, postmap, postqueue and journalctl. Writes all files or none.
--dry-run prints the configuration and writes nothing.
--force replaces files: the old configuration and old keys stay as FILE.old, old
secrets stay valid behind those of postsrsd.
PATHs are read in place of the usual files: files of those programs, a directory
with main.cf, or one like / or /etc of another host.
--config writes FILE instead, and srs.secrets and dkim/ beside it.`,
    options: ["config", "dry-run", "force"],
    operands: "[PATH...]",
    load: async () => (await import("./import.ts")).runImport,
  },
  "explain-bounce": {
    usage: "explain-bounce [--json] [TEXT]",
    summary: "say what a bounce means and what to do",
    help: `Explains a line of the mail log, a reply of a server or a whole notification
(DSN), from TEXT or from standard input: what it means, what to do, and who can
mend it. It knows the replies of Gmail, Microsoft, Yahoo and Apple, and what
Postfix, postvouch and postsrsd say. --json prints one object per cause: id, by,
code, recipients, means, todo, mends, who.
Exits 1 if it does not know the reply; then it says what the codes mean.`,
    options: ["json"],
    operands: "[TEXT]",
    load: async () => (await import("./explain-bounce.ts")).explain,
  },
  doctor: {
    usage: "doctor [--config FILE] [--json]",
    summary: "check Postfix, DNS and our own state",
    help: `Checks Postfix's configuration, DNS and the running daemon, and prints for each
check ok, warning, error or skipped, the reason, and the command that mends it.
Changes nothing. --json prints one object: ok, and checks with id, status,
reason, mend. Exits 1 if there is an error. As root it sees most.
"doctor gmail" prints Google's rules for forwarders beside what was found.`,
    options: ["config", "json"],
    load: async () => (await import("./doctor.ts")).doctor,
  },
  "doctor gmail": {
    usage: "doctor gmail [--config FILE] [--json]",
    summary: "the same by Google's rules for forwarders",
    help: `Prints Google's rules for senders and forwarders, and what the checks of
"postvouch doctor" say about each. Exits 1 if one is broken.`,
    options: ["config", "json"],
    load: async () => (await import("./doctor.ts")).doctorGmail,
  },
  setup: {
    usage: "setup [--config FILE] [--apply] [--undo] [PART...]",
    summary: "connect Postfix to what is configured",
    help: `Shows, as a diff of main.cf and master.cf, what connects Postfix to what is
configured here. Changes nothing without --apply or --undo. Needs root then.
PARTs (none: those in place, or those that fit the configuration):
  classic       every foreign sender is rewritten, as by postsrsd
  forward-only  only mail that leaves this host is rewritten
  bounces-only  nothing more is rewritten, bounces still come back
  policy        SPF is checked
  milter        DKIM, DMARC and ARC: mail is checked, signed and sealed
A part joins those in place; of the first three it replaces the others.
--apply makes the change with postconf, asks each endpoint, runs "postfix check"
and "postfix reload". If anything fails, every byte is put back.
--undo takes our lines out again, all or those of a PART. What you have edited
since stays; if you edited our lines, it names them and changes nothing.
$MAIL_CONFIG names another directory than Postfix's own.
Exits 0, 1 if nothing was changed, or 78.`,
    options: ["config", "apply", "undo"],
    operands: "[PART...]",
    load: async () => (await import("./setup.ts")).runSetup,
  },
  "help config": {
    usage: "help config",
    summary: "list every key of the configuration",
    help: "Prints every key of the configuration with its default and its purpose.",
    options: [],
    load: async () => (await import("./help-config.ts")).printKeys,
  },
};

/** The command that `words` begin with. */
export function commandName(words: readonly string[]): string | undefined {
  return [words.slice(0, 2).join(" "), words[0] ?? ""].find((name) => Object.hasOwn(COMMANDS, name));
}
