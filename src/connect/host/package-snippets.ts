/** Reads the snippets of the package. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, Failure, fileTrouble } from "../../process/exit.ts";
import { SNIPPETS, type Snippets } from "../snippets.ts";

/** @throws {Failure} when one is missing */
export function readSnippets(packageDir: string): Snippets {
  const texts = SNIPPETS.map((name) => {
    const path = join(packageDir, "deploy", "postfix", name);
    try {
      return [name, readFileSync(path, "utf8")] as const;
    } catch (error) {
      throw new Failure(EXIT.unavailable, [`Cannot read "${path}": ${fileTrouble(error)}; it is part of the package`]);
    }
  });
  return Object.fromEntries(texts) as Snippets;
}
