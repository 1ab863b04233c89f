/** `postvouch srs secret`: prints a new secret for a line of the secrets file. */
import { EXIT } from "../process/exit.ts";
import { makeSecret } from "../setup/new-secret.ts";
import type { Call } from "./call.ts";

export function printSecret({ output }: Call): number {
  output.line(makeSecret());
  return EXIT.ok;
}
