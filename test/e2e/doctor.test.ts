/**
 * The doctor on a real host: the classic set-up as how-tos have it, with a second one on top, and the same host after
 * the doctor's own commands and `postvouch setup`.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder, srsDomainRecords } from "./lab/forwarder.ts";
import { Lab } from "./lab/lab.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { NODE, PACKAGE } from "./lab/runtime.ts";
import { setup } from "./lab/setup.ts";

const missing = requireLab();

/** What somebody has made of several how-tos. */
const GROWN = `sender_canonical_maps = tcp:localhost:10001
recipient_canonical_maps = tcp:localhost:10002
sender_dependent_default_transport_maps = socketmap:inet:127.0.0.1:10003:forward-transport
transport_maps = inline:{ {gmail.com = smtp:[10.77.0.30]} }
smtpd_recipient_restrictions = permit_mynetworks,
  check_policy_service { inet:127.0.0.1:10030, timeout = 30s }, reject_unauth_destination,
  check_policy_service unix:private/policyd-spf
smtp_tls_security_level = none
smtp_helo_name = fwd
inet_interfarce = all
`;

const WRONG_TOML = '[srs]\ndomain = "srs.nowhere.test"\n';
const RIGHT_TOML = '[srs]\ndomain = "srs.fwd.test"\n[srs.own_domains]\npostfix_classes = true\n';

interface Result {
  readonly id: string;
  readonly status: string;
  readonly reason: string;
  readonly mend: string | null;
}

describe.skipIf(missing !== undefined)(`the doctor ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let fwd: Postfix;
  let daemon: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([forwarder({ mainCf: GROWN })], srsDomainRecords());
    fwd = lab.host("fwd");
    daemon = await lab.startPostvouch("fwd", WRONG_TOML, { MAIL_CONFIG: fwd.configDir });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** Runs the doctor on the host, whatever its exit code. */
  async function doctor(...args: string[]): Promise<{ ok: boolean; exit: number; checks: Result[] }> {
    const argv = [NODE, join(PACKAGE, "src/main.js"), "doctor", ...args, "--json", "--config", daemon.configFile];
    const output = await fwd.run(["sh", "-c", '"$@"; echo $?', "sh", ...argv], { env: { MAIL_CONFIG: fwd.configDir } });
    const [json = "", exit] = output.trimEnd().split("\n");
    return { ...(JSON.parse(json) as { ok: boolean; checks: Result[] }), exit: Number(exit) };
  }
  /** The checks with a status, but for those of files that this machine may have outside the lab. */
  const idsOf = (checks: readonly Result[], status: string): string[] =>
    [...new Set(checks.filter((check) => check.status === status).map(({ id }) => id))].filter(
      (id) => !/^(?:hash-alphabet|postsrsd-secret|opendmarc-|opendkim-|unit|credential|files)/.test(id),
    );

  test("finds what is wrong on a grown host", async () => {
    const { ok, exit, checks } = await doctor();
    expect({ ok, exit }).toEqual({ ok: false, exit: 1 });
    expect(idsOf(checks, "error")).toEqual([
      "tls",
      "one-set-up",
      "sender-classes",
      "srs-domain-class",
      "transport-maps",
      "second-pass",
      "second-pass-port",
      "policy-syntax",
      "srs-domain",
      "helo-name",
      "srs-spf",
    ]);
    // Addresses of the lab are private, and so hardly of use in a record.
    expect(idsOf(checks, "warning")).toEqual([
      "parameters",
      "localhost",
      "own-domains",
      "policy-order",
      "two-spf",
      "dmarc",
      "own-spf",
      "spf-terms",
    ]);
    expect(checks.filter(({ reason }) => reason.startsWith("Cannot check this"))).toEqual([]);
  });

  test("is content after its own commands and the recipe", async () => {
    const { checks } = await doctor();
    const ids = ["tls", "policy-syntax", "policy-order", "two-spf", "parameters"];
    for (const { mend } of checks.filter(({ id }) => ids.includes(id))) {
      const [, command = ""] = /(postconf -[eX] .*) && postfix reload$/.exec(mend ?? "") ?? [];
      await fwd.run(["sh", "-euc", command], { env: { MAIL_CONFIG: fwd.configDir } });
    }
    await fwd.set("smtp_helo_name = $myhostname", "transport_maps =");
    await daemon.reload(RIGHT_TOML);
    await setup(fwd, daemon.configFile, "forward-only", "--apply");
    const after = await doctor();
    expect(after.checks.filter(({ status }) => status === "error")).toEqual([]);
    expect({ ok: after.ok, exit: after.exit }).toEqual({ ok: true, exit: 0 });
    // policyd-spf's service is part of every Postfix of the lab, and nobody asks it here any more. No name below test.
    // is public, and local.fwd.test has no records.
    expect(idsOf(after.checks, "warning")).toEqual(["policyd-spf", "srs-domain", "dmarc", "own-spf", "spf-terms"]);
    const isOk = idsOf(after.checks, "ok");
    for (const id of [
      "srs-endpoints",
      "bounce-path",
      "running-secrets",
      "second-pass",
      "second-pass-port",
      "srs-spf",
    ]) {
      expect(isOk).toContain(id);
    }
    expect((await doctor("gmail")).exit).toBe(0);
  });
});
