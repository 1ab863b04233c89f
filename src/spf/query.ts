/** Parses an SPF query: finds the domain to check and the values of the sender's macros. */
import { isMultiLabelName, toALabels, withoutRootDot } from "./domain.ts";
import type { SpfQuery } from "./verdict.ts";

/** The parts of the identity that check_host() starts from, in the forms that macros expand to. */
export interface CheckSubject {
  /** The identity's domain: A-labels, no trailing dot, otherwise as given. */
  readonly domain: string;
  /** The same in lower case: the initial `<domain>`. `undefined` if it cannot be evaluated (RFC 7208 section 4.3). */
  readonly target: string | undefined;
  /** `<sender>`: local part, `@`, `target`. The local part is as given, without quotes. */
  readonly sender: string;
  /** The HELO name for `%{h}`. It has no trailing dot, because records write their own dot after the macro. */
  readonly helo: string;
}

type Identity = Pick<SpfQuery, "identity" | "heloName" | "sender">;

/**
 * The domain that a query is about: the text after the last `@`, or the HELO name. Converted to A-labels if possible.
 */
export function checkedDomain(query: Identity): string {
  const name = isHeloChecked(query) ? query.heloName : query.sender.slice(query.sender.lastIndexOf("@") + 1);
  return withoutRootDot(toALabels(name) ?? name);
}

/**
 * The arguments of check_host() for a query. The null sender and the HELO identity are checked as postmaster@HELO (RFC
 * 7208 sections 2.3 and 2.4). A sender without a local part gets `postmaster` too (section 4.3).
 */
export function readSubject(query: SpfQuery): CheckSubject {
  const domain = checkedDomain(query);
  const lower = domain.toLowerCase();
  const at = query.sender.lastIndexOf("@");
  const local = isHeloChecked(query) || at === -1 ? "" : unquote(query.sender.slice(0, at));
  return {
    domain,
    target: isMultiLabelName(lower) ? lower : undefined,
    sender: `${local === "" ? "postmaster" : local}@${lower}`,
    helo: withoutRootDot(toALabels(query.heloName) ?? query.heloName),
  };
}

function isHeloChecked(query: Identity): boolean {
  return query.identity === "helo" || query.sender === "";
}

/** The text of a quoted-string (RFC 5321 section 4.1.2). Any other local part stays as it is. */
function unquote(local: string): string {
  const quoted = /^"(.*)"$/s.exec(local)?.[1];
  return quoted === undefined ? local : quoted.replace(/\\(.)/gs, "$1");
}
