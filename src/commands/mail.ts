/** `postvouch mail verify`, `mail sign` and `mail seal`: does with a message what the milter would. */
import { Checks, type Envelope } from "../authentication/checks.ts";
import { ownResults } from "../authentication/forged-results.ts";
import { MessageHeader } from "../authentication/header.ts";
import { Seal } from "../authentication/seal.ts";
import { resolverSettings, signSettings } from "../config/settings.ts";
import { BodyHashes } from "../dkim/body-hash.ts";
import { SigningKeys } from "../dkim/keys.ts";
import { recordName } from "../dkim/record.ts";
import { namesToSign, Signing } from "../dkim/sign.ts";
import { explainDmarc } from "../dmarc/explain.ts";
import { readFrom } from "../dmarc/from.ts";
import { lowerCase } from "../dns/name.ts";
import { createResolver, type StubResolver } from "../dns/resolver.ts";
import { foldedResults } from "../mail/authentication-results.ts";
import { type HeaderField, type Message, splitMessage } from "../mail/header-field.ts";
import { parseAddress } from "../mail/ip.ts";
import { readFileSync } from "../process/builtins.ts";
import { EXIT, Failure, fileTrouble, usageError } from "../process/exit.ts";
import { readRegularFile } from "../process/regular-file.ts";
import { readKeyFiles } from "../setup/dkim-keys.ts";
import { createCheckParts } from "../setup/mail-checks.ts";
import { readSetup, type Setup } from "../setup/setup.ts";
import { createChecker } from "../setup/spf-checker.ts";
import { authorKeys } from "./author-keys.ts";
import type { Call } from "./call.ts";
import type { Output } from "./output.ts";

/** Longest time for all lookups of one message. */
const TIME_LIMIT_MS = 25_000;

/**
 * Prints the Authentication-Results field of a message. Without --ip SPF is left out, and a DMARC result may be wrong.
 *
 * @throws {Failure} for a wrong configuration, or a file that cannot be read
 */
export async function verifyMail({ around, operands, options, output, timeMs }: Call): Promise<number> {
  const message = readMessage(operands);
  const envelope = readEnvelope(options);
  return await withSetup(around, async (setup, resolver) => {
    const parts = createCheckParts(setup, { resolver, checker: createChecker(setup, resolver), timeMs });
    const { settings } = parts;
    const checks = new Checks(parts, envelope);
    checks.beginBody(headerOf(message));
    eachChunk(message.body, (chunk) => checks.body.update(chunk));
    const { helo, mailFrom, signatures, arc, dmarc, results } = await checks.finish();
    const value = foldedResults(settings.authservId, results);
    if (options.json === true) {
      const spf = envelope === undefined ? null : { helo, mailFrom };
      const action = settings.isReport ? "accept" : (dmarc?.disposition.action ?? "accept");
      const { authservId } = settings;
      output.json(
        { authservId, spf, dkim: signatures, arc, dmarc: dmarc?.verdict, action, header: `${FIELD}:${value}` },
        readable,
      );
    } else {
      output.bytes(Buffer.from(`${FIELD}:${value}\n`, "latin1"));
      if (options.explain === true && dmarc !== undefined) output.bytes(Buffer.from(explainDmarc(dmarc.verdict)));
    }
    return EXIT.ok;
  });
}

const FIELD = "Authentication-Results";

/** @throws {Failure} for an address that is none, or options that mean nothing without one */
function readEnvelope({ ip, helo, sender }: Call["options"]): Envelope | undefined {
  if (ip === undefined) {
    if (helo === undefined && sender === undefined) return undefined;
    throw usageError("want --ip beside --helo and --sender");
  }
  if (parseAddress(ip) === undefined)
    throw new Failure(EXIT.dataError, [`Cannot check client address "${ip}": want an IP address`]);
  return { clientAddress: ip, heloName: helo ?? "", sender: sender ?? "" };
}

/**
 * Prints a message with its signatures.
 *
 * @returns 1 if it was not signed
 * @throws {Failure} for a wrong configuration, or a file that cannot be read
 */
