/** Reads from Postfix what an import needs: its parameters, and the programs that it runs for SPF. */
import { type PostfixCommand, type PostfixRun, runPostfix } from "../../postfix/run.ts";
import { EXIT, Failure } from "../../process/exit.ts";

export interface PostfixFacts {
  readonly command: PostfixCommand;
  /** Every parameter as `postconf -h` prints it. */
  readonly written: ReadonlyMap<string, string>;
  /** Every parameter with its `$name` expanded. */
  readonly expanded: ReadonlyMap<string, string>;
  /** master.cf, a service on a line. */
  readonly services: string;
  /** The command lines of services that spawn(8) runs, by name. */
  readonly spawned: ReadonlyMap<string, readonly string[]>;
}

/**
 * Asks postconf.
 *
 * @returns `absent` with the reason if there is no Postfix
 * @throws {Failure} when Postfix is there and cannot read its files
 */
export async function readPostfix(command: PostfixCommand): Promise<PostfixFacts | { readonly absent: string }> {
  const first = await runPostfix("postconf", [], "", command);
  if (first.status === "failed" && first.reason.includes("no such program")) return { absent: first.reason };
  const written = parameters(output(first));
  if (!written.has("mydomain")) {
    throw new Failure(EXIT.unavailable, ['Cannot ask Postfix: postconf ended well and printed no "mydomain"']);
  }
  const [expanded, services] = await Promise.all(
    ["-x", "-M"].map((option) => runPostfix("postconf", [option], "", command)),
  );
  return {
    command,
    written,
    expanded: parameters(output(expanded)),
    services: output(services),
    spawned: spawnedBy(output(services)),
  };
}

/** The text of all settings, those of single services in master.cf too. */
export function settingsOf({ expanded, services }: PostfixFacts): string {
  return [...expanded.values(), services].join("\n");
}

function output(run: PostfixRun | undefined): string {
  if (run === undefined) return "";
  if (run.status === "failed") throw new Failure(EXIT.unavailable, [`Cannot ask Postfix: ${run.reason}`]);
  if (run.exitCode === 0) return run.stdout;
  const fatal = run.stderr.split("\n").filter((line) => !/: warning: /.test(line) && line !== "");
  throw new Failure(EXIT.unavailable, [`Cannot ask Postfix: ${fatal.join("; ") || run.stderr.trim()}`]);
}

function parameters(text: string): Map<string, string> {
  const lines = text.split("\n").map((line) => /^(\S+) =(.*)$/.exec(line));
  return new Map(
    lines.flatMap((match) => (match === null ? [] : [[match[1] ?? "", (match[2] ?? "").trim()] as const])),
  );
}

function spawnedBy(services: string): Map<string, readonly string[]> {
  const spawned = new Map<string, readonly string[]>();
  for (const line of services.split("\n")) {
    const [, name, argv] = /^(\S+)\s+\S+(?:\s+\S+){5}\s+spawn\s(?:.*\s)?argv=(.+)$/.exec(line) ?? [];
    if (name !== undefined && argv !== undefined) spawned.set(name, argv.trim().split(/\s+/));
  }
  return spawned;
}
