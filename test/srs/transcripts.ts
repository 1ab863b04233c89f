/** Recorded conversations in which we differ from postsrsd, with the reason and our replies. */
export interface TranscriptDeviation {
  readonly reason: string;
  /** Our replies without their frames; of one that is not "found", the first word. */
  readonly replies: readonly string[];
  /** Whether we hang up. */
  readonly isClosed: boolean;
}

const ALICE_1 = "200 SRS0=+xpx=2W=example.org=alice@example.com";
const ALICE_2 = "OK SRS0=-xpx=2W=example.org=alice@example.com";
const ANSWERED = "a line that can be answered is answered and the connection stays: each close costs Postfix a second";
const LONG = "tcp_table(5) has lines of 4,096 bytes, socketmap queries are read up to 10,000";
const PATIENT = "we never hang up on a silent client: it would find that out only with its next lookup";
const MAP_IS_LETTER = "socketmap_table(5) has the map name first: what comes before a blank is the name";
const NO_PERM = "PERM stops the mail for ever; an address is found or not found";
const QUOTED = "an answer is written as RFC 5321 writes an address";

const kept = (reason: string, ...replies: readonly string[]): TranscriptDeviation => ({
  reason,
  replies,
  isClosed: false,
});

export const TRANSCRIPT_DEVIATIONS: Readonly<Record<string, TranscriptDeviation>> = {
  "bad command then good, one segment": kept(ANSWERED, "500", ALICE_1),
  "good then bad then good": kept(ANSWERED, ALICE_1, "500", ALICE_1),
  "blank line": kept(ANSWERED, "500"),
  "NUL before LF only": kept(ANSWERED, "500", ALICE_1),
  "binary garbage": kept(ANSWERED, "500"),
  "TLS client hello": kept(ANSWERED, "500"),
  "HTTP GET": kept(ANSWERED, "500", "500"),
  "1022 chars refused": kept(LONG, "500"),
  "10000 chars": kept(ANSWERED, "500"),
  "100000 bytes without newline": kept("the line may still end; only its beginning is remembered"),
  "-t 2: idle before first request": kept(PATIENT),
  "-t 2: idle after a request": kept(PATIENT, ALICE_1),
  "-t 2: partial line, then idle": kept(PATIENT),
  "-t 2: one byte per second": kept(PATIENT),

  "space only": kept(ANSWERED, "PERM"),
  "empty netstring": kept(ANSWERED, "PERM"),
  "empty netstring then good": kept(ANSWERED, "PERM", ALICE_2),
  "NUL before map": kept(ANSWERED, "PERM"),
  "leading space": kept(MAP_IS_LETTER, "PERM"),
  "two spaces": kept(QUOTED, 'OK "SRS0=78j1=2W=example.org= alice"@example.com'),
  "trailing space": kept("a domain with a blank cannot be carried", "NOTFOUND"),
  "space in key": kept(QUOTED, 'OK "SRS0=VnNu=2W=example.org=john doe"@example.com'),
  "LF in key": kept(QUOTED, 'OK "SRS0=QMhM=2W=example.org=a\nb"@example.com'),
  "length 1023": kept(NO_PERM, "NOTFOUND"),
  "length 1024": kept(LONG, "NOTFOUND"),
  "length 100000": kept("the netstring may still end; it is skipped and then answered"),
  "key 513": kept(NO_PERM, `OK SRS0=kzLh=2W=b.ccc=${"a".repeat(507)}@example.com`),
  "key 513 then good (connection kept)": kept(NO_PERM, `OK SRS0=kzLh=2W=b.ccc=${"a".repeat(507)}@example.com`, ALICE_2),
  "reverse key 513": kept(NO_PERM, "NOTFOUND"),
  "long digit run": { reason: "over ten digits are no length", replies: ["PERM"], isClosed: true },
};
