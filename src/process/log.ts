/** Writes log lines: one event each, with its fields. The only importer of pino. */
import { pino } from "pino";
import { LineOutput } from "./line-output.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** The values of one event. Text may come from outside, as latin1 bytes: the logger escapes it. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  /** Tells if events of this level are written, to avoid making fields that nobody reads. */
  enabled(level: LogLevel): boolean;
  log(level: LogLevel, event: string, fields?: LogFields): void;
  /** Changes level and format. */
  configure(options: Pick<LogOptions, "level" | "format">): void;
  /** Writes all buffered lines, before the process ends. */
  flush(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** True to begin each line with the priority for journald (sd-daemon(3)). */
  readonly journal: boolean;
}

const STDERR_FD = 2;

/** Creates a logger that writes to standard error. */
export function createLogger(options: LogOptions): Logger {
  const out = new LineOutput(STDERR_FD, (lost) => write("warn", "log", { lost }));
  let threshold = LOG_LEVELS.indexOf(options.level);
  const enabled = (level: LogLevel): boolean => LOG_LEVELS.indexOf(level) >= threshold;
  const writers = { json: jsonWriter(out), text: textWriter(options.journal, out) };
  let write = writers[options.format];
  return {
    enabled,
    log(level, event, fields = {}) {
      if (enabled(level)) write(level, event, fields);
    },
    configure({ level, format }) {
      threshold = LOG_LEVELS.indexOf(level);
      write = writers[format];
    },
    flush: () => out.flush(),
  };
}

type Writer = (level: LogLevel, event: string, fields: LogFields) => void;

function jsonWriter(out: LineOutput): Writer {
  const logger = pino({ level: "trace", base: { pid: process.pid }, messageKey: "event" }, out);
  return (eventLevel, event, fields) => {
    const readable: Record<string, string | number | boolean | undefined> = {};
    for (const [key, value] of Object.entries(fields))
      readable[key] = typeof value === "string" ? decode(value) : value;
    logger[eventLevel](readable, event);
  };
}

const JOURNAL_PRIORITY: Readonly<Record<LogLevel, string>> = {
  trace: "<7>",
  debug: "<7>",
  info: "<6>",
  warn: "<4>",
  error: "<3>",
  fatal: "<2>",
};

function textWriter(journal: boolean, out: LineOutput): Writer {
  return (level, event, fields) => {
    out.write(`${journal ? JOURNAL_PRIORITY[level] : ""}${formatLine(level, event, fields)}\n`);
  };
}

/** Formats a line, `level event key=value …`. A field that is `undefined` is left out. */
export function formatLine(level: LogLevel, event: string, fields: LogFields): string {
  let line = `${level} ${event}`;
  for (const key in fields) {
    const value = fields[key];
    if (value === undefined) continue;
    line += typeof value === "string" ? ` ${key}=${formatValue(value)}` : ` ${key}=${String(value)}`;
  }
  return line;
}

/** Printable ASCII without `"`, `\`, blanks and `=`. */
const PLAIN = /^[\x21\x23-\x3c\x3e-\x5b\x5d-\x7e]+$/;
/**
 * Text that needs quotes but no escapes, such as every SRS address with its `=`. Checked first, because it is common.
 */
const QUOTABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function formatValue(value: string): string {
  if (PLAIN.test(value)) return value;
  if (QUOTABLE.test(value)) return `"${value}"`;
  const escaped = decode(value).replace(/["\\\p{Cc}\p{Cf}\u2028\u2029\ufffd]/gu, escapeChar);
  return `"${escaped}"`;
}

function escapeChar(char: string): string {
  if (char === '"' || char === "\\") return `\\${char}`;
  if (char === "\n") return "\\n";
  if (char === "\r") return "\\r";
  if (char === "\t") return "\\t";
  const code = char.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes bytes that are valid UTF-8. Other bytes stay one character each. */
export function decode(value: string): string {
  if (!/[\x80-\xff]/.test(value) || /[^\0-\xff]/.test(value)) return value;
  try {
    return utf8.decode(Buffer.from(value, "latin1"));
  } catch {
    return value;
  }
}
