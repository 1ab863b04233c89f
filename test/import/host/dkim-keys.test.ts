/** Where keys for DKIM go: they stay, are copied, or are left out with a reason. */
import { spawnSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { copiesToWrite, placeKeys } from "../../../src/import/host/dkim-keys.ts";
import { canRead, serviceUser } from "../../../src/import/host/service-user.ts";
import { Findings } from "../../../src/import/readers/finding.ts";
import type { FoundKey } from "../../../src/import/readers/opendkim-keys.ts";
import { Failure } from "../../../src/process/exit.ts";
import { scratch } from "../../helpers/daemon.ts";

const pem = (key: { export(options: object): string | Buffer }): string =>
  String(key.export({ type: "pkcs8", format: "pem" }));

const RSA = pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey);
const SHORT = pem(generateKeyPairSync("rsa", { modulusLength: 512 }).privateKey);
const ED25519 = pem(generateKeyPairSync("ed25519").privateKey);

interface Given {
  readonly text?: string;
  readonly mode?: number;
  readonly key?: Partial<FoundKey>;
  readonly isReadable?: boolean;
  readonly seals?: true;
  /** Senders that never signed. */
  readonly missed?: Partial<FoundKey>;
}

/** Places one key of a.example. */
function placed({ text = RSA, mode = 0o600, key = {}, isReadable = false, seals, missed }: Given) {
  using dir = scratch();
  const path = join(dir.path, "k");
  writeFileSync(path, text);
  chmodSync(path, mode);
  const found: FoundKey = {
    domain: "a.example",
    selector: "s",
    source: { path },
    from: ["a.example"],
    where: "kt:1",
    ...key,
  };
  const findings = new Findings();
  if (seals === true) findings.sealingKey = found;
  else findings.signingKeys.push(found);
  if (missed !== undefined) findings.missedSenders.push({ ...found, where: "st:2", ...missed });
  const { tables, settings, notes, copies, kept } = placeKeys([findings], {
    directory: "/var/lib/x/dkim",
    at: (name) => name,
    isReadable: () => isReadable,
  });
  return {
    tables: tables.map(({ values }) => values),
    settings: Object.fromEntries(settings.map((setting) => [setting.key, setting.value])),
    notes: notes.map((note) => note.replaceAll(dir.path, "")),
    copies: copies.map((copy) => copy.path),
    content: copies.map(({ content }) => String(content)).join(""),
    kept,
    path: path,
  };
}

function fifo(dir: string): string {
  expect(spawnSync("mkfifo", [`${dir}/fifo`]).status).toBe(0);
  return `${dir}/fifo`;
}

