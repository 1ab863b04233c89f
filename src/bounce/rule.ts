/** The form of a row in the tables of replies and log lines that are explained. */
import type { Speaker } from "./speakers.ts";

/** Who can mend it, and the sentence that says so. */
export const MENDERS = {
  you: "You can mend this, on this host or in its DNS.",
  time: "It passes by itself: the mail is tried again.",
  nobody: "There is nothing to mend, or it is not in anybody's hands.",
  sender: "No forwarder can mend this. Only who sends the mail can.",
  recipient: "No forwarder can mend this. Only the recipient, or who runs the recipient's mail, can.",
} as const;

type Mender = keyof typeof MENDERS;

/** A reply or a log line, what it means and what to do. */
export interface Rule {
  /** A short name, for tests and for `--json`. */
  readonly id: string;
  /** Whose words they are. `any`: those of more than one program. */
  readonly by: Speaker | "any";
  /** Enhanced status codes without their class, `7.26` for 4.7.26 and 5.7.26, that say it whatever the words are. */
  readonly sure?: readonly string[];
  /** Codes of which one must be there beside the words. */
  readonly codes?: readonly string[];
  /** The words, in a text whose white space is single blanks. Its named groups fill `{name:otherwise}` in the sentences. */
  readonly text?: RegExp;
  /** A line as the log has it. docs/troubleshooting.md shows it, and a test explains it. */
  readonly line: string;
  readonly means: string;
  readonly todo: string;
  readonly mends: Mender;
}

/** A sentence with its places filled in. */
export function fill(sentence: string, values: Readonly<Record<string, string | undefined>>): string {
  return sentence.replace(/\{(\w+):([^{}]*)\}/g, (_, name: string, otherwise: string) => values[name] || otherwise);
}
