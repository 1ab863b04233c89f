import type { AddressStore } from "../srs/store.ts";
import { openStore } from "../store/open.ts";
import { EXIT, errorText, Failure } from "../sysexits.ts";
import type { Setup } from "./setup.ts";

/** Is told when the store stops answering and when it is back. */
export interface StoreHooks {
  onFailed(reason: string): void;
  onRecovered(): void;
}

/**
 * The store that the configuration names, if any.
 *
 * @throws {Failure} when it cannot be used at all; a Redis server that is down is no such case
 */
export async function openConfiguredStore(setup: Setup, hooks: StoreHooks): Promise<AddressStore | undefined> {
  const url = setup.config["srs.store.url"];
  if (url === "") return undefined;
  try {
    return await openStore(url, hooks);
  } catch (error) {
    throw new Failure(EXIT.unavailable, [`srs.store.url: ${errorText(error)}`], { cause: error });
  }
}
