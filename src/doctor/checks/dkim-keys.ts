/** Compares the keys of OpenDKIM with their records in DNS (RFC 6376 section 3.6.1). */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { error, type Finding, skipped, warning } from "../check.ts";
import type { ConfigText, Facts } from "../facts.ts";

/** A key as OpenDKIM signs with it. */
interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  readonly file: string;
}

/** Key lengths of RSA: Gmail refuses less than the first, and recommends the second. */
const MIN_BITS = 1_024;
const GOOD_BITS = 2_048;

/** Keys that are looked at. */
const MAX_KEYS = 50;

/** The keys of KeyTable (opendkim.conf(5)), or of Domain, Selector and KeyFile. */
function signingKeys(setting: (name: string) => string | undefined, read: Facts["host"]["read"]): SigningKey[] {
  const table = setting("KeyTable");
  if (table === undefined) {
    const [domain, selector, file] = [setting("Domain"), setting("Selector"), setting("KeyFile")];
    return domain === undefined || selector === undefined || file === undefined || !/^[\w.-]+$/.test(domain)
      ? []
      : [{ domain, selector, file }];
  }
  const path = /^(?:refile:|file:)?(\/.*)$/.exec(table)?.[1];
  const lines = (path === undefined ? "" : (read(path) ?? "")).split("\n");
  return lines.flatMap((line) => {
    const [, domain, selector, file] = /^\s*[^#\s]+\s+([\w.-]+):([\w.-]+):(\/\S+)\s*$/.exec(line) ?? [];
    return domain === undefined || selector === undefined || file === undefined ? [] : [{ domain, selector, file }];
  });
}

/** What is wrong with the keys and their records. */
export async function keyFindings(
  setting: (name: string) => string | undefined,
  { path }: ConfigText,
  { host, dns }: Facts,
): Promise<Finding[]> {
  const keys = signingKeys(setting, host.read).slice(0, MAX_KEYS);
  if (keys.length === 0) return [skipped(`${path} names no key that can be seen`)];
  const findings = keys.map(async ({ domain, selector, file }): Promise<Finding[]> => {
    const name = `${selector}._domainkey.${domain}`;
    const key = readKey(host.read(file));
    const answer = await dns.resolver.resolve(name, "TXT", { deadlineMs: dns.deadlineMs });
    if (answer.status === "error") return [skipped(`${name}: the lookup failed: ${answer.detail || answer.trouble}`)];
    const publish =
      key === undefined ? `publish the TXT record of ${name}` : `publish: ${name}. TXT "${recordOf(key)}"`;
    const texts = answer.status === "ok" ? answer.records : [];
    const published = texts.map(publicPart).find((part) => part !== undefined);
    if (published === undefined)
      return [error(`OpenDKIM signs for ${domain}, and ${name} has no key record: no signature verifies`, publish)];
    if (published === "") return [error(`the key of ${name} is revoked (p= is empty): no signature verifies`, publish)];
    if (key === undefined) return [];
    if (published !== key.published)
      return [error(`${name} has another key than ${file}: no signature verifies`, publish)];
    if (key.bits === undefined || key.bits >= GOOD_BITS) return [];
    const report = key.bits < MIN_BITS ? error : warning;
    return [
      report(
        `the key of ${name} has ${key.bits} bits, want ${GOOD_BITS}`,
        `opendkim-genkey -b 2048 -d ${domain} -s NEW_SELECTOR`,
      ),
    ];
  });
  return (await Promise.all(findings)).flat();
}

interface PublicKey {
  readonly type: string;
  /** Length of an RSA key. */
  readonly bits: number | undefined;
  /** The value of p=. */
  readonly published: string;
}

/** The public half of a PEM file; `undefined` if it cannot be read. */
function readKey(pem: string | undefined): PublicKey | undefined {
  if (pem === undefined) return undefined;
  try {
    const key = createPublicKey(createPrivateKey(pem));
    const der = key.export({ type: "spki", format: "der" });
    const isEd25519 = key.asymmetricKeyType === "ed25519";
    return {
      type: isEd25519 ? "ed25519" : "rsa",
      bits: key.asymmetricKeyDetails?.modulusLength,
      // RFC 8463 section 4: the bare key.
      published: (isEd25519 ? der.subarray(-32) : der).toString("base64"),
    };
  } catch {
    return undefined;
  }
}

function recordOf({ type, published }: PublicKey): string {
  return `v=DKIM1; k=${type}; p=${published}`;
}

/** The value of p= of a key record, without blanks; `undefined` for another text. */
function publicPart(text: string): string | undefined {
  const [, value] = /(?:^|;)\s*p\s*=([^;]*)/.exec(text) ?? [];
  return value?.replaceAll(/\s/g, "");
}
