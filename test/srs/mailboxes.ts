/**
 * Addresses for property tests: all kinds of legal mailboxes up to the limits of RFC 5321, and text that only looks
 * like one.
 */
import fc from "fast-check";

const MAX_LOCAL_BYTES = 64;

const atext = fc.constantFrom(..."abcxyzABCXYZ0123456789!#$%&'*+-/=?^_`{|}~");
const letDig = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyzABCXYZ0123456789");

/** Letters beyond ASCII as the bytes of their UTF-8 (RFC 6531). */
const utf8Letter = fc
  .constantFrom("é", "ß", "Ö", "ж", "中", "न", "𐍈", "e\u0301")
  .map((letter) => Buffer.from(letter).toString("latin1"));

const atom = fc.string({ unit: fc.oneof({ weight: 8, arbitrary: atext }, utf8Letter), minLength: 1, maxLength: 20 });
const dotString = fc.array(atom, { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join("."));

/** Everything that may stand in quotes: printable ASCII and the blank; `"` and `\` quoted. */
const quotedText = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    utf8Letter,
  ),
  maxLength: 50,
});

/** Local parts that look like SRS: ours, foreign, cut off, in any case and with any separator. */
const srsLookalike = fc
  .tuple(
    fc.constantFrom("SRS0", "SRS1", "srs0", "Srs1", "SRS2", "SRS", "SRS0=", "SRS1+", "SRS0-", "srs1="),
    fc.array(fc.constantFrom("=", "+", "-", "HHHH", "2W", "origin.example", "bob", "=b", "x"), { maxLength: 9 }),
  )
  .map(([tag, parts]) => tag + parts.join(""));

/** A whole SRS1 of somebody else, which a third forwarder signs anew. */
const foreignSrs1 = fc
  .tuple(fc.constantFrom(..."=+-"), letDig, fc.constantFrom(..."=+-"), atom)
  .map(([separator, hash, inner, rest]) => `SRS1${separator}${hash}=first.example=${inner}${rest}`);

/** Local parts without quotes around them, as long as they may be in bytes. */
const local = fc
  .oneof({ weight: 4, arbitrary: dotString }, { weight: 4, arbitrary: quotedText }, srsLookalike, foreignSrs1)
  .map((text) => text.slice(0, MAX_LOCAL_BYTES))
  .filter((text) => text !== "" && !text.endsWith("\\"));

const label = fc.string({ unit: letDig, minLength: 1, maxLength: 63 });
const hostName = fc
  .array(fc.oneof({ weight: 3, arbitrary: label }, utf8Letter), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join(".").slice(0, 250));

const domain = fc.oneof(
  { weight: 6, arbitrary: hostName },
  fc.constantFrom("[192.0.2.1]", "[IPv6:2001:db8::1]", "_x.example.org", "x--y.z", "a", "1", "Example.ORG", "x.org."),
);

export const mailbox = fc.record({ local, domain });

/** Keys of any kind: the pieces that decide how an address is read, in any order. */
export const anyKey = fc.oneof(
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 80 }),
  fc
    .array(
      fc.constantFrom(
        ...["SRS0", "SRS1", "srs0=", "SRS1-", "=", "+", "-", "@", '"', "\\", ".", " ", "\0", "\n", "\xe9"],
        ...["2W", "2V", "77", "vmyz", "+xpx", "-xpx", "example.org", "alice", "example.com", "john doe", "1"],
      ),
      { maxLength: 16 },
    )
    .map((parts) => parts.join("")),
);
