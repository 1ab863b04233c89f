/** Tests edits against a model of what Postfix does with them: test/testdata/milter, 30 to 39. */
import { describe, expect, test } from "vitest";
import type { HeaderEdits, HeaderField } from "../../src/milter/application.ts";
import { encodeReply } from "../../src/milter/encoder.ts";
import { headerEditReplies } from "../../src/milter/header-edits.ts";
import { Random } from "../spf/random-policies.ts";
import { replies } from "./mta.ts";

const edited = (edits: HeaderEdits, hasLeadingSpace = true): string[] =>
  replies(headerEditReplies(edits, hasLeadingSpace).map(encodeReply).join(""));

describe("Edits", () => {
  test("of fields of one name begin with the highest index, whatever the case of its letters", () => {
    const remove = [1, 3, 2, 12].map((index) => ({ name: index === 3 ? "x-a" : "X-A", index }));
    const change = [{ name: "X-a", index: 7, value: " new" }];
    expect(edited({ remove, change })).toEqual(["m 12 X-A|", "m 7 X-a| new", "m 3 x-a|", "m 2 X-A|", "m 1 X-A|"]);
  });

  test("at one position stand in the order of the list, and lower positions do not move them", () => {
    const insert = [0, 1, 0, 1, 5].map((position, at) => ({ position, name: `X${at}`, value: " v" }));
    expect(edited({ insert })).toEqual(["i 5 X4| v", "i 1 X3| v", "i 1 X1| v", "i 0 X2| v", "i 0 X0| v"]);
  });

  test("are made in the order: changes, insertions, additions", () => {
    const field = { name: "A", value: " v" };
    const edits = { append: [field], insert: [{ ...field, position: 0 }], remove: [{ name: "A", index: 1 }] };
    expect(edited(edits)).toEqual(["m 1 A|", "i 0 A| v", "h A| v"]);
  });

  test.each([
    { name: "a plain one", value: " a", sent: " a", bare: "a" },
    { name: "two blanks", value: "  a", sent: "  a", bare: " a" },
    { name: "no blank", value: "a", sent: "a", bare: "a" },
    { name: "folds", value: " a\n\tb\r\n c", sent: " a\n\tb\n c", bare: "a\n\tb\n c" },
    { name: "lines without a blank", value: " a\nB: c", sent: " a\n\tB: c", bare: "a\n\tB: c" },
    { name: "empty lines", value: " a\n\n\r\n \nb\n\n", sent: " a\n\tb", bare: "a\n\tb" },
    { name: "a bare CR and NUL", value: " a\rb\0c", sent: " a b c", bare: "a b c" },
    { name: "nothing, which would delete the field", value: "", sent: " ", bare: " " },
    { name: "one blank", value: " ", sent: " ", bare: " " },
    { name: "8-bit bytes", value: " \xc3\xb6", sent: " \xc3\xb6", bare: "\xc3\xb6" },
  ])("with $name in a value cannot end the field or delete it", ({ value, sent, bare }) => {
    const edits = { change: [{ name: "A", index: 1, value }], append: [{ name: "A", value }] };
    expect(edited(edits)).toEqual([`m 1 A|${sent}`, `h A|${sent}`]);
    expect(edited(edits, false)).toEqual([`m 1 A|${bare}`, `h A|${bare}`]);
  });

  test.each(["", "a b", "a:", "a\n", "\xc3\xb6", "a\0"])("have no name such as %j", (name) => {
    const message = `Cannot edit field ${JSON.stringify(name)}: want a name of printable ASCII without ":"`;
    expect(() => edited({ append: [{ name, value: "" }] })).toThrow(new TypeError(message));
    expect(() => edited({ remove: [{ name, index: 1 }] })).toThrow(new TypeError(message));
  });

  test.each([0, -1, 1.5, Number.NaN])("have no index such as %d", (index) => {
    expect(() => edited({ remove: [{ name: "a", index }] })).toThrow(/^Cannot edit field .*: want an index from 1$/);
  });

  test("are made once for each field", () => {
    const remove = [
      { name: "a", index: 2 },
      { name: "A", index: 2 },
    ];
    expect(() => edited({ remove })).toThrow(new TypeError("Cannot edit field 2 a twice"));
  });
});

/** The header of a message in Postfix. The first line is its own, which no change or deletion counts. */
class Header {
  readonly lines: HeaderField[];

  constructor(fields: readonly HeaderField[]) {
    this.lines = [{ name: "Received", value: " ours" }, ...fields];
  }

  apply(edits: HeaderEdits): HeaderField[] {
    for (const reply of headerEditReplies(edits, true)) {
      if (reply.reply === "addHeader") this.lines.push({ name: reply.name, value: reply.value });
      if (reply.reply === "insertHeader") this.lines.splice(reply.index, 0, { name: reply.name, value: reply.value });
      if (reply.reply === "changeHeader") this.#change(reply.name, reply.index, reply.value);
    }
    return this.lines;
  }

  #change(name: string, index: number, value: string): void {
    const instances = this.lines.filter((line, at) => at > 0 && line.name.toLowerCase() === name.toLowerCase());
    const field = instances[index - 1];
    if (field === undefined) throw new Error("a field that is not there");
    const at = this.lines.indexOf(field);
    this.lines.splice(at, 1, ...(value === "" ? [] : [{ name, value }]));
  }
}

test("Any edits leave exactly the header that was wanted", () => {
  const random = new Random(14);
  for (let run = 0; run < 500; run++) {
    const fields = Array.from({ length: random.below(12) }, (_, at) => ({
      name: random.pick(["A", "a", "B", "b", "Received"]),
      value: ` ${at}`,
    }));
    const counts = new Map<string, number>();
    const change: { name: string; index: number; value: string }[] = [];
    const remove: { name: string; index: number }[] = [];
    const kept: HeaderField[] = [];
    for (const field of fields) {
      const key = field.name.toLowerCase();
      const index = (counts.get(key) ?? 0) + 1;
      counts.set(key, index);
      const choice = random.below(3);
      if (choice === 0) remove.push({ name: field.name, index });
      else if (choice === 1) kept.push(field);
      else {
        change.push({ name: field.name, index, value: `${field.value} changed` });
        kept.push({ name: field.name, value: `${field.value} changed` });
      }
    }
    const tops = Array.from({ length: random.below(4) }, (_, at) => ({ name: "T", value: ` top ${at}` }));
    const below = Array.from({ length: random.below(4) }, (_, at) => ({ name: "A", value: ` below ${at}` }));
    const append = Array.from({ length: random.below(3) }, (_, at) => ({ name: "B", value: ` end ${at}` }));
    const insert = [
      ...tops.map((field) => ({ ...field, position: 0 })),
      ...below.map((field) => ({ ...field, position: 1 })),
    ];
    const wanted = [...tops, { name: "Received", value: " ours" }, ...below, ...kept, ...append];
    expect(new Header(fields).apply({ change, remove, insert, append })).toEqual(wanted);
  }
});
