/** What is known of an SMTP session: the client, its name, the macros. */
import { detached } from "../collections/detached.ts";
import type { Client, EnvelopeAddress, SmtpSession } from "./application.ts";
import { SessionMacros } from "./macros.ts";
import type { ConnectPacket } from "./packet.ts";

const UNKNOWN_CLIENT: Client = { hostname: "", family: "unknown", address: "", port: 0 };

/** Longest name in HELO that is kept. SMTP lines have 512 bytes, and Postfix takes 2,048. */
export const MAX_HELO_BYTES = 4096;

/** What the facts of a session may cost before they count as held: those of any session from Postfix cost less. */
const FREE_BYTES = 8192;

/** An SMTP session as its steps come. */
export class KnownSession implements SmtpSession {
  client = UNKNOWN_CLIENT;
  heloName = "";
  readonly macros = new SessionMacros();
  /** True if facts were given up to save memory: the rest of the session cannot be judged. */
  isShed = false;

  /** Memory that the facts hold, if it is more than usual. */
  get heldBytes(): number {
    const { hostname, address } = this.client;
    const bytes = hostname.length + address.length + this.heloName.length + this.macros.heldBytes;
    return bytes > FREE_BYTES ? bytes : 0;
  }

  /** Keeps the name in HELO. @returns true if it was too long and is cut */
  greet(name: string): boolean {
    const isLong = name.length > MAX_HELO_BYTES;
    this.heloName = isLong ? detached(name.slice(0, MAX_HELO_BYTES)) : name;
    return isLong;
  }

  /** Gives up the facts if they hold more memory than usual. */
  shed(): void {
    if (this.heldBytes === 0) return;
    this.reset();
    this.isShed = true;
  }

  /** Begins the next SMTP session of the connection. */
  reset(): void {
    this.client = UNKNOWN_CLIENT;
    this.heloName = "";
    this.macros.clear();
    this.isShed = false;
  }
}

const FAMILIES: Readonly<Record<string, Client["family"]>> = { 4: "inet", 6: "inet6", L: "unix" };

export function clientOf({ hostname, family, port, address }: ConnectPacket): Client {
  // Sendmail writes the tag of an address literal, Postfix does not.
  const bare = family === "6" ? address.replace(/^IPv6:/i, "") : address;
  return { hostname, family: FAMILIES[family] ?? "unknown", address: bare, port };
}

/** Mail that did not come by SMTP has no angle brackets, and neither has what a client wrote without them. */
export function envelopeAddress([address = "", ...parameters]: readonly string[]): EnvelopeAddress {
  const isBracketed = address.startsWith("<") && address.endsWith(">");
  return { address: isBracketed ? address.slice(1, -1) : address, parameters };
}
