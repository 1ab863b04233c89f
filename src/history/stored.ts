/** Reads the JSON in the file of results. A damaged disk or another program may have written what is none of ours. */
import type { PublishedPolicy, ReportRow } from "../dmarc/report-row.ts";

/** @returns `undefined` for anything but a PublishedPolicy */
export function readPolicy(text: unknown): PublishedPolicy | undefined {
  const value = parse(text);
  return hasTexts(value, ["domain", "p", "adkim", "aspf", "fo", "testing"]) && mayHaveTexts(value, ["sp", "np"])
    ? (value as unknown as PublishedPolicy)
    : undefined;
}

/** @returns `undefined` for anything but a ReportRow */
export function readRow(text: unknown): ReportRow | undefined {
  const value = parse(text);
  if (!hasTexts(value, ["sourceAddress", "disposition", "headerFrom", "envelopeFrom"])) return undefined;
  const { dkim, spf, override, dkimAligned, spfAligned } = value;
  const isWhole =
    typeof dkimAligned === "boolean" &&
    typeof spfAligned === "boolean" &&
    Array.isArray(dkim) &&
    dkim.every(isResult) &&
    (spf === undefined || isResult(spf)) &&
    (override === undefined || hasTexts(override, ["type", "comment"]));
  return isWhole ? (value as unknown as ReportRow) : undefined;
}

/** @returns `undefined` for anything but a list of texts */
export function readTexts(text: unknown): readonly string[] | undefined {
  const value = parse(text);
  return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : undefined;
}

function parse(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

function isResult(value: unknown): boolean {
  return hasTexts(value, ["domain", "selector", "result"]);
}

function hasTexts(value: unknown, names: readonly string[]): value is Readonly<Record<string, unknown>> {
  return isObject(value) && names.every((name) => typeof value[name] === "string");
}

function mayHaveTexts(value: Readonly<Record<string, unknown>>, names: readonly string[]): boolean {
  return names.every((name) => value[name] === undefined || typeof value[name] === "string");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
