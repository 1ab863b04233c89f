/**
 * DKIM without sockets and DNS: CPU time per message, beside mailauth itself and beside what SHA-256 and OpenSSL take
 * at least; and hostile messages. A process of its own, which prints JSON.
 */
import { createHash, sign, verify } from "node:crypto";
import { createRequire } from "node:module";
import { BodyHashes } from "../src/dkim/body-hash.ts";
import { KeyRecords } from "../src/dkim/key-record.ts";
import { namesToSign, Signing, type SigningKey } from "../src/dkim/sign.ts";
import { Verification } from "../src/dkim/verify.ts";
import type { Resolver } from "../src/dns/types.ts";
import { type HeaderField, splitMessage } from "../src/mail/header-field.ts";
import { HEADER, signRaw, type TestKey } from "../test/dkim/raw-signer.ts";
import { HOSTILE } from "./hostile-messages.ts";
import { KEYS } from "./milter-messages.ts";

/** What the process prints. */
export interface DkimFigures {
  /** Microseconds of CPU time per message: by work, then by who does it. */
  readonly cost: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Milliseconds of CPU time beyond hashing, and of the longest turn, by message. */
  readonly hostile: Readonly<Record<string, { readonly cpuMs: number; readonly turnMs: number }>>;
}

const CHUNK_BYTES = 65_535;
const ROUNDS = 7;
/** CPU time that a round takes at least. */
const ROUND_MS = 60;

const { rsa: RSA, ed25519: ED25519 } = KEYS;
const RECORD = `v=DKIM1; k=rsa; p=${RSA.encoded}`;

const resolver: Resolver = {
  resolve: () => ({ status: "ok", records: [RECORD], expiresAtMs: Number.MAX_VALUE }) as never,
};
const keys = new KeyRecords();

const { dkimVerify } = createRequire(import.meta.url)("mailauth/lib/dkim/verify.js") as {
  dkimVerify(message: Buffer, options: object): Promise<unknown>;
};

interface Received {
  readonly fields: readonly HeaderField[];
  readonly chunks: readonly Buffer[];
}

function received(message: string): Received {
  const { fields, body } = splitMessage(Buffer.from(message, "latin1"));
  return { fields, chunks: inChunks(body) };
}

function inChunks(body: Buffer): Buffer[] {
  const count = Math.ceil(body.length / CHUNK_BYTES);
  return Array.from({ length: count }, (_, at) => body.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES));
}

/** @param turn called between chunks and before the end */
async function verifyOurs({ fields, chunks }: Received, turn?: () => Promise<unknown>): Promise<string> {
  const body = new BodyHashes();
  const verification = new Verification(
    { resolver, keys, timeMs: Date.now, minKeyBits: 1024, maxSignatures: 10, bodyLength: "policy" },
    { fields, authorDomains: ["example.com"], deadlineMs: Number.MAX_VALUE },
    body,
  );
  await turn?.();
  for (const chunk of chunks) {
    body.update(chunk);
    await turn?.();
  }
  body.end();
  return (await verification.finish())[0]?.result ?? "none";
}

const HEADERS = ["From", "To", "Subject", "Date"];
const OVERSIGN = ["from", "to", "cc", "subject", "date"];
const SIGN = { headerForm: "relaxed", bodyForm: "relaxed", headers: HEADERS, oversign: OVERSIGN } as const;

async function signOurs({ fields, chunks }: Received, by: readonly SigningKey[]): Promise<unknown> {
  const settings = { ...SIGN, expireSeconds: undefined };
  const found = namesToSign(fields, settings);
  if ("refusal" in found) throw new Error(found.refusal);
  const body = new BodyHashes();
  const signing = new Signing(settings, fields, found.names, by, body);
  for (const chunk of chunks) body.update(chunk);
  body.end();
  return await signing.finish(Date.now() / 1000);
}

/** The least CPU time of a call in microseconds, over rounds of many calls. */
async function cost(work: () => unknown): Promise<number> {
  await work();
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    let calls = 0;
    let spentUs = 0;
    while (spentUs < ROUND_MS * 1000) {
      await work();
      calls++;
      const { user, system } = process.cpuUsage(before);
      spentUs = user + system;
    }
    least = Math.min(least, spentUs / calls);
  }
  return least;
}

