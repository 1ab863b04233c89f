/** Senders of OpenDKIM's SigningTable and Domain in the form of `from` in `dkim.sign.keys`. */
import { asciiName } from "../../domains/name.ts";

/** The senders of a row: patterns of ours, all senders, or the reason why they cannot be said here. */
export type Senders =
  | { readonly patterns: readonly string[]; readonly remark?: string }
  | { readonly isEverybody: true }
  | {
      readonly problem: string;
      /** What the row was probably meant to say. */
      readonly meant?: string;
    };

const EVERYBODY = { isEverybody: true } as const;

/**
 * Reads the key of a row.
 *
 * @param hasPatterns true in `refile:`, where `*` stands for any text of the whole address
 */
export function readSenders(key: string, hasPatterns: boolean): Senders {
  return hasPatterns ? readPattern(key.toLowerCase()) : readKey(key.toLowerCase());
}

function readPattern(key: string): Senders {
  if (key === "*" || key === "*@*") return EVERYBODY;
  const [, rest] = /^\*(?:@\*)?(\.[^*@]+)$/.exec(key) ?? [];
  if (rest !== undefined) return below(rest.slice(1));
  const [, domain] = /^\*@([^*@]+)$/.exec(key) ?? [];
  if (domain !== undefined) return domain.startsWith(".") ? neverMatched(key) : named(domain);
  const [, ending] = /^\*(?:@\*)?([^*@]+)$/.exec(key) ?? [];
  if (ending !== undefined) return endingIn(ending);
  if (!key.includes("*")) return key.includes("@") ? mailbox(key) : neverMatched(key);
  return { problem: `"${key}" cannot be said here; it is left out` };
}

function readKey(key: string): Senders {
  if (key === "*") return EVERYBODY;
  if (/^[^@*]+@(?:\*|\.[^*@]+)$/.test(key)) return { problem: `"${key}" cannot be said here; it is left out` };
  if (key.includes("*")) return neverMatched(key);
  if (key.includes("@")) return mailbox(key);
  return key.startsWith(".") ? below(key.slice(1)) : named(key);
}

function named(domain: string): Senders {
  const name = asciiName(domain);
  return name === undefined ? noDomain(domain) : { patterns: [name] };
}

function below(domain: string): Senders {
  const name = asciiName(domain);
  return name === undefined ? noDomain(domain) : { patterns: [`.${name}`] };
}

function endingIn(domain: string): Senders {
  const name = asciiName(domain);
  if (name === undefined) return noDomain(domain);
  return {
    patterns: [name, `.${name}`],
    remark: `it matched other domains that end so, too (x${name}), which are left out`,
  };
}

function mailbox(key: string): Senders {
  const at = key.lastIndexOf("@");
  const [local, name] = [key.slice(0, at), asciiName(key.slice(at + 1))];
  // What `from` takes for a local part.
  return name === undefined || !/^[!-)+-~]+$/.test(local) ? noDomain(key) : { patterns: [`${local}@${name}`] };
}

function noDomain(key: string): Senders {
  return { problem: `"${key}" is no sender that there can be; it is left out` };
}

/** The usual mistake: wildcards in a table without them, and bare domains in one with them. */
function neverMatched(key: string): Senders {
  const name = asciiName(key.replace(/^\*?@?\*?\.?/, ""));
  const problem = `"${key}" never matched a sender, so its mail was not signed; it is left out`;
  return name === undefined ? { problem } : { problem, meant: `${key.includes("*.") ? "." : ""}${name}` };
}

/** Which senders have been given to a row: as in OpenDKIM, those of the first row that matches them. */
export class Claims {
  readonly #claimed = new Map<string, string>();
  #everybody: string | undefined;

  /** The place of the row that has all senders of a pattern already. */
  ownerOf(pattern: string): string | undefined {
    const domain = pattern.slice(pattern.lastIndexOf("@") + 1);
    const exact = this.#claimed.get(pattern) ?? this.#claimed.get(domain);
    if (exact !== undefined) return exact;
    for (let dot = domain.indexOf(".", 1); dot !== -1; dot = domain.indexOf(".", dot + 1)) {
      const owner = this.#claimed.get(domain.slice(dot));
      if (owner !== undefined) return owner;
    }
    return this.#everybody;
  }

  claim(pattern: string, where: string): void {
    if (!this.#claimed.has(pattern)) this.#claimed.set(pattern, where);
  }

  claimEverybody(where: string): void {
    this.#everybody ??= where;
  }
}
