/** Where a command writes: results on standard output, problems on standard error. What it is given is made printable. */
export interface Output {
  /** One line, whatever stands in it. */
  line(text: string): void;
  /** One object on a line; `replacer` as JSON.stringify takes it. */
  json(value: unknown, replacer?: (key: string, value: unknown) => unknown): void;
  /** One line for the admin. */
  problem(text: string): void;
}

export const standardOutput: Output = {
  line: (text) => write(process.stdout, printable(text)),
  json: (value, replacer) => write(process.stdout, printableJson(JSON.stringify(value, replacer))),
  problem: (text) => write(process.stderr, `postvouch: ${printable(text)}`),
};

function write(stream: NodeJS.WriteStream, line: string): void {
  // A reader that goes away (postvouch ... | head) is no fault.
  if (stream.listenerCount("error") === 0) stream.on("error", () => {});
  stream.write(`${line}\n`);
}

/** What moves the cursor, ends a line, colours it or turns its direction. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Text from outside as one line that a terminal can be shown: control characters become `\\xNN` or `\\u{NNNN}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** The same value for every JSON parser, and nothing in it that a terminal would obey. */
function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (char) =>
    Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}
