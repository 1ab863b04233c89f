/** What the SRS maps ask that lies outside of SRS: which domains are ours, and the store of long addresses. */

/** Own sender domains, which are never rewritten. */
export interface OwnDomains {
  /**
   * Whether `domain` (as it came, any case, a trailing dot allowed) is own. A promise only when something outside the
   * process has to be asked; it rejects when that does not answer and nothing is known.
   */
  has(domain: string): boolean | Promise<boolean>;
}

/**
 * Where addresses are kept that do not fit into a rewritten local part. The layout is postsrsd 2.4's, so that its
 * database can be taken over: key `<ALIAS>@1`, value the address as it came, gone after the SRS maximum age.
 */
export interface AddressStore {
  /** Keeps `address` (latin1) under `alias` for `ttlSeconds`; a second call renews it. Rejects when it could not. */
  put(alias: string, address: string, ttlSeconds: number): void | Promise<void>;
  /** The value under `alias`, or `undefined` when there is none or its time is over. Rejects when it cannot tell. */
  get(alias: string): string | undefined | Promise<string | undefined>;
  close(): Promise<void>;
}
