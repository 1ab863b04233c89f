/** What a policy request can know and can do, by the SMTP stage at which Postfix makes it (SMTPD_POLICY_README). */

/** One stage. */
export interface Stage {
  /** The stage belongs to a message, or to a client that is about to send one. */
  readonly isChecked: boolean;
  /** The sender is known: an empty one is the null sender. */
  readonly hasSender: boolean;
  /** Postfix heeds PREPEND here. */
  readonly takesHeader: boolean;
}

const UNCHECKED: Stage = { isChecked: false, hasSender: false, takesHeader: false };
const GREETING: Stage = { isChecked: true, hasSender: false, takesHeader: false };
const ENVELOPE: Stage = { isChecked: true, hasSender: true, takesHeader: true };

/** By `protocol_state`. With smtpd_delay_reject = yes, the default, the lists before RCPT are asked at RCPT. */
const STAGES: ReadonlyMap<string, Stage> = new Map([
  ["CONNECT", UNCHECKED],
  // A proxy has told the client's address: Postfix 3.7 asks the client restrictions once more.
  ["XCLIENT", UNCHECKED],
  ["EHLO", GREETING],
  ["HELO", GREETING],
  ["MAIL", ENVELOPE],
  ["RCPT", ENVELOPE],
  ["DATA", ENVELOPE],
  // Postfix warns about a PREPEND that comes after the header has been written.
  ["END-OF-MESSAGE", { ...ENVELOPE, takesHeader: false }],
  ["VRFY", UNCHECKED],
  ["ETRN", UNCHECKED],
]);

/** The stage named by `protocol_state`; one that is missing or new to us is taken for RCPT. */
export function stageOf(protocol_state: string): Stage {
  return STAGES.get(protocol_state) ?? ENVELOPE;
}
