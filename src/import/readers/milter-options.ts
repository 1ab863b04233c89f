/**
 * Reads the files of OpenDKIM, OpenDMARC and OpenARC, which have one syntax (opendkim.conf(5)):
 *
 *     Name  value        # the rest of a line is a remark
 *
 * Names have no case, the last line of a name counts, and a value may hold blanks.
 */
import { nearest } from "../../collections/nearest.ts";
import { type Findings, type Host, ImportError, type Source } from "./finding.ts";

/** What becomes of an option: it is taken over, needs no counterpart, or has none, for a reason that the admin is told. */
type Fate = "taken" | "needless" | { readonly lacking: string };

export interface KnownOption {
  readonly type: "text" | "flag" | "number";
  readonly fate: Fate;
}

/** All options of a program, by the names of its manual page. */
export type KnownOptions = Readonly<Record<string, KnownOption>>;

export const TAKEN = {
  text: { type: "text", fate: "taken" },
  flag: { type: "flag", fate: "taken" },
  number: { type: "number", fate: "taken" },
} as const satisfies Readonly<Record<string, KnownOption>>;

export const NEEDLESS = {
  text: { type: "text", fate: "needless" },
  flag: { type: "flag", fate: "needless" },
  number: { type: "number", fate: "needless" },
} as const satisfies Readonly<Record<string, KnownOption>>;

/** Options that have no counterpart, for one reason. */
export function lacking(type: KnownOption["type"], reason: string): KnownOption {
  return { type, fate: { lacking: reason } };
}

/** A line that counts. */
interface Line {
  readonly value: string;
  readonly path: string;
  readonly line: number;
}

const INCLUDE = "Include";
/** As OpenDKIM has it. A file that includes itself ends here too. */
const MAX_DEPTH = 5;
/** Most files: each of those included may include others. */
const MAX_FILES = 100;
/** Most lines for which a name is guessed. */
const MAX_GUESSES = 20;

export class MilterOptions {
  /** The program, for sentences. */
  readonly program: string;
  readonly #path: string;
  readonly #lines: ReadonlyMap<string, Line>;

  constructor(program: string, path: string, lines: ReadonlyMap<string, Line>) {
    this.program = program;
    this.#path = path;
    this.#lines = lines;
  }

  has(name: string): boolean {
    return this.#lines.has(name);
  }

  /** The value; `undefined` without the option. */
  text(name: string): string | undefined {
    return this.#lines.get(name)?.value;
  }

  /** The value of an option that is on or off; `undefined` without it. Its first letter decides. */
  flag(name: string): boolean | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : readFlag(value);
  }

  /** The value of a number; `undefined` without it. */
  number(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : readNumber(value);
  }

  /** The place of an option, or the file without it. */
  where(name: string): string {
    const line = this.#lines.get(name);
    return line === undefined ? this.#path : `${line.path}:${line.line}`;
  }

  /** The origin for the comment beside a key. */
  origin(name: string): string {
    return this.has(name) ? `${name} (${this.where(name)})` : `${name} is not set in ${this.#path}`;
  }

  /** A path of the file as the program opens it. */
  at(path: string): string {
    return path.startsWith("/") ? path : `${(this.text("BaseDirectory") ?? "").replace(/\/+$/, "")}/${path}`;
  }
}

interface Reading {
  readonly program: string;
  readonly known: KnownOptions;
  readonly names: ReadonlyMap<string, string>;
  readonly host: Host;
  readonly findings: Findings;
  readonly lines: Map<string, Line>;
  files: number;
  /** Number of lines whose names are not known. */
  unknown: number;
}

/**
 * Reads a file and those that it includes, and says in `findings` what has no counterpart and what never had an effect.
 *
 * @param page the page of docs/ that has all options
 * @throws {ImportError} for a file that cannot be included
 */
export function readMilterOptions(
  program: string,
  known: KnownOptions,
  { source, host, findings, page }: { source: Source; host: Host; findings: Findings; page: string },
): MilterOptions {
  const names = new Map(Object.keys(known).map((name) => [name.toLowerCase(), name]));
  const reading: Reading = { program, known, names, host, findings, lines: new Map(), files: 0, unknown: 0 };
  readFile(source, reading, 0);
  const options = new MilterOptions(program, source.path, reading.lines);
  sayWhatIsLacking(options, reading, source.path, page);
  return options;
}

