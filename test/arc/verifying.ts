/** Verifies ARC chains against zones of key records, and seals messages, for tests. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { readChain } from "../../src/arc/chain.ts";
import { sealedResults } from "../../src/arc/results.ts";
import { chainStatus, planSeal, Sealing } from "../../src/arc/seal.ts";
import type { ArcVerdict } from "../../src/arc/verdict.ts";
import { type ArcSettings, ChainVerification } from "../../src/arc/verify.ts";
import { BodyHashes } from "../../src/dkim/body-hash.ts";
import { KeyRecords } from "../../src/dkim/key-record.ts";
import { namesToSign, type SigningKey, type SignSettings } from "../../src/dkim/sign.ts";
import { splitMessage } from "../../src/mail/header-field.ts";
import { type KeyZone, keyResolver, type RecordedCase } from "../dkim/verifying.ts";

/** A file of test/testdata/arc. Text is latin1. */
export function readArcFile(name: "suites" | "signing"): unknown {
  return JSON.parse(gunzipSync(readFileSync(new URL(`../testdata/arc/${name}.json.gz`, import.meta.url))).toString());
}

export function arcCases(): readonly RecordedCase[] {
  return (readArcFile("suites") as { cases: RecordedCase[] }).cases;
}

interface VerifyOptions extends Partial<ArcSettings> {
  readonly nowSeconds?: number;
  /** Size of the chunks of the body. */
  readonly step?: number;
}

/** A time after all messages. */
const LATER_SECONDS = 1_795_648_000;

function begin(message: string | Buffer, zone: KeyZone, options: VerifyOptions): Begun {
  const { nowSeconds = LATER_SECONDS, step: _step, ...settings } = options;
  const { fields, body } = splitMessage(Buffer.isBuffer(message) ? message : Buffer.from(message, "latin1"));
  const hashes = new BodyHashes();
  const verification = new ChainVerification(
    {
      resolver: keyResolver(zone),
      keys: new KeyRecords(),
      timeMs: () => nowSeconds * 1000,
      minKeyBits: 1024,
      bodyLength: "policy",
      ...settings,
    },
    { fields, deadlineMs: Number.MAX_VALUE },
    hashes,
  );
  return { fields, body, hashes, verification };
}

type Begun = ReturnType<typeof splitMessage> & {
  readonly hashes: BodyHashes;
  readonly verification: ChainVerification;
};

function feed({ body, hashes }: Begun, step = 65_535): void {
  for (let at = 0; at < body.length; at += step) hashes.update(body.subarray(at, at + step));
  hashes.end();
}

/** Verifies a message (latin1) that comes in chunks. */
export async function verifyChain(
  message: string | Buffer,
  zone: KeyZone,
  options: VerifyOptions = {},
): Promise<ArcVerdict> {
  const begun = begin(message, zone, options);
  feed(begun, options.step);
  return await begun.verification.finish();
}

export async function chainResult(message: string | Buffer, zone: KeyZone, options?: VerifyOptions): Promise<string> {
  const { result, reason } = await verifyChain(message, zone, options);
  return `${result}: ${reason}`;
}

export const SEAL_SETTINGS: SignSettings = {
  headerForm: "relaxed",
  bodyForm: "relaxed",
  headers: ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "DKIM-Signature"],
  oversign: ["from", "subject"],
  expireSeconds: undefined,
};

export interface SealOptions extends VerifyOptions {
  readonly key: SigningKey;
  readonly settings?: SignSettings;
  /** The values of our own fields. */
  readonly results?: readonly string[];
  readonly authservId?: string;
  /** The domain whose sets are taken for ours. Default: that of the key. */
  readonly ownDomain?: string;
}

/** The message with a new set on top, or the reason for none. */
export async function sealMessage(
  message: string,
  zone: KeyZone,
  {
    key,
    settings = SEAL_SETTINGS,
    results = [],
    authservId = "mx.example.org",
    ownDomain = key.domain,
    ...options
  }: SealOptions,
): Promise<{ readonly message: string } | { readonly refusal: string }> {
  const begun = begin(message, zone, options);
  const { fields, hashes, verification } = begun;
  const plan = planSeal(readChain(fields));
  if ("refusal" in plan) return plan;
  const found = namesToSign(fields, settings);
  if ("refusal" in found) return found;
  const sealing = new Sealing(settings, fields, found.names, key, plan.instance, hashes);
  feed(begun, options.step ?? 7);
  const status = chainStatus(await verification.finish(), verification.chain, ownDomain);
  if ("refusal" in status) return status;
  const nowSeconds = options.nowSeconds ?? LATER_SECONDS;
  const { sets } = verification.chain;
  const set = await sealing.finish(status.status, sets, sealedResults(results, authservId), nowSeconds);
  return { message: `${set.map(({ line }) => `${line}\r\n`).join("")}${message}` };
}
