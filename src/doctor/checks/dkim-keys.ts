/** Compares private keys with their records in DNS (RFC 6376 section 3.6.1): those of OpenDKIM, and ours. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readKeyRecord } from "../../dkim/key-record.ts";
import { type ConfiguredKey, SigningKeys } from "../../dkim/keys.ts";
import { type Publication, publicationOf, recordName, recordText } from "../../dkim/record.ts";
import type { DnsAnswer } from "../../dns/types.ts";
import type { KeyFile } from "../../setup/dkim-keys.ts";
import { error, type Finding, shellWord, skipped, warning } from "../check.ts";
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

/** What is wrong with the keys of OpenDKIM and their records. */
export async function openDkimKeyFindings(
  setting: (name: string) => string | undefined,
  { path }: ConfigText,
  facts: Facts,
): Promise<Finding[]> {
  const keys = signingKeys(setting, facts.host.read).slice(0, MAX_KEYS);
  if (keys.length === 0) return [skipped(`${path} names no key that can be seen`)];
  const findings = keys.map(async ({ domain, selector, file }): Promise<Finding[]> => {
    const name = recordName(selector, domain);
    const key = readKey(facts.host.read(file));
    const found = stateOf(key, await lookUp(name, facts));
    const publish = publishing(name, key);
    switch (found.state) {
      case "trouble":
        return [skipped(`${name}: the lookup failed: ${found.reason}`)];
      case "missing":
        return [error(`OpenDKIM signs for ${domain}, and ${name} has no key record: no signature verifies`, publish)];
      case "revoked":
        return [error(`the key of ${name} is revoked (p= is empty): no signature verifies`, publish)];
      case "other-key":
        return [error(`${name} has another key than ${file}: no signature verifies`, publish)];
      case "unusable":
        return [error(`the record of ${name} cannot be read (${found.reason}): no signature verifies`, publish)];
      case "published":
        return lengthFindings(name, key, `opendkim-genkey -b 2048 -d ${domain} -s NEW_SELECTOR`);
    }
  });
  return (await Promise.all(findings)).flat();
}

/** What is wrong with our keys and their records. */
export async function ourKeyFindings(facts: Facts): Promise<Finding[]> {
  const { config } = facts.setup;
  const { keys, problems } = facts.dkim;
  const unread = problems.map((line) =>
    // Keys belong to the service alone.
    !facts.host.isRoot && line.endsWith("no permission")
      ? skipped(line)
      : error(`${line}: it signs nothing`, mendOfProblem(line)),
  );
  if (keys.length === 0 && problems.length === 0) return [skipped("no key is configured")];
  const looked = keys.slice(-MAX_KEYS);
  const answers = await Promise.all(
    looked.map(async (key) => ({ key, answer: await lookUp(recordName(key.selector, key.domain), facts) })),
  );
  const signing = new SigningKeys(keys, { requirePublished: true, seen: [] });
  for (const { key, answer } of answers) signing.learn(key, answer);
  const findings = answers.flatMap(({ key, answer }) =>
    ourKeyFinding(key, publicationOf(key.privateKey, answer), {
      others: keysBeside(key, signing),
      isSpare: signing.stateOf(key) === "spare",
      successor: successorOf(key, keys, signing),
      signsAtOnce: !config["dkim.sign.require_published"],
      minBits: config["dkim.min_key_bits"],
    }),
  );
  return [...unread, ...findings];
}

interface Beside {
  /** Keys that sign for the same authors, those of the same algorithm first. */
  readonly others: readonly ConfiguredKey[];
  /** True if a newer key of the same algorithm signs. */
  readonly isSpare: boolean;
  /** A key that will sign in its place, and is long enough, once its record is seen. */
  readonly successor: ConfiguredKey | undefined;
  /** True if a key signs before its record was seen. */
  readonly signsAtOnce: boolean;
  readonly minBits: number;
}

function keysBeside(key: ConfiguredKey, signing: SigningKeys): ConfiguredKey[] {
  const authors = key.from.map((author) => author.replace(/^\./, "any."));
  const others = authors.flatMap((author) => {
    const [local = "any", domain = author] = author.includes("@") ? author.split("@") : [];
    return signing.choose(local, domain).filter((one) => one !== key);
  });
  const isSame = (one: ConfiguredKey): boolean => one.algorithm === key.algorithm;
  return [...others.filter(isSame), ...others.filter((one) => !isSame(one))];
}

function successorOf(
  key: ConfiguredKey,
  keys: readonly ConfiguredKey[],
  signing: SigningKeys,
): ConfiguredKey | undefined {
  const newer = keys.slice(keys.indexOf(key) + 1);
  return newer.findLast(
    (one) =>
      one.algorithm === key.algorithm &&
      key.from.some((author) => one.from.includes(author)) &&
      signing.stateOf(one) === "waiting" &&
      bitsOf(one.privateKey) >= GOOD_BITS,
  );
}

