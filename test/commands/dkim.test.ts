/** Tests `dkim keygen`, `dkim check`, `mail verify` and `mail sign` as people call them, with a DNS server of ours. */
import { spawnSync } from "node:child_process";
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { opendkimResults } from "../dkim/peers.ts";
import { ed25519Key, rsaKey, signRaw, zoneOf } from "../dkim/raw-signer.ts";
import { postvouch, postvouchAsync, type Ran, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";
import { type ZoneData, zoneAuthority } from "../helpers/zone.ts";

/** 2026-11-26 08:00 UTC. */
const NOW_SECONDS = 1_795_680_000;
const NOW = { POSTVOUCH_NOW: String(NOW_SECONDS) };

type Scratch = ReturnType<typeof scratch>;

function config(dir: Scratch, more = ""): string {
  return dir.write("postvouch.toml", `hostname = "mx.example"\nstate_dir = "${dir.path}"\n${more}`);
}

/** Keys in a directory, and a DNS server beside them. */
function withDirectory(dir: Scratch, dnsAddress: string, more = ""): string {
  return config(dir, `[dkim.sign]\nkey_directory = "${dir.path}/keys"\n${more}\n[dns]\nservers = ["${dnsAddress}"]\n`);
}

/** The record that keygen prints for web forms. */
function valueIn({ stdout }: Ran): string {
  return /^value: (.*)$/m.exec(stdout)?.[1] ?? "";
}

function zone(records: Readonly<Record<string, readonly string[]>>): ZoneData {
  return Object.fromEntries(Object.entries(records).map(([name, texts]) => [name, texts.map((TXT) => ({ TXT }))]));
}

describe("dkim keygen", () => {
  test.each([
    [[], "s20261126", /^v=DKIM1; h=sha256; k=rsa; p=[A-Za-z0-9+/=]{392}$/, "rsa"],
    [["--algorithm", "ed25519"], "ed20261126", /^v=DKIM1; h=sha256; k=ed25519; p=[A-Za-z0-9+/=]{44}$/, "ed25519"],
    [
      ["--algorithm", "rsa3072", "--selector", "my_sel"],
      "my_sel",
      /^v=DKIM1; h=sha256; k=rsa; p=[A-Za-z0-9+/=]+$/,
      "rsa",
    ],
  ])("%j makes a key of mode 0600 and prints its record", (args, selector, value, type) => {
    using dir = scratch();
    const ran = postvouch(["dkim", "keygen", "Example.NET", "--config", config(dir), ...args], { env: NOW });
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    const file = join(dir.path, `dkim/example.net/${selector}.key`);
    expect(createPrivateKey(readFileSync(file)).asymmetricKeyType).toBe(type);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(ran.stdout).toContain(`key: ${file}\n`);
    expect(ran.stdout).toContain(
      `\nname:  ${selector}._domainkey   (some want it whole: ${selector}._domainkey.example.net)\ntype:  TXT\n`,
    );
    expect(valueIn(ran)).toMatch(value);
    // The configuration that it prints is one.
    const lines = /\[\[dkim\.sign\.keys\]\]\n(?:.+\n){3}/.exec(ran.stdout)?.[0] ?? "";
    const printed = dir.write("printed.toml", lines);
    expect(postvouch(["check-config", "--config", printed]).stderr).not.toContain("dkim");
  });

  const missing = requirePrograms("nsd-checkzone");
  test.skipIf(missing)("prints a line that a name server reads", () => {
    using dir = scratch();
    const ran = postvouch(["dkim", "keygen", "example.net", "--config", config(dir), "--algorithm", "rsa4096"]);
    const line = /^\S+ IN TXT .*$/m.exec(ran.stdout)?.[0] ?? "";
    const head = "$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n";
    const file = dir.write("zone", `${head}${line}\n`);
    const read = runProgram("nsd-checkzone", ["-p", "example.net", file]);
    const pieces = /TXT\s+(.*)/.exec(read)?.[1] ?? "";
    expect([...pieces.matchAll(/"([^"]*)"/g)].map(([, piece]) => piece).join("")).toBe(valueIn(ran));
  });

  test("makes it in key_directory, where nothing more is needed, and leaves an older key alone", () => {
    using dir = scratch();
    const file = config(dir, `[dkim.sign]\nkey_directory = "${dir.path}/keys"\n`);
    const ran = postvouch(["dkim", "keygen", "example.net", "--selector", "a", "--config", file]);
    expect(ran.stdout).not.toContain("dkim.sign");
    const key = readFileSync(join(dir.path, "keys/example.net/a.key"));
    const again = postvouch(["dkim", "keygen", "example.net", "--selector", "a", "--config", file]);
    expect(again).toMatchObject({ status: 73, stdout: "" });
    expect(again.stderr).toBe(
      `postvouch: Cannot make key "${dir.path}/keys/example.net/a.key": it exists; want another --selector\n`,
    );
    expect(readFileSync(join(dir.path, "keys/example.net/a.key"))).toEqual(key);
  });

  test.runIf(process.getuid?.() === 0)("gives a key that root makes to the owner of the directory", () => {
    using dir = scratch();
    mkdirSync(join(dir.path, "keys"));
    const file = config(dir, `[dkim.sign]\nkey_directory = "${dir.path}/keys"\n`);
    runProgram("chown", ["nobody", join(dir.path, "keys")]);
    postvouch(["dkim", "keygen", "example.net", "--config", file]);
    const { uid } = statSync(join(dir.path, "keys"));
    expect(uid).not.toBe(0);
    const domain = join(dir.path, "keys/example.net");
    const owners = [domain, ...readdirSync(domain).map((name) => join(domain, name))].map((path) => statSync(path).uid);
    expect(owners).toEqual([uid, uid]);
  });

  test.each([
    [["example"], 64, 'Cannot make a key for "example": want a domain name of several labels, in A-labels'],
    [["b\u00fccher.example"], 64, 'Cannot make a key for "b\u00fccher.example": want'],
    [["../../etc.x"], 64, 'Cannot make a key for "../../etc.x": want'],
    [["a.example", "b.example"], 64, 'dkim keygen makes one key, got "a.example b.example"'],
    [
      ["a.example", "--algorithm", "rsa1024"],
      64,
      'Cannot use algorithm "rsa1024": want rsa2048, rsa3072, rsa4096, ed25519',
    ],
    [["a.example", "--selector", "../x"], 64, 'Cannot use selector "../x": want letters, digits, "-" and "_"'],
    [[], 64, "dkim keygen: want DOMAIN"],
  ])("refuses %j", (args, status, says) => {
    using dir = scratch();
    const ran = postvouch(["dkim", "keygen", "--config", config(dir), ...args]);
    expect(ran).toMatchObject({ status, stdout: "" });
    expect(ran.stderr).toContain(says);
    expect(existsSync(join(dir.path, "dkim"))).toBe(false);
  });

  test.runIf(process.getuid?.() === 0)("says why it cannot make one", () => {
    using dir = scratch();
    chmodSync(dir.path, 0o755);
    const file = config(dir);
    chmodSync(file, 0o644);
    const ran = postvouch(["dkim", "keygen", "a.example", "--selector", "x", "--config", file], { uid: 65_534 });
    expect(ran).toMatchObject({ status: 73, stdout: "" });
    expect(ran.stderr).toBe(`postvouch: Cannot make key "${dir.path}/dkim/a.example/x.key": no permission\n`);
  });
});

describe("dkim check", () => {
  const RSA = rsaKey(2048);
  const OTHER = rsaKey(2048);
  const ED = ed25519Key();

  function writeKey(dir: Scratch, name: string, key: typeof RSA): void {
    const pem = key.privateKey.export({ type: "pkcs8", format: "pem" });
    mkdirSync(join(dir.path, "keys", name, ".."), { recursive: true });
    writeFileSync(join(dir.path, "keys", name), pem, { mode: 0o600 });
  }

  test.each<[name: string, records: string[] | undefined, more: string, status: number, says: RegExp]>([
    ["found", [`v=DKIM1; p=${RSA.encoded}`], "", 0, /: its record is found; it signs$/],
    ["being tested", [`v=DKIM1; t=y; p=${RSA.encoded}`], "", 0, /it signs; "t=y" says that you are testing/],
    [
      "missing",
      undefined,
      "",
      1,
      /: no record yet; publish at s\._domainkey\.example\.net: v=DKIM1; h=sha256; k=rsa; p=/,
    ],
    ["revoked", ["v=DKIM1; p="], "", 1, /: its record says that it is revoked \(empty p=\); publish at/],
    ["another", [`v=DKIM1; p=${OTHER.encoded}`], "", 1, /: another key is published; publish at/],
    ["cut off", [`v=DKIM1; p=${RSA.encoded.slice(0, 200)}`], "", 1, /: its record cannot be read \(bad RSA key\)/],
    ["not alone", [`v=DKIM1; p=${RSA.encoded}`, "v=spf1 -all"], "", 1, /beside 1 other TXT at .* remove them/],
    ["short", [`p=${RSA.encoded}`], "[dkim]\nmin_key_bits = 3072", 1, /shorter than dkim\.min_key_bits \(3072\)/],
  ])("tells that the record is %s", async (_name, records, more, status, says) => {
    using dir = scratch();
    writeKey(dir, "example.net/s.key", RSA);
    await using dns = await startDnsServer(
      zoneAuthority(records === undefined ? {} : zone({ "s._domainkey.example.net": records })),
    );
    const ran = await postvouchAsync(["dkim", "check", "--config", withDirectory(dir, dns.address, more)]);
    expect(ran).toMatchObject({ status, stderr: "" });
    expect(ran.stdout.trimEnd()).toMatch(says);
    expect(ran.stdout).toMatch(/^example\.net s \(RSA, 2048 bits\): /);
    expect(ran.stdout).not.toMatch(/secure|DNSSEC/i);
  });

  test("tells which keys sign while one takes over, of each algorithm", async () => {
    using dir = scratch();
    for (const [name, key, time] of [
      ["old.key", OTHER, 1],
      ["new.private", RSA, 2],
      ["ed.key", ED, 3],
    ] as const) {
      writeKey(dir, `example.net/${name}`, key);
      utimesSync(join(dir.path, "keys/example.net", name), time, time);
    }
    writeFileSync(join(dir.path, "keys/example.net/README"), "");
    const records = {
      ...zoneOf(OTHER, "", "old._domainkey.example.net"),
      ...zoneOf(ED, "", "ed._domainkey.example.net"),
    };
    const check = async (published: Record<string, string[]>): Promise<string[]> => {
      await using dns = await startDnsServer(zoneAuthority(zone(published)));
      const { stdout } = await postvouchAsync(["dkim", "check", "--config", withDirectory(dir, dns.address)]);
      return stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.replace(/; publish.*/, ""));
    };
    expect(await check(records)).toEqual([
      "example.net old (RSA, 2048 bits): its record is found; it signs",
      "example.net new (RSA, 2048 bits): no record yet",
      "example.net ed (ed25519): its record is found; it signs",
    ]);
    expect(await check({ ...records, ...zoneOf(RSA, "", "new._domainkey.example.net") })).toEqual([
      "example.net old (RSA, 2048 bits): its record is found; a newer key signs; when that has signed for a week, remove this record and this file",
      "example.net new (RSA, 2048 bits): its record is found; it signs",
      "example.net ed (ed25519): its record is found; it signs",
    ]);
  });

  const noGenkey = requirePrograms("opendkim-genkey");
  test.skipIf(noGenkey)(
    "reads a key of opendkim-genkey where that left it, with the record that it printed",
    async () => {
      using dir = scratch();
      const domain = join(dir.path, "keys/example.net");
      mkdirSync(domain, { recursive: true });
      runProgram("opendkim-genkey", ["-b", "2048", "-s", "mail", "-d", "example.net", "-D", domain]);
      const printed = readFileSync(join(domain, "mail.txt"), "latin1").replace(/;[^"]*$/, "");
      const record = [...printed.matchAll(/"([^"]*)"/g)].map(([, piece = ""]) => piece);
      await using dns = await startDnsServer(zoneAuthority({ "mail._domainkey.example.net": [{ TXT: record }] }));
      const ran = await postvouchAsync(["dkim", "check", "--config", withDirectory(dir, dns.address)]);
      expect(ran).toMatchObject({
        status: 0,
        stdout: "example.net mail (RSA, 2048 bits): its record is found; it signs\n",
      });
    },
  );

  test("says that DNS gave no answer", async () => {
    using dir = scratch();
    writeKey(dir, "example.net/s.key", RSA);
    await using dns = await startDnsServer(zoneAuthority({ "s._domainkey.example.net": ["SERVFAIL"] }));
    const ran = await postvouchAsync(["dkim", "check", "--config", withDirectory(dir, dns.address)]);
    expect(ran.status).toBe(1);
    expect(ran.stdout).toContain(": DNS gave no answer (servfail); try again");
  });

  test("names every file that is no key, and every domain without one", () => {
    using dir = scratch();
    writeKey(dir, "a.example/open.key", RSA);
    chmodSync(join(dir.path, "keys/a.example/open.key"), 0o644);
    writeKey(dir, "a.example/short.key", { ...RSA, ...rsaKey(512) });
    const text = dir.write("text.key", "no key\n");
    const more = `[[dkim.sign.keys]]\ndomain = "b.example"\nselector = "s"\nfile = "${text}"\n
      [[dkim.sign.keys]]\ndomain = "c.example"\nselector = "s"\nfile = "/nowhere/c.key"\n`;
    const file = withDirectory(dir, "127.0.0.1:1", more);
    const ran = postvouch(["dkim", "check", "--config", file, "d.example"]);
    expect(ran).toMatchObject({ status: 1, stdout: "" });
    expect(ran.stderr.trimEnd().split("\n")).toEqual([
      `postvouch: dkim.sign.key_directory: Cannot use "${dir.path}/keys/a.example/open.key": it is open to every user of this machine (mode 0644), want 0600`,
      `postvouch: dkim.sign.key_directory: Cannot use "${dir.path}/keys/a.example/short.key": it is an RSA key of 512 bits, want at least 1024`,
      `postvouch: dkim.sign.keys[0]: Cannot use "${text}": want a private key in PEM without a password, RSA or ed25519`,
      'postvouch: dkim.sign.keys[1]: Cannot use "/nowhere/c.key": no such file',
      'postvouch: no key for "d.example" in dkim.sign.key_directory or dkim.sign.keys',
    ]);
  });

  test("says what to do where there is none", () => {
    using dir = scratch();
    const ran = postvouch(["dkim", "check", "--config", config(dir)]);
    expect(ran).toMatchObject({ status: 1, stdout: "" });
    expect(ran.stderr).toBe('postvouch: no key is configured: "postvouch dkim keygen DOMAIN" makes one\n');
  });
});

describe("A key that was just made", () => {
  const MESSAGE = "From: Ann <ann@example.net>\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello\r\n";

  test("signs once it is published, and others verify that", async () => {
    using dir = scratch();
    const offline = withDirectory(dir, "127.0.0.1:1");
    const rsa = postvouch(["dkim", "keygen", "example.net", "--selector", "r", "--config", offline]);
    const ed = postvouch([
      "dkim",
      "keygen",
      "example.net",
      "--selector",
      "e",
      "--algorithm",
      "ed25519",
      "--config",
      offline,
    ]);
    const message = dir.write("message", MESSAGE);

    await using before = await startDnsServer(zoneAuthority({}));
    const waiting = await postvouchAsync(["mail", "sign", "--config", withDirectory(dir, before.address), message]);
    expect(waiting).toMatchObject({ status: 1, stdout: "" });
    expect(waiting.stderr).toContain("not signed: no record in DNS for the key of example.net;");

    const records = { "r._domainkey.example.net": [valueIn(rsa)], "e._domainkey.example.net": [valueIn(ed)] };
    await using dns = await startDnsServer(zoneAuthority(zone(records)));
    const file = withDirectory(dir, dns.address);
    const signed = await postvouchAsync(["mail", "sign", "--config", file, message]);
    expect(signed).toMatchObject({ status: 0, stderr: "" });
    expect(signed.stdout.endsWith(MESSAGE)).toBe(true);
    expect(signed.stdout.match(/^DKIM-Signature: /gm)).toHaveLength(2);
    const verified = await postvouchAsync(["mail", "verify", "--config", file, dir.write("signed", signed.stdout)]);
    expect(verified.stdout).toMatch(
      /^Authentication-Results: mx\.example;\n\tdkim=pass \(.*\) header\.d=example\.net .*;\n\tdkim=pass \(.*\) header\.d=example\.net .*;\n\tarc=none \(no chain\);\n\tdmarc=none .*\n$/,
    );
    if (requirePrograms("opendkim") === undefined)
      expect(opendkimResults(signed.stdout, records)).toEqual(["pass", "pass"]);
  });

  test("signs at once if it need not be published, with LF where the message has that", () => {
    using dir = scratch();
    const file = withDirectory(dir, "127.0.0.1:1", 'require_published = false\nexpire = "7d"');
    postvouch(["dkim", "keygen", "example.net", "--selector", "r", "--config", file]);
    const input = MESSAGE.replaceAll("\r\n", "\n");
    const ran = postvouch(["mail", "sign", "--config", file], { input, env: NOW });
    expect(ran.status).toBe(0);
    expect(ran.stdout.endsWith(input)).toBe(true);
    expect(ran.stdout).not.toContain("\r");
    expect(ran.stdout).toContain(`t=${NOW_SECONDS}; x=${NOW_SECONDS + 7 * 86_400};`);
  });

  test("goes on signing while DNS fails, if its record was seen before", async () => {
    using dir = scratch();
    const offline = withDirectory(dir, "127.0.0.1:1");
    postvouch(["dkim", "keygen", "example.net", "--selector", "e", "--algorithm", "ed25519", "--config", offline]);
    const key = createPublicKey(readFileSync(join(dir.path, "keys/example.net/e.key")));
    const id = createHash("sha256")
      .update(key.export({ type: "spki", format: "der" }))
      .digest("hex");
    dir.write("dkim.seen", `e._domainkey.example.net ${id}\n`);
    await using dns = await startDnsServer(zoneAuthority({ "e._domainkey.example.net": ["SERVFAIL"] }));
    const message = dir.write("message", MESSAGE);
    const ran = await postvouchAsync(["mail", "sign", "--config", withDirectory(dir, dns.address), message]);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    await using gone = await startDnsServer(zoneAuthority({}));
    const refused = await postvouchAsync(["mail", "sign", "--config", withDirectory(dir, gone.address), message]);
    expect(refused).toMatchObject({ status: 1, stdout: "" });
  });

  test.each([
    ["To: bob@example.org\n\nHi\n", "want one From field, got 0"],
    ["From: a@example.net\nFrom: b@example.net\n\nHi\n", "want one From field, got 2"],
    ["From: a@example.org\n\nHi\n", "no key for a@example.org"],
    ["From: a@example.net, b@example.org\n\nHi\n", "From has no author: 2 domains"],
    ["From: <a@example.net\n\nHi\n", "From has no author: an address without >"],
    ["From: <a@example.net>@example.org\n\nHi\n", "From has no author: text after an address"],
    ['From: "a@example.net" <b@example.org>\n\nHi\n', "no key for b@example.org"],
  ])("does not sign %j", (input, reason) => {
    using dir = scratch();
    const file = withDirectory(dir, "127.0.0.1:1", "require_published = false");
    postvouch(["dkim", "keygen", "example.net", "--algorithm", "ed25519", "--config", file]);
    const ran = postvouch(["mail", "sign", "--config", file], { input });
    expect(ran).toMatchObject({ status: 1, stdout: "", stderr: `postvouch: not signed: ${reason}\n` });
  });
});

describe("mail verify", () => {
  const RSA = rsaKey(2048);

  test("prints the field, or with --json an object", async () => {
    using dir = scratch();
    const message = dir.write("message", signRaw({ key: RSA, tags: { l: "5" } }));
    await using dns = await startDnsServer(zoneAuthority(zone(zoneOf(RSA))));
    const verify = async (more: string, ...args: string[]): Promise<Ran> =>
      postvouchAsync([
        "mail",
        "verify",
        "--config",
        config(dir, `${more}\n[dns]\nservers = ["${dns.address}"]`),
        message,
        ...args,
      ]);
    expect((await verify("")).stdout).toMatch(
      /^Authentication-Results: mx\.example;\n\tdkim=policy \(2 bytes of the body are not signed\) header\.d=example\.com/,
    );
    expect((await verify('[dkim]\nbody_length = "accept"')).stdout).toMatch(/\tdkim=pass /);
    expect((await verify("[dkim]\nmin_key_bits = 3072")).stdout).toMatch(
      /\tdkim=policy \(RSA key of 2048 bits is shorter/,
    );
    const json = JSON.parse((await verify("", "--json")).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({
      authservId: "mx.example",
      dkim: [{ result: "policy", domain: "example.com", selector: "sel", unsignedBytes: 2 }],
      header: expect.stringMatching(/^Authentication-Results: /),
    });
  });

  test.each(["verify", "sign", "seal"])("%s refuses a FIFO, which nobody may ever write to", (command) => {
    using dir = scratch();
    const fifo = join(dir.path, "fifo");
    expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
    const ran = postvouch(["mail", command, "--config", config(dir, ""), fifo], { timeoutMs: 20_000 });
    expect(ran).toMatchObject({
      status: 65,
      stdout: "",
      stderr: expect.stringContaining(`Cannot read message "${fifo}": not a regular file`),
    });
  });

  test("reads standard input, and says that a message has no signature", async () => {
    using dir = scratch();
    const off = config(dir, "[dmarc]\nverify = false");
    const ran = postvouch(["mail", "verify", "--config", off], { input: "From: a@b.example\n\nHi\n" });
    expect(ran).toMatchObject({
      status: 0,
      stdout: "Authentication-Results: mx.example;\n\tdkim=none (no signature);\n\tarc=none (no chain)\n",
    });
  });

  test("checks SPF for a client, and explains DMARC as a tree", async () => {
    using dir = scratch();
    const records = {
      "shop.example": [{ SPF: "v=spf1 ip4:192.0.2.1 -all" }],
      "_dmarc.shop.example": [{ TXT: "v=DMARC1; p=reject" }],
    };
    await using dns = await startDnsServer(zoneAuthority(records));
    const message = dir.write("message", "From: Ann <ann@shop.example>\n\nHi\n");
    const file = config(dir, `[dns]\nservers = ["${dns.address}"]`);
    const verify = (ip: string, ...more: string[]): Promise<Ran> =>
      postvouchAsync([
        "mail",
        "verify",
        "--config",
        file,
        "--ip",
        ip,
        "--sender",
        "ann@shop.example",
        ...more,
        message,
      ]);
    expect((await verify("192.0.2.1")).stdout).toMatch(
      /\n\tspf=pass \(.*\) smtp\.mailfrom=shop\.example;\n\tdkim=none .*;\n\tarc=none \(no chain\) smtp\.remote-ip=192\.0\.2\.1;\n\tdmarc=pass \(p=reject dis=none\) header\.from=shop\.example\n$/,
    );
    const { stdout } = await verify("192.0.2.9", "--explain");
    expect(stdout).toContain("From: shop.example\n  tree walk\n    _dmarc.shop.example: v=DMARC1; p=reject\n");
    expect(stdout).toMatch(/\ndmarc=fail: .*SPF/);
    expect(JSON.parse((await verify("192.0.2.9", "--json")).stdout)).toMatchObject({
      spf: { mailFrom: { result: "fail" } },
      dmarc: { result: "fail", domain: "shop.example" },
      action: "accept",
    });
  });

  test.each([
    { args: ["--helo", "x.example"], status: 64, says: "want --ip beside --helo and --sender" },
    { args: ["--ip", "mail.example"], status: 65, says: 'Cannot check client address "mail.example"' },
  ])("says what is wrong with $args", ({ args, status, says }) => {
    using dir = scratch();
    const ran = postvouch(["mail", "verify", "--config", config(dir), ...args], { input: "\n" });
    expect(ran).toMatchObject({ status, stdout: "", stderr: expect.stringContaining(says) });
  });

  test("says which file it cannot read", () => {
    using dir = scratch();
    const ran = postvouch(["mail", "verify", "--config", config(dir), "/nowhere/message"]);
    expect(ran).toMatchObject({ status: 65, stdout: "" });
    expect(ran.stderr).toBe('postvouch: Cannot read message "/nowhere/message": no such file\n');
  });
});
