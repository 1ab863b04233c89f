/** Has other programs verify messages: OpenDKIM and dkimpy as Debian has them, and mailauth. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "../helpers/requires.ts";

/** TXT records by name. */
type Records = Readonly<Record<string, readonly string[]>>;

/** The dkim= results that OpenDKIM would put into Authentication-Results. */
export function opendkimResults(message: string, records: Records): string[] {
  const directory = mkdtempSync(join(tmpdir(), "postvouch-opendkim-"));
  try {
    const lines = Object.entries(records).flatMap(([name, texts]) => texts.map((text) => `${name} ${text}\n`));
    writeFileSync(join(directory, "dns"), lines.join(""));
    writeFileSync(join(directory, "message"), message, "latin1");
    const socket = `Socket local:${directory}/socket`;
    writeFileSync(join(directory, "conf"), `Mode v\n${socket}\nTestDNSData file:${directory}/dns\n`);
    const args = ["-x", join(directory, "conf"), "-vvv", "-t", join(directory, "message")];
    const { stdout, stderr } = spawnSync(programPath("opendkim") ?? "opendkim", args, { encoding: "latin1" });
    return [...`${stdout}${stderr}`.matchAll(/\bdkim=([a-z]+)/g)].map(([, result = ""]) => result);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Debian's interpreter comes first: a version manager's has no dkimpy. */
const INTERPRETERS = ["/usr/bin/python3", "python3"];

/** The Python that has dkimpy, or `undefined`. */
export function findDkimpy(): string | undefined {
  return INTERPRETERS.find((python) => spawnSync(python, ["-c", "import dkim, nacl"]).status === 0);
}

const DKIMPY = `
import dkim, json, sys
given = json.load(sys.stdin)
records = {name.lower(): texts for name, texts in given["records"].items()}
def dns(name, timeout=5):
    texts = records.get(name.decode().rstrip(".").lower())
    return texts[0].encode() if texts else None
def verify(message):
    found = dkim.DKIM(message.encode("latin-1"), minkey=1024)
    return [found.verify(index, dnsfunc=dns) for index in range(given["count"])]
print(json.dumps([verify(message) for message in given["messages"]]))
`;

const DKIMPY_ARC = `
import dkim, json, sys
given = json.load(sys.stdin)
records = {name.lower(): texts for name, texts in given["records"].items()}
def dns(name, timeout=5):
    texts = records.get(name.decode().rstrip(".").lower())
    return texts[0].encode() if texts else None
def verify(message):
    cv, found, reason = dkim.ARC(message.encode("latin-1"), minkey=1024).verify(dnsfunc=dns)
    return cv.decode() if cv else "ended"
print(json.dumps([verify(message) for message in given["messages"]]))
`;

/** What dkimpy says of the ARC chain of each message: none, pass, fail, or "ended" if a seal says cv=fail. */
export function dkimpyChains(python: string, messages: readonly string[], records: Records): string[] {
  const input = JSON.stringify({ messages, records });
  const { stdout, stderr, status } = spawnSync(python, ["-c", DKIMPY_ARC], { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`dkimpy: ${stderr}`);
  return JSON.parse(stdout) as string[];
}

/** What dkimpy says of the first `count` signatures of each message. */
export function dkimpyResults(
  python: string,
  messages: readonly string[],
  records: Records,
  count: number,
): boolean[][] {
  const input = JSON.stringify({ messages, records, count });
  const { stdout, stderr, status } = spawnSync(python, ["-c", DKIMPY], { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`dkimpy: ${stderr}`);
  return JSON.parse(stdout) as boolean[][];
}

interface Verified {
  readonly results: readonly { readonly status: { readonly result: string } }[];
}

const require = createRequire(import.meta.url);
const { dkimVerify } = require("mailauth/lib/dkim/verify.js") as {
  dkimVerify(message: Buffer, options: object): Promise<Verified>;
};
const { arc } = require("mailauth/lib/arc/index.js") as {
  arc(verified: unknown, options: object): Promise<{ readonly status: { readonly result: string } }>;
};
const { sealMessage } = require("mailauth/lib/arc/index.js") as {
  sealMessage(message: Buffer, seal: object): Promise<Buffer>;
};

/** The results of mailauth in strict mode. */
export async function mailauthResults(message: string, records: Records, nowSeconds: number): Promise<string[]> {
  const { results } = await mailauthVerify(message, records, nowSeconds);
  return results.map(({ status }) => status.result);
}

/** The result of mailauth for the ARC chain. */
export async function mailauthChain(message: string, records: Records, nowSeconds: number): Promise<string> {
  const verified = await mailauthVerify(message, records, nowSeconds);
  const data = (verified as unknown as { readonly arc: object }).arc;
  const { status } = await arc(data, { strict: true, resolver: recordResolver(records) });
  return status.result;
}

/** The message with a set of mailauth's on top. */
export async function mailauthSeal(message: string, seal: object): Promise<string> {
  const set = await sealMessage(Buffer.from(message, "latin1"), seal);
  return `${set.toString("latin1")}${message}`;
}

function mailauthVerify(message: string, records: Records, nowSeconds: number): Promise<Verified> {
  const [resolver, curTime] = [recordResolver(records), new Date(nowSeconds * 1000)];
  return dkimVerify(Buffer.from(message, "latin1"), { strict: true, curTime, resolver });
}

function recordResolver(records: Records): (name: string) => Promise<string[][]> {
  return async (name) => {
    const texts = records[name.toLowerCase()];
    if (texts === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    return texts.map((text) => [text]);
  };
}
