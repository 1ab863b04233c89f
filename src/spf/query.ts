/** An SPF query taken apart: which domain is checked, and what the macros of its sender stand for. */
import { isMultiLabelName, toALabels, withoutRootDot } from "./domain.ts";
import type { SpfQuery } from "./verdict.ts";

/** What check_host() starts from: the identity taken apart, in the forms that macros expand to. */
export interface CheckSubject {
  /** The identity's domain as A-labels without a trailing dot, otherwise as given. */
  readonly domain: string;
  /** The same in lower case: the initial `<domain>`. `undefined` if it cannot be evaluated (RFC 7208 section 4.3). */
  readonly target: string | undefined;
  /** `<sender>`: local part, `@`, `target`. The local part is as given, without quotes. */
  readonly sender: string;
  /** The HELO name for `%{h}`, without a trailing dot: behind it a record goes on with a dot of its own. */
  readonly helo: string;
}

/** The domain that a query is about, as A-labels where it can be: what stands after the last `@`, or the HELO name. */
export function checkedDomain(query: SpfQuery): string {
  const name = isHeloChecked(query) ? query.heloName : query.sender.slice(query.sender.lastIndexOf("@") + 1);
  return withoutRootDot(toALabels(name) ?? name);
}

/**
 * The arguments of check_host() for a query: the null sender and the HELO identity stand for postmaster@HELO
 * (RFC 7208 sections 2.3 and 2.4), and so does a sender without a local part (section 4.3).
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

function isHeloChecked(query: SpfQuery): boolean {
  return query.identity === "helo" || query.sender === "";
}

/** The text that a quoted-string stands for (RFC 5321 section 4.1.2); any other local part as it is. */
function unquote(local: string): string {
  const quoted = /^"(.*)"$/s.exec(local)?.[1];
  return quoted === undefined ? local : quoted.replace(/\\(.)/gs, "$1");
}
