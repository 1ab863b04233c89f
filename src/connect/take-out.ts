/** Takes what setup put into Postfix's files out of them, and leaves what was edited since. */
import { entriesOf, joined, restrictionsOf, takeOutEntries } from "./entries.ts";
import { parameterUnits, parameterValue, serviceUnits, type Unit } from "./logical-lines.ts";
import { type Merged, takeOut } from "./merge.ts";
import { milterAddressOf } from "./milter-place.ts";
import { withoutMilter } from "./second-pass-milter.ts";

/** A file as it was before us, as we left it, and as it is. `undefined`: there is none. */
export interface FileVersions {
  readonly before: string | undefined;
  readonly made: string | undefined;
  readonly now: string | undefined;
}

/** @returns the text; `undefined` inside of `merged` if the file was not there before us */
type TakenOut =
  | { readonly status: "merged"; readonly text: string | undefined }
  | Exclude<Merged, { status: "merged" }>;

/** Takes ours out of main.cf: lists that we and others changed lose our entries. */
export function takeOutOfMainCf(versions: FileVersions): TakenOut {
  return takeOutOf(versions, parameterUnits, ({ before, made, now }) => {
    const name = made.split("=", 1)[0]?.trim() ?? "";
    if (!LIST.test(name)) return undefined;
    const entries = name.endsWith("_restrictions") ? restrictionsOf : entriesOf;
    const list = (unit: string): string[] => entries(parameterValue(unit));
    // Where main.cf set nothing, a `$name` of ours is from Postfix's default.
    const past = before === undefined ? list(made).filter((entry) => entry.startsWith("$")) : list(before);
    if (name.endsWith("_milters") && isOut(past, list(made), list(now))) return now;
    const left = takeOutEntries(past, list(made), list(now));
    if (left === undefined) return undefined;
    const isDefault = before === undefined && left.every((entry) => past.includes(entry));
    return isDefault ? "" : `${name} = ${joined(left)}\n`;
  });
}

/** Tells if somebody has taken our milter out of a list, which is theirs then: with it, whatever comes back. */
function isOut(before: readonly string[], made: readonly string[], now: readonly string[]): boolean {
  const ours = made.filter((entry) => !before.includes(entry)).map(milterAddressOf);
  return ours.length > 0 && !now.some((entry) => ours.includes(milterAddressOf(entry)));
}

/** Parameters that hold a list whose entries are independent. */
const LIST = /(?:_maps|_domains|_restrictions|_classes|_milters|_macros)$/;

/** Takes ours out of master.cf, service by service. */
export function takeOutOfMasterCf(versions: FileVersions): TakenOut {
  return takeOutOf(versions, serviceUnits, ({ before, made, now }) =>
    withoutMilter(now) === withoutMilter(made) ? (before ?? "") : undefined,
  );
}

/** Takes a file that is ours as a whole out. */
export function takeOutFile({ before, made, now }: FileVersions, name: string): TakenOut {
  if (now === made || now === undefined) return { status: "merged", text: before };
  return { status: "conflict", keys: [name] };
}

function takeOutOf(
  { before, made, now }: FileVersions,
  unitsOf: (text: string) => Unit[],
  resolve: Parameters<typeof takeOut>[1],
): TakenOut {
  if (now === made) return { status: "merged", text: before };
  if (before === made) return { status: "merged", text: now };
  const units = (text: string | undefined): Unit[] => unitsOf(text ?? "");
  return takeOut({ before: units(before), made: units(made), now: units(now) }, resolve);
}

/**
 * Services of master.cf that main.cf would name again, and that have gone since we came: `unix:private/policyd-spf`.
 *
 * @param once master.cf when we came
 */
export function missingServices(
  now: string,
  before: { readonly mainCf: string; readonly masterCf: string },
  once: string,
): readonly string[] {
  const named = (text: string): string[] => [...text.matchAll(/\bunix:private\/[\w.-]+/g)].map(([name]) => name);
  const services = (masterCf: string): Set<string> =>
    new Set(serviceUnits(masterCf).map(({ key }) => `unix:private/${key.replace(/\/unix$/, "")}`));
  const [had, has, names] = [services(once), services(before.masterCf), named(now)];
  const again = named(before.mainCf).filter((name) => !names.includes(name));
  return [...new Set(again)].filter((name) => had.has(name) && !has.has(name));
}
