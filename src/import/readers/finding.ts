/** What a reader finds in a file of another program: settings of ours with their origin, and what is to be said. */
import type { PARAMETERS } from "../../config/parameters.ts";
import type { FoundKey } from "./opendkim-keys.ts";
import type { Programs } from "./shell-programs.ts";

/** A value as TOML has it. */
export type TomlValue = string | number | boolean | readonly string[];

/** Keys that are lists of tables. */
export type TableKey = "policy.override" | "dkim.sign.keys";

export type Key = Exclude<keyof typeof PARAMETERS, TableKey>;

/** A key of postvouch.toml with its value. */
export interface Setting {
  readonly key: Key;
  readonly value: TomlValue;
  /** Its origin, for the comment beside it: `SRS_DOMAIN (/etc/default/postsrsd:7)`. */
  readonly from: string;
}

/** A table of `[[policy.override]]` or `[[dkim.sign.keys]]`. */
export interface TableSetting {
  readonly values: Readonly<Record<string, TomlValue | Readonly<Record<string, string | boolean>>>>;
  readonly from: string;
}

/** The parts that are switched on by what was there. */
export type Part = "srs" | "policy" | "milter";

/** Text that a reader cannot read: what is wrong, with its place. Nothing is imported then. */
export class ImportError extends Error {
  override name = "ImportError";
}

/** What a reader knows of the host. */
export interface Host extends Programs {
  /** The names in a directory; none if it cannot be read. */
  readonly list: (path: string) => readonly string[];
  /** Tells if there is such a file. */
  readonly exists: (path: string) => boolean;
  /** The version of the installed package postsrsd; `undefined` if there is none. */
  readonly postsrsdVersion: string | undefined;
}

/** A file of another program. */
export interface Source {
  /** As it is shown. */
  readonly path: string;
  readonly text: string;
}

/** Most sentences: a list of domains in another format has one for each line. */
const MAX_NOTES = 100;

export class Findings {
  readonly settings: Setting[] = [];
  readonly overrides: TableSetting[] = [];
  readonly #notes = new Set<string>();
  #notesLeft = MAX_NOTES;
  readonly parts = new Set<Part>();
  /** Domains whose senders were not rewritten, in the form of `srs.own_domains.domains`. */
  readonly ownDomains = new Set<string>();
  ownDomainsFrom = "";
  /** The authserv-ids that a filter believes. */
  trusts: readonly string[] | undefined;
  trustsFrom = "";
  /** The keys that sign with DKIM. */
  readonly signingKeys: FoundKey[] = [];
  /** Keys with senders that were probably meant, and never signed. */
  readonly missedSenders: FoundKey[] = [];
  /** The key that seals with ARC. */
  sealingKey: Omit<FoundKey, "from"> | undefined;
  /** Where a filter listens, as its files say it. */
  milterSocket: { readonly program: string; readonly sockets: readonly string[]; readonly where: string } | undefined;
  /** Clients that a filter ignored. */
  ignoredHosts: { readonly networks: readonly string[]; readonly from: string } | undefined;
  /** The origin of a filter that rejects by DMARC, and may do so for a while beside us. */
  rejectsFrom: string | undefined;
  /** The secrets file of the peer. */
  secretsFile: { readonly path: string; readonly from: string } | undefined;
  /** An SQLite file of the peer, and where its copy is to be. */
  database: { readonly path: string; readonly copy: string } | undefined;

  set(key: Key, value: TomlValue, from: string): void {
    this.settings.push({ key, value, from });
  }

  /** Adds a sentence for the admin. The same one is said once. */
  note(where: string, text: string): void {
    const note = `${where}: ${text}`;
    if (this.#notes.has(note)) return;
    if (this.#notesLeft > 0) this.#notes.add(note);
    this.#notesLeft -= 1;
  }

  /** Sentences for the admin, each with its place. */
  get notes(): readonly string[] {
    const more = this.#notesLeft < 0 ? [`and ${-this.#notesLeft} more like these`] : [];
    return [...this.#notes, ...more];
  }
}
