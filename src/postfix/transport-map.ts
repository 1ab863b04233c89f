/** Entries of transport_maps (transport(5)): the destinations that they send elsewhere than the default. */

/** Domains of strangers, to ask a table for that cannot list its keys. */
export const BIG_RECEIVERS: readonly string[] = ["gmail.com", "outlook.com", "yahoo.com", "icloud.com"];

/** Entries of a table that are looked at. */
export const MAX_KEYS = 10_000;

/** Tells if an entry names no transport and no next hop: the default stays. */
export function isDefaultRoute(value: string): boolean {
  return /^:?$/.test(value.trim());
}

/** The domain of a key: of `user@example.com`, `.example.com` and `example.com`; `undefined` for `*` and local names. */
export function domainOfKey(key: string): string | undefined {
  const domain = key.replace(/^.*@/, "").replace(/^\./, "");
  return domain.includes(".") ? domain.toLowerCase() : undefined;
}
