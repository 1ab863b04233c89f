/** Tests the recipe on a host with IPv6 only, where Postfix cannot use 127.0.0.1. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder, srsDomainRecords } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { DnsRecord } from "./lab/nameserver.ts";
import { ipv6Of } from "./lab/network.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { MailHost } from "./lab/postfix-files.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { setup } from "./lab/setup.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab();

function speaking(protocols: string, host: MailHost): MailHost {
  return { ...host, mainCf: `${host.mainCf ?? ""}inet_protocols = ${protocols}\nsmtp_bind_address =\n` };
}

const hosts = [speaking("all", origin()), speaking("ipv6", forwarder()), speaking("all", dest())];

const addresses: readonly DnsRecord[] = hosts.map(({ name, address }) => `mail.${name}.test. AAAA ${ipv6Of(address)}`);

describe.skipIf(missing !== undefined)(`forward-only with inet_protocols = ipv6 ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Postfix;
  let daemon: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start(hosts, [...srsDomainRecords(), ...addresses]);
    host = lab.host("fwd");
    const toml = snippet("forward-only-ipv6.toml", { "srs.example.org": "srs.fwd.test" });
    daemon = await lab.startPostvouch("fwd", toml, { MAIL_CONFIG: host.configDir });
    await setup(host, daemon.configFile, "forward-only", "--apply");
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  test("an alias with a local and an outside target gets both right", async () => {
    const message = { from: "bob@origin.test", to: "team@fwd.test" };
    const tag = await lab.host("origin").submit(ipv6Of("10.77.0.20"), 25, message);
    expect((await host.arrived("dave", tag)).returnPath).toBe("bob@origin.test");
    expect((await lab.host("dest").arrived("alice", tag)).returnPath).toMatch(/^SRS0=.*@srs\.fwd\.test$/);
    expect(host.logLines(/relay=\[?::1\]?\[::1\]:12526, .* status=sent/)).toHaveLength(1);
  });

  test("a bounce finds the sender, and a forged one is refused", async () => {
    const bounced = await lab
      .host("origin")
      .submit(ipv6Of("10.77.0.20"), 25, { from: "bob@origin.test", to: "late@fwd.test" });
    await lab.host("origin").arrived("bob", bounced, "bounce");
    const session = [
      "EHLO mail.origin.test",
      "MAIL FROM:<>",
      "RCPT TO:<SRS0=AAAA=AA=origin.test=bob@srs.fwd.test>",
      "QUIT",
    ];
    expect((await lab.host("origin").smtp(ipv6Of("10.77.0.20"), 25, ...session))[3]).toMatch(/^550 5\.1\.1 /);
  });

  test("setup takes its lines out again", async () => {
    await setup(host, daemon.configFile, "--undo");
    expect((await host.command("postconf", "-M")).includes("12526")).toBe(false);
  });
});