export async function signMail({ around, operands, output, timeMs }: Call): Promise<number> {
  const message = readMessage(operands);
  return await withSetup(around, async (setup, resolver) => {
    const refuse = (reason: string): number => {
      output.problem(`not signed: ${reason}`);
      return EXIT.notRewritten;
    };
    const settings = signSettings(setup.config);
    const found = namesToSign(message.fields, settings);
    if ("refusal" in found) return refuse(found.refusal);
    const from = readFrom(message.fields.flatMap(({ key, value }) => (key === "from" ? [value] : [])));
    if (!from.isUsable) return refuse(`From has no author: ${from.problem}`);
    const { chosen, refusal, problems } = await authorKeys(setup, resolver, from.mailbox);
    for (const problem of problems) output.problem(problem);
    if (chosen.length === 0) return refuse(refusal);
    const body = new BodyHashes();
    const started = new Signing(settings, message.fields, found.names, chosen, body);
    eachChunk(message.body, (chunk) => body.update(chunk));
    body.end();
    const signatures = await started.finish(timeMs() / 1000);
    printMessage(signatures, message, output);
    return EXIT.ok;
  });
}

/**
 * Prints a message with a new ARC set.
 *
 * @returns 1 if it was not sealed
 * @throws {Failure} for a wrong configuration, or a file that cannot be read
 */
export async function sealMail({ around, operands, options, output, timeMs }: Call): Promise<number> {
  const message = readMessage(operands);
  const envelope = readEnvelope(options);
  return await withSetup(around, async (setup, resolver) => {
    const { keys: files, problems } = readKeyFiles(setup.config);
    for (const problem of problems) output.problem(problem);
    const given = createCheckParts(setup, { resolver, checker: createChecker(setup, resolver), timeMs });
    const settings = { ...given.settings, verifiesArc: true };
    const { domains, selector } = settings.arc;
    const requirePublished = setup.config["dkim.sign.require_published"];
    const keys = new SigningKeys(files, { requirePublished, seen: [] });
    const deadlineMs = deadline();
    for (const key of keys.sealerCandidates(domains, selector)) {
      keys.learn(key, await resolver.resolve(recordName(key.selector, key.domain), "TXT", { deadlineMs }));
    }
    const header = headerOf(message);
    const checks = new Checks({ ...given, settings }, envelope);
    checks.beginBody(header);
    const { chain, body } = checks;
    const seal = chain === undefined ? undefined : new Seal({ settings, keys, timeMs }, header, chain, body);
    eachChunk(message.body, (chunk) => checks.body.update(chunk));
    const { arc, results } = await checks.finish();
    const ours = ownResults(message.fields, [lowerCase(settings.authservId)]);
    if (arc === undefined || seal === undefined) throw new Error("Cannot seal: the chain is not verified");
    const outcome = await seal.finish(arc, ours.length > 0 ? ours : [foldedResults(settings.authservId, results)]);
    if ("refusal" in outcome) {
      output.problem(`not sealed: ${outcome.refusal}`);
      return EXIT.notRewritten;
    }
    printMessage(outcome.fields, message, output);
    return EXIT.ok;
  });
}

function headerOf({ fields }: Message): MessageHeader {
  const header = new MessageHeader({ ids: [], trustedIds: [], isRelayed: false });
  for (const field of fields) header.keep(field);
  return header;
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
    // A FIFO would block for ever; standard input may be one, because somebody writes to it.
    bytes = file === "-" ? readFileSync(STDIN_FD) : readRegularFile(file, Number.POSITIVE_INFINITY).bytes;
  } catch (error) {
    throw new Failure(EXIT.dataError, [`Cannot read message "${file}": ${fileTrouble(error)}`], { cause: error });
  }
  return { ...splitMessage(bytes), bytes };
}

/** Bytes of the body that are hashed at a time, as a milter gets them. */
const CHUNK_BYTES = 65_535;

function eachChunk(body: Buffer, take: (chunk: Buffer) => void): void {
  for (let at = 0; at < body.length; at += CHUNK_BYTES) take(body.subarray(at, at + CHUNK_BYTES));
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
