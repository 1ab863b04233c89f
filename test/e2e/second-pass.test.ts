/**
 * Settings of main.cf that would stop the second pass, slow it down, or have it change a message, each answered by a
 * line of deploy/postfix/forward-only.*. Mail comes in by sendmail(1) and leaves by a transport of its own, so that
 * nothing but the second pass feels them.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./lab/eventually.ts";
import { forwarder, forwardOnly, srsDomainRecords, startForwarderDaemon } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { StoredMessage } from "./lab/mail.ts";
import type { Postfix } from "./lab/postfix.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";

const missing = requireLab();

const EXIT = `exit unix - - n - - smtp -o smtp_tls_security_level=none -o smtp_tls_wrappermode=no -o smtp_tls_policy_maps=
  -o smtp_sasl_auth_enable=no -o smtp_discard_ehlo_keywords= -o smtp_discard_ehlo_keyword_address_maps=
  -o smtp_never_send_ehlo=no -o smtp_always_send_ehlo=yes -o smtp_line_length_limit=0 -o smtp_reply_filter=
  -o smtp_quote_rfc821_envelope=yes
pickup unix n - n 60 1 pickup -o receive_override_options=no_header_body_checks
`;

/** A cached connection would lead to the smtpd of the configuration before. */
const EXIT_SETTINGS = `default_transport = exit
smtp_connection_cache_on_demand = no
exit_destination_rate_delay = 0s
exit_transport_rate_delay = 0s
exit_destination_recipient_limit = 50
`;

/** 8-bit text in long lines: what a hop that speaks less than ESMTP would encode anew or break. */
const BODY = `${"größer ".repeat(250)}\n.dot\n..\nFrom here\n`;

interface Setting {
  readonly what: string;
  readonly mainCf: string;
  /** Tables beside main.cf, by name. */
  readonly tables?: Readonly<Record<string, string>>;
}

/** Each of these broke the recipe before it had the line against it. `DIR` is the folder of main.cf. */
const SETTINGS: readonly Setting[] = [
  {
    what: "a relay by TLS from the first byte",
    mainCf: "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt",
  },
  { what: "TLS by a policy", mainCf: "smtp_tls_policy_maps = static:encrypt" },
  { what: "a pause for each destination", mainCf: "default_destination_rate_delay = 600s" },
  { what: "a pause for each transport", mainCf: "default_transport_rate_delay = 600s" },
  {
    what: "a password for the relay, and SASL for submission",
    mainCf:
      "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:user:pass\nsmtpd_sasl_auth_enable = yes\nsmtp_sasl_security_options =\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:1",
  },
  { what: "a proxy filter", mainCf: "smtpd_proxy_filter = inet:127.0.0.1:1" },
  {
    what: "client limits without an exception for loopback",
    mainCf:
      "smtpd_client_event_limit_exceptions = 10.99.0.0/24\nsmtpd_client_message_rate_limit = 1\nsmtpd_client_recipient_rate_limit = 1\nsmtpd_client_connection_rate_limit = 1\nanvil_rate_time_unit = 600s",
  },
  {
    what: "keywords that the server hides",
    mainCf: "smtpd_discard_ehlo_keywords = 8bitmime, smtputf8, dsn, size, chunking",
  },
  {
    what: "keywords that the server hides from addresses",
    mainCf: "smtpd_discard_ehlo_keyword_address_maps = static:8bitmime",
  },
  { what: "keywords that the client does not see", mainCf: "smtp_discard_ehlo_keywords = 8bitmime" },
  {
    what: "keywords of addresses that it does not see",
    mainCf: "smtp_discard_ehlo_keyword_address_maps = static:8bitmime",
  },
  { what: "HELO alone", mainCf: "smtp_never_send_ehlo = yes" },
  { what: "EHLO where the banner asks for it", mainCf: "smtp_always_send_ehlo = no\nsmtpd_banner = $myhostname hello" },
  { what: "a banner like a PIX firewall's", mainCf: "smtpd_banner = ****************" },
  { what: "short lines", mainCf: "smtp_line_length_limit = 60" },
  {
    what: "filtered replies",
    mainCf: "smtp_reply_filter = regexp:DIR/replies",
    tables: { replies: "/^250 2.1.5(.*)/ 450 4.1.5$1\n" },
  },
  {
    what: "filtered commands",
    mainCf: "smtpd_command_filter = regexp:DIR/commands",
    tables: { commands: "/^MAIL/ NOOP\n" },
  },
  { what: "a proxy in front", mainCf: "smtpd_upstream_proxy_protocol = haproxy" },
  { what: "TLS from the first byte on every port", mainCf: "smtpd_tls_wrappermode = yes" },
  {
    what: "subdomains that are cut off",
    mainCf: "canonical_maps = regexp:DIR/canonical",
    tables: { canonical: "/^(.*)@[^@]*\\.fwd\\.test$/ $1@fwd.test\n" },
  },
  { what: "addresses that are not quoted", mainCf: "smtp_quote_rfc821_envelope = no" },
];

