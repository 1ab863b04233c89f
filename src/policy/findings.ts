/** What was found out about a message: each thing once, however many recipients ask for it. */
import type { SpfVerdict } from "../spf/verdict.ts";
import type { Exemption } from "./allow.ts";
import type { Eventual } from "./chain.ts";

/** Fields of one object and not objects of their own: thousands of messages are kept at a time. */
export class Findings {
  helo: Eventual<SpfVerdict> | undefined = undefined;
  mailFrom: Eventual<SpfVerdict> | undefined = undefined;
  exemption: Eventual<Exemption> | undefined = undefined;
}

/**
 * Keeps `value` under `name`. A promise stays only until it brings the value, which is then there at once; one that
 * rejects is forgotten, so that the next demand tries again.
 *
 * @returns `value`
 */
export function keep<Name extends keyof Findings>(
  findings: Findings,
  name: Name,
  value: NonNullable<Findings[Name]>,
): NonNullable<Findings[Name]> {
  findings[name] = value;
  if (value instanceof Promise) {
    value.then(
      (settled) => {
        findings[name] = settled as Findings[Name];
      },
      () => {
        findings[name] = undefined as Findings[Name];
      },
    );
  }
  return value;
}
