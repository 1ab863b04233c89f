/** The arguments of a command. */
import type { ActivationEnvironment } from "../process/socket-activation.ts";
import type { Surroundings } from "../setup/setup.ts";
import type { Output } from "./output.ts";

/** All options of all commands, in the form of util.parseArgs. */
export const OPTIONS = {
  config: { type: "string" },
  json: { type: "boolean" },
  explain: { type: "boolean" },
  ip: { type: "string" },
  helo: { type: "string" },
  sender: { type: "string" },
  record: { type: "string" },
  domain: { type: "string" },
  selector: { type: "string" },
  algorithm: { type: "string" },
  "dry-run": { type: "boolean" },
  force: { type: "boolean" },
  apply: { type: "boolean" },
  undo: { type: "boolean" },
  day: { type: "string" },
  send: { type: "boolean" },
  print: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
} as const;

export type OptionName = keyof typeof OPTIONS;

export type OptionValues = {
  readonly [Name in OptionName]?: (typeof OPTIONS)[Name]["type"] extends "string" ? string : boolean;
};

/** One call of a command. */
export interface Call {
  readonly around: Surroundings;
  readonly options: OptionValues;
  readonly operands: readonly string[];
  readonly output: Output;
  readonly version: string;
  /** The clock of SRS, in milliseconds since 1970. */
  readonly timeMs: () => number;
  /** True if `$POSTVOUCH_NOW` is set, which causes a warning. */
  readonly isClockFrozen: boolean;
  /** True if standard error goes to journald. */
  readonly journal: boolean;
  /** The environment variables of sd_listen_fds(3). */
  readonly activation: ActivationEnvironment;
}
