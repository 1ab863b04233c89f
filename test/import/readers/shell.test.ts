/** Compares our reading of /etc/default/postsrsd with that of the shell that Debian's launcher runs. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LAUNCHER_VARIABLES } from "../../../src/import/readers/postsrsd1.ts";
import { evaluateShell } from "../../../src/import/readers/shell.ts";
import type { Programs } from "../../../src/import/readers/shell-programs.ts";
import { scratch } from "../../helpers/daemon.ts";
import { skipReason } from "../../helpers/requires.ts";

const LAUNCHER = "/usr/share/postsrsd/postsrsd-systemd-launcher";
const DEFAULTS = "/etc/default/postsrsd";

/** The arguments of the launcher's last line, in its order. */
const ARGUMENTS = ["FORWARD_PORT", "REVERSE_PORT", "DOMAIN", "SECRET", "SEPARATOR", "HASHLENGTH", "HASHMIN"]
  .map((name) => `SRS_${name}`)
  .concat("RUN_AS", "SRS_LISTEN_ADDR", "CHROOT", "SRS_EXCLUDE_DOMAINS");

/** Files that both read. `DIR` is a directory with the files `list`, `commented` and `table`. */
const FILES: Readonly<Record<string, string>> = {
  "what Debian ships": existsSync(DEFAULTS) ? readFileSync(DEFAULTS, "utf8") : "",
  "an empty file": "",
  "a file without its last line end": "SRS_DOMAIN=example.com",
  comments: "# SRS_DOMAIN=no.example\n  # no\nSRS_DOMAIN=a.example # yes\nSRS_SECRET=/x#y\nSRS_SEPARATOR='#' #\n",
  quotes: `SRS_DOMAIN="a.example"\nSRS_EXCLUDE_DOMAINS='b.example c.example'\nSRS_SECRET="/etc/"'my '"secret"\n`,
  "quotes in quotes": `SRS_SECRET="it's"\nSRS_DOMAIN='say "x"'\nCHROOT="a\\"b\\\\c\\$d\\x"\nRUN_AS=a\\ b\\'c\n`,
  "lines that go on": "SRS_EXCLUDE_DOMAINS=a.example,\\\nb.example\nSRS_SECRET=\"/a\\\n/b\"\nCHROOT='/a\\\nb'\n",
  "a value over lines": 'SRS_EXCLUDE_DOMAINS="a.example\nb.example\n\tc.example\n"\nSRS_DOMAIN=x.example\n',
  "several on a line": "SRS_DOMAIN=a.example SRS_SECRET=/s; SRS_HASHLENGTH=5;SRS_HASHMIN=5\n",
  "the separator as Debian writes it": "SRS_SEPARATOR==\n",
  variables: "D=example.com\nSRS_DOMAIN=srs.$D\nSRS_EXCLUDE_DOMAINS=\"$D ${D}.au .$D\"\nSRS_SECRET='$D'\n",
  "variables that are not set": 'SRS_DOMAIN=a$NOPE.example\nSRS_SECRET="${NOPE}/x"\nSRS_SEPARATOR=$\nCHROOT=$/x\n',
  defaults:
    "SRS_DOMAIN=${X:-a.example}\nSRS_SECRET=${RUN_AS:+/s}\nCHROOT=${X-/c}${RUN_AS-/d}\nE=\nRUN_AS=${E:-e}${E-f}\n",
  "defaults that assign": ": ${Q:=q.example}\nSRS_DOMAIN=$Q\nSRS_SECRET=${R=/r}$R\n",
  "defaults in quotes":
    'SRS_DOMAIN="${X:-\'a\'}"\nSRS_SECRET=${X:-\'a b\'}\nCHROOT="${X:-"c d"}"\nRUN_AS=${X:-$CHROOT}\n',
  lengths: "SRS_HASHLENGTH=${#SRS_SECRET}\n",
  "an own value in the new one":
    'SRS_EXCLUDE_DOMAINS="a.example"\nSRS_EXCLUDE_DOMAINS="$SRS_EXCLUDE_DOMAINS b.example"\n',
  "a list from a file": 'SRS_EXCLUDE_DOMAINS="$(cat DIR/list)"\n',
  "a list from a file, bare": "SRS_EXCLUDE_DOMAINS=$(cat DIR/list)\n",
  "a list in backquotes": 'SRS_EXCLUDE_DOMAINS=`cat DIR/list DIR/table`\nCHROOT="`cat \\"DIR/list\\"`"\n',
  "a list by its own variable": 'F=DIR/list\nSRS_EXCLUDE_DOMAINS="$(cat "$F")"\nCHROOT=$(cat $F)\n',
  "a list on one line": "SRS_EXCLUDE_DOMAINS=$(tr '\\n' ' ' <DIR/list)\nCHROOT=$(cat DIR/list | tr -s '\\n' ,)\n",
  "a list without comments": "SRS_EXCLUDE_DOMAINS=\"$(grep -v '^#' DIR/commented | paste -sd, -)\"\n",
  "a column of a table":
    "SRS_EXCLUDE_DOMAINS=$(awk '{print $1}' DIR/table | sort -u | xargs)\nCHROOT=$(cut -d' ' -f1 DIR/table)\n",
  "lists joined": 'SRS_EXCLUDE_DOMAINS="$(cat DIR/list),$(paste -sd, DIR/table)"\nCHROOT=$(sort DIR/list | uniq)\n',
  "letters to lower case":
    "SRS_DOMAIN=$(echo A.Example | tr A-Z a-z)\nCHROOT=$(echo -n aab | tr -d b)\nRUN_AS=$(echo a  b)\n",
  "Postfix's names":
    "SRS_DOMAIN=srs.$(postconf -h mydomain)\nSRS_EXCLUDE_DOMAINS=`postconf -h mydestination 2>/dev/null`\n",
  alternatives: 'SRS_DOMAIN=$(false || echo a.example)\nCHROOT=$(true && echo b)\nRUN_AS="$(echo c || echo d)"\n',
  "another file": ". DIR/more\nSRS_DOMAIN=$MORE\n",
  tests: '[ -r DIR/list ] && SRS_DOMAIN=a.example\n[ -f DIR/nope ] && CHROOT=/no\ntest -n "$NOPE" || RUN_AS=r\n',
  "tests of text":
    '[ "$RUN_AS" = postsrsd ] && SRS_DOMAIN=a.example\n! [ -z "$RUN_AS" ] && CHROOT=c\n[ a != a ] || RUN_AS=x\n',
  exports: "export SRS_DOMAIN=a.example\nexport SRS_SECRET CHROOT=/c\nreadonly RUN_AS=r\nSRS_HASHMIN=6 export X=1\n",
  "export of blanks": 'V="a b"\nexport SRS_DOMAIN=$V\nexport CHROOT="$V" RUN_AS=\'c d\'\n',
  unset: "SRS_DOMAIN=a\nunset SRS_DOMAIN SRS_SECRET\n",
  "a blank without quotes": "SRS_EXCLUDE_DOMAINS=a.example b.example\nSRS_DOMAIN=x.example\n",
  "a blank behind a comma": "SRS_EXCLUDE_DOMAINS=a.example, b.example\n",
  "blanks around the sign": "SRS_DOMAIN = a.example\nSRS_SECRET= /x\n",
  "a variable for one program": "SRS_DOMAIN=a.example true\nSRS_SECRET=/s :\nCHROOT=/c $NOPE\n",
  "a sign of another shell": "SRS_DOMAIN+=x\nSRS_SECRET=$'a'\nCHROOT=$\"b\"\nRUN_AS={a,b}\n",
  "line ends of Windows": 'SRS_DOMAIN=a.example\r\nSRS_SECRET="/s"\r\n\r\n# x\r\n',
  "letters beyond ASCII": "SRS_EXCLUDE_DOMAINS='bücher.example'\nCHROOT=\"ü\"\n",
  "input that is not there": "SRS_DOMAIN=a </nowhere/at/all\nCHROOT=/c; echo </nowhere/at/all || RUN_AS=r\n",
  "an early return": "SRS_DOMAIN=a.example\nreturn\nSRS_DOMAIN=b.example\n",
  "stars and question marks": "SRS_EXCLUDE_DOMAINS=*.example\nCHROOT='?'\nRUN_AS=\"[a]\"\n",
  "extra options": 'SRS_EXTRA_OPTIONS="-A  -t600\t-Xa.example"\n',
};

