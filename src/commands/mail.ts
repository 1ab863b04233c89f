/** `postvouch mail verify` and `mail sign`: does with a message what the milter would. */
import { dkimPolicy, resolverSettings, signSettings } from "../config/settings.ts";
import { BodyHashes } from "../dkim/body-hash.ts";
import { KeyRecords } from "../dkim/key-record.ts";
import { SigningKeys } from "../dkim/keys.ts";
import { recordName } from "../dkim/record.ts";
import { namesToSign, Signing } from "../dkim/sign.ts";
import { dkimResults } from "../dkim/verdict.ts";
import { Verification } from "../dkim/verify.ts";
import { createResolver, type StubResolver } from "../dns/resolver.ts";
import { authenticationResults } from "../mail/authentication-results.ts";
import { type HeaderField, type Message, splitMessage } from "../mail/header-field.ts";
import { join, readFileSync } from "../process/builtins.ts";
import { EXIT, Failure, fileTrouble, usageError } from "../process/exit.ts";
import { readKeyFiles } from "../setup/dkim-keys.ts";
import { readSeenKeys, SEEN_KEYS_FILE } from "../setup/seen-keys.ts";
import { readSetup, type Setup, stateDir } from "../setup/setup.ts";
import type { Call } from "./call.ts";
import type { Output } from "./output.ts";

/** Longest time for all lookups of one message. */
const TIME_LIMIT_MS = 25_000;

/**
 * Prints the Authentication-Results field of a message.
 *
 * @throws {Failure} for a wrong configuration, or a file that cannot be read
 */
export async function verifyMail({ around, operands, options, output, timeMs }: Call): Promise<number> {
  const message = readMessage(operands);
  return await withSetup(around, async ({ config, hostname }, resolver) => {
    const body = new BodyHashes();
    const verification = new Verification(
      { ...dkimPolicy(config), resolver, keys: new KeyRecords(), timeMs },
      { fields: message.fields, authorDomains: domainsIn(message.fields), deadlineMs: deadline() },
      body,
    );
    hashBody(message, body);
    const verdicts = await verification.finish();
    const authservId = config["policy.authserv_id"] || hostname;
    const header = authenticationResults(authservId, dkimResults(verdicts));
    if (options.json === true) output.json({ authservId, dkim: verdicts, header }, readable);
    else output.line(header);
    return EXIT.ok;
  });
}

/**
 * Prints a message with its signatures.
 *
 * @returns 1 if it was not signed
 * @throws {Failure} for a wrong configuration, or a file that cannot be read
 */
export async function signMail({ around, operands, output, timeMs }: Call): Promise<number> {
  const message = readMessage(operands);
  return await withSetup(around, async ({ config }, resolver) => {
    const refuse = (reason: string): number => {
      output.problem(`not signed: ${reason}`);
      return EXIT.notRewritten;
    };
    const { keys, problems } = readKeyFiles(config);
    for (const problem of problems) output.problem(problem);
    const settings = signSettings(config);
    const found = namesToSign(message.fields, settings);
    if ("refusal" in found) return refuse(found.refusal);
    const author = authorOf(message.fields);
    if (author === undefined) return refuse("want one plain address in From");
    const { seen } = readSeenKeys(join(stateDir(config, around, "skip"), SEEN_KEYS_FILE));
    const signing = new SigningKeys(keys, { requirePublished: config["dkim.sign.require_published"], seen });
    const deadlineMs = deadline();
    const candidates = signing.candidates(author.local, author.domain);
    if (candidates.length === 0) return refuse(`no key for ${author.local}@${author.domain}`);
    // Only the keys of this author: there may be thousands.
    for (const key of candidates) {
      signing.learn(key, await resolver.resolve(recordName(key.selector, key.domain), "TXT", { deadlineMs }));
    }
    const chosen = signing.choose(author.local, author.domain);
    if (chosen.length === 0) {
      return refuse(`no record in DNS for the key of ${author.domain}; "postvouch dkim check" says more`);
    }
    const body = new BodyHashes();
    const started = new Signing(settings, message.fields, found.names, chosen, body);
    hashBody(message, body);
    const signatures = await started.finish(timeMs() / 1000);
    printMessage(signatures, message, output);
    return EXIT.ok;
  });
}

async function withSetup(
  around: Call["around"],
  run: (setup: Setup, resolver: StubResolver) => Promise<number>,
): Promise<number> {
  const setup = await readSetup(around, "unread");
  if (setup.problems.length > 0) throw new Failure(EXIT.config, setup.problems);
  const resolver = createResolver(resolverSettings(setup.config));
  try {
    return await run(setup, resolver);
  } finally {
    await resolver.close();
  }
}

function deadline(): number {
  return performance.now() + TIME_LIMIT_MS;
}

const STDIN_FD = 0;

function readMessage([file = "-", ...more]: readonly string[]): Message & { readonly bytes: Buffer } {
  if (more.length > 0) throw usageError(`want one FILE, got "${[file, ...more].join(" ")}"`);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === "-" ? STDIN_FD : file);
  } catch (error) {
    throw new Failure(EXIT.dataError, [`Cannot read message "${file}": ${fileTrouble(error)}`], { cause: error });
  }
  return { ...splitMessage(bytes), bytes };
}

/** Bytes of the body that are hashed at a time, as a milter gets them. */
const CHUNK_BYTES = 65_535;

function hashBody(message: Message, hashes: BodyHashes): void {
  for (let at = 0; at < message.body.length; at += CHUNK_BYTES) {
    hashes.update(message.body.subarray(at, at + CHUNK_BYTES));
  }
  hashes.end();
}

/** All domains that a From field names, in whatever way: they only order the signatures. */
function domainsIn(fields: readonly HeaderField[]): string[] {
  const from = fields.filter(({ key }) => key === "from").map(({ value }) => value);
  return [...from.join(" ").matchAll(/@([A-Za-z0-9._-]{1,253})/g)].map(([, domain = ""]) => domain);
}

/** An address alone, or one in angle brackets behind a name without any "<", ">" and "@". */
const PLAIN_AUTHOR = /^(?:[^<>@]*<)?([^\s<>@"(),:;\\]{1,64})@([A-Za-z0-9._-]{1,253})>?$/;

function authorOf(fields: readonly HeaderField[]): { readonly local: string; readonly domain: string } | undefined {
  const value = fields.find(({ key }) => key === "from")?.value.trim() ?? "";
  const [, local, domain] = PLAIN_AUTHOR.exec(value) ?? [];
  const isWhole = value.includes("<") === value.endsWith(">");
  return local === undefined || domain === undefined || !isWhole ? undefined : { local, domain };
}

/** Prints the signatures and the message as it came, with its own line ends. */
function printMessage(signatures: readonly HeaderField[], { bytes }: { readonly bytes: Buffer }, output: Output): void {
  const firstLf = bytes.indexOf("\n");
  const end = firstLf > 0 && bytes[firstLf - 1] === CR ? "\r\n" : "\n";
  const fields = signatures.map(({ line }) => `${line}\r\n`).join("");
  output.bytes(Buffer.concat([Buffer.from(fields.replaceAll("\r\n", end), "latin1"), bytes]));
}

const CR = 0x0d;

/** Converts text of messages to UTF-8 as far as it is. */
function readable(_key: string, value: unknown): unknown {
  return typeof value === "string" ? Buffer.from(value, "latin1").toString("utf8") : value;
}
