/** The advice of `postvouch check-config`: settings of Postfix and of our unit that do not fit ours. */
import type { PostfixCommand } from "../postfix/run.ts";
import type { Setup } from "../setup/setup.ts";
import { MAP_ADVICE } from "./checks/maps.ts";
import { MILTER_ADVICE } from "./checks/milter-settings.ts";
import { POLICY_ADVICE } from "./checks/policy.ts";
import { UNIT_PATHS } from "./checks/unit-paths.ts";
import { WAY_BACK_ADVICE } from "./checks/way-back.ts";
import { gatherNeighbours, type NeighbourPlaces } from "./gather/neighbours.ts";
import { gatherPostfix } from "./gather/postfix.ts";
import { readUnit } from "./gather/unit.ts";
import { runChecks } from "./run.ts";

/** One sentence for each problem. Without Postfix there are none about it. */
export async function neighbourAdvice(
  setup: Setup,
  places: NeighbourPlaces & { readonly postfix?: PostfixCommand; readonly unitDirectories?: readonly string[] } = {},
): Promise<string[]> {
  using gathered = await gatherPostfix(places.postfix ?? {});
  const facts = {
    setup,
    postfix: gathered.postfix,
    neighbours: gatherNeighbours(places),
    host: { unit: readUnit(places.unitDirectories) },
  };
  const results = await runChecks(
    [...UNIT_PATHS, ...MAP_ADVICE, ...POLICY_ADVICE, ...WAY_BACK_ADVICE, ...MILTER_ADVICE],
    facts,
  );
  const wrong = results.filter(({ status }) => status === "error" || status === "warning");
  return wrong.map(({ reason, mend }) => (mend === null ? reason : `${reason}; ${mend}`));
}