/** Lines as of an attachment, or of a text with a double blank here and there. */
const ATTACHMENT = `${"QUJD".repeat(19)}\r\n`;
const TEXT = "The quick brown fox  jumps over the lazy dog, and then it rests for a while.\r\n";

async function costs(): Promise<DkimFigures["cost"]> {
  const all: Record<string, Record<string, number>> = {};
  for (const [name, bytes] of [
    ["5 kB", 5_000],
    ["100 kB", 100_000],
    ["10 MB", 10_000_000],
  ] as const) {
    for (const [kind, line] of [
      ["attachment", ATTACHMENT],
      ["text", TEXT],
    ] as const) {
      const canonical = line.replace(/ +/g, " ").repeat(bytes / line.length);
      const text = signRaw({ key: RSA, body: canonical });
      const whole = text.slice(0, text.indexOf("\r\n\r\n") + 4) + line.repeat(bytes / line.length);
      const message = received(whole);
      if ((await verifyOurs(message)) !== "pass") throw new Error(`Cannot measure: ${name} does not verify`);
      const buffer = Buffer.from(whole, "latin1");
      const data = Buffer.from(HEADER + HEADER);
      const signature = sign("sha256", data, RSA.privateKey);
      all[`verify, ${name}, ${kind}`] = {
        floor: await cost(() => {
          const hash = createHash("sha256");
          for (const chunk of message.chunks) hash.update(chunk);
          hash.digest();
          return verify("sha256", data, RSA.publicKey, signature);
        }),
        postvouch: await cost(() => verifyOurs(message)),
        mailauth: await cost(() => dkimVerify(buffer, { strict: true, resolver: async () => [[RECORD]] })),
      };
    }
  }
  const small = received(`${HEADER}\r\n${ATTACHMENT.repeat(5_000 / ATTACHMENT.length)}`);
  const data = Buffer.from(HEADER + HEADER);
  const key = (of: TestKey, algorithm: SigningKey["algorithm"]): SigningKey => ({
    domain: "example.com",
    selector: "sel",
    algorithm,
    privateKey: of.privateKey,
  });
  all["sign, 5 kB, RSA-2048"] = {
    floor: await cost(() => sign("sha256", data, RSA.privateKey)),
    postvouch: await cost(() => signOurs(small, [key(RSA, "rsa-sha256")])),
  };
  all["sign, 5 kB, ed25519"] = {
    floor: await cost(() => sign(null, data, ED25519.privateKey)),
    postvouch: await cost(() => signOurs(small, [key(ED25519, "ed25519-sha256")])),
  };
  return all;
}

async function hostileFigures(): Promise<DkimFigures["hostile"]> {
  const all: Record<string, { cpuMs: number; turnMs: number }> = {};
  for (const [name, { fields, body }] of Object.entries(HOSTILE)) {
    const chunks = inChunks(body);
    const hashUs = await cost(() => createHash("sha256").update(body).digest());
    let [cpuMs, turnMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < ROUNDS; round++) {
      let longest = 0;
      let last = performance.now();
      let isDone = false;
      const tick = (): void => {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
        if (!isDone) setImmediate(tick);
      };
      setImmediate(tick);
      const before = process.cpuUsage();
      await verifyOurs({ fields, chunks }, () => new Promise((resolve) => setImmediate(resolve)));
      await new Promise((resolve) => setImmediate(resolve));
      isDone = true;
      const { user, system } = process.cpuUsage(before);
      cpuMs = Math.min(cpuMs, Math.max(0, (user + system - hashUs) / 1000));
      turnMs = Math.min(turnMs, longest);
    }
    all[name] = { cpuMs, turnMs };
  }
  return all;
}

if (process.argv[2] === "print") {
  const figures: DkimFigures = { cost: await costs(), hostile: await hostileFigures() };
  console.log(JSON.stringify(figures));
}
