import type { AddressStore } from "../srs/store.ts";
import { openRedisStore, type StoreOptions } from "./redis.ts";
import { openSqliteStore } from "./sqlite.ts";
import { parseStoreUrl } from "./url.ts";

/**
 * Opens the store at `url`, as parseStoreUrl reads it. What a store needs is loaded only when it is the one in use.
 *
 * A Redis server that cannot be reached is no error: `put` and `get` reject until it can be, so that a mail host starts
 * whatever comes up first.
 *
 * @throws {Error} for what an admin must mend: the URL, a file that cannot be opened, a password that is refused.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<AddressStore> {
  const address = parseStoreUrl(url);
  return address.kind === "sqlite" ? openSqliteStore(address.path) : openRedisStore(address, options);
}
