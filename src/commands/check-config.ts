/** `postvouch check-config`: reads everything that `serve` would read, binds nothing. */

import { EXIT } from "../process/exit.ts";
import { foresee } from "../setup/foresee.ts";
import { neighbourAdvice } from "../setup/neighbours.ts";
import { openOwnDomains } from "../setup/own-domains.ts";
import { ownDomainSettings, readSetup } from "../setup/setup.ts";
import { srsDomainWarning } from "../setup/srs-domain.ts";
import type { Call } from "./call.ts";

/** @throws {Failure} naming every problem */
export async function checkConfig({ around, output }: Call): Promise<number> {
  const read = await readSetup(around, "skip");
  const setup = { ...read, problems: [...read.problems, ...foresee(read)] };
  const { ownDomains, warnings } = await openOwnDomains(setup, () => {});
  const counted = [...ownDomains.counts()].filter(([source, count]) => source !== "domains" || count > 0);
  ownDomains.close();
  const advice = [await srsDomainWarning(setup), ...(await neighbourAdvice(setup))].filter(
    (line) => line !== undefined,
  );
  for (const warning of [...setup.warnings, ...warnings, ...advice]) output.problem(`warning: ${warning}`);
  output.line(`${setup.configFile ?? "no configuration file, so the defaults"}: ok`);
  output.line(`hostname ${setup.hostname}, srs.domain ${setup.srsDomain}`);
  output.line(`secrets: ${setup.secrets.length} in ${setup.secretsFile}`);
  const always = new Set(ownDomainSettings(setup).always);
  const sources = counted.map(([source, count]) => `${count} from srs.own_domains.${source}`);
  output.line(`own domains: ${[...always, ...sources].join(", ")}`);
  return EXIT.ok;
}