/** What the recipe inherits, set to what could hurt if it were not so: see test/postfix/second-pass.txt. */
const INHERITED: Setting = {
  what: "much that is inherited",
  mainCf: `strict_rfc821_envelopes = yes
strict_8bitmime_body = yes
strict_7bit_headers = yes
smtpd_helo_required = yes
smtpd_delay_reject = no
smtpd_junk_command_limit = 1
smtpd_hard_error_limit = 1
smtpd_soft_error_limit = 1
smtpd_error_sleep_time = 60s
smtpd_forbidden_commands = AUTH
smtpd_reject_footer = no
smtpd_reject_unlisted_recipient = yes
smtp_send_xforward_command = yes
smtp_send_dummy_mail_auth = yes
smtp_host_lookup = native
smtp_sender_dependent_authentication = yes
smtp_bind_address_enforce = yes
disable_dns_lookups = no
default_destination_concurrency_positive_feedback = 1/100
smtpd_tls_auth_only = yes
smtpd_enforce_tls = yes
smtp_enforce_tls = yes
always_add_missing_headers = yes
detect_8bit_encoding_header = no`,
};

describe.skipIf(missing !== undefined)(`the second pass in any main.cf ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Postfix;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], srsDomainRecords());
    host = lab.host("fwd");
    await startForwarderDaemon(lab, "srs.fwd.test");
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  async function configure(
    { mainCf, tables = {} }: Omit<Setting, "what">,
    admits = "permit_mynetworks,reject",
  ): Promise<void> {
    for (const [name, text] of Object.entries(tables)) host.write(name, text);
    const recipe = forwardOnly(lab, "srs.fwd.test");
    const lines = `${mainCf.replaceAll("DIR", host.configDir)}\n`;
    const masterCf = EXIT + recipe.masterCf.replace("permit_mynetworks,reject", admits);
    await host.configure({ mainCf: EXIT_SETTINGS + lines + recipe.mainCf, masterCf });
  }

  async function forward(to: string | readonly string[] = "alice@dest.test"): Promise<string> {
    const headers = ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"];
    return host.send({ from: '"b o b"@origin.test', headerFrom: "<bob@origin.test>", to, headers, body: BODY });
  }

  const bodyOf = (message: StoredMessage): string => message.text.slice(message.text.indexOf("\n\n") + 2);

  test.each([...SETTINGS, INHERITED])("with $what, mail arrives at once and as it was", async (setting) => {
    await configure(setting);
    for (const tag of [await forward(), await forward(), await forward()]) {
      const message = await lab.host("dest").arrived("alice", tag);
      expect(message.returnPath).toMatch(/^"?SRS0=.*@srs\.fwd\.test$/);
      expect(bodyOf(message)).toBe(Buffer.from(BODY).toString("latin1"));
    }
  });

  test("checks and maps of the way out are applied once", async () => {
    const checks = "smtp_header_checks = regexp:DIR/checks\nsmtp_body_checks = regexp:DIR/body\n";
    await configure({
      mainCf: `${checks}smtp_generic_maps = inline:{ {alice@dest.test = carol@dest.test} {carol@dest.test = x@dest.test} }`,
      tables: { checks: "/^Subject:/ PREPEND X-Checked: yes\n", body: "/^From here/ PREPEND once\n" },
    });
    const message = await lab.host("dest").arrived("carol", await forward());
    expect(message.headers("X-Checked")).toEqual(["yes"]);
    expect(bodyOf(message).match(/^once$/gm)).toHaveLength(1);
  });

  test.each(["smtpd_recipient_limit = 1", "default_destination_recipient_limit = 1"])(
    "with %s, a message to several is rewritten in one pass",
    async (mainCf) => {
      await configure({ mainCf });
      const tag = await forward(["alice@dest.test", "carol@dest.test"]);
      for (const user of ["alice", "carol"]) await lab.host("dest").arrived(user, tag);
      expect(host.queueIdsOf(tag)).toHaveLength(2);
    },
  );

  test("mail that cannot be rewritten waits, whatever is made of other delays", async () => {
    const tables = { statuses: "/^4(.*)/ 5$1\n" };
    await configure({ mainCf: "default_delivery_status_filter = regexp:DIR/statuses", tables }, "defer");
    const tag = await forward();
    const id = await eventually("its queue file", () => host.queueIdsOf(tag)[0]);
    expect(await host.logged(new RegExp(`${id}: to=.* status=`))).toContain("status=deferred");
  });
});
