/** Proof against Debian's OpenDKIM: after an import the same senders are signed, with the same d= and s=. */
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createRelays } from "../../src/authentication/relay.ts";
import { createRoles } from "../../src/authentication/role.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { SigningKeys } from "../../src/dkim/keys.ts";
import { placeKeys } from "../../src/import/host/dkim-keys.ts";
import { planImport } from "../../src/import/plan.ts";
import { Findings, type Host } from "../../src/import/readers/finding.ts";
import { readMilterOptions } from "../../src/import/readers/milter-options.ts";
import { readOpendkim } from "../../src/import/readers/opendkim.ts";
import { OPENDKIM_OPTIONS } from "../../src/import/readers/opendkim-options.ts";
import { readKeyFiles } from "../../src/setup/dkim-keys.ts";
import { scratch } from "../helpers/daemon.ts";
import { programPath, requirePrograms } from "../helpers/requires.ts";
import { hostWith } from "./fixtures.ts";
import { type Signer, type Submission, startOpendkim } from "./real-opendkim.ts";

const missing = requirePrograms("opendkim");

const place = scratch();
afterAll(() => place[Symbol.dispose]());

const KEY = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ type: "pkcs8", format: "pem" });

/** The files of this machine: OpenDKIM and the reader see the same. */
const HOST: Host = {
  ...hostWith(),
  readFile: (path) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return undefined;
    }
  },
  list: (path) => readdirSync(path),
  exists: (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true,
};

/** Writes the files, in which `@` stands for their directory. */
function write(files: Readonly<Record<string, string>>): (text: string) => string {
  const at = (text: string): string => text.replaceAll("@/", `${place.path}/`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place.path, name)), { recursive: true });
    writeFileSync(join(place.path, name), at(text), { mode: 0o600 });
  }
  return at;
}

/** What we do after an import: who signs for a sender, and whose mail is ours. */
function imported(conf: string) {
  const findings = readOpendkim({ path: "opendkim.conf", text: conf }, HOST);
  const keys = placeKeys([findings], { directory: "/nowhere", at: (path) => path, isReadable: () => true });
  const { toml } = planImport([findings], {
    formerDomains: [],
    postfixDomains: { isUsable: false, covered: new Set() },
    secretsFile: "",
    date: "2026-01-01",
    keys,
    milterPorts: [],
    myhostname: "mx.test",
  });
  const { config, problems } = parseConfig(toml, "imported");
  expect(problems).toEqual([]);
  const files = readKeyFiles(config);
  expect(files.problems).toEqual([]);
  const signing = new SigningKeys(files.keys, { requirePublished: false, seen: [] });
  const roleOf = createRoles(
    {
      internal: config["milter.internal"],
      skip: config["milter.skip"],
      submissionDaemons: config["milter.submission_daemons"],
      forwardDaemons: [],
      skipDaemons: [],
    },
    createRelays({ trustedRelays: config["milter.trusted_relays"], trustedIds: config["milter.trusted_authserv_ids"] }),
  );
  return ({ from, client = "127.0.0.1", authenticated = false, daemon = "smtpd" }: Submission): readonly Signer[] => {
    const macros = new Map([["{daemon_name}", daemon], ...(authenticated ? [["{auth_type}", "PLAIN"] as const] : [])]);
    const { role } = roleOf({ client: { family: "ipv4", address: client }, macros } as never);
    if (role !== "submitted") return [];
    const at = from.lastIndexOf("@");
    const chosen = signing.choose(from.slice(0, at), from.slice(at + 1));
    return chosen.map(({ domain, selector }) => `${domain}/${selector}`);
  };
}

const KEYS = {
  "k/1.pem": String(KEY),
  "k/a.example/s.private": String(KEY),
  "k/c.example/s.private": String(KEY),
  kt: "k1 a.example:s1:@/k/1.pem\nk2\ta.example:s2:@/k/1.pem # second\nk3 b.example:s3:@/k/1.pem\np %:sp:@/k/1.pem\nd %:s:@/k/%/s.private\nk1 x.example:dup:@/k/1.pem\n",
};

