/** One row of the table of configuration keys. */
import type { Kind } from "./value.ts";

export interface Parameter<T> {
  /** One or two sentences for an admin. */
  readonly help: string;
  /** The default as TOML has it. It must be a valid value. */
  readonly default: unknown;
  readonly kind: Kind<T>;
}

export function parameter<T>(kindOfValue: Kind<T>, defaultValue: unknown, help: string): Parameter<T> {
  return { kind: kindOfValue, default: defaultValue, help };
}
