/** The options of policyd-spf.conf: how its lines are read, and which values policyd-spf understands. */
import { nearest } from "../../collections/nearest.ts";

/** A value and its line, counted from 1. */
export interface Option {
  readonly value: string;
  readonly line: number;
}

export type Options = ReadonlyMap<string, Option>;

/** A sentence about a line. */
export interface Remark {
  readonly line: number;
  readonly text: string;
}

type Type = "text" | "number" | "bool";

/** Every name that spf-engine 3.0.4 accepts, and the type that it converts to. */
export const NAMES: Readonly<Record<string, Type>> = {
  debugLevel: "number",
  HELO_reject: "text",
  Mail_From_reject: "text",
  PermError_reject: "text",
  TempError_Defer: "text",
  Mail_From_pass_restriction: "text",
  HELO_pass_restriction: "text",
  Prospective: "text",
  Whitelist: "text",
  skip_addresses: "text",
  HELO_Whitelist: "text",
  Domain_Whitelist: "text",
  Domain_Whitelist_PTR: "text",
  No_Mail: "text",
  Reject_Not_Pass_Domains: "text",
  Per_User: "text",
  TestOnly: "number",
  defaultSeedOnly: "number",
  SPF_Enhanced_Status_Codes: "text",
  Header_Type: "text",
  Hide_Receiver: "text",
  Authserv_Id: "text",
  Lookup_Time: "number",
  Whitelist_Lookup_Time: "number",
  Void_Limit: "number",
  Reason_Message: "text",
  Mock: "bool",
};

/** Names for the milter of the same package. */
const MILTER_NAMES = new Set(["Socket", "PidFile", "UserID", "UMask", "InternalHosts", "IntHosts", "MacroList"]);

/** Values that are words. All others mean the last column. */
const WORDS: Readonly<Record<string, { readonly words: readonly string[]; readonly otherwise: string }>> = {
  HELO_reject: {
    words: ["SPF_Not_Pass", "Softfail", "Fail", "Null", "False", "No_Check"],
    otherwise: "it rejected no result",
  },
  Mail_From_reject: {
    words: ["SPF_Not_Pass", "Softfail", "Fail", "False", "No_Check"],
    otherwise: "it rejected no result",
  },
  PermError_reject: { words: ["True", "False"], otherwise: "it was off" },
  TempError_Defer: { words: ["True", "False"], otherwise: "it was off" },
  No_Mail: { words: ["True", "False"], otherwise: "it was off" },
  SPF_Enhanced_Status_Codes: { words: ["Yes", "No"], otherwise: "the codes were on" },
  Hide_Receiver: { words: ["Yes", "No"], otherwise: "the receiver was hidden" },
  Header_Type: { words: ["SPF", "AR", "None"], otherwise: "the header was Received-SPF, or the program crashed" },
};

/** Reads the lines: `#` begins a comment anywhere, the last line of a name counts. */
export function readOptions(text: string): { readonly options: Options; readonly notes: readonly Remark[] } {
  const options = new Map<string, Option>();
  const notes: Remark[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  for (const [index, whole] of lines.entries()) {
    const content = (whole.split("#", 1)[0] ?? "").trim();
    if (content === "") continue;
    const note = addOption(options, content, index + 1);
    if (note !== undefined) notes.push({ line: index + 1, text: note });
  }
  for (const [name, option] of options) {
    const text = remarkOn(name, option.value);
    if (text !== undefined) notes.push({ line: option.line, text });
  }
  return { options, notes };
}

/** Adds what a line sets. @returns the reason why it sets nothing */
function addOption(options: Map<string, Option>, content: string, line: number): string | undefined {
  const [name = "", value, ...more] = content.split("=").map((word) => word.trim());
  if (value === undefined) return `"${content}" sets nothing: want NAME = VALUE`;
  if (more.length > 0) return `policyd-spf reads no line with two "=", so ${name} was not set`;
  return addNamed(options, name, { value, line }, Object.keys(NAMES));
}

/** Adds an option that a list of names has. @returns the reason why it is left out */
export function addNamed(
  options: Map<string, Option>,
  name: string,
  option: Option,
  names: readonly string[],
): string | undefined {
  if (MILTER_NAMES.has(name)) return `${name} is for pyspf-milter, and had no effect on policyd-spf`;
  if (!names.includes(name)) {
    const near = nearest(name, names);
    return `${name} is no option there, so it never had an effect${near === undefined ? "" : ` (was ${near} meant?)`}`;
  }
  if (NAMES[name] === "number" && !/^[+-]?\d+(?:_\d+)*$/.test(option.value)) {
    return `${name}: got "${option.value}", want a number: policyd-spf does not start with it, and it is left out`;
  }
  options.set(name, option);
  return undefined;
}

function remarkOn(name: string, value: string): string | undefined {
  const known = Object.hasOwn(WORDS, name) ? WORDS[name] : undefined;
  if (known !== undefined && !known.words.includes(value)) {
    return `${name} = ${value}: policyd-spf knows ${known.words.join(", ")}, so written; ${known.otherwise}, and so it is here`;
  }
  switch (name) {
    case "Mock":
      return `Mock = ${value}: any value turned it on, "False" too, and then SPF was not checked at all; here it is checked`;
    case "TestOnly":
      return Number(value) === 0
        ? "TestOnly = 0 was the test mode; its counterpart adds the header, and logs and counts what it would have rejected"
        : undefined;
    case "defaultSeedOnly":
      return "defaultSeedOnly never had an effect (TestOnly has taken its place)";
    default:
      return undefined;
  }
}

/** The value of an option; `absent` without it. */
export function optionValue(options: Options, name: string, absent = ""): string {
  return options.get(name)?.value ?? absent;
}

/** The entries of a list. policyd-spf separates them with commas, and takes blanks for a part of them. */
export function listEntries(value: string): string[] {
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** The headers of a value of `Header_Type`. What policyd-spf does not know it takes for SPF. */
export function headersOf(type: string): string[] {
  if (type === "None") return [];
  return [type === "AR" ? "authentication-results" : "received-spf"];
}

/** A network with its netmask, `192.0.2.0/255.255.255.0`, in our form; any other text unchanged. */
export function withPrefix(text: string): string {
  const [, network = "", mask = ""] = /^(.*)\/(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const bits = mask
    .split(".")
    .map((byte) => Number(byte).toString(2).padStart(8, "0"))
    .join("");
  const prefix = /^(1*)0*$/.exec(bits)?.[1]?.length;
  return network === "" || prefix === undefined || bits.length !== 32 ? text : `${network}/${prefix}`;
}
