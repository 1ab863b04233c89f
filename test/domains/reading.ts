/** Helpers to load own domains in tests. */
import type { LoadReport, OwnDomainSettings } from "../../src/domains/load.ts";
import type { OwnDomainSources } from "../../src/domains/sources.ts";

export const NOTHING: OwnDomainSettings = {
  domains: [],
  files: [],
  postfixTables: [],
  postfixClasses: false,
  always: [],
};

/** Reads own domains and takes the reading over where it is without errors, as the daemon does. */
export async function read(sources: OwnDomainSources, settings: Partial<OwnDomainSettings>): Promise<LoadReport> {
  const { report, commit } = await sources.prepare({ ...NOTHING, ...settings });
  if (report.errors.length === 0) commit();
  return report;
}
