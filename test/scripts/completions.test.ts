/** Tests the completions in the shells themselves: what they offer at the end of a command line. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { completions } from "../../scripts/completions.ts";
import { writeFiles } from "../../scripts/extras.ts";
import { COMMANDS } from "../../src/commands/table.ts";
import { scratch } from "../helpers/daemon.ts";
import { requirePrograms } from "../helpers/requires.ts";

const ROOT = join(import.meta.dirname, "../..");

/** A shell: how it is made to print what it offers, a word on a line. `$1` is the line, `$2` our file. */
const SHELLS: Readonly<Record<string, { readonly file: string; readonly script: string; readonly args: string[] }>> = {
  bash: {
    file: "bash/postvouch",
    args: ["--norc", "-c"],
    script: `. "$2"
compopt() { :; } # works only below a key press
read -ra COMP_WORDS <<<"$1"
case "$1" in *' ') COMP_WORDS+=("") ;; esac
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
$(complete -p postvouch | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "\${COMPREPLY[@]}"`,
  },
  zsh: {
    file: "zsh/_postvouch",
    args: ["-f", "-c"],
    // A second zsh at a terminal of its own, where Tab is pressed.
    script: `zmodload zsh/zpty
export ZDOTDIR=\${2:h:h}
zpty shell zsh -d -i
zpty -r -m shell all '*<ready>*'
zpty -n -w shell "$1"$'\\t'
zpty -r -m shell all '*</offered>*'
print -r -- "\${\${all##*<offered>}%%</offered>*}"`,
  },
  fish: {
    file: "fish/postvouch.fish",
    args: ["--no-config", "-c"],
    script: "source $argv[2]; complete -C $argv[1]",
  },
};

/** What the second zsh reads at its start. It prints each match as it is added. */
const ZSHRC = `PROMPT=
fpath=($ZDOTDIR/zsh $fpath)
autoload -Uz compinit
compinit -D -u
bindkey '^I' complete-word
at_start() { print '<offered>' }
at_end() { print '</offered>'; exit }
compprefuncs=(at_start)
comppostfuncs=(at_end)
compadd() {
  if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
    local -a hits
    builtin compadd -A hits "$@"
    (( $#hits )) && print -rl -- $hits
  fi
  builtin compadd "$@"
}
zle-line-init() { print '<ready>' }
zle -N zle-line-init
`;

/** @returns what the shell offers, sorted, without the descriptions of fish and zsh */
function offered(shell: string, line: string): string[] {
  using dir = scratch();
  writeFiles(dir.path, { ...completions(), ".zshrc": ZSHRC });
  const { file = "", script = "", args = [] } = SHELLS[shell] ?? {};
  const path = join(dir.path, file);
  // bash and zsh name what comes after the script $0 first.
  const operands = shell === "fish" ? [line, path] : ["shell", line, path];
  const { stdout, stderr } = spawnSync(shell, [...args, script, ...operands], {
    cwd: ROOT,
    encoding: "utf8",
    timeout: 10_000,
  });
  expect(stderr).toBe("");
  const words = stdout.split(/\r?\n/).map((one) => one.replace(/\t.*/, ""));
  return [...new Set(words)].filter((word) => word !== "").sort();
}

const NAMES = Object.keys(COMMANDS);
const firstWords = [...new Set(NAMES.map((name) => name.replace(/ .*/, "")))];
const verbs = (group: string): string[] =>
  NAMES.flatMap((name) => (name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : []));
const optionsOf = (name: string): string[] => [...(COMMANDS[name]?.options ?? []), "help"].map((name) => `--${name}`);

const WORDS: readonly { readonly line: string; readonly words: readonly string[] }[] = [
  { line: "postvouch ", words: firstWords },
  { line: "postvouch s", words: firstWords.filter((word) => word.startsWith("s")) },
  { line: "postvouch srs ", words: verbs("srs") },
  { line: "postvouch srs --config x f", words: ["forward"] },
  { line: "postvouch help ", words: [...new Set([...firstWords.filter((word) => word !== "help"), ...verbs("help")])] },
  { line: "postvouch --v", words: ["--version"] },
  { line: "postvouch spf --h", words: ["--helo", "--help"] },
  { line: "postvouch spf --ip serve --e", words: ["--explain"] },
  { line: "postvouch spf --ip ", words: [] },
  { line: "postvouch serve --config README", words: ["README.md"] },
];

describe.each(Object.keys(SHELLS))("%s", (shell) => {
  const missing = requirePrograms(shell);

  test.skipIf(missing !== undefined).each(WORDS)("$line", ({ line, words }) => {
    // Options are offered after a dash alone in zsh and fish, and always in bash.
    const isOption = (word: string) => word.startsWith("-") && !line.endsWith(word.slice(0, 3));
    const got = offered(shell, line).filter((word) => / -\S*$/.test(line) || !isOption(word));
    expect(got).toEqual([...words].sort());
  });

  test.skipIf(missing !== undefined || shell === "zsh").each(NAMES)("%s --", (name) => {
    expect(offered(shell, `postvouch ${name} --`)).toEqual(optionsOf(name).sort());
  });
});
