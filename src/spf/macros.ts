/** Macro-strings as text (RFC 7208 section 7): what can be said of them, and done to them, before they are expanded. */

/**
 * What the expansion of a macro-string depends on beside the client's address, the domain and our own name: the HELO
 * name (`h`), or the sender's local part or the time (`s`, `l`, `t`).
 */
export type MacroDependence = "nothing" | "helo" | "message";

export function dependence(macroString: string): MacroDependence {
  if (/%\{[slt]/i.test(macroString)) return "message";
  return /%\{h/i.test(macroString) ? "helo" : "nothing";
}

/** The one of two that depends on more. */
export function moreDependent(a: MacroDependence, b: MacroDependence): MacroDependence {
  if (a === "message" || b === "nothing") return a;
  return b;
}

/**
 * The macro-string with "-" first in each list of delimiters. It means the same (RFC 7208 section 7.1), but elsewhere
 * in the RegExp class that mailauth makes of the list a "-" is a range.
 */
export function hyphenFirst(macroString: string): string {
  if (!macroString.includes("%{")) return macroString;
  return macroString.replace(/%%|(%\{[a-z]\d*r?)([.\-+,/_=]+)\}/gi, (whole, head?: string, delimiters?: string) =>
    delimiters?.includes("-") === true ? `${head}-${delimiters.replaceAll("-", "")}}` : whole,
  );
}

/**
 * A bare `a` or `mx` with the evaluated name written out, if that holds a "%": mailauth would take the name itself for
 * a macro-string.
 */
export function withExplicitName(directive: string, domain: string): string {
  if (!domain.includes("%")) return directive;
  return directive.replace(/^([+\-?~]?(?:a|mx))(?=\/|$)/i, `$1:${domain.replaceAll("%", "%%").replaceAll(" ", "%_")}`);
}
