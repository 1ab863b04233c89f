/**
 * Finds a place for each key that signs: where it is, if the service will be able to read it there, and else a copy. The
 * records in DNS stay as they are.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { readPrivateKey } from "../../dkim/private-key.ts";
import { EXIT, errorCode, Failure, fileTrouble } from "../../process/exit.ts";
import { readRegularFile } from "../../process/regular-file.ts";
import { isOpenToAll, MAX_KEY_FILE_BYTES } from "../../setup/key-file.ts";
import type { Findings, Setting, TableSetting } from "../readers/finding.ts";
import type { FoundKey, KeySource } from "../readers/opendkim-keys.ts";
import type { NewFile } from "./write.ts";

/** Where keys are read and copied to. */
export interface KeyPlace {
  /** The directory of the copies, in the form of `dkim.sign.key_directory`. */
  readonly directory: string;
  /** The file of a path that the configuration names. */
  readonly at: (path: string) => string;
  /** Tells if the service will be able to read a file. */
  readonly isReadable: (path: string) => boolean;
}

export interface KeyCopy {
  readonly path: string;
  readonly content: Buffer;
}

export interface PlacedKeys {
  /** `[[dkim.sign.keys]]`. */
  readonly tables: readonly TableSetting[];
  readonly settings: readonly Setting[];
  readonly notes: readonly string[];
  readonly copies: readonly KeyCopy[];
  /** Number of keys that stay where they are. */
  readonly kept: number;
}

interface Placing extends KeyPlace {
  readonly tables: TableSetting[];
  readonly settings: Setting[];
  readonly notes: string[];
  readonly copies: Map<string, KeyCopy>;
  /** Files that were read, by their path: thousands of domains may have one. */
  readonly read: Map<string, ReadKey | string>;
  /** The files of the keys that are in `tables`, or that the directory alone names. */
  readonly files: Map<string, { readonly file: string; readonly isInTable: boolean }>;
  kept: number;
}

/** A key of a file or of a table. */
interface ReadKey {
  readonly content: Buffer;
  /** False if every user can read it where it is. */
  readonly isSafe: boolean;
  /** Its algorithm, or the reason for a key that cannot be used. */
  readonly key: { readonly algorithm: string } | string;
}

const MAX_NOTES = 100;

/** The names of copies that `dkim.sign.key_directory` finds, and of those that it does not. */
const FOUND_THERE = "private";
const NAMED = "pem";

/**
 * Reads all keys that were found, and places them. A key that cannot be used is said in `notes`.
 *
 * @throws {Failure} for a key that this process may not read
 */
export function placeKeys(found: readonly Findings[], place: KeyPlace): PlacedKeys {
  const placing: Placing = {
    ...place,
    tables: [],
    settings: [],
    notes: [],
    copies: new Map(),
    read: new Map(),
    files: new Map(),
    kept: 0,
  };
  const inDirectory = found.flatMap(({ signingKeys }) => signingKeys).filter((key) => placeSigner(key, placing));
  const [first] = inDirectory;
  if (first !== undefined) {
    const more = inDirectory.length === 1 ? "" : ` and ${inDirectory.length - 1} more`;
    placing.settings.push({
      key: "dkim.sign.key_directory",
      value: place.directory,
      from: `copies: the key of ${first.domain} (${first.where})${more}`,
    });
  }
  for (const { missedSenders } of found) for (const key of missedSenders) sayMissed(key, placing);
  for (const { sealingKey } of found) if (sealingKey !== undefined) placeSealer(sealingKey, placing);
  return { ...placing, notes: shortened(placing.notes), copies: [...placing.copies.values()] };
}

/** A table may have thousands of keys that are not there. */
function shortened(notes: readonly string[]): readonly string[] {
  const more = notes.length - MAX_NOTES;
  return more > 0 ? [...notes.slice(0, MAX_NOTES), `and ${more} more keys with such troubles`] : notes;
}

/** Places a key that signs. @returns true for a copy that the directory alone names */
function placeSigner(key: FoundKey, placing: Placing): boolean {
  const { domain, selector, from, where } = key;
  const isUsual = from.length === 1 && from[0] === domain;
  const target = join(placing.directory, domain, `${selector}.${isUsual ? FOUND_THERE : NAMED}`);
  const file = placeKey(key, target, placing);
  if (file === undefined) return false;
  const isInTable = file !== target || !isUsual;
  placing.files.set(nameOf(key), { file, isInTable });
  if (!isInTable) return true;
  placing.tables.push({ values: { domain, selector, file, from }, from: originOf(key, file === target, where) });
  return false;
}

function nameOf({ domain, selector, source }: FoundKey): string {
  return JSON.stringify([domain, selector, source]);
}

/** Says what to write for senders that never signed, if they are meant to. */
function sayMissed(key: FoundKey, { files, notes }: Placing): void {
  const { domain, selector, source, where } = key;
  const placed = files.get(nameOf(key));
  const names = `domain = "${domain}", selector = "${selector}"`;
  for (const sender of key.from) {
    // A key that the directory names signs for its own domain.
    if (placed?.isInTable === false && sender === domain) continue;
    const start = `${where}: If mail of ${sender} is to be signed,`;
    const file = placed?.file ?? ("path" in source ? source.path : "");
    const end = placed === undefined ? ", where file is one that the service can read" : "";
    notes.push(
      placed?.isInTable === true
        ? `${start} add "${sender}" to from of the [[dkim.sign.keys]] with ${names}`
        : `${start} add a [[dkim.sign.keys]] with ${names}, file = "${file}", from = ["${sender}"], each on a line of its own${end}`,
    );
  }
}

