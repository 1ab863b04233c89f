/** What clients of each listener ask. */
import { LOCKSTEP_OFFER, mta } from "../test/milter/mta.ts";

/** A request as smtpd of Postfix 3.7 sends it at RCPT TO, with values of the usual lengths. */
export const POLICY_REQUEST = `request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address=192.0.2.1
client_name=mail.d1.example.net
client_port=41234
reverse_client_name=mail.d1.example.net
server_address=203.0.113.25
server_port=25
helo_name=mail.d1.example.net
sender=user1@d1.example.net
recipient=user@example.org
recipient_count=0
queue_id=
instance=1a2b.5f3c9e10.7d1c2.0
size=12345
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=
compatibility_level=3.6
mail_version=3.7.11

`;

/** The protocols of our listeners. */
export type ListenerProtocol = "tcp" | "socketmap" | "policy" | "http" | "milter";

/** What a connection begins with, before its first request. */
export const OPENINGS: Readonly<Record<ListenerProtocol, string>> = {
  tcp: "",
  socketmap: "",
  policy: "",
  http: "",
  milter: mta.options(...LOCKSTEP_OFFER) + mta.connect(),
};

/** One request of each protocol, with an answer. */
export const REQUESTS: Readonly<Record<ListenerProtocol, string>> = {
  tcp: "get user@example.net\n",
  socketmap: "24:forward user@example.net,",
  policy: POLICY_REQUEST,
  http: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
  milter: mta.helo(),
};
