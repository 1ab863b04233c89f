/**
 * The memory of messages, across recipients, restriction lists and connections.
 *
 * Postfix asks once for each recipient and for each restriction list that names us, each list on its own connection. It
 * adds every header that we answer. From RCPT on, all requests of one message have the same `instance`, and no other
 * message has it. At MAIL (with smtpd_delay_reject = no) `instance` is empty. Such requests are recognized by their
 * SMTP session, that is by client address and port. The first RCPT with an instance takes over the message of its
 * session.
 */
import { chain, type Eventual } from "../collections/eventual.ts";
import { RecentMap } from "../collections/recent-map.ts";
import type { Exemption } from "../mail/allow-list.ts";
import type { SpfVerdict } from "../spf/verdict.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { HeaderType } from "./settings.ts";

/**
 * Messages that are remembered: more than a busy server receives at the same time. At 1,000 messages a second each is
 * remembered for at least four seconds. Not many more, because V8 collects long-lived objects at a high cost.
 */
const MAX_MESSAGES = 8192;

const MAX_SESSIONS = 4096;

/** Life of a message: longer than Postfix waits for the client's next command (smtpd_timeout, 300 s). */
const MESSAGE_LIFE_MS = 600_000;

/** Time from MAIL to the first RCPT. It is not renewed, so that a long session does not use old verdicts. */
const SESSION_LIFE_MS = 60_000;

/**
 * Longest key that is kept: HELO name and sender as long as Postfix's line_length_limit (2,048) lets them be. Longer ones
 * come from other programs, and thousands of them would take all memory.
 */
const MAX_KEY_CHARS = 4352;

const HEADER_BIT: Readonly<Record<HeaderType, number>> = { "received-spf": 1, "authentication-results": 2 };

/** The facts about a message, each found once for all its recipients. */
interface Facts {
  readonly helo: SpfVerdict;
  readonly mailfrom: SpfVerdict;
  readonly exemption: Exemption;
}

type KnownFacts = { -readonly [Name in keyof Facts]: Eventual<Facts[Name]> | undefined };

/**
 * One message: the known facts, and the headers that it has been given. The daemon keeps thousands of these, and the
 * garbage collector copies them. So facts are fields instead of a map, and times are whole milliseconds.
 */
export class Message implements KnownFacts {
  helo: KnownFacts["helo"] = undefined;
  mailfrom: KnownFacts["mailfrom"] = undefined;
  exemption: KnownFacts["exemption"] = undefined;
  /** On the clock of `performance.now()`. */
  expiresAtMs: number;
  isIdentified: boolean;
  /** One bit for each of HEADER_TYPES. */
  #given = 0;

  /** @param isIdentified whether its requests carry an `instance` */
  constructor(isIdentified: boolean, expiresAtMs: number) {
    this.isIdentified = isIdentified;
    this.expiresAtMs = expiresAtMs;
  }

  /**
   * Takes the first of `headers` that this message was not given yet; `undefined` when it has all of them. Without an
   * instance the list then starts again: the next request may be for another message, and a message without our header
   * is worse than one with two.
   */
  takeHeader(headers: readonly HeaderType[]): HeaderType | undefined {
    let next = headers.find((header) => (this.#given & HEADER_BIT[header]) === 0);
    if (next === undefined && !this.isIdentified) {
      this.#given = 0;
      next = headers[0];
    }
    if (next !== undefined) this.#given |= HEADER_BIT[next];
    return next;
  }
}

/**
 * Finds a fact once per message. Requests that come meanwhile share the promise, later requests get the value. A
 * failure is forgotten, so that the next request tries again.
 */
export function findOnce<Name extends keyof Facts>(
  facts: KnownFacts,
  name: Name,
  find: () => Eventual<Facts[Name]>,
): Eventual<Facts[Name]> {
  const known = facts[name];
  if (known !== undefined) return known;
  const found = chain(
    find(),
    (fact) => {
      facts[name] = fact;
      return fact;
    },
    (error) => {
      facts[name] = undefined;
      throw error;
    },
  );
  facts[name] = found as KnownFacts[Name];
  return found;
}

/** The messages in progress, bounded in number and in time. */
export class Messages {
  readonly #messages = new RecentMap<Message>(MAX_MESSAGES);
  /** Messages that have no instance yet. With smtpd_delay_reject = yes, the default, there are none. */
  readonly #sessions = new RecentMap<Message>(MAX_SESSIONS);

  /** The message that `request` is about, known or new. */
  of(request: PolicyRequest, clockMs: number): Message {
    return request.instance === "" ? this.#inSession(request, clockMs) : this.#identified(request, clockMs);
  }

  #identified(request: PolicyRequest, clockMs: number): Message {
    const key = messageKey(request);
    const expiresAtMs = Math.ceil(clockMs) + MESSAGE_LIFE_MS;
    const known = this.#messages.get(key);
    if (known !== undefined && known.expiresAtMs > clockMs) {
      known.expiresAtMs = expiresAtMs;
      return known;
    }
    const message = this.#unclaimed(request, clockMs) ?? new Message(true, expiresAtMs);
    message.isIdentified = true;
    message.expiresAtMs = expiresAtMs;
    if (key.length <= MAX_KEY_CHARS) this.#messages.set(key, message);
    return message;
  }

  #inSession(request: PolicyRequest, clockMs: number): Message {
    const known = this.#unclaimed(request, clockMs);
    if (known !== undefined) return known;
    const message = new Message(false, Math.ceil(clockMs) + SESSION_LIFE_MS);
    const key = sessionKey(request);
    if (request.client_port !== "" && key.length <= MAX_KEY_CHARS) this.#sessions.set(key, message);
    return message;
  }

  /** The last message of the session at MAIL, unless a RCPT has taken it over. */
  #unclaimed(request: PolicyRequest, clockMs: number): Message | undefined {
    if (this.#sessions.size === 0 || request.client_port === "") return undefined;
    const message = this.#sessions.get(sessionKey(request));
    return message === undefined || message.isIdentified || message.expiresAtMs <= clockMs ? undefined : message;
  }
}

/**
 * The key of a message. The instance is unique on one host only, and several hosts may share this service. No value can
 * contain a line end. The values are joined because a concatenated string would keep its parts in memory, and with them
 * the packets that they were cut from.
 */
function messageKey({ instance, client_address, helo_name, sender }: PolicyRequest): string {
  return [instance, client_address, helo_name, sender].join("\n");
}

/** The key of a session with a port. Without a port (Postfix before 3.0) two sessions of one client look the same. */
function sessionKey(request: PolicyRequest): string {
  return `${request.client_address}\n${request.client_port}\n${request.helo_name}\n${request.sender}`;
}