const files = {
  list: "one.example\ntwo.example\n\n",
  commented: "# ours\none.example\n#two.example\nthree.example\n",
  table: "b.example OK\na.example  x y\nb.example OK\n",
  more: "MORE=more.example\nCHROOT=/more\n",
};

const missing = existsSync(LAUNCHER) ? undefined : skipReason("Cannot run: postsrsd not installed");

/** What the launcher makes of a file: the variables, as the arguments show them. */
function launch(dir: string): Record<string, string> | number | null {
  const script = readFileSync(LAUNCHER, "utf8").replaceAll("/etc/default/postsrsd", `${dir}/default`);
  const exec = /^exec \S+ \$\{SRS_EXTRA_OPTIONS\}/m;
  expect(script).toMatch(exec);
  const { status, stdout } = spawnSync("sh", ["-c", script.replace(exec, "exec args")], {
    env: { PATH: `${dir}:/usr/bin:/bin`, LC_ALL: "C.UTF-8" },
    encoding: "utf8",
  });
  if (status !== 0) return status;
  const values = stdout.split("\0");
  return Object.fromEntries(ARGUMENTS.map((name, index) => [name, values[index] ?? ""]));
}

/** A directory with the files, a postconf, and the program that is started instead of postsrsd. */
function laidOut(text: string) {
  const dir = scratch();
  for (const [name, content] of Object.entries(files)) dir.write(name, content);
  dir.write("postconf", '#!/bin/sh\n[ "$2" = mydomain ] && echo my.example || echo "a.example, b.example"\n', 0o755);
  const args = `while [ $# -gt 1 ]; do printf '%s\\0' "$2"; shift 2; done; printf '%s\\0' "\${1#-X}"`;
  dir.write("args", `#!/bin/sh\n${args}\n`, 0o755);
  dir.write("default", text.replaceAll("DIR", dir.path));
  return dir;
}

