/** The form of a check, and of what it finds. */
import type { Facts, PostfixFacts } from "./facts.ts";

/** `skipped`: the check does not apply here, or cannot know. */
export type Status = "ok" | "warning" | "error" | "skipped";

/** Something that is not right, or cannot be told. */
export interface Finding {
  readonly status: Exclude<Status, "ok">;
  /** One sentence without a full stop: what was found, and its effect. */
  readonly reason: string;
  /** The command, record or edit that mends it. */
  readonly mend?: string;
}

type Findings = readonly Finding[] | Promise<readonly Finding[]>;

/** @typeParam Needed the facts that it looks at */
export interface Check<Needed = Facts> {
  /** Lower-case words with hyphens. Programs rely on it. */
  readonly id: string;
  /** The right state as a sentence without a full stop: the reason of `ok`. */
  readonly right: string;
  /** What goes wrong otherwise, for docs/doctor.md. */
  readonly why: string;
  /** Returns what is not right; nothing if all is. May reject: the check is then skipped. */
  readonly run: (facts: Needed) => Findings;
}

/** The facts of `postvouch check-config`, which asks neither DNS nor any service. */
export type AdviceFacts = Pick<Facts, "setup" | "postfix" | "neighbours"> & {
  readonly host: Pick<Facts["host"], "unit">;
};

export function error(reason: string, mend?: string): Finding {
  return finding("error", reason, mend);
}

export function warning(reason: string, mend?: string): Finding {
  return finding("warning", reason, mend);
}

export function skipped(reason: string): Finding {
  return finding("skipped", reason, undefined);
}

function finding(status: Finding["status"], reason: string, mend: string | undefined): Finding {
  return mend === undefined ? { status, reason } : { status, reason, mend };
}

/** A check that needs Postfix's configuration. It is skipped if that could not be read. */
export function withPostfix<Needed extends Pick<Facts, "postfix">>(
  run: (postfix: PostfixFacts, facts: Needed) => Findings,
): (facts: Needed) => Findings {
  return (facts) => ("unknown" in facts.postfix ? [skipped(facts.postfix.unknown)] : run(facts.postfix.known, facts));
}

/** A word of a command line for sh(1). */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The commands that set parameters of main.cf. */
export function postconf(...settings: readonly string[]): string {
  return `postconf -e ${settings.map(shellWord).join(" ")} && postfix reload`;
}

/** The first of many names, and the number of the rest. */
export function someOf(names: readonly string[], most = 3): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(", ")} and ${more} more` : names.join(", ");
}
