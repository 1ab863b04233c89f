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

const { dkimVerify } = createRequire(import.meta.url)("mailauth/lib/dkim/verify.js") as {
  dkimVerify(
    message: Buffer,
    options: object,
  ): Promise<{ readonly results: readonly { readonly status: { readonly result: string } }[] }>;
};

/** The results of mailauth in strict mode. */
export async function mailauthResults(message: string, records: Records, nowSeconds: number): Promise<string[]> {
  const { results } = await dkimVerify(Buffer.from(message, "latin1"), {
    strict: true,
    curTime: new Date(nowSeconds * 1000),
    resolver: async (name: string) => {
      const texts = records[name.toLowerCase()];
      if (texts === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
      return texts.map((text) => [text]);
    },
  });
  return results.map(({ status }) => status.result);
}