function placeSealer(key: Omit<FoundKey, "from">, placing: Placing): void {
  const { domain, selector, where } = key;
  const target = join(placing.directory, "arc", `${domain}.${selector}.${NAMED}`);
  const file = placeKey(key, target, placing, "rsa-sha256");
  if (file === undefined) return;
  const from = originOf(key, file === target, where);
  const values = { "arc.domain": domain, "arc.selector": selector, "arc.file": file } as const;
  for (const [name, value] of Object.entries(values))
    placing.settings.push({ key: name as keyof typeof values, value, from });
}

function originOf({ source }: Pick<FoundKey, "source">, isCopy: boolean, where: string): string {
  return `${isCopy ? `a copy of ${shownSource(source)}, ` : ""}${where}`;
}

function shownSource(source: KeySource): string {
  return "path" in source ? source.path : "the key in the table";
}

/**
 * Checks a key, and copies it if it must be.
 *
 * @returns the path that the configuration gets; `undefined` for a key that cannot be used
 */
function placeKey(
  { source, where, domain, selector }: Omit<FoundKey, "from">,
  target: string,
  placing: Placing,
  wanted?: "rsa-sha256",
): string | undefined {
  const read = readKey(source, where, placing);
  const key = typeof read === "string" ? read : read.key;
  const problem =
    typeof key === "string" || wanted === undefined || key.algorithm === wanted ? key : "want an RSA key to seal with";
  if (typeof read === "string" || typeof problem === "string") {
    placing.notes.push(
      `${where}: Cannot use ${shownSource(source)}, the key ${selector} of ${domain}: ${String(problem)}; it is left out, so what it signed is not signed`,
    );
    return undefined;
  }
  if ("path" in source && read.isSafe && placing.isReadable(source.path)) {
    placing.kept += 1;
    return source.path;
  }
  if ("path" in source && !read.isSafe)
    placing.notes.push(`${where}: ${source.path} is open to every user of that machine; the copy is not`);
  const other = placing.copies.get(target);
  if (other !== undefined && !read.content.equals(other.content)) {
    placing.notes.push(
      `${where}: ${shownSource(source)} is another key under the name ${selector} of ${domain}, of which DNS can have one alone; it is left out`,
    );
    return undefined;
  }
  placing.copies.set(target, { path: target, content: read.content });
  return target;
}

/** @returns the reason for a file that cannot be read */
function readKey(source: KeySource, where: string, placing: Placing): ReadKey | string {
  if (!("path" in source)) {
    const content = Buffer.from(pemOf(source.text));
    return { content, isSafe: false, key: kindOf(content) };
  }
  const known = placing.read.get(source.path) ?? readKeyFile(source.path, where, placing);
  placing.read.set(source.path, known);
  return known;
}

/** What counts of a key. The key itself would be kept for each of thousands of files. */
function kindOf(content: Buffer): ReadKey["key"] {
  const key = readPrivateKey(content);
  return typeof key === "string" ? key : { algorithm: key.algorithm };
}

function readKeyFile(path: string, where: string, { at }: Placing): ReadKey | string {
  try {
    const { bytes, mode } = readRegularFile(at(path), MAX_KEY_FILE_BYTES);
    return { content: bytes, isSafe: !isOpenToAll(mode), key: kindOf(bytes) };
  } catch (error) {
    if (!["EACCES", "EPERM"].includes(errorCode(error))) return fileTrouble(error);
    throw new Failure(EXIT.noPermission, [`${where}: Cannot read "${path}": no permission; run it as root`], {
      cause: error,
    });
  }
}

/** A key as the table has it: PEM, or the base64 within. */
function pemOf(text: string): string {
  if (text.startsWith("-----")) return text;
  const lines = text.replace(/\s/g, "").match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

/**
 * The files to write for the copies, without those that are there already.
 *
 * @throws {Failure} for a file that is there with another key, and may not be replaced
 */
export function copiesToWrite(copies: readonly KeyCopy[], replaces: boolean): readonly NewFile[] {
  return copies.flatMap(({ path, content }) => {
    const there = contentIfThere(path);
    if (there?.equals(content) === true) return [];
    if (there !== undefined && !replaces) {
      throw new Failure(EXIT.cannotCreate, [
        `Cannot write "${path}": it exists, with another key; --force replaces it and keeps it as ${path}.old`,
      ]);
    }
    return [{ path, content, mode: 0o600, replaces, keepsOldAs: `${path}.old` }];
  });
}

function contentIfThere(path: string): Buffer | undefined {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    return readRegularFile(path, MAX_KEY_FILE_BYTES).bytes;
  } catch (error) {
    const isForbidden = ["EACCES", "EPERM"].includes(errorCode(error));
    throw new Failure(
      isForbidden ? EXIT.noPermission : EXIT.cannotCreate,
      [`Cannot write "${path}": ${fileTrouble(error)}`],
      {
        cause: error,
      },
    );
  }
}
