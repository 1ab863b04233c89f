/**
 * The recipe in a main.cf that has been lived in: each setting below breaks the second pass, or makes it do twice what
 * the first has done, unless the line of deploy/postfix/forward-only.master.cf that answers it is there.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder, forwardOnly, srsDomainRecords, startForwarderDaemon } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { StoredMessage } from "./lab/mail.ts";
import type { Postfix } from "./lab/postfix.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";

const missing = requireLab();

/** The port where a content filter hands mail back: it has been filtered, expanded and copied, and may be large. */
const FILTER = `filter unix - - n - - smtp -o smtp_bind_address=127.0.0.1 -o smtp_tls_security_level=none
127.0.0.1:10025 inet n - n - - smtpd -o content_filter= -o smtpd_tls_security_level=none -o mynetworks=127.0.0.0/8
  -o smtpd_client_restrictions= -o smtpd_helo_restrictions= -o smtpd_sender_restrictions= -o smtpd_relay_restrictions=
  -o smtpd_recipient_restrictions=permit_mynetworks,reject -o smtpd_data_restrictions= -o smtpd_end_of_data_restrictions=
  -o receive_override_options=no_address_mappings,no_unknown_recipient_checks,no_header_body_checks,no_milters
  -o message_size_limit=0 -o cleanup_service_name=large
large unix n - n - 0 cleanup -o message_size_limit=0
`;

const STRANGERS_ONLY = "check_client_access inline:{ {127.0.0.1 = REJECT} }";

function livedIn(configDir: string): string {
  return `mynetworks = 10.99.0.0/24
smtpd_client_restrictions = ${STRANGERS_ONLY}
smtpd_helo_restrictions = check_helo_access inline:{ {mail.fwd.test = REJECT} }
smtpd_sender_restrictions = ${STRANGERS_ONLY}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = ${STRANGERS_ONLY}
smtpd_data_restrictions = ${STRANGERS_ONLY}
smtpd_end_of_data_restrictions = ${STRANGERS_ONLY}
smtpd_tls_security_level = encrypt
smtp_tls_security_level = encrypt
smtp_tls_policy_maps = inline:{ {[10.77.0.30] = none} }
smtpd_milters = inet:127.0.0.1:1
header_checks = regexp:${configDir}/header_checks
content_filter = filter:[127.0.0.1]:10025
message_size_limit = 2000
masquerade_domains = fwd.test
always_bcc = archive@fwd.test
sender_bcc_maps = static:archive@fwd.test
recipient_bcc_maps = static:archive@fwd.test
smtp_fallback_relay = [10.77.0.30]
relayhost = [10.77.0.30]
virtual_alias_maps = inline:{ {alice@dest.test = alice@dest.test, dave@fwd.test} }
`;
}

describe.skipIf(missing !== undefined)(`forward-only in a main.cf with much in it ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Postfix;
  let tag: string;
  let message: StoredMessage;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], srsDomainRecords());
    host = lab.host("fwd");
    const { mainCf, masterCf } = forwardOnly(lab, "srs.fwd.test");
    host.write("header_checks", "/^Subject:/ PREPEND X-Checked: yes\n");
    await host.configure({ mainCf: livedIn(host.configDir) + mainCf, masterCf: FILTER + masterCf });
    await startForwarderDaemon(lab, "srs.fwd.test");
    const body = `${"x".repeat(70)}\n`.repeat(70);
    tag = await host.submit("127.0.0.1", 10025, { from: "bob@origin.test", to: "alice@dest.test", body });
    message = await lab.host("dest").arrived("alice", tag);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  test("the forwarded copy gets through, rewritten to the SRS domain", () => {
    expect(message.returnPath).toMatch(/^SRS0=.{4}=..=origin\.test=bob@srs\.fwd\.test$/);
  });

  test("it is not checked, filtered, copied or expanded again", () => {
    expect(message.headers("X-Checked")).toEqual([]);
    // Handed back by the filter, and rewritten.
    expect(host.queueIdsOf(tag)).toHaveLength(2);
    expect(host.logLines(/from=<SRS0=.* nrcpt=/)).toEqual([expect.stringContaining(" nrcpt=1 ")]);
  });

  test("when the second pass is not there, mail waits and does not leave by the fallback relay", async () => {
    const { mainCf, masterCf } = forwardOnly(lab, "srs.fwd.test");
    const elsewhere = masterCf.replace("127.0.0.1:12526 inet", "127.0.0.1:12999 inet");
    await host.configure({ mainCf: livedIn(host.configDir) + mainCf, masterCf: FILTER + elsewhere });
    await host.send({ from: "bob@origin.test", to: "carol@dest.test" });
    const line = await host.logged(
      /to=<carol@dest\.test>.* status=(?:sent|bounced|deferred) .*:12526: Connection refused/,
    );
    expect(line).toContain("status=deferred");
  });
});
