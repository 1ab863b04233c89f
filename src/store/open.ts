/** The store of long addresses that the configuration names. */
import { EXIT, errorText, Failure } from "../process/exit.ts";
import type { AddressStore } from "../srs/seams.ts";
import type { StoreHooks } from "./hooks.ts";
import { parseStoreUrl } from "./url.ts";

/**
 * Opens the store at `url`, as parseStoreUrl reads it. What a store needs is loaded only when it is the one in use.
 *
 * A Redis server that cannot be reached is no error: `put` and `get` reject until it can be, so that a mail host starts
 * whatever comes up first.
 *
 * @param timeMs milliseconds since 1970: addresses end by it
 * @throws {Failure} for what an admin must mend: a file that cannot be opened, a password that is refused
 */
export async function openStore(url: string, hooks: StoreHooks, timeMs: () => number): Promise<AddressStore> {
  try {
    const address = parseStoreUrl(url);
    if (address.kind === "sqlite")
      return await (await import("./sqlite.ts")).openSqliteStore(address.path, hooks, timeMs);
    return await (await import("./redis.ts")).openRedisStore(address, hooks);
  } catch (error) {
    throw new Failure(EXIT.unavailable, [`srs.store.url: ${errorText(error)}`], { cause: error });
  }
}
