/**
 * Turns wanted edits of a header into packets, in an order in which no edit changes what a later one means.
 *
 * Postfix makes each edit as it reads it. An index counts the fields of one name at that time, so a deletion moves the
 * later ones up: the highest index goes first. An inserted field counts for later changes of its name: changes go before
 * insertions. A position counts all lines that are there at that time: the lowest line goes first, so the highest
 * position, and of two fields for one position the lower one.
 */
import type { FieldIndex, HeaderEdits, HeaderField } from "./application.ts";
import type { Reply } from "./encoder.ts";

/** @param hasLeadingSpace whether the blank after the colon belongs to a value. If not, the MTA adds one. */
export function headerEditReplies(edits: HeaderEdits, hasLeadingSpace: boolean): Reply[] {
  const field = ({ name, value }: HeaderField): HeaderField => ({
    name: fieldName(name),
    value: fieldValue(value, hasLeadingSpace),
  });
  const changes = (edits.change ?? []).map((edit) => ({ ...field(edit), index: edit.index }));
  const removals = (edits.remove ?? []).map(({ name, index }) => ({ name: fieldName(name), value: "", index }));
  const inserts = (edits.insert ?? []).map((edit, at) => ({ ...field(edit), index: edit.position, at }));
  return [
    ...highestFirst([...changes, ...removals]).map((edit): Reply => ({ reply: "changeHeader", ...edit })),
    ...inserts
      .sort((a, b) => b.index - a.index || b.at - a.at)
      .map(({ name, value, index }): Reply => ({ reply: "insertHeader", index, name, value })),
    ...(edits.append ?? []).map((edit): Reply => ({ reply: "addHeader", ...field(edit) })),
  ];
}

/** @throws {TypeError} for two edits of one field, or for an index that no field has */
function highestFirst<Edit extends FieldIndex>(edits: readonly Edit[]): Edit[] {
  const seen = new Set<string>();
  for (const { name, index } of edits) {
    const key = `${index} ${name.toLowerCase()}`;
    // Postfix takes 0 for 1.
    if (!Number.isInteger(index) || index < 1) throw new TypeError(`Cannot edit field ${key}: want an index from 1`);
    if (seen.has(key)) throw new TypeError(`Cannot edit field ${key} twice`);
    seen.add(key);
  }
  return edits.toSorted((a, b) => b.index - a.index);
}

/** Printable ASCII without the colon (RFC 5322 section 2.2). */
const FIELD_NAME = /^[\x21-\x39\x3b-\x7e]+$/;

function fieldName(name: string): string {
  if (FIELD_NAME.test(name)) return name;
  throw new TypeError(`Cannot edit field ${JSON.stringify(name)}: want a name of printable ASCII without ":"`);
}

/** Makes a value that cannot end its field. An empty one would delete it, so it becomes one blank. */
function fieldValue(value: string, hasLeadingSpace: boolean): string {
  const [first = "", ...folded] = value
    .replaceAll("\r\n", "\n")
    .replace(/[\0\r]/g, " ")
    .split("\n");
  const lines = folded.filter((line) => /[^ \t]/.test(line)).map((line) => (/^[ \t]/.test(line) ? line : `\t${line}`));
  const start = hasLeadingSpace || !first.startsWith(" ") ? first : first.slice(1);
  const text = [start, ...lines].join("\n");
  return text === "" ? " " : text;
}
