/** Tests `dmarc report` as people call it, with a DNS server, an SMTP server and a history of ours. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { HistoryDatabase } from "../../src/history/database.ts";
import { entryOf } from "../../src/history/entry.ts";
import { findDkimpy, opendkimResults } from "../dkim/peers.ts";
import { rsaKey, zoneOf } from "../dkim/raw-signer.ts";
import type { DmarcZone } from "../dmarc/fixtures.ts";
import { blocks } from "../e2e/lab/pages.ts";
import { freePorts, postvouchAsync, type Ran, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { type SmtpSink, startSmtpSink, type Taken } from "../helpers/smtp-sink.ts";
import { type ZoneData, zoneAuthority } from "../helpers/zone.ts";
import { DAY, historyMessage, ZONE } from "../history/messages.ts";

/** The day after that of the messages, 01:00 UTC. */
const NOW_SECONDS = (DAY + 1) * 86_400 + 3600;
const KEY = rsaKey(2048);
const KEY_ZONE = zoneOf(KEY, "", "s1._domainkey.example.org");

const noXmllint = requirePrograms("xmllint");
const SCHEMA = new URL("../testdata/dmarc/rfc9990.xsd", import.meta.url).pathname;

interface Site {
  readonly dir: string;
  readonly path: string;
  readonly config: string;
  run(args: readonly string[], now?: number): Promise<Ran>;
}

interface Options {
  readonly zone?: DmarcZone;
  readonly more?: string;
  readonly enabled?: boolean;
  readonly key?: boolean;
  readonly sink?: SmtpSink;
}

/** A site whose history has some messages. */
async function withSite(options: Options, use: (site: Site) => Promise<void>): Promise<void> {
  const { zone = {}, more = "", enabled = true, key = true, sink } = options;
  const agreed = { "example.net._report._dmarc.r.example": ["v=DMARC1"] };
  const texts = { ...ZONE, ...agreed, ...KEY_ZONE, ...zone } as Record<string, readonly string[] | string>;
  const data = Object.fromEntries(
    Object.entries(texts).map(([name, entry]) => [
      name,
      typeof entry === "string" ? [entry] : entry.map((TXT) => ({ TXT })),
    ]),
  ) as ZoneData;
  await using dns = await startDnsServer(zoneAuthority(data));
  using dir = scratch();
  const path = `${dir.path}/h.db`;
  {
    using database = new HistoryDatabase(path, "create");
    const messages = await Promise.all([
      historyMessage("a@example.com"),
      historyMessage("b@example.com", { identifiers: ["dkim=pass example.com s1", "spf=softfail example.com"] }),
      historyMessage("b@example.com"),
      historyMessage("a@example.net", { clientAddress: "2001:db8::1" }),
      historyMessage("a@nowhere.example"),
    ]);
    database.add(messages.map(entryOf));
  }
  mkdirSync(join(dir.path, "keys/example.org"), { recursive: true });
  const file = join(dir.path, "keys/example.org/s1.key");
  writeFileSync(file, KEY.privateKey.export({ type: "pkcs8", format: "pem" }));
  chmodSync(file, 0o600);
  const config = dir.write(
    "p.toml",
    `hostname = "mx.example.org"
state_dir = "${dir.path}"
[srs]
domain = "srs.example.org"
[milter]
listen = ["127.0.0.1:8891"]
[dmarc]
history = "sqlite:${path}"
[dmarc.report]
enabled = ${enabled}
submit = "127.0.0.1:${sink?.port ?? 9}"
${more}
[dkim.sign]
${key ? `key_directory = "${dir.path}/keys"` : ""}
[dns]
servers = ["${dns.address}"]
timeout = "500ms"
tries = 1
`,
  );
  await use({
    dir: dir.path,
    path,
    config,
    run: (args, now = NOW_SECONDS) =>
      postvouchAsync(["dmarc", "report", "--config", config, ...args], { POSTVOUCH_NOW: String(now) }),
  });
}

/** The XML in the attachment. */
function xmlIn({ message }: Taken): string {
  const base64 = /application\/gzip;[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+)--/.exec(message)?.[1] ?? "";
  return gunzipSync(Buffer.from(base64, "base64")).toString("utf8");
}

function validate(xml: string): string {
  const args = ["--noout", "--nonet", "--schema", SCHEMA, "-"];
  return spawnSync("xmllint", args, { input: xml, encoding: "utf8" }).stderr.trim();
}

