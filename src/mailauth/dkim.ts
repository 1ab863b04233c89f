/**
 * mailauth's reader of tag lists (RFC 6376 section 3.2), and what a signature signs of itself. The rest is in `dkim/`,
 * because mailauth has these faults. Each has a test in test/mailauth/ that fails once mailauth has repaired it:
 *
 * - its reader of headers takes seconds for a field of 100 kB with many lines: we get fields one by one;
 * - its reader of tag lists needs time with the square of the blanks in a tag: it gets text with single blanks;
 * - so does its relaxed form of a field with the blanks before the colon, and 1 MiB of lines takes it 0.1 s:
 *   `dkim/canonical-header.ts`;
 * - so does the A-label form of a name: it gets none that is too long for DNS;
 * - its relaxed body hash needs time with the square of a line's length, and there is one for each l=:
 *   `dkim/body-hash.ts`;
 * - names with "_" are syntax errors, l= may exceed the body, t= may lie in the future, what can never pass is
 *   "neutral", and a signature may have any length and sign any number of names: `dkim/signature.ts`;
 * - only the first TXT record of a key is read, an empty tag is an error, RSA keys and their exponents have no upper
 *   limit, and keys are PEM, which is parsed again for each signature: `dkim/key-record.ts`;
 * - all signatures of a message are verified, and their keys are looked up one after another, each when its turn has
 *   come: `dkim/choose.ts`, `dkim/verify.ts`;
 * - the signer cannot oversign, and takes no key object: `dkim/sign.ts`;
 * - its ARC takes DNS trouble for a chain that has failed, which a seal would then say for good, and copies the text of
 *   results unchecked: `arc/`.
 */
import { requireTools } from "./tools.ts";

/** A tag as written; blanks around name and value are removed, and those within are single. */
export interface Tag {
  readonly name: string;
  readonly value: string;
}

export interface TagList {
  readonly tags: readonly Tag[];
  /** Empty for a valid list (RFC 6376 section 3.2). In mailauth's words, and parts of the list. */
  readonly syntaxErrors: readonly string[];
}

interface Tools {
  parseTagList(text: string, options: { readonly strict: true }): TagList;
  stripSignatureValue(line: Buffer, strict: true): Buffer;
  toALabel(name: string): string;
}

let loaded: Tools | undefined;

function tools(): Tools {
  loaded ??= requireTools() as Tools;
  return loaded;
}

const BLANKS = /[ \t\r\n]+/g;

/** An empty tag-spec, as in "v=DKIM1;; p=...". */
const EMPTY_TAG = "empty tag-spec";

/**
 * Reads a tag list.
 *
 * @param text latin1; bytes that are UTF-8 become characters in the values
 * @param emptyTags "allow" for key records, in which others accept them
 */
export function parseTagList(text: string, emptyTags: "allow" | "refuse"): TagList {
  const single = text.replace(BLANKS, " ");
  const { tags, syntaxErrors } = tools().parseTagList(Buffer.from(single, "latin1").toString("utf8"), { strict: true });
  return {
    tags,
    syntaxErrors: emptyTags === "refuse" ? syntaxErrors : syntaxErrors.filter((one) => one !== EMPTY_TAG),
  };
}

/** A canonical signature field without the value of its b= (RFC 6376 section 3.7). */
export function withoutSignature(line: Buffer): Buffer {
  return tools().stripSignatureValue(line, true);
}

/** Longest name that DNS can have, in characters. */
const MAX_NAME_CHARS = 253;

/** The A-label form of a name (RFC 5890). Labels that have none stay as they are, and so does what is too long. */
export function toALabel(name: string): string {
  return name.length > MAX_NAME_CHARS ? name : tools().toALabel(name);
}
