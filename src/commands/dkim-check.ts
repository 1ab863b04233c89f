/** `postvouch dkim check`: compares every configured key with its record in DNS. */
import { resolverSettings } from "../config/settings.ts";
import { type ConfiguredKey, SigningKeys } from "../dkim/keys.ts";
import { type Publication, publicationOf, recordName, recordText } from "../dkim/record.ts";
import { createResolver } from "../dns/resolver.ts";
import { normalizeName } from "../mail/names.ts";
import { EXIT, Failure } from "../process/exit.ts";
import { readConfigFile } from "../setup/config-file.ts";
import { readKeyFiles } from "../setup/dkim-keys.ts";
import type { Call } from "./call.ts";

/** Longest time for all answers. */
const TIME_LIMIT_MS = 30_000;

/**
 * Prints a line for each key.
 *
 * @returns 1 if a key cannot be used, or a domain has none
 * @throws {Failure} for a wrong configuration
 */
export async function checkKeys({ around, operands, output }: Call): Promise<number> {
  const { config, problems: faults } = readConfigFile(around.configFile);
  if (faults.length > 0) throw new Failure(EXIT.config, faults);
  const { keys, problems } = readKeyFiles(config);
  const wanted = new Set(operands.map(normalizeName));
  const chosen = keys.filter(({ domain }) => wanted.size === 0 || wanted.has(normalizeName(domain)));
  const missing = [...wanted].filter((domain) => !chosen.some((key) => normalizeName(key.domain) === domain));
  const complaints = [
    ...problems,
    ...missing.map((domain) => `no key for "${domain}" in dkim.sign.key_directory or dkim.sign.keys`),
    ...(keys.length === 0 && problems.length === 0 && wanted.size === 0
      ? ['no key is configured: "postvouch dkim keygen DOMAIN" makes one']
      : []),
  ];
  for (const line of complaints) output.problem(line);

  const resolver = createResolver(resolverSettings(config));
  try {
    const deadlineMs = performance.now() + TIME_LIMIT_MS;
    const answered = await Promise.all(
      chosen.map(async (key) => {
        const name = recordName(key.selector, key.domain);
        return { key, answer: await resolver.resolve(name, "TXT", { deadlineMs }) };
      }),
    );
    const signing = new SigningKeys(keys, { requirePublished: config["dkim.sign.require_published"], seen: [] });
    for (const { key, answer } of answered) signing.learn(key, answer);
    let isGood = complaints.length === 0;
    for (const { key, answer } of answered) {
      const publication = publicationOf(key.privateKey, answer);
      const { isUsable, says } = report(key, publication, signing, config["dkim.min_key_bits"]);
      isGood &&= isUsable;
      output.line(`${key.domain} ${key.selector} (${keyType(key)}): ${says}`);
    }
    return isGood ? EXIT.ok : EXIT.notRewritten;
  } finally {
    await resolver.close();
  }
}

/** Mail with its signature may be on its way for that long. */
const SPARE = "a newer key signs; when that has signed for a week, remove this record and this file";

interface Report {
  readonly isUsable: boolean;
  readonly says: string;
}

/** What an admin should know, and do. */
function report(key: ConfiguredKey, found: Publication, signing: SigningKeys, minKeyBits: number): Report {
  const bad = (says: string): Report => ({ isUsable: false, says });
  const name = recordName(key.selector, key.domain);
  const publish = `publish at ${name}: ${recordText(key.privateKey)}`;
  switch (found.state) {
    case "published": {
      if (signing.stateOf(key) === "spare") return { isUsable: true, says: `its record is found; ${SPARE}` };
      const bits = key.privateKey.asymmetricKeyDetails?.modulusLength;
      if (bits !== undefined && bits < minKeyBits) {
        return bad(`its record is found, but it is shorter than dkim.min_key_bits (${minKeyBits}); want a new key`);
      }
      if (found.others > 0) {
        return bad(
          `its record is found beside ${found.others} other TXT at ${name}; remove them, verifiers may read the wrong one`,
        );
      }
      const testing = found.isTesting ? '; "t=y" says that you are testing: remove it when all is well' : "";
      return { isUsable: true, says: `its record is found; it signs${testing}` };
    }
    case "missing":
      return bad(`no record yet; ${publish}`);
    case "revoked":
      return bad(`its record says that it is revoked (empty p=); ${publish}`);
    case "other-key":
      return bad(`another key is published; ${publish}`);
    case "unusable":
      return bad(`its record cannot be read (${found.reason}); ${publish}`);
    case "trouble":
      return bad(`DNS gave no answer (${found.reason}); try again`);
  }
}

function keyType({ privateKey }: ConfiguredKey): string {
  const bits = privateKey.asymmetricKeyDetails?.modulusLength;
  return bits === undefined ? "ed25519" : `RSA, ${bits} bits`;
}
