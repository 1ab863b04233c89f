/** Compares Postfix's files before and after postconf's edits with the plan: nothing else may have changed. */
import { parameterUnits, parameterValue, serviceUnits } from "./logical-lines.ts";
import type { Plan } from "./plan.ts";

/** The files at one time. */
export interface Snapshot {
  readonly mainCf: string;
  /** The output of `postconf -M`: a service in each line. */
  readonly services: string;
}

/**
 * Finds what has changed and is not in the plan.
 *
 * @returns what it is, such as `master.cf: 127.0.0.1:10025/inet is gone`; none if all is as planned
 */
export function unplannedChanges(before: Snapshot, after: Snapshot, plan: Pick<Plan, "edits" | "services">): string[] {
  const parameters = new Set(plan.edits.flatMap((edit) => ("service" in edit ? [] : [edit.name])));
  const added = serviceUnits(plan.services).flatMap(({ key }) => (isRemark(key) ? [] : [key]));
  const services = new Set([...plan.edits.flatMap((edit) => ("service" in edit ? [edit.service] : [])), ...added]);
  const removed = new Set(plan.edits.flatMap((edit) => (edit.type === "remove service" ? [edit.service] : [])));
  const present = servicesIn(after.services);
  const lost = [...servicesIn(before.services).keys()].filter(
    (id) => services.has(id) && !present.has(id) && !removed.has(id),
  );
  const missing = added.filter((id) => !present.has(id));
  return [
    ...difference("main.cf", parametersIn(before.mainCf), parametersIn(after.mainCf), parameters),
    ...difference("master.cf", servicesIn(before.services), present, services),
    ...[...new Set([...lost, ...missing])].map((id) => `master.cf: ${id} is gone`),
  ];
}

/** Each parameter with its values: main.cf may have it more than once. */
function parametersIn(mainCf: string): Map<string, string> {
  const units = parameterUnits(mainCf).filter(({ key }) => !isRemark(key));
  return collect(units.map(({ key, text }) => [key, parameterValue(text)]));
}

/** Tells the key of a remark or an empty line. */
function isRemark(key: string): boolean {
  return key === "" || key.startsWith("#");
}

function servicesIn(listing: string): Map<string, string> {
  const lines = listing.split("\n").filter(Boolean);
  return collect(lines.map((line) => [line.split(/\s+/, 2).join("/"), line.replace(/\s+/g, " ")]));
}

function collect(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of pairs) all.set(key, all.has(key) ? `${all.get(key)}\n${value}` : value);
  return all;
}

function difference(
  file: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  planned: ReadonlySet<string>,
): string[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])].filter((key) => !planned.has(key));
  return keys.flatMap((key) => {
    if (before.get(key) === after.get(key)) return [];
    const what = !after.has(key) ? "is gone" : before.has(key) ? "is another" : "is new";
    return [`${file}: ${key} ${what}`];
  });
}