const SENDERS = [
  ..."u@a.example U@A.Example v@a.example u@sub.a.example u@deep.sub.a.example u@b.example u@sub.b.example".split(" "),
  ..."u@bad-a.example u@c.example u@other.example a.example@other.example".split(" "),
];

describe.skipIf(missing !== undefined)(`senders are signed as OpenDKIM signs them ${missing ?? ""}`, () => {
  const tables = (signing: string, kind = "refile:") => ({
    files: { ...KEYS, st: signing },
    conf: `KeyTable @/kt\nSigningTable ${kind}@/st\n`,
  });

  test.each<{ name: string; files: Readonly<Record<string, string>>; conf: string; except?: readonly string[] }>([
    {
      name: "patterns, the general one first",
      ...tables("*@a.example k1\nu@a.example k2\n*@*.a.example k2\n*@sub.a.example k1\n"),
    },
    {
      name: "patterns, the exact one first",
      ...tables("u@a.example k2\n*@a.example k1\n*.b.example k3\n*@b.example p\n"),
    },
    { name: "patterns that never match", ...tables("a.example k1\n.b.example k3\n*@.a.example k1\n") },
    // The endings match more than a list of domains can say.
    { name: "endings", ...tables("*a.example k1\n*@*b.example k3\n"), except: ["u@bad-a.example"] },
    {
      name: "a table",
      ...tables(".a.example k1\na.example k2\nu@a.example k1\nu@sub.a.example k3\nB.example k3\n", "file:"),
    },
    { name: "a table without a kind, and keys twice", ...tables("a.example k1\na.example k2\nu@b.example k3\n", "") },
    { name: "patterns in a table", ...tables("*@a.example k1\n*@*.a.example k2\nb.example k3\n", "file:") },
    {
      name: "the domain of the sender",
      ...tables("*@a.example p\nu@b.example d\n*@c.example d\n"),
      except: ["u@b.example"],
    },
    // Without a key OpenDKIM refuses the mail for a time.
    {
      name: "everybody, by files",
      ...tables("*@b.example k3\n* d\n"),
      except: SENDERS.filter((one) => !/@[abc]\.example$/i.test(one)),
    },
    // It signs for strangers too.
    {
      name: "everybody as one domain",
      ...tables("u@b.example k3\n* k1\n"),
      except: SENDERS.filter((one) => !/a\.example$|u@b/i.test(one) || one.includes("bad-") || one.includes("other")),
    },
    {
      name: "lists in the file itself",
      files: KEYS,
      conf: "KeyTable csl:k1=a.example:s1:@/k/1.pem, k2=a.example:s2:@/k/1.pem\nSigningTable a.example=k1, .a.example=k2\n",
    },
    { name: "one key", files: KEYS, conf: "Domain a.example, B.example\nSelector s\nKeyFile @/k/1.pem\n" },
    {
      name: "one key with names below",
      files: KEYS,
      conf: "Domain a.example\nSubDomains yes\nSelector s\nKeyFile @/k/1.pem\n",
    },
    {
      name: "one key, domains in a file",
      files: { ...KEYS, st: "a.example\nb.example more # x\n.c.example\n" },
      conf: "Domain @/st\nSelector s\nKeyFile @/k/1.pem\n",
    },
    { name: "no signing", files: KEYS, conf: "Mode v\nDomain a.example\nSelector s\nKeyFile @/k/1.pem\n" },
    {
      name: "KeyTable beside a key",
      files: { ...KEYS, st: "*@a.example k1" },
      conf: "KeyTable @/kt\nSigningTable refile:@/st\nDomain b.example\nSelector s\nKeyFile @/k/1.pem\n",
    },
  ])("$name", async ({ files, conf, except = [] }) => {
    const text = write(files)(conf);
    const sign = imported(text);
    const senders = SENDERS.filter((from) => !except.includes(from));
    await using opendkim = await startOpendkim(text);
    const expected: Record<string, readonly Signer[]> = {};
    for (const from of senders) expected[from] = await opendkim.sign({ from });
    expect(Object.fromEntries(senders.map((from) => [from, sign({ from })]))).toEqual(expected);
    // The senders that are left out are the ones that differ: none is left out for nothing.
    for (const from of except) expect([from, sign({ from })]).not.toEqual([from, await opendkim.sign({ from })]);
  });

  const CLIENTS = "10.0.0.1 10.0.0.5 10.1.2.3 192.0.2.9 192.0.2.200".split(" ");

  test.each([
    "InternalHosts 10.0.0.0/8, !10.0.0.5",
    "InternalHosts 10.0.0.0/8,!10.0.0.0/16,10.0.0.5",
    "InternalHosts 10.0.0.5,!10.0.0.5,192.0.2.9",
    "InternalHosts 10.0.0.1/8,192.0.2.128/25",
    "InternalHosts 10.0.0.0/255.0.0.0, 10/8",
    "InternalHosts 10.0.0.5,localhost",
    "InternalHosts @/st",
    "InternalHosts 10.0.0.0/8\nPeerList 10.0.0.0/24,!10.0.0.1",
    "InternalHosts 192.0.2.9\nMTA MSA\n",
    "InternalHosts 192.0.2.9\nMacroList daemon_name=OTHER|MSA\n",
    "InternalHosts 192.0.2.9\nMacroList {daemon_name}=MSA\n",
    "",
  ])("for the clients of: %s", async (hosts) => {
    const at = write({ ...KEYS, st: "10.0.0.1 # x\n!192.0.2.0/25\n192.0.2.0/24 a note\n" });
    const text = at(`Domain a.example\nSelector s\nKeyFile @/k/1.pem\n${hosts}\n`);
    const sign = imported(text);
    await using opendkim = await startOpendkim(text);
    for (const client of CLIENTS) {
      for (const more of [{}, { authenticated: true }, { daemon: "MSA" }]) {
        const submission = { from: "u@a.example", client, ...more };
        expect([submission, sign(submission)]).toEqual([submission, await opendkim.sign(submission)]);
      }
    }
  });
});

