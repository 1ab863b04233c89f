/** The properties of every verdict, for any record. */
import { SPF_RESULTS, type SpfVerdict } from "../../src/spf/verdict.ts";

/** A checker's settings in tests that make up zones. */
export const SPF_LIMITS = {
  maxDnsLookups: 10,
  maxVoidLookups: 2,
  receiver: "mx.example.org",
  clockMs: () => 0,
  verdictCacheSize: 8,
};

const SOUND: Readonly<Record<string, (verdict: SpfVerdict) => boolean>> = {
  "a known result": ({ result }) => SPF_RESULTS.includes(result),
  "an explanation of one line": ({ explanation }) => /^[\x20-\x7e]{1,200}$/.test(explanation),
  "a problem of one line": ({ problem = "" }) => /^[\x20-\x7e]{0,200}$/.test(problem),
  "a problem where there is an error": ({ result, problem }) => result.endsWith("error") === (problem !== undefined),
  "a printable mechanism": ({ mechanism = "" }) => /^[\x20-\x7e]*$/.test(mechanism),
  "at most 10 lookups": ({ lookups }) => lookups <= SPF_LIMITS.maxDnsLookups,
  "at most 3 void lookups": ({ voidLookups }) => voidLookups <= SPF_LIMITS.maxVoidLookups + 1,
};

/** The promises that a verdict breaks. */
export function faultsOf(verdict: SpfVerdict): string[] {
  return Object.entries(SOUND)
    .filter(([, holds]) => !holds(verdict))
    .map(([what]) => `not ${what}: ${JSON.stringify(verdict)}`);
}
