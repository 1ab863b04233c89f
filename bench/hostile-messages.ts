/** Messages that keep others busy for long. */
import { type HeaderField, headerField, splitMessage } from "../src/mail/header-field.ts";
import { BODY, HEADER, signatureLine } from "../test/dkim/raw-signer.ts";
import { KEYS } from "./milter-messages.ts";

const { rsa: RSA } = KEYS;

const LINES = headerField("X", " a".concat("\n x".repeat(34_000)));
const SIGNED = (tags: Record<string, string> = {}): HeaderField =>
  fieldsOf(`${signatureLine({ key: RSA, tags })}\r\n`)[0] as HeaderField;
const MANY = Array.from({ length: 1000 }, () => SIGNED());
const EVERY_X = `from${":x".repeat(299)}`;

/** By what they are. */
export const HOSTILE: Readonly<Record<string, { readonly fields: readonly HeaderField[]; readonly body: Buffer }>> = {
  'a signed field of 102,000 bytes of " x" lines': hostile([SIGNED({ h: "from:x" }), LINES]),
  "a body line of 10 MB": hostile([SIGNED()], Buffer.alloc(10 << 20, "a")),
  "a body line of 10 MB of blanks": hostile([SIGNED()], Buffer.alloc(10 << 20, " ")),
  'a body of 10 MB of "a " lines': hostile([SIGNED()], Buffer.alloc(10 << 20, "a \r\n")),
  "a body of 10 MB of tabs": hostile([SIGNED()], Buffer.alloc(10 << 20, "\ta")),
  "a body of 10 MB of CR": hostile([SIGNED()], Buffer.alloc(10 << 20, "\r")),
  "1,000 signatures": hostile(MANY),
  "200 l= over 5 MB": hostile(
    Array.from({ length: 200 }, (_, l) => SIGNED({ l: String(l % 8) })),
    Buffer.alloc(5 << 20, "a"),
  ),
  "20,000 names in h=, 20,000 fields": hostile([
    headerField("DKIM-Signature", ` v=1; a=rsa-sha256; d=example.com; s=sel; bh=a; b=a; h=from${":x".repeat(20_000)}`),
    ...Array.from({ length: 20_000 }, () => headerField("X", " a")),
  ]),
  "1 MiB of header, ten signatures over all": hostile([
    ...Array.from({ length: 10 }, () => SIGNED({ h: EVERY_X })),
    ...Array.from({ length: 10 }, () => LINES),
  ]),
  "1 MiB of header in 260,000 fields": hostile([
    SIGNED({ h: EVERY_X }),
    ...Array.from({ length: 260_000 }, () => headerField("x", "")),
  ]),
  "1 MiB of signatures of semicolons": hostile(
    Array.from({ length: 64 }, () => headerField("DKIM-Signature", ` d=example.com${";".repeat(16_000)}`)),
  ),
  "100 signatures of domains of 4,500 letters": hostile(
    Array.from({ length: 100 }, (_, at) =>
      SIGNED({ d: letters(4500, at), s: letters(100, at), i: `@${letters(200, at)}` }),
    ),
  ),
  "1 MiB of signatures of blanks": hostile(
    Array.from({ length: 64 }, () => headerField("DKIM-Signature", ` d=example.com; a=${" ".repeat(16_000)}b`)),
  ),
};

/** A name of letters that are all different, in UTF-8. */
function letters(count: number, seed: number): string {
  const text = String.fromCharCode(...Array.from({ length: count }, (_, at) => 0x4e00 + ((at * 7919 + seed) % 8009)));
  return Buffer.from(text).toString("latin1");
}

function fieldsOf(header: string): readonly HeaderField[] {
  return splitMessage(Buffer.from(`${header}\r\n`, "latin1")).fields;
}

function hostile(fields: readonly HeaderField[], body = Buffer.from(BODY)) {
  return { fields: [...fields, ...fieldsOf(HEADER)], body };
}
