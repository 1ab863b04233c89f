/** `postvouch srs`: rewrites addresses as the daemon would, and makes secrets. */
import { createInterface } from "node:readline";
import type { LookupResult, LookupTable } from "../net/lookup.ts";
import { EXIT, errorText, Failure } from "../process/exit.ts";
import { openOwnDomains } from "../setup/own-domains.ts";
import { makeSecret } from "../setup/secrets-file.ts";
import { readSetup, type Surroundings } from "../setup/setup.ts";
import { createSrsTables } from "../setup/srs-tables.ts";
import { forwardTable, reverseTable } from "../srs/table.ts";
import { openStore } from "../store/open.ts";
import { type Output, printable } from "./output.ts";

export interface SrsOptions {
  readonly around: Surroundings;
  /** `forward` or `reverse` and addresses, of which `-` stands for the lines of standard input; or `secret`. */
  readonly operands: readonly string[];
  readonly json: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Prints one line for each address that was rewritten, or with `json` one object for every address.
 *
 * @returns the exit code: 1 when one was not rewritten
 * @throws {Failure} when the setup is wrong or something of ours does not answer
 */
export async function runSrs(options: SrsOptions, output: Output): Promise<number> {
  const [verb, ...addresses] = options.operands;
  if (verb === "secret" && addresses.length === 0) {
    output.line(makeSecret());
    return EXIT.ok;
  }
  if ((verb !== "forward" && verb !== "reverse") || addresses.length === 0) {
    throw new Failure(EXIT.usage, ["srs: want forward or reverse and addresses, or secret alone"]);
  }
  const setup = await readSetup(options.around, "refuse");
  const { ownDomains } = await openOwnDomains(setup, () => {});
  const hooks = { onFailed: (reason: string) => output.problem(reason), onRecovered: () => {} };
  const url = setup.config["srs.store.url"];
  const store = url === "" ? undefined : await openStore(url, hooks, options.now);
  try {
    const tables = createSrsTables(setup, { ownDomains, store, now: options.now });
    const table = verb === "forward" ? forwardTable(tables) : reverseTable(tables);
    return await rewriteAll(table, addresses, { json: options.json, secretsFile: setup.secretsFile }, output);
  } finally {
    ownDomains.close();
    await store?.close();
  }
}

async function rewriteAll(
  table: LookupTable,
  addresses: readonly string[],
  { json, secretsFile }: { readonly json: boolean; readonly secretsFile: string },
  output: Output,
): Promise<number> {
  let exitCode: number = EXIT.ok;
  for await (const address of readAddresses(addresses)) {
    const result = await lookUp(table, address);
    if (result.status === "tempFail") throw new Failure(EXIT.tempFail, [`${printable(address)}: ${result.reason}`]);
    if (result.status === "notFound") exitCode = EXIT.notRewritten;
    const rewritten = result.status === "found" ? Buffer.from(result.value, "latin1").toString("utf8") : null;
    const reason = result.status === "found" ? null : result.reason;
    if (json) output.line(JSON.stringify({ address, map: table.name, rewritten, outcome: result.outcome, reason }));
    else if (rewritten !== null) output.line(printable(rewritten));
    else {
      const source = result.outcome === "bad_hash" ? `, with the secrets of ${secretsFile}` : "";
      output.problem(`${printable(address)}: not rewritten: ${reason}${source}`);
    }
  }
  return exitCode;
}

/** Keys and values are octets; on the terminal they are UTF-8. */
async function lookUp(table: LookupTable, address: string): Promise<LookupResult> {
  try {
    return await table.get(Buffer.from(address, "utf8").toString("latin1"));
  } catch (error) {
    throw new Failure(EXIT.tempFail, [`${printable(address)}: ${errorText(error)}`], { cause: error });
  }
}

async function* readAddresses(given: readonly string[]): AsyncGenerator<string> {
  for (const address of given) {
    if (address !== "-") {
      yield address;
      continue;
    }
    for await (const line of createInterface({ input: process.stdin })) {
      if (line.trim() !== "") yield line.trim();
    }
  }
}
