/** The milter in the second pass of forward-only, where it seals what leaves this host, or holds what failed. */
import { entriesOf } from "./entries.ts";
import type { Ground } from "./ground.ts";
import { isMilterInUse, milterEntry } from "./milter-entry.ts";
import { asOneWord } from "./milter-place.ts";
import type { Planning } from "./plan.ts";
import type { Service } from "./postfix-facts.ts";
import { CLEANUP_NAME } from "./second-pass.ts";

const OPTIONS = "receive_override_options";

/** The settings that let our milter see the second pass, beside receive_override_options. */
const SETTINGS = ["smtpd_milters", "smtpd_milter_maps", "milter_macro_daemon_name"] as const;

/** Tells if a service is the port of a second pass. */
export function isSecondPass({ overrides }: Service): boolean {
  return overrides.get("cleanup_service_name") === CLEANUP_NAME;
}

/** The lines of the snippet, or none where the milter has nothing to do there. */
function linesOf(ground: Ground): string | undefined {
  const { wiring, snippets } = ground;
  const name = wiring.milter.daemonNames.forward;
  if (!isMilterInUse(ground) || !wiring.milter.isInSecondPass || name === undefined) return undefined;
  return snippets["milter-second-pass.master.cf"]
    .replace(/^( +-o smtpd_milters=).*$/m, (_, start: string) => start + asOneWord(milterEntry(ground)))
    .replace(/^( +-o milter_macro_daemon_name=).*$/m, (_, start: string) => start + name);
}

/** The services of a second pass, with the milter where it has something to do. */
export function withMilter(services: string, ground: Ground): string {
  const lines = linesOf(ground);
  return lines === undefined ? services : services.replace(WITHOUT_MILTERS, () => lines);
}

/** The lines of forward-only.master.cf in whose place they come. */
const WITHOUT_MILTERS = /^#.*\n +-o receive_override_options=.*,no_milters\n/m;

/** Adds the milter to a second pass that was put in by hand. That of a part has it already. */
export function planMilterOfSecondPass(planning: Planning, ground: Ground, { id, overrides }: Service): void {
  const lines = linesOf(ground);
  if (lines === undefined || SRS_PARTS.some((name) => ground.parts.has(name))) return;
  const wanted = new Map([...lines.matchAll(/^ +-o (\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]));
  const present = entriesOf(overrides.get(OPTIONS) ?? "");
  wanted.set(OPTIONS, present.filter((option) => option !== "no_milters").join(","));
  const changed = [...wanted].filter(([name, value]) => overrides.get(name) !== value);
  for (const [name, value] of changed) planning.override(id, name, value);
  if (changed.length > 0) planning.note(`master.cf: ${id} gets ours: what is forwarded is sealed there`);
}

/** The parts that write a second pass themselves, or take it out. */
const SRS_PARTS = ["classic", "forward-only", "bounces-only"];

/** The remark above them, in both snippets. */
const REMARK = "# Filters run in the first pass only";

/**
 * A second pass without what tells whether milters see it: docs/milter.md has had these lines pasted, and they are not
 * an edit that stands in the way of taking ours out.
 */
export function withoutMilter(service: string): string {
  if (!service.includes(`cleanup_service_name=${CLEANUP_NAME}`)) return service;
  const lines = service.split("\n").filter((line) => {
    const name = /^\s+-o (\w+)=/.exec(line)?.[1];
    return !line.startsWith(REMARK) && !SETTINGS.some((setting) => setting === name);
  });
  return lines.join("\n").replace(/^(\s+-o receive_override_options=.*),no_milters$/m, "$1");
}
