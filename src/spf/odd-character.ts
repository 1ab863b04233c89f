/**
 * Names and replaces characters of word processors and web pages in a record, which may contain only printable ASCII.
 */

/** An unexpected character in a record. Text is latin1: one character is one byte. */
interface OddCharacter {
  readonly bytes: string;
  readonly codePoint: number;
}

interface Known {
  readonly name: string;
  /** The printable ASCII that was meant. */
  readonly meant: string;
}

const DASH = { meant: "-" };
const QUOTE = { meant: "" };
const NOTHING = { meant: "" };
const BLANK = { meant: " " };

const KNOWN: Readonly<Record<number, Known>> = {
  9: { name: "tab", ...BLANK },
  10: { name: "line feed", ...BLANK },
  13: { name: "carriage return", ...BLANK },
  160: { name: "no-break space", ...BLANK },
  173: { name: "soft hyphen", ...NOTHING },
  8194: { name: "en space", ...BLANK },
  8195: { name: "em space", ...BLANK },
  8201: { name: "thin space", ...BLANK },
  8203: { name: "zero width space", ...NOTHING },
  8204: { name: "zero width non-joiner", ...NOTHING },
  8205: { name: "zero width joiner", ...NOTHING },
  8206: { name: "left-to-right mark", ...NOTHING },
  8207: { name: "right-to-left mark", ...NOTHING },
  8208: { name: "hyphen", ...DASH },
  8209: { name: "non-breaking hyphen", ...DASH },
  8211: { name: "en dash", ...DASH },
  8212: { name: "em dash", ...DASH },
  8216: { name: "left single quotation mark", ...QUOTE },
  8217: { name: "right single quotation mark", ...QUOTE },
  8220: { name: "left double quotation mark", ...QUOTE },
  8221: { name: "right double quotation mark", ...QUOTE },
  8222: { name: "low double quotation mark", ...QUOTE },
  8239: { name: "narrow no-break space", ...BLANK },
  8288: { name: "word joiner", ...NOTHING },
  8722: { name: "minus sign", ...DASH },
  12288: { name: "ideographic space", ...BLANK },
  65279: { name: "byte order mark", ...NOTHING },
  65306: { name: "fullwidth colon", meant: ":" },
};

/**
 * Windows-1252 bytes for characters that have other numbers in Unicode. They occur in records that were never
 * converted.
 */
const WINDOWS_1252: Readonly<Record<number, number>> = {
  145: 8216,
  146: 8217,
  147: 8220,
  148: 8221,
  150: 8211,
  151: 8212,
};

/** Names the first character that is not printable ASCII: `U+2013 (en dash)`. */
export function nameOddCharacter(text: string): string | undefined {
  const odd = oddCharacterAt(text, text.search(/[^\x20-\x7e]/));
  if (odd === undefined) return undefined;
  const code = `U+${odd.codePoint.toString(16).toUpperCase().padStart(4, "0")}`;
  const known = KNOWN[odd.codePoint];
  return known === undefined ? code : `${code} (${known.name})`;
}

/** Replaces odd characters by the ASCII that was meant; `undefined` if the meaning of one is unknown. */
export function withoutOddCharacters(text: string): string | undefined {
  let clean = "";
  for (let at = 0; at < text.length; ) {
    const odd = oddCharacterAt(text, at);
    const known = odd === undefined ? undefined : KNOWN[odd.codePoint];
    if (odd !== undefined && known === undefined) return undefined;
    clean += known?.meant ?? text[at];
    at += odd?.bytes.length ?? 1;
  }
  return clean;
}

/** The character at `at` if it is not printable ASCII. Valid UTF-8 is read as such. */
function oddCharacterAt(text: string, at: number): OddCharacter | undefined {
  const byte = text.charCodeAt(at);
  if (Number.isNaN(byte) || (byte >= 0x20 && byte <= 0x7e)) return undefined;
  const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
  const bytes = text.slice(at, at + length);
  const [char = "", ...more] = Buffer.from(bytes, "latin1").toString("utf8");
  if (length > 1 && char !== "\ufffd" && more.length === 0) return { bytes, codePoint: char.codePointAt(0) ?? byte };
  return { bytes: text.charAt(at), codePoint: WINDOWS_1252[byte] ?? byte };
}
