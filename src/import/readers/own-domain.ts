/** Entries of the lists of own domains that the peers have. */
import { asciiName } from "../../domains/name.ts";
import type { Findings } from "./finding.ts";

/**
 * Adds an entry in our form, or says why it stays away.
 *
 * @param where the place of the entry
 */
export function addOwnDomain(findings: Findings, entry: string, where: string): void {
  const dot = entry.startsWith(".") ? "." : "";
  const name = asciiName(entry.slice(dot.length));
  if (name !== undefined) {
    findings.ownDomains.add(dot + name);
    return;
  }
  const meant = asciiName(entry.replace(/^.*[@*]\.?/, ""));
  const wish =
    meant === undefined
      ? ""
      : `; if "${entry.includes("*") ? "." : ""}${meant}" is meant, add it to srs.own_domains.domains`;
  findings.note(where, `"${entry}" is no domain, so it never matched a sender; it is left out${wish}`);
}
