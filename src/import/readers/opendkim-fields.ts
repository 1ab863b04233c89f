/** Reads which header fields OpenDKIM signs: SignHeaders, OmitHeaders and OversignHeaders. */
import { USUAL_HEADERS } from "../../dkim/usual-headers.ts";
import type { DataSet } from "./data-set.ts";
import type { Findings } from "./finding.ts";
import type { MilterOptions } from "./milter-options.ts";

/** What `dkim.sign.headers` takes. */
const FIELD_NAME = /^[!-9;-~]{1,100}$/;
/** Fields that change on the way, and results of others. */
const CHANGING = /^(?:return-path|received|bcc|dkim-signature|authentication-results|arc-.*)$/i;

type Rows = (name: string) => DataSet | string;

/** Takes over the lists of fields. Without them the fields are our usual ones. */
export function readFieldNames(options: MilterOptions, rows: Rows, findings: Findings): void {
  const signed = listOf("SignHeaders", rows, USUAL_HEADERS, findings);
  const omitted = new Set((listOf("OmitHeaders", rows, [], findings) ?? []).map((name) => name.toLowerCase()));
  if (signed !== undefined || omitted.size > 0) {
    const names = (signed ?? USUAL_HEADERS).filter((name) => !omitted.has(name.toLowerCase()));
    const origin = ["SignHeaders", "OmitHeaders"]
      .filter((name) => options.has(name))
      .map((name) => options.origin(name));
    if (names.length > 0) findings.set("dkim.sign.headers", names, origin.join(", "));
  }
  const more = listOf("OversignHeaders", rows, [], findings);
  const isUsual = more === undefined || more.every((name) => name.toLowerCase() === "from");
  if (!isUsual) {
    const names = [...new Set(["from", ...more.map((name) => name.toLowerCase())])];
    findings.set("dkim.sign.oversign", names, options.origin("OversignHeaders"));
  } else if (more !== undefined) {
    findings.note(
      options.where("OversignHeaders"),
      "OversignHeaders From: nobody can add To, Cc, Subject and others either; dkim.sign.oversign has the list",
    );
  }
}

/** A list of names. One with `*` is the difference to `base`: `*,+X-Mine,-Date`. */
function listOf(
  option: string,
  rows: Rows,
  base: readonly string[],
  findings: Findings,
): readonly string[] | undefined {
  const set = rows(option);
  if (typeof set === "string" || set.rows.length === 0) return undefined;
  const isDelta = set.rows.some(({ key }) => key === "*");
  const names = new Map(isDelta ? base.map((name) => [name.toLowerCase(), name]) : []);
  for (const { key, where } of set.rows) {
    const name = key.replace(/^[+-]/, "");
    if (key === "*" || key === ".") continue;
    if (isDelta && key.startsWith("-")) names.delete(name.toLowerCase());
    else if (!FIELD_NAME.test(name) || CHANGING.test(name)) {
      // What OpenDKIM leaves out by default is left out here always.
      if (option !== "OmitHeaders")
        findings.note(where, `${option}: ${name} changes on the way or is no field; it is left out`);
    } else names.set(name.toLowerCase(), name);
  }
  return [...names.values()];
}
