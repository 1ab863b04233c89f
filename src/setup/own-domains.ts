/** The own domains of a setup, for commands. */
import type { OwnDomainsEvent } from "../domains/source.ts";
import { createOwnDomainSources, type OwnDomainSources } from "../domains/sources.ts";
import { EXIT, Failure } from "../process/exit.ts";
import { ownDomainSettings, type Setup } from "./setup.ts";

/**
 * The own domains of a setup, read for the first time.
 *
 * @throws {Failure} naming every problem of the setup and of the domain lists
 */
export async function openOwnDomains(
  setup: Setup,
  onEvent: (event: OwnDomainsEvent) => void,
): Promise<{ readonly ownDomains: OwnDomainSources; readonly warnings: readonly string[] }> {
  const ownDomains = createOwnDomainSources({ onEvent });
  const { report, commit } = await ownDomains.prepare(ownDomainSettings(setup));
  const problems = [...setup.problems, ...report.errors];
  if (problems.length > 0) throw new Failure(EXIT.config, problems);
  commit();
  return { ownDomains, warnings: report.warnings };
}
