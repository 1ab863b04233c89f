/** What is known of an SMTP session: the client, its name, the macros. */
import type { Client, EnvelopeAddress, SmtpSession } from "./application.ts";
import { SessionMacros } from "./macros.ts";
import type { ConnectPacket } from "./packet.ts";

const UNKNOWN_CLIENT: Client = { hostname: "", family: "unknown", address: "", port: 0 };

/** An SMTP session as its steps come. */
export class KnownSession implements SmtpSession {
  client = UNKNOWN_CLIENT;
  heloName = "";
  readonly macros = new SessionMacros();

  /** Begins the next SMTP session of the connection. */
  reset(): void {
    this.client = UNKNOWN_CLIENT;
    this.heloName = "";
    this.macros.clear();
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