describe("placeKeys", () => {
  test("leaves a key where the service can read it", () => {
    const { path, ...found } = placed({ isReadable: true });
    const tables = [{ domain: "a.example", selector: "s", file: path, from: ["a.example"] }];
    expect(found).toEqual({ tables, settings: {}, notes: [], copies: [], content: "", kept: 1 });
  });

  test("reads a file once, however many domains have it", () => {
    using dir = scratch();
    const path = dir.write("k", RSA);
    const findings = new Findings();
    for (let at = 0; at < 100; at++) {
      const domain = `d${at}.example`;
      findings.signingKeys.push({ domain, selector: "s", source: { path }, from: [domain], where: "kt:1" });
    }
    let reads = 0;
    const at = (name: string): string => {
      reads++;
      return name;
    };
    const { copies } = placeKeys([findings], { directory: "/x", at, isReadable: () => false });
    expect(copies).toHaveLength(100);
    expect(reads).toBe(1);
  });

  test.each([
    ["a device without an end", () => "/dev/zero", "not a regular file"],
    ["a FIFO", fifo, "not a regular file"],
    ["a directory", (dir: string) => dir, "it is a directory"],
  ])("leaves out %s, and says so", (_what, make, problem) => {
    using dir = scratch();
    const path = make(dir.path);
    const findings = new Findings();
    const key = { domain: "a.example", selector: "s", source: { path }, where: "kt:1" };
    findings.signingKeys.push({ ...key, from: ["a.example"] });
    findings.sealingKey = key;
    const { notes, copies } = placeKeys([findings], { directory: "/x", at: (name) => name, isReadable: () => true });
    const note = `kt:1: Cannot use ${path}, the key s of a.example: ${problem}; it is left out, so what it signed is not signed`;
    expect(notes).toEqual([note, note]);
    expect(copies).toEqual([]);
  });

  test("copies a key to where key_directory finds it", () => {
    const { path: _, ...found } = placed({});
    expect(found).toEqual({
      tables: [],
      settings: { "dkim.sign.key_directory": "/var/lib/x/dkim" },
      notes: [],
      copies: ["/var/lib/x/dkim/a.example/s.private"],
      content: RSA,
      kept: 0,
    });
  });

  test("names the copy of a key for other senders, which key_directory does not find", () => {
    const { tables, settings } = placed({ text: ED25519, key: { from: ["a.example", ".a.example"] } });
    const file = "/var/lib/x/dkim/a.example/s.pem";
    expect(tables).toEqual([{ domain: "a.example", selector: "s", file, from: ["a.example", ".a.example"] }]);
    expect(settings).toEqual({});
  });

  test.each<[what: string, given: Given, notes: string[]]>([
    [
      "of a key in a table",
      { isReadable: true, missed: { from: [".b.example"] } },
      [
        'st:2: If mail of .b.example is to be signed, add ".b.example" to from of the [[dkim.sign.keys]] with domain = "a.example", selector = "s"',
      ],
    ],
    [
      "of a key that the directory names",
      { missed: { from: [".a.example"] } },
      [
        'st:2: If mail of .a.example is to be signed, add a [[dkim.sign.keys]] with domain = "a.example", selector = "s", file = "/var/lib/x/dkim/a.example/s.private", from = [".a.example"], each on a line of its own',
      ],
    ],
    ["which sign by now", { missed: { from: ["a.example"] } }, []],
    [
      "of a key that nobody else has",
      { missed: { from: ["b.example"], domain: "b.example", source: { path: "/k/b" } } },
      [
        'st:2: If mail of b.example is to be signed, add a [[dkim.sign.keys]] with domain = "b.example", selector = "s", file = "/k/b", from = ["b.example"], each on a line of its own, where file is one that the service can read',
      ],
    ],
  ])("says what to write for senders that never signed, %s", (_what, given, notes) => {
    expect(placed(given).notes).toEqual(notes);
  });

  test("copies a key that everybody can read, and says so", () => {
    const { notes, copies, kept } = placed({ mode: 0o644, isReadable: true });
    expect([copies.length, kept, notes]).toEqual([
      1,
      0,
      ["kt:1: /k is open to every user of that machine; the copy is not"],
    ]);
  });

  test("copies a key that is in the table", () => {
    const base64 = RSA.replace(/-----.*-----|\n/g, "");
    const { content, notes } = placed({ key: { source: { text: base64 } } });
    expect(notes).toEqual([]);
    expect(createPrivateKey(content).asymmetricKeyType).toBe("rsa");
  });

  test.each<{ name: string; given: Given; says: string }>([
    {
      name: "a missing file",
      given: { key: { source: { path: "/nowhere/k" } } },
      says: "kt:1: Cannot use /nowhere/k, the key s of a.example: no such file; it is left out, so what it signed is not signed",
    },
    { name: "a directory", given: { key: { source: { path: "/etc" } } }, says: "it is a directory" },
    { name: "a device", given: { key: { source: { path: "/dev/zero" } } }, says: "not a regular file" },
    { name: "no key", given: { text: "hello" }, says: "want a private key in PEM" },
    { name: "an empty file", given: { text: "" }, says: "want a private key in PEM" },
    { name: "a long file", given: { text: "x".repeat(70_000) }, says: "over 65536 bytes" },
    { name: "a short key", given: { text: SHORT }, says: "it is an RSA key of 512 bits, want at least 1024" },
    {
      name: "garbage in the table",
      given: { key: { source: { text: "MIIB" } } },
      says: "Cannot use the key in the table",
    },
    { name: "ed25519 to seal with", given: { text: ED25519, seals: true }, says: "want an RSA key to seal with" },
  ])("leaves out $name, and says so", ({ given, says }) => {
    const { tables, settings, copies, notes } = placed(given);
    expect({ tables, settings, copies }).toEqual({ tables: [], settings: {}, copies: [] });
    expect(notes.join()).toContain(says);
  });

  test("takes one of two keys under one name, and says so", () => {
    using dir = scratch();
    const findings = new Findings();
    for (const text of [RSA, ED25519, RSA]) {
      const from = ["a.example", ".a.example"];
      findings.signingKeys.push({ domain: "a.example", selector: "s", source: { text }, from, where: "kt:1" });
    }
    const { copies, notes } = placeKeys([findings], {
      directory: dir.path,
      at: (path) => path,
      isReadable: () => false,
    });
    expect(copies.map(({ content }) => String(content))).toEqual([RSA]);
    expect(notes).toEqual([
      expect.stringContaining("is another key under the name s of a.example, of which DNS can have one alone"),
    ]);
  });

  test("does not say a thousand times that a key is not there", () => {
    const findings = new Findings();
    for (let at = 0; at < 1000; at += 1) {
      findings.signingKeys.push({
        domain: "a.example",
        selector: `s${at}`,
        source: { path: "/nowhere" },
        from: ["a.example"],
        where: "kt",
      });
    }
    const { notes } = placeKeys([findings], { directory: "/x", at: (path) => path, isReadable: () => false });
    expect([notes.length, notes.at(-1)]).toEqual([101, "and 900 more keys with such troubles"]);
  });

  test("does not wait for a FIFO", () => {
    using dir = scratch();
    const fifo = join(dir.path, "fifo");
    expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
    expect(placed({ key: { source: { path: fifo } } }).notes.join()).toContain("not a regular file");
  });

  test("places the key that seals", () => {
    const copy = "/var/lib/x/dkim/arc/a.example.s.pem";
    const { settings, copies } = placed({ seals: true });
    expect([settings, copies]).toEqual([{ "arc.domain": "a.example", "arc.selector": "s", "arc.file": copy }, [copy]]);
    const kept = placed({ seals: true, isReadable: true });
    expect([kept.settings["arc.file"], kept.copies]).toEqual([kept.path, []]);
  });

  test.skipIf(process.getuid?.() !== 0)("wants to be root for a key of another user", () => {
    using dir = scratch();
    chmodSync(dir.path, 0o755);
    writeFileSync(join(dir.path, "k"), RSA, { mode: 0o600 });
    const program = `
      import { placeKeys } from "${import.meta.dirname}/../../../src/import/host/dkim-keys.ts";
      process.setuid(65534);
      const key = { domain: "a.example", selector: "s", source: { path: "${dir.path}/k" }, from: [], where: "kt:1" };
      try { placeKeys([{ signingKeys: [key] }], { directory: "/x", at: (path) => path, isReadable: () => false }); }
      catch (error) { console.log(error.lines[0], error.exitCode); }`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
    expect(stdout).toBe(`kt:1: Cannot read "${dir.path}/k": no permission; run it as root 77\n`);
  });
});

