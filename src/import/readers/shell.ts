/**
 * Evaluates the variables that a shell script sets, as dash would for the launcher of postsrsd 1.x, without running
 * anything. Programs whose output becomes a value are imitated (shell-programs.ts) or refused. Other programs cannot
 * change a variable of the shell, so they are only reported.
 */
import { imitate, type Programs } from "./shell-programs.ts";
import {
  type Assignment,
  type ListItem,
  type Part,
  parseShell,
  ShellError,
  type SimpleCommand,
  type Word,
} from "./shell-syntax.ts";

/** A variable and the line that set it; 0 for one that was there before. */
export interface Variable {
  readonly value: string;
  readonly line: number;
}

export interface Evaluated {
  readonly variables: ReadonlyMap<string, Variable>;
  /** The variables whose values are used in others. */
  readonly used: ReadonlySet<string>;
  /** What happens in a line other than it seems. */
  readonly remarks: readonly { readonly line: number; readonly text: string }[];
}

/** Builtins after which variables or the flow may be others than they seem. */
const STATEFUL = new Set(
  ["eval", "read", "shift", "set", "trap", "cd", "alias", "local", "command", "getopts", "exec", "exit"].concat(
    "source",
    "wait",
    "break",
    "continue",
  ),
);

/** Special builtins keep the assignments before them (POSIX XCU 2.14). */
const SPECIAL = new Set([":", ".", "export", "readonly", "unset", "return"]);

/** Longest value, in characters: each line could double the one before. */
const MAX_VALUE = 1 << 20;

/** Files that name each other in a circle end here. */
const MAX_SOURCED = 5;

/**
 * Evaluates a script.
 *
 * @param preset variables that are set before it runs
 * @throws {ShellError} for text that no shell reads, or that is more than settings
 */
export function evaluateShell(text: string, preset: Readonly<Record<string, string>>, programs: Programs): Evaluated {
  const evaluation = new Evaluation(preset, programs);
  evaluation.run(parseShell(text));
  return evaluation;
}

/** The end of the file by `return`. */
const RETURNED = Symbol("returned");

class Evaluation implements Evaluated {
  readonly variables = new Map<string, Variable>();
  readonly used = new Set<string>();
  readonly remarks: { line: number; text: string }[] = [];
  readonly #programs: Programs;
  #sourced = 0;

  constructor(preset: Readonly<Record<string, string>>, programs: Programs) {
    for (const [name, value] of Object.entries(preset)) this.variables.set(name, { value, line: 0 });
    this.#programs = programs;
  }

  run(list: readonly ListItem[]): void {
    try {
      this.#list(list);
    } catch (thrown) {
      if (thrown !== RETURNED) throw thrown;
    }
  }