describe.skipIf(missing !== undefined)(`lines are read as OpenDKIM reads them ${missing ?? ""}`, () => {
  test.each([
    "Selector a",
    "selector  a b\t ",
    "\t SELECTOR\ta#b",
    "Selector a\r\nSelector b\r",
    "Selector a\n\n# Selector b\n",
    "Selector a\nInclude @/inc\n",
    "Include @/inc\nSelector a\n",
    "Selector 'a'",
    "Selector a\0b",
    "Selectr a",
    "Selector",
    "Selector # a",
    "Selector=a",
    "Selector a\nSubDomains Yep",
    "Selector a\nSubDomains maybe",
    "Selector a\nMinimumKeyBits 0x400",
    "Selector a\nMinimumKeyBits 010",
    "Selector a\nMinimumKeyBits 12 bits",
    "Selector a\nMinimumKeyBits -1",
  ])("%j", (lines) => {
    const at = write({ ...KEYS, inc: "Selector inner\n" });
    const text = at(`${lines}\nDomain a.example\nKeyFile @/k/1.pem\nSocket local:@/s\nRequireSafeKeys no\n`);
    const file = place.write("lines.conf", text);
    const { status, stdout } = spawnSync(programPath("opendkim") ?? "", ["-x", file, "-e", "Selector"], {
      encoding: "utf8",
    });
    const findings = new Findings();
    const options = readMilterOptions("OpenDKIM", OPENDKIM_OPTIONS, {
      source: { path: file, text },
      host: HOST,
      findings,
      page: "",
    });
    const refused = findings.notes.filter((note) => !note.includes("not needed here"));
    // OpenDKIM starts with none of the lines that are left out, and says the value of all others.
    expect(status === 0).toBe(refused.length === 0);
    if (status === 0)
      expect(options.text("Selector")).toBe(
        stdout
          .replace(/^[^:]*: /, "")
          .trimEnd()
          .split("\n")
          .at(0),
      );
  });
});
