/** Writes the main.cf lines that use the listeners of a configuration, ready to paste. */
import { LISTENER_KEYS, LISTENERS, type Listener, type MainCfParameter } from "../config/listeners.ts";
import type { Config } from "../config/parameters.ts";

/** The maps with their classes. Without these classes Postfix would also rewrite the header From:. */
const MAPS = [
  ["sender_canonical", "envelope_sender"],
  ["recipient_canonical", "envelope_recipient, header_recipient"],
] as const;

/** @returns the lines; none if no listener can be named in main.cf */
export function mainCfLines(config: Config, srsDomain: string): string[] {
  const lines: string[] = [];
  for (const [parameter, classes] of MAPS) {
    const tables = valuesFor(`${parameter}_maps`, config);
    const overTcp = tables.find((table) => table.startsWith("tcp:"));
    const best = tables.find((table) => table !== overTcp) ?? overTcp;
    if (best === undefined) continue;
    lines.push(`${parameter}_maps = ${best}`);
    if (overTcp !== undefined && overTcp !== best)
      lines.push(`#   or as for postsrsd 1.x: ${parameter}_maps = ${overTcp}`);
    lines.push(`${parameter}_classes = ${classes}`);
  }
  if (lines.length > 0) lines.push(`# ${srsDomain} in mydestination or virtual_alias_domains: bounces come back to it`);
  const [policy] = valuesFor("smtpd_recipient_restrictions", config);
  if (policy !== undefined)
    lines.push("# behind reject_unauth_destination in smtpd_recipient_restrictions:", `#   ${policy}`);
  if (lines.length === 0) return [];
  const title =
    '# main.cf (all mail; "postvouch setup" writes this, or the set-up that rewrites only what is forwarded)';
  return [title, ...lines];
}

/** The first endpoint of each listener in the form of `parameter`. */
function valuesFor(parameter: MainCfParameter, config: Config): string[] {
  return LISTENER_KEYS.flatMap((key) => {
    const { mainCf }: Listener = LISTENERS[key];
    const [endpoint] = config[key];
    return endpoint === undefined ? [] : (mainCf[parameter]?.(endpoint) ?? []);
  });
}
