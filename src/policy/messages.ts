/**
 * What is remembered of a message, over its recipients, restriction lists and connections.
 *
 * Postfix asks once for each recipient and each list that names us, each list on a connection of its own, and keeps
 * every header that it is told to prepend. From RCPT on, `instance` is the same for all requests of a message and for
 * no other. At MAIL (with smtpd_delay_reject = no) it is empty: such requests are told apart by the SMTP session,
 * client address and port, and the first RCPT that has an instance takes over what its session was given.
 */

import { RecentMap } from "../collections/recent-map.ts";
import { Findings } from "./findings.ts";
import type { PolicyRequest } from "./protocol.ts";
import type { HeaderType } from "./settings.ts";

/**
 * More than a busy server has under way at once: at 1,000 messages a second it is remembered for at least four seconds
 * what a recipient was told. What is kept longer than V8's young generation lasts is dear at such a rate.
 */
const MAX_MESSAGES = 8192;

const MAX_SESSIONS = 4096;

/** Longer than Postfix waits for the client's next command (smtpd_timeout, 300 s). */
const MESSAGE_LIFE_MS = 600_000;

/** From MAIL to the first RCPT. Not renewed, so that a long session does not live on old verdicts. */
const SESSION_LIFE_MS = 60_000;

const HEADER_BIT: Readonly<Record<HeaderType, number>> = { "received-spf": 1, "authentication-results": 2 };

/**
 * One message: what was found out about it and the headers that it has been given. Thousands are kept, and what is kept
 * is what a collection of garbage has to copy: so no arrays, and no fractions of milliseconds (an object each).
 */
export class Message extends Findings {
  expiresAtMs: number;
  isIdentified: boolean;
  /** One bit for each of HEADER_TYPES. */
  #given = 0;

  /** @param isIdentified whether its requests carry an `instance` */
  constructor(isIdentified: boolean, expiresAtMs: number) {
    super();
    this.isIdentified = isIdentified;
    this.expiresAtMs = expiresAtMs;
  }

  /**
   * The first of `headers` that this message was not given yet, which is thereby given; `undefined` when it has all.
   * Without an instance it cannot be known that the next request is for the same message, and a message without our
   * header is worse than one with two: there, all begins anew.
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

/** The messages under way. Bounded in number and in time. */
export class Messages {
  readonly #messages = new RecentMap<Message>(MAX_MESSAGES);
  /** Those that have no instance yet. Rare: with smtpd_delay_reject = yes, the default, there are none. */
  readonly #sessions = new RecentMap<Message>(MAX_SESSIONS);

  /** The message that `request` belongs to, known already or new. */
  of(request: PolicyRequest, nowMs: number): Message {
    return request.instance === "" ? this.#inSession(request, nowMs) : this.#identified(request, nowMs);
  }

  #identified(request: PolicyRequest, nowMs: number): Message {
    const key = messageKey(request);
    const expiresAtMs = Math.ceil(nowMs) + MESSAGE_LIFE_MS;
    const known = this.#messages.get(key);
    if (known !== undefined && known.expiresAtMs > nowMs) {
      known.expiresAtMs = expiresAtMs;
      return known;
    }
    const message = this.#unclaimed(request, nowMs) ?? new Message(true, expiresAtMs);
    message.isIdentified = true;
    message.expiresAtMs = expiresAtMs;
    this.#messages.set(key, message);
    return message;
  }

  #inSession(request: PolicyRequest, nowMs: number): Message {
    const known = this.#unclaimed(request, nowMs);
    if (known !== undefined) return known;
    const message = new Message(false, Math.ceil(nowMs) + SESSION_LIFE_MS);
    if (request.client_port !== "") this.#sessions.set(sessionKey(request), message);
    return message;
  }

  /** The message that the session was last asked about at MAIL, unless a RCPT has taken it over. */
  #unclaimed(request: PolicyRequest, nowMs: number): Message | undefined {
    if (this.#sessions.size === 0 || request.client_port === "") return undefined;
    const message = this.#sessions.get(sessionKey(request));
    return message === undefined || message.isIdentified || message.expiresAtMs <= nowMs ? undefined : message;
  }
}

/**
 * The instance is unique on one host only, and several may share this service. No value can hold a line end. Joined, not
 * concatenated: V8 would keep the parts, and with them the whole packet that they were cut from.
 */
function messageKey({ instance, client_address, helo_name, sender }: PolicyRequest): string {
  return [instance, client_address, helo_name, sender].join("\n");
}

/** Of a session with a port: without one (Postfix before 3.0) two of one client cannot be told apart, and nothing is remembered. */
function sessionKey(request: PolicyRequest): string {
  return `${request.client_address}\n${request.client_port}\n${request.helo_name}\n${request.sender}`;
}
