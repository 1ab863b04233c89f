/** Reads the own domains of a setup for commands. */
import type { OwnDomainsEvent } from "../domains/source.ts";
import type { OwnDomainSources } from "../domains/sources.ts";
import { EXIT, Failure } from "../process/exit.ts";
import { ownDomainSettings, type Setup } from "./setup.ts";

/**
 * Opens the own domains of a setup.
 *
 * @throws {Failure} naming every problem of the setup and of the domain lists
 */
export async function openOwnDomains(
  setup: Setup,
  onEvent: (event: OwnDomainsEvent) => void,
): Promise<{ readonly ownDomains: OwnDomainSources; readonly warnings: readonly string[] }> {
  const { createOwnDomainSources } = await import("../domains/sources.ts");
  const ownDomains = createOwnDomainSources({ onEvent });
  const { report, commit } = await ownDomains.prepare(ownDomainSettings(setup));
  const problems = [...setup.problems, ...report.errors];
  if (problems.length > 0) throw new Failure(EXIT.config, problems);
  commit();
  return { ownDomains, warnings: report.warnings };
}

/**
 * Counts the own domains by source.
 *
 * @throws {Failure} naming every problem of the setup and of the domain lists
 */
export async function countOwnDomains(
  setup: Setup,
): Promise<{ readonly counts: ReadonlyMap<string, number>; readonly warnings: readonly string[] }> {
  const { domains, files, postfixTables, postfixClasses } = ownDomainSettings(setup);
  if (files.length > 0 || postfixTables.length > 0 || postfixClasses) {
    const { ownDomains, warnings } = await openOwnDomains(setup, () => {});
    ownDomains.close();
    return { counts: ownDomains.counts(), warnings };
  }
  // A list of names needs no code that watches files or asks Postfix.
  const problems = domains.length === 0 ? [] : await domainProblems(domains);
  if (setup.problems.length + problems.length > 0) throw new Failure(EXIT.config, [...setup.problems, ...problems]);
  return { counts: new Map([["domains", domains.length]]), warnings: [] };
}

async function domainProblems(domains: readonly string[]): Promise<string[]> {
  const { parseDomains } = await import("../domains/entries.ts");
  return parseDomains(domains).flatMap((entry) => ("problem" in entry ? [entry.problem] : []));
}
