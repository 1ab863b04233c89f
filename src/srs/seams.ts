/** The interfaces that the SRS maps need from outside: own domains, and the store of long addresses. */

/** Own sender domains, which are never rewritten. */
export interface OwnDomains {
  /**
   * Tells if `domain` (unchanged, any case, a trailing dot allowed) is own. Returns a promise only if another process
   * must be asked. It rejects if that process does not answer and there is no cached answer.
   */
  has(domain: string): boolean | Promise<boolean>;
}

/**
 * Stores addresses that do not fit into a rewritten local part. The layout is that of postsrsd 2.4, so that its
 * database can be used: key `<ALIAS>@1`, value the unchanged address, removed after the SRS maximum age.
 */
export interface AddressStore {
  /** Keeps `address` (latin1) under `alias` for `ttlSeconds`. A second call renews it. Rejects on failure. */
  put(alias: string, address: string, ttlSeconds: number): void | Promise<void>;
  /** The value under `alias`; `undefined` if there is none or it has expired. Rejects on failure. */
  get(alias: string): string | undefined | Promise<string | undefined>;
  close(): Promise<void>;
}