const PROGRAMS: Programs = {
  readFile: (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
  postconf: (name) => (name === "mydomain" ? "my.example" : "a.example, b.example"),
  hostname: "mx.my.example",
};

function evaluate(text: string): Record<string, string> {
  const preset = { ...LAUNCHER_VARIABLES, SRS_DOMAIN: "my.example" };
  const { variables } = evaluateShell(text, preset, PROGRAMS);
  return Object.fromEntries(ARGUMENTS.map((name) => [name, variables.get(name)?.value ?? ""]));
}

describe.skipIf(missing !== undefined)(`a file is read as the launcher's shell reads it ${missing ?? ""}`, () => {
  test.each(Object.entries(FILES))("%s", (_name, text) => {
    using dir = laidOut(text);
    const theirs = launch(dir.path);
    expect(evaluate(readFileSync(join(dir.path, "default"), "utf8"))).toEqual(theirs);
  });

  test.each([
    ["a quote without end", 'SRS_DOMAIN="a.example\nSRS_SECRET=/s\n', 'default:1: the closing " is missing'],
    ["a list of another shell", "\nSRS_EXCLUDE_DOMAINS=(a b)\n", '2: "(" unexpected'],
    ["a bracket too many", "SRS_DOMAIN=a)\n", '1: ")" unexpected'],
    ["two semicolons", "SRS_DOMAIN=a;;\n", '";" unexpected'],
    ["a substitution without end", "SRS_DOMAIN=$(cat /etc/mailname\n", "the closing ) is missing"],
    ["braces without end", "SRS_DOMAIN=${A:-b\n", "the closing } is missing"],
    ["a file that is not there", ". /nowhere/at/all\n", 'Cannot read "/nowhere/at/all", and the shell would end'],
    ["a name that is none", "export a-b=c\n", '"a-b=c" is no name of a variable'],
    ["the input of a builtin that is not there", ": </nowhere/at/all\n", "and the shell would end here"],
    ["a lone exclamation mark", "!", "the end of the file unexpected"],
    ["a variable that must be set", "SRS_DOMAIN=${NOPE:?}\n", "NOPE is not set"],
  ])("no shell reads %s, and neither do we", (_name, text, says) => {
    using dir = laidOut(text);
    expect(launch(dir.path)).not.toEqual(expect.any(Object));
    const [, line = "", words = ""] = /^(?:.*?(\d+): )?(.*)$/.exec(says) ?? [];
    expect(() => evaluate(text)).toThrow(words);
    if (line !== "") expect(() => evaluate(text)).toThrow(expect.objectContaining({ line: Number(line) }));
  });
});

describe("more than settings is refused, and named", () => {
  test.each([
    ["if true; then\nSRS_DOMAIN=a\nfi\n", 'Cannot read "if"'],
    ["for i in a b; do :; done\n", 'Cannot read "for"'],
    ["f() { :; }\n", "Cannot read a function"],
    ["(SRS_DOMAIN=a)\n", 'Cannot read "("'],
    ["SRS_HASHLENGTH=$((2+2))\n", 'Cannot read "$((" (arithmetic)'],
    ["SRS_DOMAIN=${A%%.*}\n", 'Cannot read "${A%"'],
    ["SRS_DOMAIN=$1\n", 'Cannot read "$1"'],
    ["SRS_SECRET=~/s\n", 'Cannot read "~"'],
    ["eval SRS_DOMAIN=a\n", 'Cannot read "eval"'],
    ["exit 0\n", 'Cannot read "exit"'],
    ["sleep 1 &\n", 'Cannot read "&"'],
    ["hostname >/dev/null\n", 'Cannot read ">/dev/null"'],
    ["id && SRS_DOMAIN=a\n", 'Cannot read "&&": only a run would tell'],
    ["SRS_EXCLUDE_DOMAINS=$(mysql -N -e 'select 1')\n", 'Cannot tell what "mysql -N -e select 1" prints'],
    ["SRS_EXCLUDE_DOMAINS=$(sed s/a/b/ /etc/hostname)\n", 'Cannot tell what "sed s/a/b/ /etc/hostname" prints'],
    ["SRS_EXCLUDE_DOMAINS=$(cat /nowhere/x)\n", 'Cannot read "/nowhere/x"'],
    ["SRS_EXCLUDE_DOMAINS=$(cat -n /etc/hostname)\n", 'Cannot tell what "cat -n /etc/hostname" prints'],
    ["A=$(cat <<X\nb\nX\n)\n", "Cannot read"],
    [`A=${"$(echo ".repeat(30)}x${")".repeat(30)}\n`, "nested too deeply"],
  ])("%s", (text, says) => {
    expect(() => evaluate(text)).toThrow(says);
  });
});
