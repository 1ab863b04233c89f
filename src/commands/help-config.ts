/** `postvouch help config`: lists all keys of the configuration. */
import type { Parameter } from "../config/parameter.ts";
import { PARAMETERS } from "../config/parameters.ts";
import { EXIT } from "../process/exit.ts";
import type { Call } from "./call.ts";
import { wrap } from "./wrap.ts";

export function printKeys({ output }: Call): number {
  for (const [name, { help, default: value }] of Object.entries<Parameter<unknown>>(PARAMETERS)) {
    output.line(`${name} = ${JSON.stringify(value)}`);
    for (const line of wrap(help, 73)) output.line(`      ${line}`);
  }
  return EXIT.ok;
}
