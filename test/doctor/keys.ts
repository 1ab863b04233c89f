/** DKIM keys for tests of checks, and their records. */
import { generateKeyPairSync } from "node:crypto";
import { recordText } from "../../src/dkim/record.ts";
import type { KeyFile } from "../../src/setup/dkim-keys.ts";

interface KeyOptions {
  /** Length of an RSA key; 0 for ed25519. */
  readonly bits?: number;
  readonly from?: readonly string[];
}

/** A new key, as `dkim.sign.key_directory` would have it. */
export function testKey(domain: string, selector: string, { bits = 2048, from = [domain] }: KeyOptions = {}): KeyFile {
  const { privateKey } =
    bits === 0 ? generateKeyPairSync("ed25519") : generateKeyPairSync("rsa", { modulusLength: bits });
  return {
    domain,
    selector,
    file: `/etc/postvouch/dkim/${domain}/${selector}.key`,
    from,
    algorithm: bits === 0 ? "ed25519-sha256" : "rsa-sha256",
    privateKey,
  };
}

/** The zone of some keys that are published. */
export function zoneOf(...keys: readonly KeyFile[]) {
  return Object.fromEntries(
    keys.map(({ domain, selector, privateKey }) => [
      `${selector}._domainkey.${domain}`,
      [{ TXT: recordText(privateKey) }],
    ]),
  );
}