function readFile({ path, text }: Source, reading: Reading, depth: number): void {
  const { program, names, host, findings } = reading;
  reading.files += 1;
  for (const [index, whole] of text.split("\n").entries()) {
    const where = `${path}:${index + 1}`;
    const content = withoutBlanks(contentOf(whole));
    if (content === "") continue;
    const [word = ""] = content.split(/[ \t]/, 1);
    const value = withoutBlanks(content.slice(word.length));
    const name = names.get(word.toLowerCase());
    if (name === undefined) {
      reading.unknown += 1;
      const near = reading.unknown > MAX_GUESSES ? undefined : nearest(word.toLowerCase(), names.keys());
      const meant = near === undefined ? "" : ` (was ${names.get(near)} meant?)`;
      findings.note(
        where,
        `${word.slice(0, 100)} is no option of ${program} that is known here${meant}; it is left out`,
      );
    } else if (value === "") {
      findings.note(where, `${name} has no value: ${program} does not start with it; it is left out`);
    } else if (name === INCLUDE) {
      include(value, where, reading, depth);
    } else if (!isValue(value, reading.known[name])) {
      findings.note(where, `${name}: got "${value}": ${program} does not start with it; it is left out`);
    } else {
      reading.lines.set(name, { value, path, line: index + 1 });
    }
  }

  function include(file: string, where: string, { lines }: Reading, level: number): void {
    const base = new MilterOptions(program, path, lines);
    const included = host.readFile(base.at(file));
    if (included === undefined) throw new ImportError(`${where}: ${INCLUDE}: Cannot read "${file}"`);
    if (level === MAX_DEPTH || reading.files === MAX_FILES) {
      throw new ImportError(
        `${where}: ${INCLUDE}: "${file}" is one file too many: ${program} takes ${MAX_DEPTH} levels, and ${MAX_FILES} files are read here`,
      );
    }
    readFile({ path: base.at(file), text: included }, reading, level + 1);
  }
}

/** A text without blanks at its ends; a line may be as long as a file, so without a pattern that backtracks. */
function withoutBlanks(text: string): string {
  const isBlank = (at: number): boolean => text[at] === " " || text[at] === "\t";
  let [start, end] = [0, text.length];
  while (start < end && isBlank(start)) start += 1;
  while (end > start && isBlank(end - 1)) end -= 1;
  return text.slice(start, end);
}

/** A line up to its remark, its carriage return, or a NUL. */
function contentOf(line: string): string {
  return line.split(/[#\r\0]/, 1)[0] ?? "";
}

function isValue(value: string, known: KnownOption | undefined): boolean {
  if (known?.type === "flag") return readFlag(value) !== undefined;
  return known?.type !== "number" || readNumber(value) !== undefined;
}

function readFlag(value: string): boolean | undefined {
  if (/^[ty1]/i.test(value)) return true;
  return /^[fn0]/i.test(value) ? false : undefined;
}

/** A number as strtol(3) reads it. */
function readNumber(value: string): number | undefined {
  const [, sign, digits = ""] = /^([+-]?)(0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9]\d{0,9})$/i.exec(value) ?? [];
  if (sign === undefined) return undefined;
  const number = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return sign === "-" ? -number : number;
}

/** Says which options are not taken over, those for one reason together. */
function sayWhatIsLacking(options: MilterOptions, { known, findings }: Reading, path: string, page: string): void {
  const needless: string[] = [];
  for (const [name, { type, fate }] of Object.entries(known)) {
    const isOff = type === "flag" ? options.flag(name) === false : type === "number" && options.number(name) === 0;
    if (!options.has(name) || fate === "taken") continue;
    if (fate === "needless" || isOff) needless.push(name);
    else findings.note(options.where(name), `${name} has no counterpart: ${fate.lacking}`);
  }
  if (needless.length > 0) findings.note(path, `not needed here: ${needless.join(", ")} (docs/${page})`);
}
