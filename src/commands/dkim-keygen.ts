/** `postvouch dkim keygen`: makes a key where the milter looks for it, and prints its record. */
import { recordName, recordText, zoneLine } from "../dkim/record.ts";
import { isDomainName, normalizeName } from "../mail/names.ts";
import { join } from "../process/builtins.ts";
import { EXIT, Failure, usageError } from "../process/exit.ts";
import { readConfigFile } from "../setup/config-file.ts";
import { createKeyFile, KEY_ALGORITHMS, type KeyAlgorithm, makeKey } from "../setup/new-dkim-key.ts";
import { stateDir } from "../setup/setup.ts";
import type { Call } from "./call.ts";

/**
 * Makes the key and prints its record.
 *
 * @throws {Failure} if the file exists or cannot be made
 */
export function keygen({ around, operands, options, output, timeMs }: Call): number {
  const domain = readDomain(operands);
  const algorithm = readAlgorithm(options.algorithm ?? "rsa2048");
  const selector = options.selector ?? `${algorithm === "ed25519" ? "ed" : "s"}${day(timeMs())}`;
  if (!isDomainName(`${selector}.x`)) {
    throw usageError(`Cannot use selector "${selector}": want letters, digits, "-" and "_", such as "s2026"`);
  }
  const { config, problems } = readConfigFile(around.configFile);
  if (problems.length > 0) throw new Failure(EXIT.config, problems);

  const configured = config["dkim.sign.key_directory"];
  const directory = configured || join(stateDir(config, around, "skip"), "dkim");
  const file = join(directory, domain, `${selector}.key`);
  const key = makeKey(algorithm);
  createKeyFile(file, key);

  const name = recordName(selector, domain);
  const text = recordText(key);
  output.line(`key: ${file}`);
  for (const line of configured === "" ? configLines(domain, selector, file) : []) output.line(line);
  output.line("");
  output.line("record, as a line of a zone:");
  output.line(zoneLine(name, text));
  output.line("");
  output.line("record, for a web form:");
  output.line(`name:  ${recordName(selector, "").slice(0, -1)}   (some want it whole: ${name})`);
  output.line("type:  TXT");
  output.line(`value: ${text}`);
  output.line("");
  output.line(`when it is published: postvouch dkim check ${domain}`);
  return EXIT.ok;
}

function readDomain([given = "", ...more]: readonly string[]): string {
  const domain = normalizeName(given);
  if (more.length > 0) throw usageError(`dkim keygen makes one key, got "${[given, ...more].join(" ")}"`);
  if (isDomainName(domain) && domain.includes(".")) return domain;
  throw usageError(`Cannot make a key for "${given}": want a domain name of several labels, in A-labels`);
}

function readAlgorithm(given: string): KeyAlgorithm {
  const algorithm = KEY_ALGORITHMS.find((one) => one === given);
  if (algorithm === undefined) throw usageError(`Cannot use algorithm "${given}": want ${KEY_ALGORITHMS.join(", ")}`);
  return algorithm;
}

/** The day in digits, so that the next key of a domain gets another selector. */
function day(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10).replaceAll("-", "");
}

function configLines(domain: string, selector: string, file: string): string[] {
  return [
    "",
    "dkim.sign.key_directory is not set. Set it to this directory, or add the key:",
    "[[dkim.sign.keys]]",
    `domain = "${domain}"`,
    `selector = "${selector}"`,
    `file = "${file}"`,
  ];
}
