/** What was found out about a message: each thing once, however many recipients ask for it. */

import type { Eventual } from "../collections/eventual.ts";
import type { Exemption } from "../mail/allow-list.ts";
import type { SpfVerdict } from "../spf/verdict.ts";

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
 * @param onKnown is told of the value, once
 * @returns `value`, or a promise of it
 */
export function keep<Name extends keyof Findings>(
  findings: Findings,
  name: Name,
  value: NonNullable<Findings[Name]>,
  onKnown: (value: Awaited<NonNullable<Findings[Name]>>) => void = () => {},
): NonNullable<Findings[Name]> {
  if (!(value instanceof Promise)) {
    onKnown(value as Awaited<typeof value>);
    return (findings[name] = value);
  }
  const kept = value.then(
    (settled) => {
      findings[name] = settled as Findings[Name];
      onKnown(settled as Awaited<typeof value>);
      return settled;
    },
    (error: unknown) => {
      findings[name] = undefined as Findings[Name];
      throw error;
    },
  ) as NonNullable<Findings[Name]>;
  return (findings[name] = kept);
}