describe("dmarc report", () => {
  test("says what would be sent to whom, of yesterday, as the page shows it", async () => {
    await withSite({ enabled: false }, async ({ run }) => {
      expect(await run([])).toEqual({
        status: 0,
        stderr: "",
        stdout: blocks("dmarc-reports.md", "## What it says", "")[0],
      });
      const nothing = "2026-11-24: nothing to report\n";
      expect(await run(["--day", "2026-11-24"])).toEqual({ status: 0, stderr: "", stdout: nothing });
      const printed = { status: 0, stderr: `postvouch: ${nothing}`, stdout: "" };
      expect(await run(["--print", "--day", "2026-11-24"])).toEqual(printed);
    });
  });

  test("says what is in no report, of a day with nothing to report", async () => {
    await withSite({}, async ({ run, path }) => {
      {
        using database = new HistoryDatabase(path, "existing");
        const entry = entryOf(await historyMessage("a@nowhere.example"));
        database.add([{ ...entry, day: entry.day - 1 }]);
      }
      const stdout = "2026-11-24: nothing to report\nnot in reports: 1 of domains without a policy\n";
      expect(await run(["--day", "2026-11-24"])).toEqual({ status: 0, stderr: "", stdout });
      const sent = await run(["--send", "--day", "2026-11-24"]);
      expect(sent).toEqual({ status: 0, stderr: "", stdout: "2026-11-24: nothing to report\n" });
    });
  });

  test("names addresses that get none, and why", async () => {
    const zone = { "example.net._report._dmarc.r.example": ["v=spf1"] };
    await withSite({ zone }, async ({ run }) => {
      const { status, stdout, stderr } = await run([]);
      expect(status).toBe(0);
      expect(stdout).toContain("example.net: 1 message in 1 record, to b@example.net\n");
      expect(stderr).toBe(
        'postvouch: example.net: not to mailto:c@r.example: "r.example" does not agree: no DMARC record at "example.net._report._dmarc.r.example"\n',
      );
    });
  });

  test.skipIf(noXmllint)(`prints XML that the schema accepts ${noXmllint ?? ""}`, async () => {
    await withSite({ enabled: false }, async ({ run }) => {
      const { status, stdout, stderr } = await run(["--print"]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const documents = stdout.split(/^(?=<\?xml)/m);
      expect(documents.map(validate)).toEqual(["- validates", "- validates"]);
      expect(documents[0]).toContain("<org_name>example.org</org_name>\n    <email>postmaster@example.org</email>");
      expect(documents[0]).toContain("<begin>1795564800</begin>\n      <end>1795651199</end>");
      expect(documents[0]).toContain(`<error>Cannot use tag "x": no tag of DMARC</error>`);
      expect(documents[0]).toMatch(/<generator>postvouch \d/);
    });
  });

  test.each([
    [["--send", "--print"], 64, "want --send or --print, got both"],
    [["--day", "2026-02-30"], 64, '--day: got "2026-02-30", want a day such as 2026-11-25'],
    [["--day", "yesterday"], 64, '--day: got "yesterday", want a day such as 2026-11-25'],
    [["--day", "2026-11-27"], 64, '--day: got "2026-11-27", which is still to come'],
    [
      ["--day", "2026-11-26", "--send"],
      64,
      '--day: got "2026-11-26", which is not over yet: its report would lack mail',
    ],
    [["--send"], 78, "dmarc.report.enabled: got false, want true to send reports"],
  ])("%j exits %i", async (args, status, problem) => {
    await withSite({ enabled: false }, async ({ run }) => {
      const ran = await run(args);
      expect({ status: ran.status, stdout: ran.stdout }).toEqual({ status, stdout: "" });
      expect(ran.stderr).toContain(`postvouch: ${problem}`);
    });
  });

  test("names a history that it cannot use, without a stack trace", async () => {
    await withSite({ enabled: false }, async ({ run, path, config }) => {
      const toml = readFileSync(config, "utf8");
      writeFileSync(config, toml.replace(`sqlite:${path}`, "opendmarc:/var/x"));
      expect(await run([])).toMatchObject({
        status: 78,
        stderr:
          'postvouch: dmarc.history: got "opendmarc:/var/x", want "sqlite:/path" to make reports from; opendmarc-import and opendmarc-reports make reports from this one\n',
      });
      writeFileSync(config, toml.replace(`sqlite:${path}`, ""));
      expect((await run([])).stderr).toContain('dmarc.history: got "", want "sqlite:/path" to make reports from\n');
      writeFileSync(config, toml.replace(path, `${path}x`));
      const problem = "there is no such file, or its directory is missing";
      expect(await run([])).toMatchObject({
        status: 1,
        stderr: `postvouch: dmarc.history: Cannot open history "${path}x": ${problem}\n`,
      });
      writeFileSync(config, toml);
      writeFileSync(path, readFileSync(path).fill(0xff, 4096));
      const damaged = await run([]);
      expect(damaged).toMatchObject({ status: 1, stdout: "" });
      expect(damaged.stderr).toMatch(/^postvouch: dmarc\.history: Cannot .*(?:malformed|not a database)\n$/);
    });
  });

  test("leaves out damaged rows, and names the file that has them", async () => {
    await withSite({ enabled: false }, async ({ run, path }) => {
      const script = `import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
d.execute("UPDATE policies SET policy = 'x' WHERE domain = 'example.net'")
d.execute("UPDATE kinds SET kind = '{}' WHERE messages = 1")
d.commit()
`;
      expect(spawnSync("python3", ["-c", script, path], { encoding: "utf8" }).stderr).toBe("");
      const damaged = `postvouch: dmarc.history: "sqlite:${path}" has 2 damaged rows, left out of the reports\n`;
      const said = await run([]);
      expect(said).toMatchObject({ status: 1, stderr: damaged });
      expect(said.stdout).toContain("example.com: 3 messages in 2 records, to a@example.com\n");
      const { status, stdout, stderr } = await run(["--print"]);
      expect({ status, stderr }).toEqual({ status: 1, stderr: damaged });
      expect(stdout.match(/<record>/g)).toHaveLength(1);
    });
  });

  test("names a history that another process has locked", { timeout: 30_000 }, async () => {
    await withSite({ enabled: false }, async ({ run, path }) => {
      const script = `import sqlite3, sys
d = sqlite3.connect(sys.argv[1], isolation_level=None)
d.execute("PRAGMA locking_mode = EXCLUSIVE")
d.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
`;
      const lock = spawn("python3", ["-c", script, path], { stdio: ["pipe", "pipe", "inherit"] });
      await new Promise((resolve) => lock.stdout.once("data", resolve));
      const ran = await run([]);
      lock.kill("SIGKILL");
      expect(ran).toMatchObject({ status: 1, stdout: "" });
      expect(ran.stderr).toBe(`postvouch: dmarc.history: Cannot open history "${path}": database is locked\n`);
    });
  });
});

describe("dmarc report --send", () => {
  test("sends each report once, signed", async () => {
    await using sink = await startSmtpSink();
    await withSite({ sink, more: 'organization = "Example \\"&\\" <Sons>"' }, async ({ run }) => {
      const ran = await run(["--send"]);
      expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: "" });
      expect(ran.stdout.replace(/\d+ bytes/g, "N bytes")).toBe(`example.com, 2026-11-25: sent to a@example.com (N bytes)
example.net, 2026-11-25: sent to b@example.net (N bytes)
example.net, 2026-11-25: sent to c@r.example (N bytes)
2026-11-25: done
`);
      expect(sink.taken.map(({ sender, recipient }) => `${sender} ${recipient}`)).toEqual([
        "postmaster@example.org a@example.com",
        "postmaster@example.org b@example.net",
        "postmaster@example.org c@r.example",
      ]);
      expect(sink.connections).toBe(1);
      expect(sink.commands[0]).toBe("EHLO mx.example.org");
      const [first] = sink.taken;
      if (first === undefined) throw new Error("nothing was sent");
      const id = /Report-ID: <(\w+)>/.exec(first.message)?.[1] ?? "";
      expect(id).toMatch(/^20261125[0-9a-f]{16}$/);
      const header = first.message.slice(0, first.message.indexOf("\r\n\r\n"));
      expect(header).toContain(
        '\r\nFrom: "Example \\"&\\" <Sons>" <postmaster@example.org>\r\nTo: <a@example.com>\r\n',
      );
      expect(header).toContain(
        `\r\nSubject: Report Domain: example.com\r\n Submitter: example.org\r\n Report-ID: <${id}>\r\n`,
      );
      expect(header).toContain(`\r\nMessage-ID: <${id}@example.org>\r\nAuto-Submitted: auto-generated\r\n`);
      expect(header).toContain("\r\nDate: Thu, 26 Nov 2026 01:00:00 +0000\r\n");
      const name = `example.org!example.com!1795564800!1795651199!${id}.xml.gz`;
      expect(first.message).toContain(`Content-Type: application/gzip;\r\n name="${name}"\r\n`);
      expect(first.message).toContain(`Content-Disposition: attachment;\r\n filename="${name}"\r\n`);
      expect(first.message).toMatch(/^[\t\r\n\x20-\x7e]*$/);
      expect(Math.max(...first.message.split("\r\n").map(({ length }) => length))).toBeLessThan(200);
      expect(xmlIn(first)).toBe((await run(["--print"])).stdout.split(/^(?=<\?xml)/m)[0]);
      for (const { message } of sink.taken) expect(opendkimResults(message, KEY_ZONE)).toEqual(["pass"]);

      const again = await run(["--send"]);
      expect(again.status).toBe(0);
      expect(again.stdout).toContain("example.com, 2026-11-25: was sent to a@example.com before\n");
      expect(sink.taken).toHaveLength(3);
      expect((await run([])).stdout).toContain("\n  was sent to a@example.com\n");
    });
  });

  test.skipIf(findDkimpy() === undefined)("is verified by dkimpy, and read as mail by Python", async () => {
    await using sink = await startSmtpSink();
    await withSite({ sink }, async ({ run }) => {
      await run(["--send"]);
      const script = `
import dkim, email, email.policy, gzip, json, sys
given = json.load(sys.stdin)
raw = given["message"].encode("latin-1")
dns = lambda name, timeout=5: given["record"].encode()
message = email.message_from_bytes(raw, policy=email.policy.default)
part = [part for part in message.walk() if part.get_content_type() == "application/gzip"][0]
print(json.dumps([dkim.verify(raw, dnsfunc=dns), message["subject"], part.get_filename(),
  gzip.decompress(part.get_content()).decode()[:38], [str(d) for p in message.walk() for d in p.defects]]))
`;
      const input = JSON.stringify({
        message: sink.taken[0]?.message,
        record: Object.values(KEY_ZONE)[0]?.[0],
      });
      const { stdout, stderr } = spawnSync(findDkimpy() ?? "", ["-c", script], { input, encoding: "utf8" });
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toEqual([
        true,
        expect.stringMatching(/^Report Domain: example\.com Submitter: example\.org Report-ID: <\w+>$/),
        expect.stringMatching(/^example\.org!example\.com!1795564800!1795651199!\w+\.xml\.gz$/),
        '<?xml version="1.0" encoding="UTF-8"?>',
        [],
      ]);
    });
  });

  test("warns without a key, and sends all the same", async () => {
    await using sink = await startSmtpSink();
    await withSite({ sink, key: false }, async ({ run }) => {
      const { status, stderr } = await run(["--send"]);
      expect(status).toBe(0);
      expect(stderr).toBe(
        "postvouch: warning: reports go out without a DKIM signature: no key for postmaster@example.org\n",
      );
      expect(sink.taken).toHaveLength(3);
      expect(sink.taken[0]?.message).not.toContain("DKIM-Signature");
    });
  });

  test("names what was refused, exits 1, and tries that alone again on the next day", async () => {
    await using sink = await startSmtpSink((command) =>
      command.includes("b@example.net") ? "450 4.7.1 later" : undefined,
    );
    await withSite({ sink }, async ({ run }) => {
      const first = await run(["--send"]);
      expect(first.status).toBe(1);
      expect(first.stderr).toContain("postvouch: example.net, 2026-11-25: Cannot send to b@example.net: ");
      expect(first.stderr).toContain("450 4.7.1 later; the next run tries again\n");
      expect(sink.taken.map(({ recipient }) => recipient)).toEqual(["a@example.com", "c@r.example"]);
      expect((await run([])).stdout).toContain(
        "\n  could not be sent to b@example.net yet\n  was sent to c@r.example\n",
      );
      sink.fault = () => undefined;
      const next = await run(["--send"], NOW_SECONDS + 86_400);
      expect(next).toMatchObject({ status: 0, stderr: "" });
      expect(next.stdout.replace(/\d+ bytes/, "N bytes")).toBe(`example.net, 2026-11-25: sent to b@example.net (N bytes)
example.net, 2026-11-25: was sent to c@r.example before
2026-11-26: nothing to report
`);
      expect(sink.taken.map(({ recipient }) => recipient)).toEqual(["a@example.com", "c@r.example", "b@example.net"]);
      const days = [sink.taken[1], sink.taken[2]].map((taken) => /Report-ID: <(\w+)>/.exec(taken?.message ?? "")?.[1]);
      expect(days[0]).toBe(days[1]);
    });
  });

  test("tries an address again that DNS did not answer for", async () => {
    await using sink = await startSmtpSink();
    const zone: DmarcZone = { "example.net._report._dmarc.r.example": "SERVFAIL" };
    await withSite({ sink, zone }, async ({ run, path }) => {
      const ran = await run(["--send"]);
      expect(ran.status).toBe(1);
      expect(ran.stderr).toContain("example.net, 2026-11-25: Cannot send to mailto:c@r.example: Cannot look up TXT of");
      using database = new HistoryDatabase(path, "existing");
      expect(database.undelivered(DAY, DAY + 1)).toHaveLength(1);
      const retried = await run(["--send"], NOW_SECONDS + 86_400);
      expect(retried.status).toBe(1);
      expect(retried.stdout).toBe("example.net, 2026-11-25: was sent to b@example.net before\n");
    });
    expect(sink.taken.map(({ recipient }) => recipient)).toEqual(["a@example.com", "b@example.net"]);
  });

  test("honours a size limit, in bytes as they travel", async () => {
    await using sink = await startSmtpSink();
    await withSite({ sink }, async ({ run, path }) => {
      using database = new HistoryDatabase(path, "existing");
      const zone = { ...ZONE, "_dmarc.example.com": ["v=DMARC1; p=none; rua=mailto:a@example.com!100"] };
      database.add([entryOf(await historyMessage("a@example.com", { zone }))]);
      const { status, stderr } = await run(["--send"]);
      expect(status).toBe(0);
      expect(stderr).toMatch(
        /example\.com, 2026-11-25: not sent to a@example\.com: it has \d+ bytes, and its rua= wants at most 100\n/,
      );
    });
  });

  test.each<[string, (command: string) => string | undefined]>([
    ["a server that greets with 554", (command) => (command === "connect" ? "554 no" : undefined)],
    ["a server that closes at once", (command) => (command === "connect" ? "close" : undefined)],
    ["a server that closes in the midst of it", (command) => (command === "message" ? "close" : undefined)],
    ["a server that refuses the message", (command) => (command === "message" ? "552 5.3.4 too big" : undefined)],
    ["a server that refuses the sender", (command) => (/^MAIL/.test(command) ? "550 5.7.1 not you" : undefined)],
    ["a server that talks nonsense", (command) => (/^EHLO|^HELO/.test(command) ? "\0\xffhello" : undefined)],
  ])("survives %s", { timeout: 60_000 }, async (_what, fault) => {
    await using sink = await startSmtpSink(fault);
    await withSite({ sink }, async ({ run }) => {
      const { status, stderr } = await run(["--send"]);
      expect(status).toBe(1);
      expect(stderr.split("\n").filter((line) => line.includes("Cannot send to"))).toHaveLength(3);
      expect(stderr).not.toMatch(/^ {4}at /m);
      sink.fault = () => undefined;
      expect((await run(["--send"])).status).toBe(0);
      expect(sink.taken).toHaveLength(3);
    });
  });

  test("survives a server that is not there", async () => {
    const [port = 0] = await freePorts(1);
    await withSite({ sink: { port } as SmtpSink }, async ({ run }) => {
      const { status, stderr } = await run(["--send"]);
      expect(status).toBe(1);
      expect(stderr).toContain(`Cannot send to a@example.com: Cannot reach SMTP server "127.0.0.1:${port}": `);
    });
  });

  test("does not do what another run is doing", async () => {
    await using sink = await startSmtpSink();
    await withSite({ sink }, async ({ run }) => {
      const both = await Promise.all([run(["--send"]), run(["--send"])]);
      expect(both.map(({ status }) => status)).toEqual([0, 0]);
      expect(sink.taken).toHaveLength(3);
    });
  });
});
