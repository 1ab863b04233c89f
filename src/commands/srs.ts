/** `postvouch srs forward` and `srs reverse`: rewrites addresses as the daemon would. */
import { createInterface } from "node:readline";
import type { LookupResult, LookupTable } from "../net/lookup.ts";
import { EXIT, errorText, Failure } from "../process/exit.ts";
import { openOwnDomains } from "../setup/own-domains.ts";
import { readSetup } from "../setup/setup.ts";
import { createSrsTables } from "../setup/srs-tables.ts";
import { forwardTable, reverseTable, type SrsTables } from "../srs/table.ts";
import { openStore } from "../store/open.ts";
import type { Call } from "./call.ts";
import { bareAddress } from "./logged-address.ts";
import type { Output } from "./output.ts";

/** `postvouch srs forward`. */
export const forward = (call: Call): Promise<number> => rewrite(call, forwardTable);

/** `postvouch srs reverse`. */
export const reverse = (call: Call): Promise<number> => rewrite(call, reverseTable);

/**
 * Prints one line for each address that was rewritten, or with `--json` one object for every address.
 *
 * @returns 1 if an address was not rewritten
 * @throws {Failure} if the setup is wrong or one of our parts does not answer
 */
async function rewrite(
  { around, operands, options, output, timeMs }: Call,
  createTable: (tables: SrsTables) => LookupTable,
): Promise<number> {
  const setup = await readSetup(around, "refuse");
  const { ownDomains } = await openOwnDomains(setup, () => {});
  const report = (problem: string): void => output.problem(problem);
  const hooks = { onFailed: report, onRecovered: () => {}, onLost: report };
  const url = setup.config["srs.store.url"];
  const store = url === "" ? undefined : await openStore(url, hooks, timeMs);
  try {
    const table = createTable(createSrsTables(setup, { ownDomains, store, timeMs }));
    return await rewriteAll(table, operands, { json: options.json === true, secretsFile: setup.secretsFile }, output);
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
    if (result.status === "tempFail") throw new Failure(EXIT.tempFail, [`${address}: ${result.reason}`]);
    if (result.status === "notFound") exitCode = EXIT.notRewritten;
    const rewritten = result.status === "found" ? Buffer.from(result.value, "latin1").toString("utf8") : null;
    const reason = result.status === "found" ? null : result.reason;
    if (json) output.json({ address, map: table.name, rewritten, outcome: result.outcome, reason });
    else if (rewritten !== null) output.line(rewritten);
    else {
      const source = result.outcome === "bad_hash" ? `, with the secrets of ${secretsFile}` : "";
      output.problem(`${address}: not rewritten: ${reason}${source}`);
    }
  }
  return exitCode;
}

/** Looks up an address. Keys and values are bytes, on the terminal they are UTF-8. */
async function lookUp(table: LookupTable, address: string): Promise<LookupResult> {
  try {
    return await table.get(Buffer.from(bareAddress(address), "utf8").toString("latin1"));
  } catch (error) {
    throw new Failure(EXIT.tempFail, [`${address}: ${errorText(error)}`], { cause: error });
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
