/**
 * Imitates the programs of which files of settings make values: those that print a file or a name of the host, and
 * filters of lines. Each is as POSIX has it, for the options that are used so.
 */

/** What the imitations know of the host. */
export interface Programs {
  /** The text of a file; `undefined` if it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
  /** A parameter of main.cf as `postconf -h` prints it; `undefined` if Postfix is not asked. */
  readonly postconf: (name: string) => string | undefined;
  /** The system's name of the host. */
  readonly hostname: string;
}

export type Imitated = { readonly output: string; readonly succeeded: boolean } | { readonly failed: string };

type Filter = (args: readonly string[], input: string, programs: Programs) => string | undefined;

const FILTERS: Readonly<Record<string, Filter>> = {
  cat: (args, input, { readFile }) => filesOf(args, input, readFile),
  echo: (args) => {
    if (args.join("").includes("\\")) return undefined;
    return args[0] === "-n" ? args.slice(1).join(" ") : `${args.join(" ")}\n`;
  },
  true: () => "",
  ":": () => "",
  postconf: (args, _input, { postconf }) => {
    const [option, ...names] = args;
    if (option !== "-h" && option !== "-xh" && option !== "-hx") return undefined;
    const values = names.map(postconf);
    return values.includes(undefined) ? undefined : values.map((value) => `${value}\n`).join("");
  },
  hostname: (args, _input, { hostname }) => {
    const dot = hostname.indexOf(".");
    if (args.length === 0) return `${hostname}\n`;
    if (args.length > 1 || dot === -1) return undefined; // the rest is in /etc/hosts or DNS
    const long = { "-f": hostname, "--fqdn": hostname, "-d": hostname.slice(dot + 1), "-s": hostname.slice(0, dot) };
    const name = (long as Readonly<Record<string, string>>)[args[0] ?? ""];
    return name === undefined ? undefined : `${name}\n`;
  },
  sort: (args, input, { readFile }) => {
    const isUnique = args[0] === "-u";
    const text = filesOf(isUnique ? args.slice(1) : args, input, readFile);
    const lines = text === undefined ? undefined : linesOf(text).sort(byBytes);
    return lines && joined(isUnique ? [...new Set(lines)] : lines);
  },
  uniq: (args, input) => {
    const lines = linesOf(input);
    return args.length > 0 ? undefined : joined(lines.filter((line, index) => line !== lines[index - 1]));
  },
  xargs: (args, input) => {
    if (!(args.length === 0 || (args.length === 1 && args[0] === "echo")) || /["'\\]/.test(input)) return undefined;
    return `${input.split(/\s+/).filter(Boolean).join(" ")}\n`;
  },
  tr: (args, input) => translate(args, input),
  paste: (args, input, { readFile }) => {
    const [, one, two, rest = ""] = /^(?:-sd ?(\S)|-s -d ?(\S)) ?(.*)$/.exec(args.join(" ")) ?? [];
    const delimiter = one ?? two;
    const text = delimiter === undefined ? undefined : filesOf(rest.split(" ").filter(Boolean), input, readFile);
    return text && `${linesOf(text).join(delimiter)}\n`;
  },
  grep: (args, input, { readFile }) => {
    const [option = "", pattern = "", ...files] = args;
    const isComment = { "^#": /^#/, "^$": /^$/, "^[[:space:]]*#": /^\s*#/, "^ *#": /^ *#/, "#": /#/ }[pattern];
    const text = filesOf(files, input, readFile);
    if (option !== "-v" || isComment === undefined || text === undefined) return undefined;
    return joined(linesOf(text).filter((line) => !isComment.test(line)));
  },
  cut: (args, input, { readFile }) => {
    const [, delimiter, field, rest = ""] = /^-d ?(.) -f ?(\d+)(?: (.*))?$/.exec(args.join(" ")) ?? [];
    const text = field === undefined ? undefined : filesOf(rest.split(" ").filter(Boolean), input, readFile);
    if (text === undefined || delimiter === undefined) return undefined;
    return joined(
      linesOf(text).map((line) => (line.includes(delimiter) ? (line.split(delimiter)[Number(field) - 1] ?? "") : line)),
    );
  },
  awk: (args, input, { readFile }) => {
    const [, field] = /^\s*\{\s*print\s+\$(\d)\s*;?\s*\}\s*$/.exec(args[0] ?? "") ?? [];
    const text = field === undefined ? undefined : filesOf(args.slice(1), input, readFile);
    if (text === undefined) return undefined;
    const fieldOf = (line: string): string =>
      field === "0" ? line : (line.split(/[ \t]+/).filter(Boolean)[Number(field) - 1] ?? "");
    return joined(linesOf(text).map(fieldOf));
  },
};

/** The paths under which a program may be called. */
const DIRECTORY = /^(?:\/usr)?(?:\/local)?\/s?bin\//;

/** Gives the output of a program, or says that it is not known. */
export function imitate(argv: readonly string[], input: string, programs: Programs): Imitated {
  const [program = "", ...args] = argv;
  if (program === "false") return { output: "", succeeded: false };
  const name = program.replace(DIRECTORY, "");
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  const output = filter?.(args, input, programs);
  if (output !== undefined) return { output, succeeded: true };
  const shown = argv.join(" ");
  const unread = args.find((arg) => arg.startsWith("/") && programs.readFile(arg) === undefined);
  if (filter !== undefined && unread !== undefined)
    return { failed: `Cannot read "${unread}", of which "${shown}" makes the value` };
  return { failed: `Cannot tell what "${shown}" prints, and will not run it: write its output into the file instead` };
}

function filesOf(paths: readonly string[], input: string, readFile: Programs["readFile"]): string | undefined {
  if (paths.some((path) => /^-./.test(path) || /[*?[]/.test(path))) return undefined;
  const texts = (paths.length === 0 ? ["-"] : paths).map((path) => (path === "-" ? input : readFile(path)));
  return texts.includes(undefined) ? undefined : texts.join("");
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

const ESCAPES: Readonly<Record<string, string>> = { "\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\" };
const CLASSES: Readonly<Record<string, string>> = {
  "[:upper:]": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  "A-Z": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  "[:lower:]": "abcdefghijklmnopqrstuvwxyz",
  "a-z": "abcdefghijklmnopqrstuvwxyz",
  "[:space:]": " \t\n\v\f\r",
};

/** tr(1) for sets of single letters, and for the classes above. */
function translate(args: readonly string[], input: string): string | undefined {
  const [option = ""] = args;
  const sets = (/^-[ds]$/.test(option) ? args.slice(1) : args).map(setOf);
  const [from, to] = sets;
  if (from === undefined || sets.includes(undefined)) return undefined;
  if (option === "-d") return to === undefined ? [...input].filter((char) => !from.includes(char)).join("") : undefined;
  const last = to?.at(-1) ?? "";
  const mapped =
    to === undefined
      ? input
      : [...input].map((char) => (from.includes(char) ? (to[from.lastIndexOf(char)] ?? last) : char)).join("");
  if (option !== "-s") return to === undefined ? undefined : mapped;
  const squeezed = to ?? from;
  return [...mapped].filter((char, index, all) => char !== all[index - 1] || !squeezed.includes(char)).join("");
}

function setOf(text: string): string | undefined {
  const known = CLASSES[text];
  if (known !== undefined) return known;
  const plain = text.replace(/\\[ntr\\]/g, (letters) => ESCAPES[letters] ?? "");
  return /[[\]]|.-.|\\\w/.test(text.replace(/\\[ntr\\]/g, "")) || plain === "" ? undefined : plain;
}
