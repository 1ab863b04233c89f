/**
 * The doctor on a real host whose milter is wrong in many ways, beside an OpenDKIM that runs: what it finds, and that mail
 * is handled as it should be after its own commands alone.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordText } from "../../src/dkim/record.ts";
import { testKey } from "../doctor/keys.ts";
import { startServer } from "../helpers/server-process.ts";
import { run } from "./lab/command.ts";
import { forwarder, forwardOnly, srsDomainRecords } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { newTag } from "./lab/mail.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { NODE, PACKAGE } from "./lab/runtime.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("opendkim", "ss");

const KEY = testKey("fwd.test", "s1");
const SEALER = testKey("srs.fwd.test", "arc");
/** A newer key that nobody has published. */
const FORGOTTEN = testKey("fwd.test", "s2");

/** A record, in strings that DNS can have. */
const record = ({ domain, selector, privateKey }: typeof KEY): string => {
  const pieces = recordText(privateKey).match(/.{1,200}/g) ?? [];
  return `${selector}._domainkey.${domain}. TXT ${pieces.map((piece) => `"${piece}"`).join(" ")}`;
};

const WRONG_MAIN_CF = `smtpd_milters = inet:127.0.0.1:8892, { inet:127.0.0.1:8891, default_action=accept }
milter_protocol = 4
milter_mail_macros = i {mail_addr}
milter_macro_daemon_name = ORIGINATING
smtp_header_checks = regexp:{ {/^Subject: never/ IGNORE} }
`;

const SUBMISSION = "587 inet n - n - - smtpd\n";

interface Result {
  readonly id: string;
  readonly status: string;
  readonly reason: string;
  readonly mend: string | null;
}

