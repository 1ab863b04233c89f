/** Reads the private keys that sign mail: those of dkim.sign.key_directory and dkim.sign.keys, and that of arc.file. */
import type { Stats } from "node:fs";
import type { Config } from "../config/parameters.ts";
import type { ConfiguredKey } from "../dkim/keys.ts";
import { type PrivateKey, readPrivateKey } from "../dkim/private-key.ts";
import { isDomainName } from "../mail/names.ts";
import { join, readdirSync, statSync } from "../process/builtins.ts";
import { errorCode, fileTrouble } from "../process/exit.ts";
import { readRegularFile } from "../process/regular-file.ts";
import { isOpenToAll, MAX_KEY_FILE_BYTES } from "./key-file.ts";

/** A key and the file that it was read from. */
export interface KeyFile extends ConfiguredKey {
  readonly file: string;
}

export interface KeyFiles {
  /** The newest last: files of the directory by their time, then the list. */
  readonly keys: readonly KeyFile[];
  /** One line for each key that cannot be used. */
  readonly problems: readonly string[];
}

/** The key that only seals. */
const SEALER = "arc.file";
/** The endings of key files: ours, and opendkim-genkey's. */
const ENDINGS = /\.(?:key|private)$/;

/** Reads all keys. Never throws: a key that cannot be read is a problem. */
export function readKeyFiles(config: Config): KeyFiles {
  const problems: string[] = [];
  const listed = config["dkim.sign.keys"].map(({ domain, selector, file, from }, at) => ({
    place: `dkim.sign.keys[${at}]`,
    domain,
    selector,
    file,
    from: from ?? [domain],
  }));
  const directory = config["dkim.sign.key_directory"];
  const found = directory === "" ? [] : filesIn(directory, problems);
  const keys: KeyFile[] = [];
  for (const { place, ...key } of [...found, ...listed, ...sealer(config, problems)]) {
    const read = readFile(key.file);
    if (place === SEALER && typeof read !== "string" && read.algorithm !== "rsa-sha256") {
      problems.push(`${place}: Cannot use "${key.file}": want an RSA key, because few who read chains know ed25519`);
    } else if (typeof read === "string") problems.push(`${place}: Cannot use "${key.file}": ${read}`);
    else keys.push({ ...key, ...read });
  }
  return { keys, problems };
}

/** The key that only seals: it signs for no author. */
function sealer(config: Config, problems: string[]): FoundFile[] {
  const { "arc.file": file, "arc.domain": domain, "arc.selector": selector } = config;
  if (file === "") return [];
  if (domain !== "" && selector !== "") return [{ place: SEALER, domain, selector, file, from: [] }];
  problems.push(`arc.file: Cannot use "${file}": want arc.domain and arc.selector beside it`);
  return [];
}

/** The key and its algorithm, or the reason why it cannot sign. */
function readFile(file: string): PrivateKey | string {
  let bytes: Buffer;
  let mode: number;
  try {
    ({ bytes, mode } = readRegularFile(file, MAX_KEY_FILE_BYTES));
  } catch (error) {
    return fileTrouble(error);
  }
  return isOpenToAll(mode)
    ? `it is open to every user of this machine (mode 0${mode.toString(8)}), want 0600`
    : readPrivateKey(bytes);
}

interface FoundFile {
  readonly place: string;
  readonly domain: string;
  readonly selector: string;
  readonly file: string;
  readonly from: readonly string[];
}

/** The files named DOMAIN/SELECTOR.key or DOMAIN/SELECTOR.private, the newest last. Other names are left alone. */
function filesIn(directory: string, problems: string[]): FoundFile[] {
  const place = "dkim.sign.key_directory";
  const found: (FoundFile & { readonly timeMs: number })[] = [];
  for (const domain of list(directory, place, problems)) {
    if (!isDomainName(domain) || !domain.includes(".") || stateOf(join(directory, domain))?.isDirectory() !== true)
      continue;
    for (const name of list(join(directory, domain), place, problems)) {
      const selector = name.replace(ENDINGS, "");
      const file = join(directory, domain, name);
      if (selector === name || !isDomainName(`${selector}.x`)) continue;
      const timeMs = stateOf(file)?.mtimeMs ?? 0;
      found.push({ place, domain, selector, file, from: [domain], timeMs });
    }
  }
  return found.sort((a, b) => a.timeMs - b.timeMs || (a.file < b.file ? -1 : 1));
}

function list(directory: string, place: string, problems: string[]): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    problems.push(`${place}: Cannot read "${directory}": ${fileTrouble(error)}`);
    return [];
  }
}

/** `undefined` for what is not there or cannot be seen: reading it will tell. */
function stateOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (errorCode(error) === "") throw error;
    return undefined;
  }
}
