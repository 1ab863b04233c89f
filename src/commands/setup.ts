/** `postvouch setup`: connects Postfix to what is configured here, and takes that out again. */
import { nearest } from "../collections/nearest.ts";
import {
  type Change,
  findConfigDir,
  isInPlace,
  make,
  planApply,
  planUndo,
  type Settings,
} from "../connect/host/change.ts";
import { reloadPostfix } from "../connect/host/checks.ts";
import { FILE_NAMES } from "../connect/host/files.ts";
import { lock } from "../connect/host/lock.ts";
import { recover } from "../connect/host/transaction.ts";
import { exclusive, isPartName, PART_NAMES, PARTS, type PartName } from "../connect/parts.ts";
import { unifiedDiff } from "../connect/unified-diff.ts";
import { join } from "../process/builtins.ts";
import { EXIT, Failure, usageError } from "../process/exit.ts";
import { readSetup, type Setup } from "../setup/setup.ts";
import { srsDomainWarning } from "../setup/srs-domain.ts";
import type { Call } from "./call.ts";

/**
 * Shows the change as a diff; with `--apply` or `--undo` makes it.
 *
 * @throws {Failure} when it cannot be made; then Postfix's files are as before, or the last line says otherwise
 */
export async function runSetup(call: Call): Promise<number> {
  const { apply: isApply = false, undo: isUndo = false } = call.options;
  const named = namedParts(call.operands);
  if (isUndo && isApply) throw usageError("setup: want --apply or --undo, got both");
  const isWriting = isApply || isUndo;
  const configDir = await findConfigDir();
  using _ = isWriting ? await lock(configDir) : undefined;
  const recovered = await recover(configDir, isWriting);
  if (recovered !== undefined) {
    call.output.problem(recovered);
    // Postfix may have read the files that are gone again.
    await reloadPostfix(configDir);
  }
  if (isUndo && recovered !== undefined && !isInPlace(configDir)) return EXIT.ok;
  const setup = isUndo ? undefined : await readGoodSetup(call);
  const change =
    setup === undefined
      ? await planUndo(configDir, named, async () => settingsOf(await readGoodSetup(call), call))
      : await planApply(configDir, named, settingsOf(setup, call));
  show(change, call);
  if (isChanged(change)) {
    const rewrites = change.parts.some((name) => PARTS[name].group === "srs");
    const warning = setup === undefined || !rewrites ? undefined : await srsDomainWarning(setup);
    for (const note of [...change.notes, ...(warning === undefined ? [] : [warning])]) call.output.problem(note);
    if (isWriting) await make(change, (sentence) => call.output.problem(sentence));
  }
  call.output.problem(summary(change, isWriting));
  return EXIT.ok;
}

function namedParts(words: readonly string[]): PartName[] {
  const list = `${PART_NAMES.slice(0, -1).join(", ")} or ${PART_NAMES.at(-1)}`;
  for (const word of words) {
    if (isPartName(word)) continue;
    const near = nearest(word, PART_NAMES);
    throw usageError(`setup: want ${list}, got "${word}"${near === undefined ? "" : ` (is ${near} meant?)`}`);
  }
  const names = words.filter(isPartName);
  const pair = exclusive(names);
  if (pair !== undefined) throw usageError(`setup: ${pair.join(" and ")} exclude each other, want one of them`);
  return names;
}

async function readGoodSetup({ around }: Call): Promise<Setup> {
  const setup = await readSetup(around, "unread");
  if (setup.problems.length > 0) throw new Failure(EXIT.config, setup.problems);
  return setup;
}

function settingsOf({ config, srsDomain }: Setup, { around }: Call): Settings {
  return { config, srsDomain, packageDir: around.packageDir };
}

function isChanged({ now, made }: Change): boolean {
  return FILE_NAMES.some((name) => now[name] !== made[name]);
}

function show({ configDir, now, made }: Change, { output }: Call): void {
  for (const name of FILE_NAMES.toReversed()) {
    // Bytes of the files, as a terminal reads them.
    const text = (version: string | undefined): string | undefined =>
      version === undefined ? undefined : Buffer.from(version, "latin1").toString("utf8");
    for (const line of unifiedDiff(join(configDir, name), text(now[name]), text(made[name]))) output.line(line);
  }
}

function summary(change: Change, isWriting: boolean): string {
  const { parts } = change;
  const names = parts.length === 0 ? "nothing of ours" : parts.join(", ");
  if (!isChanged(change)) return `nothing to change: ${names} is in place`;
  return isWriting ? `done: ${names} is in place` : `--apply would put in place: ${names}`;
}
