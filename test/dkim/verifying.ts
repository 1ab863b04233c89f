/** Verifies messages against zones of key records, for tests. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { BodyHashes } from "../../src/dkim/body-hash.ts";
import { KeyRecords } from "../../src/dkim/key-record.ts";
import type { SignatureVerdict } from "../../src/dkim/verdict.ts";
import { Verification, type VerifySettings } from "../../src/dkim/verify.ts";
import type { DnsAnswer, RecordType, Resolver } from "../../src/dns/types.ts";
import { splitMessage } from "../../src/mail/header-field.ts";
import type { ZoneData } from "../helpers/zone.ts";
import { type MemoryResolver, memoryResolver, zoneAuthority } from "../helpers/zone.ts";

/** TXT records by name, or what becomes of a query. A record may be a list of pieces. */
export type KeyZone = Readonly<Record<string, string | readonly (string | readonly string[])[]>>;

/** A case of a suite or a recording. Text is latin1. */
export interface RecordedCase {
  readonly suite?: string;
  readonly name: string;
  readonly message: string;
  readonly zone: KeyZone;
  /** The results that are right, with "|" between them. "see": nobody says. */
  readonly expect: string;
  /** Seconds since 1970. */
  readonly now?: number;
  readonly opendkim?: readonly string[];
}

/** Reads a file of test/testdata/dkim. */
export function readCases(file: "odd" | "suites"): readonly RecordedCase[] {
  const bytes = readFileSync(new URL(`../testdata/dkim/${file}.json.gz`, import.meta.url));
  return (JSON.parse(gunzipSync(bytes).toString("utf8")) as { cases: RecordedCase[] }).cases;
}

/** About the time at which the odd messages were signed. */
export const ODD_NOW_SECONDS = 1_795_648_000;

export function keyResolver(zone: KeyZone): MemoryResolver {
  const data: Record<string, ZoneData[string]> = {};
  for (const [name, entry] of Object.entries(zone)) {
    if (entry === "NXDOMAIN") continue;
    if (entry === "NODATA") data[name] = [{ A: "192.0.2.1" }];
    else if (typeof entry === "string") data[name] = [entry];
    else data[name] = entry.map((record) => ({ TXT: record }));
  }
  return memoryResolver(zoneAuthority(data));
}

/** A resolver that answers only when it is told to. */
export function patientResolver(resolver: Resolver): { readonly resolver: Resolver; answer(): void } {
  const waiting: (() => void)[] = [];
  return {
    resolver: {
      resolve: <T extends RecordType>(name: string, type: T, options: { readonly deadlineMs: number }) =>
        new Promise<DnsAnswer<T>>((done) => waiting.push(() => done(resolver.resolve(name, type, options)))),
    },
    answer: () => {
      for (const one of waiting) one();
    },
  };
}

export interface VerifyOptions extends Partial<VerifySettings> {
  readonly nowSeconds?: number;
  readonly authorDomains?: readonly string[];
  /** Size of the chunks of the body. */
  readonly step?: number;
}

/** Verifies a message (latin1) that comes in chunks. */
export async function verifyMessage(
  message: string | Buffer,
  zone: KeyZone,
  options: VerifyOptions = {},
): Promise<readonly SignatureVerdict[]> {
  const { nowSeconds = ODD_NOW_SECONDS, authorDomains = [], step = 65_535, ...settings } = options;
  const { fields, body } = splitMessage(Buffer.isBuffer(message) ? message : Buffer.from(message, "latin1"));
  const hashes = new BodyHashes();
  const verification = new Verification(
    {
      resolver: keyResolver(zone),
      keys: new KeyRecords(),
      timeMs: () => nowSeconds * 1000,
      minKeyBits: 1024,
      maxSignatures: 10,
      bodyLength: "policy",
      ...settings,
    },
    { fields, authorDomains, deadlineMs: Number.MAX_VALUE },
    hashes,
  );
  for (let at = 0; at < body.length; at += step) hashes.update(body.subarray(at, at + step));
  hashes.end();
  return await verification.finish();
}

export async function results(message: string, zone: KeyZone, options?: VerifyOptions): Promise<string[]> {
  return (await verifyMessage(message, zone, options)).map(({ result, reason }) => `${result}: ${reason}`);
}