describe("copiesToWrite", () => {
  test("replaces no other key without --force, and writes none twice", () => {
    using dir = scratch();
    const path = dir.write("s.private", RSA);
    expect(copiesToWrite([{ path, content: Buffer.from(RSA) }], false)).toEqual([]);
    const other = [{ path, content: Buffer.from(ED25519) }];
    expect(() => copiesToWrite(other, false)).toThrow(Failure);
    expect(() => copiesToWrite(other, false)).toThrow("it exists, with another key; --force replaces it");
    expect(copiesToWrite(other, true)).toMatchObject([
      { path, mode: 0o600, replaces: true, keepsOldAs: `${path}.old` },
    ]);
    const fresh = [{ path: join(dir.path, "new"), content: Buffer.from(RSA) }];
    expect(copiesToWrite(fresh, false)).toMatchObject([{ path: fresh[0]?.path, mode: 0o600, replaces: false }]);
  });
});

describe.skipIf(process.getuid?.() !== 0)("what the service will be able to read", () => {
  const SERVICE = 64_321;
  const GROUP = 64_322;

  /** @param modes of the directory and of the file, and who owns them */
  function tree(modes: { dir?: number; file: number; uid?: number; gid?: number; dirUid?: number }) {
    // Not in /tmp, which the unit hides.
    const dir = `/var/cache/postvouch-test-${process.pid}`;
    mkdirSync(join(dir, "keys"), { recursive: true });
    const path = join(dir, "keys/k");
    writeFileSync(path, "");
    chownSync(path, modes.uid ?? 0, modes.gid ?? 0);
    chmodSync(path, modes.file);
    chownSync(dirname(path), modes.dirUid ?? 0, 0);
    chmodSync(dirname(path), modes.dir ?? 0o755);
    return { path, [Symbol.dispose]: () => void spawnSync("rm", ["-r", dir]) };
  }

  test.each([
    { name: "its own file", modes: { file: 0o600, uid: SERVICE }, expected: true },
    { name: "its own file, without permission", modes: { file: 0o040, uid: SERVICE }, expected: false },
    { name: "a file of its group", modes: { file: 0o640, gid: GROUP }, expected: true },
    { name: "a file of another group", modes: { file: 0o640 }, expected: false },
    { name: "a file of everybody", modes: { file: 0o644 }, expected: true },
    { name: "a file of opendkim-genkey", modes: { file: 0o600 }, expected: false },
    { name: "a closed directory", modes: { file: 0o644, dir: 0o700 }, expected: false },
    { name: "a directory of its own", modes: { file: 0o644, dir: 0o700, dirUid: SERVICE }, expected: true },
  ])("$name: $expected", ({ modes, expected }) => {
    using made = tree(modes);
    expect(canRead({ uid: SERVICE, gids: new Set([GROUP]) }, made.path)).toBe(expected);
  });

  test("a user that systemd makes reads by groups alone", () => {
    using made = tree({ file: 0o640, gid: GROUP });
    expect(canRead({ uid: undefined, gids: new Set([GROUP]) }, made.path)).toBe(true);
    expect(canRead({ uid: undefined, gids: new Set() }, made.path)).toBe(false);
  });

  test("what the unit hides cannot be read, through links either", () => {
    using dir = scratch();
    const path = dir.write("k", "");
    chmodSync(path, 0o644);
    chmodSync(dir.path, 0o755);
    expect(canRead({ uid: undefined, gids: new Set() }, path)).toBe(false);
    using made = tree({ file: 0o644 });
    symlinkSync(path, `${made.path}.link`);
    expect(canRead({ uid: undefined, gids: new Set() }, `${made.path}.link`)).toBe(false);
    expect(canRead({ uid: undefined, gids: new Set() }, "/nowhere/k")).toBe(false);
  });

  test("the service is the owner of its state, with the groups of its unit", () => {
    using dir = scratch();
    chownSync(dir.path, SERVICE, GROUP);
    mkdirSync(join(dir.path, "postvouch.service.d"));
    dir.write(
      "postvouch.service.d/groups.conf",
      "[Service]\n#SupplementaryGroups=root\nSupplementaryGroups=mail adm\n",
    );
    const mail = Number(/^mail:[^:]*:(\d+):/m.exec(readFileSync("/etc/group", "utf8"))?.[1]);
    const { uid, gids } = serviceUser(dir.path, dir.path);
    expect([uid, gids.has(GROUP), gids.has(mail), gids.has(0)]).toEqual([SERVICE, true, true, false]);
    chownSync(dir.path, 0, 0);
    expect(serviceUser(dir.path, "/nowhere")).toEqual({ uid: undefined, gids: new Set() });
    expect(serviceUser("/nowhere", "/nowhere").uid).toBeUndefined();
  });
});
