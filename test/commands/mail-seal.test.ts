/** Tests `mail seal` as people call it, and what `mail verify` says of it. */
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { postvouch, postvouchAsync, type Ran, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { zoneAuthority } from "../helpers/zone.ts";

const NOW = { POSTVOUCH_NOW: "1795680000" };

type Scratch = ReturnType<typeof scratch>;

function config(dir: Scratch, more = ""): string {
  return dir.write("postvouch.toml", `hostname = "mx.example"\nstate_dir = "${dir.path}"\n${more}\n`);
}

/** Keys in a directory, which need not be published. */
function withKeys(dir: Scratch, more: string): string {
  const sign = `[dkim.sign]\nkey_directory = "${dir.path}/keys"\nrequire_published = false\n`;
  return config(dir, `${sign}${more}\n[dns]\nservers = ["127.0.0.1:1"]`);
}

describe("mail seal", () => {
  const MESSAGE = "From: a@example.com\nTo: bob@example.org\n\nHi\n";
  const OURS = "Authentication-Results: mx.example; spf=pass smtp.mailfrom=example.com\nReceived: by mx.example\n";

  test("prints the message with a set that mail verify likes, and passes on our results above the first Received", async () => {
    using dir = scratch();
    const file = withKeys(dir, '[arc]\ndomain = "example.net"');
    postvouch(["dkim", "keygen", "example.net", "--selector", "s", "--config", file]);
    const input = `${OURS}${MESSAGE}`;
    const ran = postvouch(["mail", "seal", "--config", file], { input, env: NOW });
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example\.net; s=s;\n/);
    expect(ran.stdout).toContain(
      "\nARC-Authentication-Results: i=1; mx.example;\n\tspf=pass smtp.mailfrom=example.com\n",
    );
    expect(ran.stdout.endsWith(`\n${input}`)).toBe(true);
    const checked = postvouch(["mail", "seal", "--config", file], { input: MESSAGE, env: NOW });
    expect(checked.stdout).toMatch(
      /\nARC-Authentication-Results: i=1; mx\.example;\n\tdkim=none [^;]*;\n\tarc=none \(no chain\);\n\tdmarc=/,
    );

    const record = readFileSync(join(dir.path, "keys", "example.net", "s.key"), "utf8");
    const der = createPublicKey(record).export({ type: "spki", format: "der" }).toString("base64");
    await using dns = await startDnsServer(
      zoneAuthority({ "s._domainkey.example.net": [{ TXT: `v=DKIM1; p=${der}` }] }),
    );
    const verify = (message: string): Promise<Ran> =>
      postvouchAsync([
        "mail",
        "verify",
        "--json",
        "--config",
        config(dir, `[dns]\nservers = ["${dns.address}"]`),
        dir.write("m", message),
      ]);
    const good = JSON.parse((await verify(ran.stdout)).stdout) as Record<string, unknown>;
    expect(good.arc).toMatchObject({
      result: "pass",
      instance: 1,
      sets: [{ domain: "example.net", selector: "s", cv: "none" }],
    });
    const broken = JSON.parse((await verify(ran.stdout.replace("\nHi", "\nHo"))).stdout) as Record<string, unknown>;
    expect(broken.arc).toMatchObject({ result: "fail", reason: "message signature: body hash did not verify" });
  });

  test.each([
    [MESSAGE, '[arc]\ndomain = "example.com"\n', "no RSA key of example.com"],
    [`ARC-Seal: i=1; cv=fail\n${MESSAGE}`, "", "the newest seal says that the chain has failed"],
    [`ARC-Seal: i=50; cv=pass\n${MESSAGE}`, "", "the chain has 50 sets"],
    ["To: bob@example.org\n\nHi\n", "", "want one From field, got 0"],
  ])("does not seal %j", (input, more, reason) => {
    using dir = scratch();
    const arc = more === "" ? '[arc]\ndomain = "example.net"\n' : more;
    const file = withKeys(dir, arc);
    postvouch(["dkim", "keygen", "example.net", "--config", file]);
    const ran = postvouch(["mail", "seal", "--config", file], { input });
    expect(ran).toMatchObject({ status: 1, stdout: "", stderr: `postvouch: not sealed: ${reason}\n` });
  });

  test("names a key that cannot seal", () => {
    using dir = scratch();
    const key = dir.write(
      "k.pem",
      generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    );
    chmodSync(key, 0o600);
    const seal = (toml: string): string =>
      postvouch(["mail", "seal", "--config", config(dir, `[arc]\nfile = "${key}"\n${toml}`)], { input: MESSAGE })
        .stderr;
    expect(seal("")).toContain(`arc.file: Cannot use "${key}": want arc.domain and arc.selector beside it\n`);
    expect(seal('domain = "example.net"\nselector = "s"')).toContain(`arc.file: Cannot use "${key}": want an RSA key`);
  });
});