describe.skipIf(missing !== undefined)(`the doctor and the milter ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let fwd: Postfix;
  let daemon: Postvouch;
  let keys = "";

  const toml = (more: string): string =>
    `${snippet("forward-only.toml", { "srs.example.org": "srs.fwd.test" })}
[policy]
headers = ["authentication-results"]
[milter]
listen = ["127.0.0.1:8891"]
${more}
[dkim.sign]
key_directory = "${keys}"
[dmarc]
reject = true
`;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], [...srsDomainRecords(), record(KEY), record(SEALER)]);
    keys = join(lab.directory, "keys");
    for (const { domain, selector, privateKey } of [KEY, SEALER, FORGOTTEN]) {
      mkdirSync(join(keys, domain), { recursive: true });
      const pem = privateKey.export({ type: "pkcs8", format: "pem" });
      writeFileSync(join(keys, domain, `${selector}.key`), pem, { mode: 0o600 });
    }
    fwd = lab.host("fwd");
    const { mainCf, masterCf } = forwardOnly(lab, "srs.fwd.test");
    await fwd.configure({ mainCf: mainCf + WRONG_MAIN_CF, masterCf: masterCf + SUBMISSION });
    const conf = join(lab.directory, "opendkim.conf");
    writeFileSync(conf, "Mode v\nSocket inet:8892@127.0.0.1\nSyslog no\n");
    const [program = "", ...args] = lab.on("fwd", ["opendkim", "-f", "-x", conf]);
    const listens = lab.on("fwd", ["ss", "-Hltn", "sport = :8892"]);
    lab.use(await startServer(program, args, { isReady: async () => (await run(listens)) !== "" }));
    daemon = await lab.startPostvouch("fwd", toml('internal = ["0.0.0.0/0"]'), { MAIL_CONFIG: fwd.configDir });
    await daemon.logged(/dkim_key domain=fwd\.test selector=s1 state="published, may sign"/);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  async function doctor(): Promise<Result[]> {
    const argv = [NODE, join(PACKAGE, "src/main.js"), "doctor", "--json", "--config", daemon.configFile];
    const output = await fwd.run(["sh", "-c", '"$@" || true', "sh", ...argv], { env: { MAIL_CONFIG: fwd.configDir } });
    return (JSON.parse(output) as { readonly checks: Result[] }).checks;
  }
  /** What is wrong, of the milter and its keys. */
  const wrong = (checks: readonly Result[]): Result[] =>
    checks.filter(({ id, status }) => status !== "ok" && status !== "skipped" && MILTER_CHECK.test(id));
  const MILTER_CHECK =
    /^(?:milter|dkim|dmarc-malformed|two-results|arc-seal|signed-unchanged|prepend-bug|second-pass$)/;

  test("is found wrong in every place", async () => {
    const found = wrong(await doctor());
    expect(found.map(({ id, status }) => `${status} ${id}`)).toEqual([
      "warning milter-default-action",
      "error milter-internal",
      "warning dmarc-malformed",
      "warning milter-protocol",
      "error milter-macros",
      "warning milter-bounces",
      "warning milter-bounces",
      "error milter-roles",
      "warning milter-forward",
      "warning milter-twice",
      "error milter-name",
      "warning dkim-keys",
      "warning signed-unchanged",
    ]);
    const reasonOf = (id: string): string => found.find((one) => one.id === id)?.reason ?? "";
    expect(reasonOf("milter-twice")).toContain("OpenDKIM verifies");
    expect(reasonOf("dkim-keys")).toContain("s2._domainkey.fwd.test has no key record: the key waits, and s1 goes on");
  });

  test("is right after the doctor's own commands, and mail is handled so", async () => {
    // A service for submission is found nameless only once main.cf no longer gives every service its name.
    for (let round = 0; round < 2; round++) {
      for (const { mend } of wrong(await doctor())) {
        const [, command = ""] = /(?:^|: )(postconf -[ePX]+ .*) && postfix reload$/.exec(mend ?? "") ?? [];
        if (command !== "") await fwd.run(["sh", "-euc", command], { env: { MAIL_CONFIG: fwd.configDir } });
      }
      await fwd.reload();
    }
    // The commands that the doctor cannot give as such: it says what to write.
    await fwd.run(["rm", join(keys, "fwd.test", "s2.key")]);
    await daemon.reload(toml('malformed = "reject"'));
    expect(wrong(await doctor()).map(({ reason }) => reason)).toEqual([]);

    const tag = await fwd.send({ from: "dave@fwd.test", to: "bob@origin.test" });
    const sent = await lab.host("origin").arrived("bob", tag);
    expect(sent.headers("DKIM-Signature")).toEqual([expect.stringContaining("d=fwd.test; s=s1;")]);

    const incoming = newTag();
    const forged = "Authentication-Results: mail.fwd.test; dmarc=pass header.from=origin.test";
    const text = [forged, "From: <bob@origin.test>", `Subject: ${incoming}`, "", "hello", "."].join("\r\n");
    const envelope = ["EHLO mail.origin.test", "MAIL FROM:<bob@origin.test>", "RCPT TO:<team@fwd.test>", "DATA"];
    const replies = await lab.host("origin").smtp("10.77.0.20", 25, ...envelope, text, "QUIT");
    expect(replies.at(-2)).toMatch(/^250 /);
    const local = await fwd.arrived("dave", incoming);
    expect(local.headers("Authentication-Results")).toEqual([expect.stringMatching(/^mail\.fwd\.test; spf=pass /)]);
    const outside = await lab.host("dest").arrived("alice", incoming);
    expect(outside.headers("ARC-Seal")).toEqual([expect.stringContaining("d=srs.fwd.test; s=arc;")]);
  });

  test("is content with a list of macros that lacks {daemon_name}, because we ask for it ourselves", async () => {
    await fwd.set("milter_connect_macros = j v");
    expect(wrong(await doctor()).map(({ reason }) => reason)).toEqual([]);
    const tag = newTag();
    const text = ["From: <dave@fwd.test>", `Subject: ${tag}`, "", "hello", "."].join("\r\n");
    const envelope = ["EHLO client.test", "MAIL FROM:<dave@fwd.test>", "RCPT TO:<dave@fwd.test>", "DATA"];
    const replies = await lab.host("origin").smtp("10.77.0.20", 587, ...envelope, text, "QUIT");
    expect(replies.at(-2)).toMatch(/^250 /);
    expect((await fwd.arrived("dave", tag)).headers("DKIM-Signature")).toHaveLength(1);
  });
});
