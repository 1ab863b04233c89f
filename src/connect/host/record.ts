/**
 * The record of what was put into Postfix's files, beside them. It is what a later run takes our lines out by.
 *
 *     postvouch-setup.json        the record; while files are being replaced, with `pending`
 *     postvouch-setup.json.new    what the record becomes when all has gone well
 *     postvouch-setup.json.old    what it was, a hard link
 *
 * Each step is one rename(2), so that a run that ends at any point leaves either the record of before, one with
 * `pending`, or the new one.
 */
import { existsSync, linkSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EXIT, errorText, Failure } from "../../process/exit.ts";
import { isPartName, type PartName } from "../parts.ts";
import { FILE_NAMES, type FileName, type Files, fileFailure, readFile } from "./files.ts";
import { type Owner, writeDurably } from "./write.ts";

export interface SetupRecord {
  /** The parts in place. */
  readonly parts: readonly PartName[];
  /** The files as they would be without us. */
  readonly before: Files;
  /** The files as we left them. */
  readonly made: Files;
  /** The addresses of milters that we took out, and that did not answer then. */
  readonly silentMilters?: readonly string[] | undefined;
}

/** A file that is being replaced. */
export interface Replacement {
  readonly name: FileName;
  /** The file itself, where the name is a symbolic link. */
  readonly path: string;
  readonly old: string | undefined;
  readonly made: string | undefined;
}

export interface Pending {
  readonly files: readonly Replacement[];
}

const VERSION = 1;

const RECORD = "postvouch-setup.json";

/** The record may repeat passwords of main.cf. */
const ONLY_OWNER: Owner = { mode: 0o600 };

const recordPath = (configDir: string): string => join(configDir, RECORD);

/**
 * Reads the record.
 *
 * @returns `undefined` if nothing of ours is in place
 * @throws {Failure} when it cannot be read
 */
export function readRecord(configDir: string): {
  readonly record: SetupRecord | undefined;
  readonly pending: Pending | undefined;
} {
  const path = recordPath(configDir);
  const text = readFile(path);
  if (text === undefined) return { record: undefined, pending: undefined };
  try {
    const { version, parts, before, made, silentMilters, pending } = JSON.parse(text) as Record<string, unknown>;
    if (version !== VERSION) throw new Error(`got version ${String(version)}, want ${VERSION}`);
    const record = Array.isArray(parts) && {
      parts: parts.filter(isPartName),
      before: asFiles(before),
      made: asFiles(made),
      silentMilters: asTexts(silentMilters),
    };
    return {
      record: record === false || record.parts.length === 0 ? undefined : record,
      pending: pending === undefined ? undefined : asPending(pending),
    };
  } catch (error) {
    const line = `Cannot read "${path}": it is not what setup wrote: ${errorText(error)}`;
    throw new Failure(EXIT.notDone, [line], { cause: error });
  }
}

function asFiles(value: unknown): Files {
  const texts = value as Record<string, unknown>;
  const [recipients, master, main] = FILE_NAMES.map((name) => asText(texts[name]));
  return { "srs-recipients.regexp": recipients, "master.cf": master, "main.cf": main };
}

function asText(value: unknown): string | undefined {
  if (value !== undefined && value !== null && typeof value !== "string") throw new Error("want texts of files");
  return value ?? undefined;
}

/** A record of an earlier version has none. */
function asTexts(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.map(String) : undefined;
}

function asPending(value: unknown): Pending {
  const { files } = value as { files: readonly Record<string, unknown>[] };
  return {
    files: files.map(({ name, path, old, made }) => {
      const known = FILE_NAMES.find((one) => one === name);
      if (known === undefined || typeof path !== "string") throw new Error("want names of files");
      return { name: known, path, old: asText(old), made: asText(made) };
    }),
  };
}

/**
 * Writes that files are being replaced, and prepares the record for the end. Takes all the space that is needed later.
 *
 * @param next `undefined` if nothing of ours stays
 * @throws {Failure} when it cannot be written; then nothing has changed
 */
export function beginReplacing(
  configDir: string,
  current: SetupRecord | undefined,
  next: SetupRecord | undefined,
  pending: Pending,
): void {
  const path = recordPath(configDir);
  try {
    removeLeftovers(configDir);
    if (next !== undefined) writeDurably(`${path}.new`, textOf(next), ONLY_OWNER);
    if (existsSync(path)) linkSync(path, `${path}.old`);
    writeDurably(`${path}.pending`, textOf(current ?? NOTHING, pending), ONLY_OWNER);
    renameSync(`${path}.pending`, path);
  } catch (error) {
    removeLeftovers(configDir);
    throw error instanceof Failure ? error : fileFailure("write", path, error);
  }
}

const NO_FILES: Files = { "srs-recipients.regexp": undefined, "master.cf": undefined, "main.cf": undefined };
const NOTHING: SetupRecord = { parts: [], before: NO_FILES, made: NO_FILES };

function textOf({ parts, before, made, silentMilters }: SetupRecord, pending?: Pending): string {
  return `${JSON.stringify({ version: VERSION, parts, before, made, silentMilters, pending })}\n`;
}

/** Makes the prepared record the one that counts. */
export function endReplacing(configDir: string): void {
  const path = recordPath(configDir);
  if (existsSync(`${path}.new`)) renameSync(`${path}.new`, path);
  else rmSync(path, { force: true });
  removeLeftovers(configDir);
}

/** Gives the record back that was there before beginReplacing. */
export function cancelReplacing(configDir: string): void {
  const path = recordPath(configDir);
  if (existsSync(`${path}.old`)) renameSync(`${path}.old`, path);
  else rmSync(path, { force: true });
  removeLeftovers(configDir);
}

function removeLeftovers(configDir: string): void {
  for (const end of ["new", "old", "pending"]) rmSync(`${recordPath(configDir)}.${end}`, { force: true });
}