  #list(list: readonly ListItem[]): void {
    /** The status of the last command: `undefined` if only running it would tell. */
    let succeeded: boolean | undefined = true;
    for (const { join, negated, commands } of list) {
      const [command] = commands;
      if (command === undefined) continue;
      if (join !== ";" && succeeded === undefined) {
        throw new ShellError(command.line, `Cannot read "${join}": only a run would tell what comes before it`);
      }
      if ((join === "&&" && succeeded === false) || (join === "||" && succeeded === true)) continue;
      succeeded = commands.length > 1 ? this.#pipe(commands) : this.#command(command);
      if (negated && succeeded !== undefined) succeeded = !succeeded;
    }
  }

  /** Each program of a pipe has a shell of its own, so no variable changes. */
  #pipe(commands: readonly SimpleCommand[]): undefined {
    for (const { words, line } of commands) this.#report(line, this.#text(words[0] ?? [], line));
    return undefined;
  }

  #command({ assignments, words, input, line }: SimpleCommand): boolean | undefined {
    const [program, ...args] = this.#arguments(words, line);
    const file = input === undefined ? undefined : this.#text(input, line);
    if (file !== undefined && this.#programs.readFile(file) === undefined) {
      if (program === undefined || !SPECIAL.has(program)) return false;
      throw new ShellError(line, `Cannot read "${file}", and the shell would end here`);
    }
    if (program === undefined || SPECIAL.has(program)) for (const one of assignments) this.#assign(one);
    switch (program) {
      case undefined:
      case ":":
      case "true":
      case "echo":
      case "umask":
      case "ulimit":
        return true;
      case "false":
        return false;
      case "export":
      case "readonly":
        for (const arg of args) this.#export(arg, line);
        return true;
      case "unset":
        for (const arg of args) this.variables.delete(arg);
        return true;
      case "return":
        throw RETURNED;
      case ".":
        this.#source(args[0] ?? "", line);
        return true;
      case "[":
      case "test":
        return this.#test(program === "[" ? args.slice(0, -1) : args, line);
      default:
        if (STATEFUL.has(program)) throw new ShellError(line, `Cannot read "${program}": want settings NAME=value`);
        this.#report(line, program, assignments);
        return undefined;
    }
  }

  /** Of `export` and `readonly` dash splits no argument, since they are assignments. */
  #arguments(words: readonly Word[], line: number): string[] {
    const [name] = words[0] === undefined ? [] : this.#fields(words[0]);
    if (name !== "export" && name !== "readonly") return words.flatMap((word) => this.#fields(word));
    return words.map((word) => this.#text(word, line));
  }

  #report(line: number, program: string, assignments: readonly Assignment[] = []): void {
    const names = assignments.map(({ name }) => name).join(" and ");
    const ran = `runs "${program}" as a program`;
    this.remarks.push({
      line,
      text:
        names === ""
          ? `${ran}, which sets nothing (was it to be in quotes?)`
          : `a blank without quotes ends the value: the shell ${ran}, and sets ${names} for that alone`,
    });
  }

  #assign({ name, value, line }: Assignment): void {
    this.variables.set(name, { value: this.#text(value, line), line });
  }

  #export(arg: string, line: number): void {
    const equals = arg.indexOf("=");
    if (!/^[A-Za-z_][A-Za-z0-9_]*(?:=|$)/.test(arg)) {
      throw new ShellError(line, `"${arg}" is no name of a variable, and the shell would end here`);
    }
    if (equals > 0) this.variables.set(arg.slice(0, equals), { value: arg.slice(equals + 1), line });
  }

  #source(path: string, line: number): void {
    const text = this.#programs.readFile(path);
    if (text === undefined || ++this.#sourced > MAX_SOURCED) {
      throw new ShellError(line, `Cannot read "${path}", and the shell would end here`);
    }
    try {
      this.run(parseShell(text));
    } catch (error) {
      throw error instanceof ShellError ? new ShellError(line, `${path}:${error.line}: ${error.message}`) : error;
    }
  }

  #test(args: readonly string[], line: number): boolean {
    if (args.length === 1) return args[0] !== "";
    if (args[0] === "!") return !this.#test(args.slice(1), line);
    const [first = "", second = "", third] = args;
    if (third === undefined && /^-[efrs]$/.test(first)) {
      const text = this.#programs.readFile(second);
      return text !== undefined && (first !== "-s" || text !== "");
    }
    if (third === undefined && first === "-n") return second !== "";
    if (third === undefined && first === "-z") return second === "";
    if (args.length === 3 && second === "=") return first === third;
    if (args.length === 3 && second === "!=") return first !== third;
    throw new ShellError(line, `Cannot read the test "${args.join(" ")}"`);
  }

  /** The value of a word as it is assigned: neither split nor matched with files. */
  #text(word: Word, line: number): string {
    let text = "";
    for (const part of word) {
      text += this.#expand(part);
      if (text.length > MAX_VALUE) throw new ShellError(line, "a value is too long");
    }
    return text;
  }

  /** The arguments that a word becomes: what was expanded outside of quotes is split at blanks. */
  #fields(word: Word): string[] {
    const fields: string[] = [];
    let field: string | undefined;
    for (const part of word) {
      const text = this.#expand(part);
      if (part.quoted || part.kind === "text") {
        field = (field ?? "") + text;
        continue;
      }
      const pieces = text.split(/[ \t\n]+/);
      pieces.forEach((piece, index) => {
        if (index > 0 && field !== undefined) fields.push(field);
        if (index > 0) field = undefined;
        if (piece !== "") field = (field ?? "") + piece;
      });
    }
    return field === undefined ? fields : [...fields, field];
  }

  #expand(part: Part): string {
    if (part.kind === "text") return part.text;
    if (part.kind === "parameter") return this.#parameter(part);
    const { output, unknown } = this.#output(part.list, part.line);
    if (unknown !== undefined) throw new ShellError(part.line, unknown);
    return output.replaceAll("\0", "").replace(/\n+$/, "");
  }

  #parameter({ name, operator, word, line }: Extract<Part, { kind: "parameter" }>): string {
    const value = this.variables.get(name)?.value;
    this.used.add(name);
    if (operator === "") return value ?? "";
    if (operator === "#") return String((value ?? "").length);
    const isThere = value !== undefined && !(operator.startsWith(":") && value === "");
    const kind = operator.at(-1);
    if (kind === "+") return isThere ? this.#text(word, line) : "";
    if (isThere) return value;
    if (kind === "?") throw new ShellError(line, `${name} is not set, and the shell would end here`);
    const text = this.#text(word, line);
    if (kind === "=") this.variables.set(name, { value: text, line });
    return text;
  }

  /** The output of the commands in `$(…)`. */
  #output(list: readonly ListItem[], line: number): { output: string; unknown?: string } {
    let output = "";
    let succeeded = true;
    for (const { join, commands } of list) {
      if ((join === "&&" && !succeeded) || (join === "||" && succeeded)) continue;
      let input = "";
      for (const { assignments, words, input: file } of commands) {
        const argv = words.flatMap((word) => this.#fields(word));
        const path = file === undefined ? undefined : this.#text(file, line);
        const given = path === undefined ? input : this.#programs.readFile(path);
        const ran =
          given === undefined || assignments.length > 0
            ? { failed: `Cannot read "${path ?? argv[0]}", of which a value is made` }
            : imitate(argv, given, this.#programs);
        if ("failed" in ran) return { output, unknown: ran.failed };
        input = ran.output;
        succeeded = ran.succeeded;
      }
      output += input;
    }
    return list.length === 0 ? { output, unknown: `Cannot read an empty "$( )" in line ${line}` } : { output };
  }
}