/** The length of an RSA key; of another, as if it were long enough. */
function bitsOf(key: KeyObject | undefined): number {
  return key?.asymmetricKeyDetails?.modulusLength ?? GOOD_BITS;
}

function ourKeyFinding(key: KeyFile, found: Publication, beside: Beside): Finding[] {
  const { others, isSpare, successor, signsAtOnce, minBits } = beside;
  const name = recordName(key.selector, key.domain);
  const publish = publishing(name, key.privateKey);
  const again =
    successor === undefined
      ? `postvouch dkim keygen ${key.domain}`
      : publishing(recordName(successor.selector, successor.domain), successor.privateKey);
  switch (found.state) {
    case "published": {
      const bits = bitsOf(key.privateKey);
      if (isSpare) {
        const wanted = Math.max(GOOD_BITS, minBits);
        const by = others[0]?.selector ?? "a newer key";
        return bits >= wanted
          ? []
          : [
              warning(
                `the key of ${name} has ${bits} bits, want ${wanted}; ${by} signs in its place`,
                `when ${by} has signed for a week: remove the record of ${name}; rm ${shellWord(key.file)}`,
              ),
            ];
      }
      if (bits < minBits) {
        return [error(`the key of ${name} has ${bits} bits, less than dkim.min_key_bits (${minBits})`, again)];
      }
      return [
        ...(found.others > 0
          ? [
              warning(
                `${name} has ${found.others} more TXT ${found.others === 1 ? "record" : "records"}: receivers may read the wrong one`,
                `keep one: ${name}. TXT "${recordText(key.privateKey)}"`,
              ),
            ]
          : []),
        ...(found.isTesting
          ? [warning(`the record of ${name} says t=y: receivers may ignore its signatures`, `take t=y out: ${publish}`)]
          : []),
        ...lengthFindings(name, key.privateKey, again),
      ];
    }
    case "trouble":
      return [skipped(`${name}: the lookup failed: ${found.reason}`)];
    default: {
      const why = {
        missing: "has no key record",
        revoked: "is revoked (p= is empty)",
        "other-key": `has another key than ${key.file}`,
        unusable: `has a record that cannot be read${found.state === "unusable" ? ` (${found.reason})` : ""}`,
      }[found.state];
      const [other] = others;
      if (signsAtOnce) return [error(`${name} ${why}: no signature verifies (dkim.sign.require_published)`, publish)];
      if (other === undefined) {
        const effect = key.from.length === 0 ? "nothing is sealed" : `mail of ${key.domain} goes unsigned`;
        return [error(`${name} ${why}: the key waits, and ${effect}`, publish)];
      }
      if (other.algorithm !== key.algorithm && key.algorithm === "rsa-sha256") {
        const effect = `${other.selector} alone signs, which many receivers cannot verify (ed25519)`;
        return [warning(`${name} ${why}: the key waits, and ${effect}`, publish)];
      }
      const when = other.algorithm === key.algorithm ? "if its time is over" : "without ed25519";
      return [
        warning(
          `${name} ${why}: the key waits, and ${other.selector} goes on signing`,
          `${publish}; or ${when}: rm ${shellWord(key.file)}`,
        ),
      ];
    }
  }
}

function mendOfProblem(line: string): string {
  const [, path = ""] = /"([^"]+)"/.exec(line) ?? [];
  if (line.includes("want 0600")) return `chmod 600 ${shellWord(path)}`;
  if (line.endsWith("no such file")) return "postvouch dkim keygen DOMAIN, or take it out of postvouch.toml";
  return `mend ${path}; then: postvouch dkim check`;
}

function lengthFindings(name: string, key: KeyObject | undefined, mend: string): Finding[] {
  const bits = bitsOf(key);
  if (bits >= GOOD_BITS) return [];
  return [(bits < MIN_BITS ? error : warning)(`the key of ${name} has ${bits} bits, want ${GOOD_BITS}`, mend)];
}

function publishing(name: string, key: KeyObject | undefined): string {
  return key === undefined ? `publish the TXT record of ${name}` : `publish: ${name}. TXT "${recordText(key)}"`;
}

async function lookUp(name: string, { dns }: Facts): Promise<DnsAnswer<"TXT">> {
  return await dns.resolver.resolve(name, "TXT", { deadlineMs: dns.deadlineMs });
}

/** What DNS has for a key; for one that this user cannot read, whether there is a record at all. */
function stateOf(key: KeyObject | undefined, answer: DnsAnswer<"TXT">): Publication {
  if (key !== undefined) return publicationOf(key, answer);
  if (answer.status === "error") return { state: "trouble", reason: answer.detail || answer.trouble };
  const records = (answer.status === "ok" ? answer.records : []).map(readKeyRecord);
  const record = records.find(({ status }) => status !== "foreign");
  if (record === undefined) return { state: "missing" };
  return record.status === "revoked" ? { state: "revoked" } : { state: "published", others: 0, isTesting: false };
}

/** A private key in PEM; `undefined` if it cannot be read. */
function readKey(pem: string | undefined): KeyObject | undefined {
  if (pem === undefined) return undefined;
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
