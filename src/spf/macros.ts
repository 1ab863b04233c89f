/** Inspects and repairs macro-strings (RFC 7208 section 7) before they are expanded. */

/**
 * The things that a macro-string depends on beside the client's address, the domain and our own name: the HELO name
 * (`h`), or the sender's local part or the time (`s`, `l`, `t`).
 */
export type MacroDependence = "nothing" | "helo" | "message";

export function dependence(macroString: string): MacroDependence {
  if (/%\{[slt]/i.test(macroString)) return "message";
  return /%\{h/i.test(macroString) ? "helo" : "nothing";
}

/** The dependence of two macro-strings together. */
export function moreDependent(a: MacroDependence, b: MacroDependence): MacroDependence {
  if (a === "message" || b === "nothing") return a;
  return b;
}

/**
 * Moves "-" to the front of each list of delimiters. The meaning stays the same (RFC 7208 section 7.1). mailauth turns
 * the list into a RegExp class, in which a "-" at another place is a range.
 */
export function hyphenFirst(macroString: string): string {
  if (!macroString.includes("%{")) return macroString;
  return macroString.replace(/%%|(%\{[a-z]\d*r?)([.\-+,/_=]+)\}/gi, (whole, head?: string, delimiters?: string) =>
    delimiters?.includes("-") === true ? `${head}-${delimiters.replaceAll("-", "")}}` : whole,
  );
}

/**
 * Writes out the evaluated name in a bare `a` or `mx`, if the name contains a "%": mailauth would treat the name as a
 * macro-string.
 */
export function withExplicitName(directive: string, domain: string): string {
  if (!domain.includes("%")) return directive;
  return directive.replace(/^([+\-?~]?(?:a|mx))(?=\/|$)/i, `$1:${domain.replaceAll("%", "%%").replaceAll(" ", "%_")}`);
}
