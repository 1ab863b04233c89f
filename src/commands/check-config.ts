/** `postvouch check-config`: reads everything that `serve` would read, and opens no port. */
import { LISTENER_KEYS } from "../config/listeners.ts";
import { EXIT } from "../process/exit.ts";
import { foresee } from "../setup/foresee.ts";
import { countOwnDomains } from "../setup/own-domains.ts";
import { ownDomainSettings, readSetup, type Setup } from "../setup/setup.ts";
import { srsDomainWarning } from "../setup/srs-domain.ts";
import type { Call } from "./call.ts";

/**
 * Checks the configuration.
 *
 * @throws {Failure} naming every problem
 */
export async function checkConfig({ around, output }: Call): Promise<number> {
  const read = await readSetup(around, "skip");
  const setup = { ...read, problems: [...read.problems, ...foresee(read)] };
  const { counts, warnings } = await countOwnDomains(setup);
  const advice = [await srsDomainWarning(setup), ...(await adviceOnNeighbours(setup))];
  for (const warning of [...setup.warnings, ...warnings, ...advice.filter((line) => line !== undefined)])
    output.problem(`warning: ${warning}`);
  output.line(`${setup.configFile ?? "no configuration file, so the defaults"}: ok`);
  output.line(`hostname ${setup.hostname}, srs.domain ${setup.srsDomain}`);
  output.line(`secrets: ${setup.secrets.length} in ${setup.secretsFile}`);
  const always = new Set(ownDomainSettings(setup).always);
  const counted = [...counts].filter(([source, count]) => source !== "domains" || count > 0);
  const sources = counted.map(([source, count]) => `${count} from srs.own_domains.${source}`);
  output.line(`own domains: ${[...always, ...sources].join(", ")}`);
  return EXIT.ok;
}

/** Warns of settings of other programs. Without a listener no other program can use us, so there are none. */
async function adviceOnNeighbours(setup: Setup): Promise<string[]> {
  if (LISTENER_KEYS.every((key) => setup.config[key].length === 0)) return [];
  const { neighbourAdvice } = await import("../doctor/advice.ts");
  return neighbourAdvice(setup);
}
