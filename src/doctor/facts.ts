/** What the checks know: the configuration of Postfix and ours, DNS, this host. Gathered once, by gather/. */
import type { Resolver } from "../dns/types.ts";
import type { Endpoint } from "../net/endpoint.ts";
import type { Service } from "../postfix/services.ts";
import type { KeyFiles } from "../setup/dkim-keys.ts";
import type { Setup } from "../setup/setup.ts";
import type { Trace } from "../spf/trace.ts";
import type { SpfVerdict } from "../spf/verdict.ts";

/** Facts, or the reason why they are unknown. */
export type Known<T> = { readonly known: T } | { readonly unknown: string };

export interface Facts {
  readonly setup: Setup;
  /** Problems of `serve` with sockets and files that can be foreseen. */
  readonly foreseen: readonly string[];
  readonly postfix: Known<PostfixFacts>;
  readonly own: OwnFacts;
  readonly dns: DnsFacts;
  readonly host: HostFacts;
  readonly daemon: DaemonFacts;
  /** Our private keys, as this user can read them. */
  readonly dkim: KeyFiles;
  readonly neighbours: NeighbourFacts;
  readonly mailLog: Known<MailLogFacts>;
  /** Asks what listens at an endpoint, as a process of Postfix would. */
  readonly ask: Ask;
}

export interface PostfixFacts {
  /** As `3.7.11`. */
  readonly version: string;
  /** The expanded value of a parameter of main.cf, or its default; empty if there is none. */
  value(name: string): string;
  /** The value as main.cf writes it; `undefined` if it does not set the parameter. */
  written(name: string): string | undefined;
  /** Warnings of postconf, without its name. */
  readonly complaints: readonly string[];
  readonly services: readonly Service[];
  /** Types of lookup tables that this Postfix has. */
  readonly tableTypes: ReadonlySet<string>;
  /** The value of a key in a table; `undefined` if it is not there. Rejects if the table does not answer. */
  lookUp(table: string, key: string): Promise<string | undefined>;
  /** The keys and values of a table; `undefined` for a table that cannot list them. */
  entries(table: string): Promise<ReadonlyMap<string, string> | undefined>;
  /** Tells if Postfix receives mail for a domain. Rejects if a table does not answer. */
  receives(domain: string): Promise<boolean>;
  /** Domains that Postfix receives mail for, as far as they can be listed, by parameter. */
  domains(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** The senders in the queue; `undefined` if it cannot be read. */
  queuedSenders(): Promise<readonly string[] | undefined>;
}

/** Our own domains. */
export interface OwnFacts {
  /** Problems of the sources, as check-config tells them. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** Tells if a domain is own. Rejects if a source does not answer. */
  has(domain: string): boolean | Promise<boolean>;
  /** Domains of ours that can be listed: own ones, and those of which Postfix delivers mail. */
  readonly listed: readonly string[];
}

/** An address from which mail leaves this host. */
export interface Egress {
  readonly address: string;
  readonly family: "ipv4" | "ipv6";
  /** What tells so: `smtp_bind_address`, `the route`, `proxy_interfaces`, `eth0`. */
  readonly source: string;
  /** False for an address that is there, but perhaps never used for mail. */
  readonly isUsed: boolean;
  /** The kind of an address that other hosts do not see, such as "a private address (RFC 1918)". */
  readonly hidden: string | undefined;
}

export interface DnsFacts {
  readonly resolver: Resolver;
  /** The time by which all lookups end, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
  readonly egress: readonly Egress[];
  /** The DNS servers in use. */
  readonly servers: readonly string[];
  /** What is wrong with a server; `undefined` if it answers. */
  serverTrouble(server: string): Promise<string | undefined>;
  /** Checks SPF of MAIL FROM with our own engine; of HELO if `sender` is empty. */
  checkSpf(query: SpfQuestion): Promise<{ readonly verdict: SpfVerdict; readonly trace: Trace }>;
}

interface SpfQuestion {
  readonly clientAddress: string;
  readonly heloName: string;
  readonly sender: string;
}

/** A file or directory. */
export interface FileFacts {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly isDirectory: boolean;
}

/** A user. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Further groups. */
  readonly groups: readonly number[];
}

export interface HostFacts {
  readonly isRoot: boolean;
  /** The settings of our systemd unit and its drop-ins, in order; `undefined` without a unit. */
  readonly unit: readonly (readonly [name: string, value: string])[] | undefined;
  /** State of the unit, such as `failed (start-limit-hit)`; `undefined` if systemd does not run. */
  readonly unitTrouble: string | undefined;
  /** A file; `undefined` if there is none, or it cannot be seen. */
  file(path: string): FileFacts | undefined;
  /** The bytes of a file as latin1; `undefined` if it cannot be read. */
  read(path: string): string | undefined;
  user(name: string): Account | undefined;
  groupId(name: string): number | undefined;
  /** The process that listens on an endpoint, as `postsrsd, pid 812`; `undefined` if it cannot be seen. */
  owner(endpoint: Endpoint): string | undefined;
  /** The ids of the processes of that name, in our network. */
  processes(name: string): readonly number[];
  /** The folder of our package. */
  readonly packageDir: string;
}

/** The answer of something that listens. */
export type Answer =
  | { readonly status: "found"; readonly value: string }
  | { readonly status: "not found" }
  | { readonly status: "refused"; readonly reason: string }
  | { readonly status: "unreachable"; readonly reason: string };

/** Where something listens, as main.cf writes it. */
export type Place =
  | { readonly host: string; readonly port: number }
  /** Absolute, as this host sees it. */
  | { readonly path: string };

export interface Ask {
  tcpTable(place: Place, key: string): Promise<Answer>;
  socketmap(place: Place, map: string, key: string): Promise<Answer>;
  /** Sends a policy request that checks nothing. The value is the action. */
  policy(place: Place): Promise<Answer>;
  /** Connects, and reads the first line of an SMTP server. */
  smtp(place: Place): Promise<Answer>;
  /** Only connects. */
  connect(place: Place): Promise<Answer>;
}

/** The running daemon, as its listeners show it. */
export interface DaemonFacts {
  /** What /readyz says, or why there is no answer. */
  readonly ready: { readonly isReady: boolean; readonly text: string } | { readonly unreachable: string };
  /** Values of /metrics by name without labels, summed up. */
  readonly metrics: ReadonlyMap<string, number>;
  /** Signs with the secrets that this command has read; `undefined` without secrets. */
  readonly sign: ((address: string) => string | undefined) | undefined;
  /** Restores with these secrets. */
  readonly restore: ((address: string) => string | undefined) | undefined;
}

/** Configuration files of other programs, as text; `undefined` if there is none. */
export interface NeighbourFacts {
  readonly opendmarc: ConfigText | undefined;
  readonly opendkim: ConfigText | undefined;
  /** /etc/default/postsrsd. */
  readonly postsrsd: ConfigText | undefined;
  /** The secrets of postsrsd, one for each line. */
  readonly postsrsdSecrets: Known<readonly string[]>;
}

export interface ConfigText {
  readonly path: string;
  readonly text: string;
}

/** The end of the mail log. */
export interface MailLogFacts {
  readonly path: string;
  /** Addresses of smtpd's clients, loopback left out, with the number of their connections. */
  readonly clients: ReadonlyMap<string, number>;
  /** Domains of SRS addresses, in lower case, with the number of lines. */
  readonly srsDomains: ReadonlyMap<string, number>;
  /** SRS addresses, at most a hundred, the newest last. */
  readonly srsAddresses: readonly string[];
}
