/** Finds who sends aggregate reports, from [dmarc.report] and our names. */
import { domainOf, normalizeName } from "../mail/names.ts";
import type { Reporter } from "../reports/make.ts";
import { parentDomain } from "./names.ts";
import type { Setup } from "./setup.ts";

export function reporterOf({ config, hostname }: Setup, version: string): Reporter {
  const from = config["dmarc.report.from"] || `postmaster@${parentDomain(hostname)}`;
  const receiver = normalizeName(domainOf(from));
  return {
    organization: config["dmarc.report.organization"] || receiver,
    from,
    receiver,
    generator: `postvouch ${version}`,
  };
}
