/**
 * Splits main.cf and master.cf into units that are edited as a whole (postconf(5), master(5)).
 *
 *     name = value            begins a logical line; so does a service of master.cf
 *      more of it             a line that begins with a blank goes on with it
 *     # a remark              may be between the lines of one, and then belongs to it
 */

export interface Unit {
  /** What it is about: `name` of a parameter, `name/type` of a service, else its own text. */
  readonly key: string;
  /** Its lines with their line ends; the last of a file may have none. */
  readonly text: string;
}

/** The units of a main.cf. */
export function parameterUnits(text: string): Unit[] {
  return unitsOf(text, (line) => line.split("=", 1)[0]?.trim() ?? "");
}

/** The units of a master.cf. */
export function serviceUnits(text: string): Unit[] {
  return unitsOf(text, (line) => line.split(/\s+/, 2).join("/"));
}

function unitsOf(text: string, keyOf: (line: string) => string): Unit[] {
  const units: { key: string; text: string }[] = [];
  // The logical line that a continuation would belong to, and the remarks since then.
  let open: { key: string; text: string } | undefined;
  let remarks: string[] = [];
  const close = (): void => {
    for (const remark of remarks) units.push({ key: remark.trim(), text: remark });
    remarks = [];
  };
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const bare = line.trim();
    if (bare === "" || bare.startsWith("#")) {
      remarks.push(line);
    } else if (/^\s/.test(line) && open !== undefined) {
      open.text += remarks.join("") + line;
      remarks = [];
    } else {
      close();
      open = { key: keyOf(bare), text: line };
      units.push(open);
    }
  }
  close();
  return units;
}

/** The value of a parameter's unit: one line, without remarks. */
export function parameterValue(unit: string): string {
  const lines = unit.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  const [, value = ""] = /^[^=]*=(.*)$/s.exec(lines.join(" ")) ?? [];
  return value.replace(/\s+/g, " ").trim();
}
