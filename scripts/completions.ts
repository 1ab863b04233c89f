/** Completions for bash, zsh and fish, from the table of commands. */
import { OPTIONS, type OptionName } from "../src/commands/call.ts";
import { COMMANDS } from "../src/commands/table.ts";

/** A word of the command line that takes another word, a command, or both. */
interface Word {
  /** The words before it, `srs forward`; empty for the program's own name. */
  readonly path: string;
  /** Words that may follow, and what they do. */
  readonly next: readonly (readonly [word: string, summary: string])[];
  readonly options: readonly OptionName[];
  /** True if operands are files. */
  readonly takesFiles: boolean;
}

/** Options of every command, beside its own. */
const EVERYWHERE: readonly OptionName[] = ["help"];

/** Options whose value is a file. */
const FILES: readonly OptionName[] = ["config"];

/** Texts by file name, as each shell looks for it. */
export function completions(): Record<string, string> {
  const words = commandLine();
  return { "bash/postvouch": bash(words), "zsh/_postvouch": zsh(words), "fish/postvouch.fish": fish(words) };
}

/** Every word that can be followed by another, the program itself first. */
function commandLine(): Word[] {
  const names = Object.keys(COMMANDS);
  const paths = new Set(names.flatMap((name) => name.split(" ").map((_, at, all) => all.slice(0, at + 1).join(" "))));
  const top = [...new Set([...paths].filter((path) => !path.includes(" ")))];
  const helpNext = top.filter((path) => path !== "help").map((path) => [path, summaryOf(path)] as const);
  return ["", ...new Set([...paths, "help"])].map((path) => {
    const { options, operands } = COMMANDS[path] ?? { options: path === "" ? ["version" as const] : [] };
    const next = [...paths, ...(path === "" && !paths.has("help") ? ["help"] : [])]
      .filter((other) => other !== path && other.replace(/ ?[^ ]*$/, "") === path)
      .map((other) => [other.replace(/.* /, ""), summaryOf(other)] as const);
    return {
      path,
      next: path === "help" ? [...next, ...helpNext] : next,
      options: [...options, ...EVERYWHERE],
      takesFiles: /FILE|PATH/.test(operands ?? ""),
    };
  });
}

function summaryOf(path: string): string {
  const own = COMMANDS[path]?.summary;
  if (own !== undefined) return own;
  if (path === "help") return "print the help of a command";
  const inGroup = Object.keys(COMMANDS).filter((name) => name.startsWith(`${path} `));
  return inGroup.map((name) => name.slice(path.length + 1)).join(", ");
}

function takesValue(option: OptionName): boolean {
  return OPTIONS[option].type === "string";
}

/** Options that have a value that is no file: nothing can be offered for it. */
function plainValues(): string[] {
  return (Object.keys(OPTIONS) as OptionName[]).filter((name) => takesValue(name) && !FILES.includes(name));
}

function dashed(options: readonly string[]): string[] {
  return options.map((option) => `--${option}`);
}

/** Leaves the words before the cursor that are no options and no values of options in `path`, in bash and zsh. */
function pathLoop(words: readonly Word[], first: string, array: string, end: string): string[] {
  const patterns = words.flatMap(({ path, next }) =>
    next.map(([word]) => `"${path === "" ? word : `${path} ${word}`}"`),
  );
  return [
    '  local given="" word skip=0',
    `  for word in "\${${array}[@]:${first}:$((${end}))}"; do`,
    '    if [ "$skip" = 1 ]; then skip=0; continue; fi',
    '    case "$word" in',
    `      ${dashed([...FILES, ...plainValues()]).join("|")}) skip=1; continue ;;`,
    "      -*) continue ;;",
    "    esac",
    `    case "\${given:+$given }$word" in`,
    `      ${[...new Set(patterns)].join("|")}) given="\${given:+$given }$word" ;;`,
    "    esac",
    "  done",
  ];
}

function bash(words: readonly Word[]): string {
  return `${[
    "# Completion of postvouch for bash.",
    "_postvouch() {",
    `  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"`,
    ...pathLoop(words, "1", "COMP_WORDS", "COMP_CWORD-1"),
    "  COMPREPLY=()",
    '  case "$prev" in',
    `    ${dashed(FILES).join("|")}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;`,
    `    ${dashed(plainValues()).join("|")}) return ;;`,
    "  esac",
    '  local offered="" files=0',
    '  case "$given" in',
    ...words.map(({ path, next, options, takesFiles }) => {
      const offered = [...next.map(([word]) => word), ...dashed(options)].join(" ");
      return `    "${path}") offered="${offered}"${takesFiles ? "; files=1" : ""} ;;`;
    }),
    "  esac",
    '  mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$cur")',
    '  if [ "$files" = 1 ] && [[ "$cur" != -* ]]; then',
    "    compopt -o filenames",
    `    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")`,
    "  fi",
    "}",
    "complete -F _postvouch postvouch",
  ].join("\n")}\n`;
}

function zsh(words: readonly Word[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  return `${[
    "#compdef postvouch",
    "# Completion of postvouch for zsh.",
    "_postvouch() {",
    ...pathLoop(words, "1", "words", "CURRENT-2"),
    '  case "$words[CURRENT-1]" in',
    `    ${dashed(FILES).join("|")}) _files; return ;;`,
    `    ${dashed(plainValues()).join("|")}) _message value; return ;;`,
    "  esac",
    "  local -a offered options",
    "  local files=0",
    '  case "$given" in',
    ...words.map(({ path, next, options, takesFiles }) => {
      const offered = next.map(([word, summary]) => quote(`${word}:${summary}`)).join(" ");
      const set = `offered=(${offered}); options=(${dashed(options).join(" ")})${takesFiles ? "; files=1" : ""}`;
      return `    "${path}") ${set} ;;`;
    }),
    "  esac",
    "  (( $#offered )) && _describe command offered",
    "  [[ $PREFIX == -* ]] && compadd -a options",
    "  (( files )) && _files",
    "}",
    '_postvouch "$@"',
  ].join("\n")}\n`;
}

function fish(words: readonly Word[]): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const patterns = words.flatMap(({ path, next }) =>
    next.map(([word]) => quote(path === "" ? word : `${path} ${word}`)),
  );
  const lines = words.flatMap(({ path, next, options, takesFiles }) => {
    const when = `complete -c postvouch -n ${quote(`test (__postvouch_path) = ${quote(path)}`)}`;
    return [
      ...next.map(([word, summary]) => `${when} -a ${word} -d ${quote(summary)}`),
      ...options.map(
        (option) => `${when} -l ${option}${!takesValue(option) ? "" : FILES.includes(option) ? " -rF" : " -x"}`,
      ),
      ...(takesFiles ? [`${when} -F`] : []),
    ];
  });
  return `${[
    "# Completion of postvouch for fish.",
    "function __postvouch_path",
    "  set -l path",
    "  set -l skip 0",
    "  for word in (commandline -opc)[2..]",
    "    if test $skip = 1",
    "      set skip 0",
    "      continue",
    "    end",
    "    switch $word",
    `      case ${dashed([...FILES, ...plainValues()]).join(" ")}`,
    "        set skip 1",
    "        continue",
    "      case '-*'",
    "        continue",
    "    end",
    "    set -l longer (string join ' ' $path $word)",
    `    if contains -- $longer ${[...new Set(patterns)].join(" ")}`,
    "      set path $longer",
    "    end",
    "  end",
    "  echo $path",
    "end",
    "complete -c postvouch -f",
    ...lines,
  ].join("\n")}\n`;
}
