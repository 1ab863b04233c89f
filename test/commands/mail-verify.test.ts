/** Tests `mail verify` for a message that came through another MX, which the milter would believe. */
import { expect, test } from "vitest";
import { postvouchAsync, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { zoneAuthority } from "../helpers/zone.ts";

const MESSAGE = [
  "Authentication-Results: mx2.example; spf=pass smtp.mailfrom=example.com",
  "Received: from mail.example.com by mx2.example",
  "From: ann@example.com",
  "",
  "Hi",
  "",
].join("\n");

const ZONE = {
  "example.com": [{ TXT: "v=spf1 -all" }],
  "_dmarc.example.com": [{ TXT: "v=DMARC1; p=reject" }],
};

test.each([
  { ip: "192.0.2.20", spf: "pass (as mx2.example says)", dmarc: "pass" },
  { ip: "192.0.2.21", spf: "fail", dmarc: "fail" },
])("mail verify --ip $ip believes a trusted relay as the milter does, and nobody else", async ({ ip, spf, dmarc }) => {
  using dir = scratch();
  await using dns = await startDnsServer(zoneAuthority(ZONE));
  const trusted = 'trusted_relays = ["192.0.2.20"]\ntrusted_authserv_ids = ["mx2.example"]';
  const toml = `hostname = "mx.example"\nstate_dir = "${dir.path}"\n[milter]\n${trusted}\n[dns]\nservers = ["${dns.address}"]\n`;
  const config = dir.write("postvouch.toml", toml);
  const envelope = ["--ip", ip, "--helo", "relay.example", "--sender", "ann@example.com"];
  const { stdout, status } = await postvouchAsync([
    "mail",
    "verify",
    "--config",
    config,
    ...envelope,
    dir.write("m", MESSAGE),
  ]);
  expect(status).toBe(0);
  expect(stdout).toContain(`;\n\tspf=${spf}`);
  expect(stdout).toContain(`;\n\tdmarc=${dmarc} `);
});
