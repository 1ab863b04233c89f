/**
 * What is known of the SMTP transactions under way, for the two services that see them: the policy service, which Postfix asks
 * at RCPT, and the milter. They have no number in common, because a message has no queue id before its first recipient is
 * accepted. So a transaction is known by the address and the port of its client, the name in HELO and the sender.
 *
 * A transaction is closed at the end of its message. One that the milter never sees ends by itself.
 */
import { RecentMap } from "../collections/recent-map.ts";
import { parseAddress } from "../mail/ip.ts";
import type { SpfIdentity, SpfVerdict } from "./verdict.ts";

export interface TransactionKey {
  readonly clientAddress: string;
  readonly clientPort: string;
  readonly heloName: string;
  /** MAIL FROM without brackets; "" is the null sender. */
  readonly sender: string;
}

/** Transactions that are remembered: more than a busy server has at the same time. */
const MAX_TRANSACTIONS = 8192;

/** Longest key that is kept, as for messages of the policy service. */
const MAX_KEY_CHARS = 4352;

/** Life of a transaction that the milter has not opened: from MAIL to the first RCPT. */
const UNOPENED_LIFE_MS = 60_000;

/** Life of one that it has: Postfix waits 5 minutes for each command, and an hour is more than it waits for a message. */
const OPEN_LIFE_MS = 3_600_000;

export class SpfTransaction {
  /** True once the milter knows it. Before, its verdicts may be those of an earlier message. */
  isOpen = false;
  /** On the clock of `performance.now()`. */
  expiresAtMs: number;
  readonly #verdicts: { [Identity in SpfIdentity]?: SpfVerdict } = {};
  /** What follows the colon of the Received-SPF fields that Postfix was told to prepend. */
  readonly given = new Set<string>();

  constructor(expiresAtMs: number) {
    this.expiresAtMs = expiresAtMs;
  }

  /** A verdict that was found within it. One that is still sought is not waited for: the resolver joins equal queries. */
  verdict(identity: SpfIdentity): SpfVerdict | undefined {
    return this.isOpen ? this.#verdicts[identity] : undefined;
  }

  learn(identity: SpfIdentity, verdict: SpfVerdict): void {
    this.#verdicts[identity] = verdict;
  }
}

export class SpfTransactions {
  readonly #known = new RecentMap<SpfTransaction>(MAX_TRANSACTIONS);

  /** The transaction of `key`, known or new; `undefined` for a key that is no transaction's. */
  of(key: TransactionKey, clockMs: number): SpfTransaction | undefined {
    const text = keyText(key);
    if (text === undefined) return undefined;
    const known = this.#known.get(text);
    if (known !== undefined && known.expiresAtMs > clockMs) return known;
    const transaction = new SpfTransaction(clockMs + UNOPENED_LIFE_MS);
    this.#known.set(text, transaction);
    return transaction;
  }

  /** The same, for the milter at MAIL. */
  open(key: TransactionKey, clockMs: number): SpfTransaction | undefined {
    const transaction = this.of(key, clockMs);
    if (transaction === undefined) return undefined;
    transaction.isOpen = true;
    transaction.expiresAtMs = clockMs + OPEN_LIFE_MS;
    return transaction;
  }
}

/** Ends a transaction: its client may begin another one with the same sender. */
export function endTransaction(transaction: SpfTransaction): void {
  transaction.expiresAtMs = Number.NEGATIVE_INFINITY;
}

/** Both services must come to the same text: Postfix unquotes an address for one, and replaces odd characters. */
function keyText({ clientAddress, clientPort, heloName, sender }: TransactionKey): string | undefined {
  const address = parseAddress(clientAddress)?.text;
  // Mail that did not come by SMTP has port 0.
  if (address === undefined || clientPort === "" || clientPort === "0") return undefined;
  const plain = [heloName, sender].map((value) => value.replace(/["\\]/g, "").replace(/[^\x21-\x7e]/g, "?"));
  const text = [address, clientPort, ...plain].join("\n");
  return text.length > MAX_KEY_CHARS ? undefined : text;
}
