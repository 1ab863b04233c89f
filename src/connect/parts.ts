/** The table of parts: the ways in which Postfix is connected to us. */
import type { Ground } from "./ground.ts";
import { planMilter } from "./milter.ts";
import { type Plan, Planning } from "./plan.ts";
import { planPolicy } from "./policy.ts";
import { planClassicRecipients, planForwardOnlyRecipients } from "./recipients.ts";
import { removeForwardOnly } from "./second-pass.ts";
import { planClassicSenders, planForwardOnlySenders } from "./senders.ts";
import { splitMaps } from "./srs-maps.ts";
import type { Wired } from "./wiring.ts";

export interface Part {
  /** Parts of one group exclude each other. */
  readonly group: "srs" | "policy" | "milter";
  /** The listeners that it can use, the best one first. One of each list has to be on. */
  readonly listeners: readonly (readonly Wired[])[];
  readonly plan: (planning: Planning, ground: Ground) => void;
}

export const PARTS = {
  /** Every foreign sender is rewritten, as by postsrsd. */
  classic: {
    group: "srs",
    listeners: [
      ["socketmap.listen", "tcptable.forward"],
      ["socketmap.listen", "tcptable.reverse"],
    ],
    plan: (planning, ground) => {
      removeForwardOnly(planning, ground);
      planClassicSenders(planning, ground);
      planClassicRecipients(planning, ground);
    },
  },
  /** Only mail that leaves this host is rewritten. */
  "forward-only": {
    group: "srs",
    listeners: [["socketmap.listen"]],
    plan: (planning, ground) => {
      planForwardOnlySenders(planning, ground);
      planForwardOnlyRecipients(planning, ground, "always");
    },
  },
  /** Nothing more is rewritten, and bounces to addresses in use still come back. */
  "bounces-only": {
    group: "srs",
    listeners: [["socketmap.listen"]],
    plan: (planning, ground) => {
      removeForwardOnly(planning, ground);
      planForwardOnlyRecipients(planning, ground, "if absent");
    },
  },
  /** SPF is checked. */
  policy: {
    group: "policy",
    listeners: [["policy.listen"]],
    plan: planPolicy,
  },
  /** Mail is checked, signed and sealed, with DKIM, DMARC and ARC. */
  milter: {
    group: "milter",
    listeners: [["milter.listen"]],
    plan: planMilter,
  },
} as const satisfies Readonly<Record<string, Part>>;

export type PartName = keyof typeof PARTS;

export const PART_NAMES = Object.keys(PARTS) as readonly PartName[];

export function isPartName(word: string): word is PartName {
  return Object.hasOwn(PARTS, word);
}

/** The parts when `added` join those in place: each replaces another one of its group. */
export function withParts(inPlace: readonly PartName[], added: readonly PartName[]): PartName[] {
  const groups = new Set<string>(added.map((name) => PARTS[name].group));
  const kept = inPlace.filter((name) => !groups.has(PARTS[name].group));
  return PART_NAMES.filter((name) => kept.includes(name) || added.includes(name));
}

/** Two parts of one group, if there are two. */
export function exclusive(names: readonly PartName[]): readonly [PartName, PartName] | undefined {
  for (const [index, name] of names.entries()) {
    const other = names
      .slice(0, index)
      .find((earlier) => earlier !== name && PARTS[earlier].group === PARTS[name].group);
    if (other !== undefined) return [other, name];
  }
  return undefined;
}

/** The parts that the configuration and the present main.cf suggest, when none is named. */
export function suggestedParts(found: Found): PartName[] {
  const { wiring } = found;
  const ground: Ground = { ...found, parts: new Set() };
  const has = (key: Wired): boolean => wiring.addresses.has(key) || wiring.problems.has(key);
  const isClassic = splitMaps("sender_canonical_maps", ground).srs.length > 0 || !has("socketmap.listen");
  const srs = PARTS.classic.listeners.every((keys) => keys.some(has)) ? [isClassic ? "classic" : "forward-only"] : [];
  const policy = has("policy.listen") ? ["policy"] : [];
  const milter = has("milter.listen") ? ["milter"] : [];
  return [...srs, ...policy, ...milter].filter(isPartName);
}

/** What is known before the parts are. */
export type Found = Omit<Ground, "parts">;

/** Plans the changes for parts on top of files that are without us. */
export function planParts(names: readonly PartName[], found: Found): Plan {
  const planning = new Planning();
  const ground: Ground = { ...found, parts: new Set(names) };
  for (const name of names) {
    const part: Part = PARTS[name];
    const missing = part.listeners.filter((keys) => !keys.some((key) => ground.wiring.addresses.has(key)));
    for (const keys of missing) {
      const off = `${keys.join(" or ")}: it is off; want an endpoint for setup ${name}`;
      planning.problem(keys.flatMap((key) => ground.wiring.problems.get(key) ?? []).join("; ") || off);
    }
    if (missing.length === 0) part.plan(planning, ground);
  }
  const plan = planning.done();
  return { ...plan, problems: [...plan.problems, ...missingTypes(plan, ground)] };
}

/** Types of maps that ours need and that a Postfix may lack: it is older than 3.0, or a package is missing. */
const MAP_TYPES = ["socketmap", "tcp", "pipemap", "regexp"] as const;

function missingTypes({ edits }: Plan, { facts, wiring }: Ground): string[] {
  const values = edits.flatMap((edit) => (edit.type === "set" ? [edit.value] : []));
  const addresses = [...wiring.addresses.values()].map((address) => address.replace(/^inet:/, ""));
  const ours = values.filter((value) => addresses.some((address) => value.includes(address)));
  const needed = MAP_TYPES.filter((type) => ours.some((value) => new RegExp(`\\b${type}:`).test(value)));
  return needed
    .filter((type) => !facts.mapTypes.has(type))
    .map(
      (type) => `Cannot use maps of type "${type}": this Postfix does not have it ("postconf -m" lists what it has)`,
    );
}
