/** Text that strangers may send, for property tests. Text is latin1: one character is one byte. */
import fc from "fast-check";

const PIECES = [
  "a",
  "mail",
  "test",
  ".",
  "-",
  "_",
  "@",
  " ",
  "\t",
  ";",
  "; identity=mailfrom",
  "=",
  "envelope-from=ceo@bank.test",
  "(",
  ")",
  "\\",
  '"',
  "'",
  "<",
  ">",
  ",",
  ":",
  "[",
  "]",
  "/",
  "?",
  "%",
  "\r",
  "\n",
  "\r\n",
  "\n\n",
  "action=OK",
  "\x00",
  "\x1b[31m",
  "\x7f",
  "\x80",
  "\xff",
  "\xc3\xb6",
  "\xe2\x80\xa8",
  "\xc2\x85",
  "\xf0\x9f\x98\x80",
  "\xc3",
  "spf=pass",
  "smtp.mailfrom=bank.test",
  "a".repeat(70),
  '"'.repeat(70),
];

/** Text that tries to break out. */
const hostileText = fc.array(fc.constantFrom(...PIECES), { maxLength: 30, size: "max" }).map((parts) => parts.join(""));

/** Every byte, at random. */
const bytes = fc.uint8Array({ maxLength: 700, size: "max" }).map((codes) => Buffer.from(codes).toString("latin1"));

export const anyText = fc.oneof(hostileText, bytes);
