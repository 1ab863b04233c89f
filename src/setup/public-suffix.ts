/** The Public Suffix List: under which names others register their domains. Loaded by those alone who need it. */
import { getDomain, getPublicSuffix } from "tldts";

const WITH_PRIVATE_SUFFIXES = { allowPrivateDomains: true } as const;

export function isPublicSuffix(name: string): boolean {
  return getPublicSuffix(name, WITH_PRIVATE_SUFFIXES) === name;
}

/** The domain that was registered, as far as the list knows; the name itself if it is a suffix. No query is made. */
export function registeredDomain(name: string): string {
  return getDomain(name, WITH_PRIVATE_SUFFIXES) ?? name;
}
