/** The result of ARC (RFC 8617 section 5.2), in a form that JSON can hold. */
import type { MethodResult } from "../mail/authentication-results.ts";
import type { ShownSeal } from "./seal-field.ts";

/** A set of the chain, as its seal tells it: text of its writer. */
interface ShownSet extends ShownSeal {
  readonly instance: number;
}

export interface ArcVerdict {
  /** `temperror`: a key could not be looked up, and nothing else is wrong. */
  readonly result: "none" | "pass" | "fail" | "temperror";
  /** Some words for people. */
  readonly reason: string;
  /** Number of the newest set; 0 if there is none. */
  readonly instance: number;
  /** The sets from the first on. None if they are no chain. */
  readonly sets: readonly ShownSet[];
}

/** d= of the newest seal of a chain that has passed. */
export function sealerOf({ result, sets }: ArcVerdict): string | undefined {
  return result === "pass" ? sets.at(-1)?.domain : undefined;
}

/** @param remoteIp the address of the client, as a later reader of our results needs it (RFC 8617 section 7.2) */
export function arcResult({ result, reason, instance }: ArcVerdict, remoteIp: string | undefined): MethodResult {
  return {
    method: "arc",
    result,
    comment: result === "pass" ? `i=${instance}` : instance === 0 ? reason : `i=${instance}: ${reason}`,
    properties: remoteIp === undefined ? [] : [{ ptype: "smtp", property: "remote-ip", value: remoteIp }],
  };
}
