/** Opens the store of long addresses. */
import { EXIT, errorText, Failure } from "../process/exit.ts";
import type { AddressStore } from "../srs/seams.ts";
import type { StoreHooks } from "./hooks.ts";
import { parseStoreUrl } from "./url.ts";

/**
 * Opens the store at `url` (see parseStoreUrl). Loads only the code of that kind of store.
 *
 * A Redis server that cannot be reached is not an error: `put` and `get` reject until it can be reached. So a mail host
 * starts in any order.
 *
 * @param timeMs clock that decides when addresses expire, in milliseconds since 1970
 * @throws {Failure} for a problem that an admin must repair: a file that cannot be opened, a password that is refused
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
