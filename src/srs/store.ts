/**
 * Where addresses are kept that do not fit into a rewritten local part. The layout is postsrsd 2.4's, so that its
 * database can be taken over: key `<ALIAS>@1`, value the address as it came, gone after the SRS maximum age.
 */
export interface AddressStore {
  /** Keeps `address` (latin1) under `alias` for `ttlSeconds`; a second call renews it. Rejects when it could not. */
  put(alias: string, address: string, ttlSeconds: number): void | Promise<void>;
  /** The address under `alias`, or `undefined` when there is none or its time is over. Rejects when it cannot tell. */
  get(alias: string): string | undefined | Promise<string | undefined>;
  close(): Promise<void>;
}
