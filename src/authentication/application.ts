/** Mail authentication as an application of the milter: a handler for each message, by the role of this host for it. */
import { lowerCase } from "../dns/name.ts";
import type { Application, Wants } from "../milter/application.ts";
import type { Arrival } from "./handled.ts";
import { Incoming } from "./incoming.ts";
import { Forwarded, Skipped } from "./passing.ts";
import { createRoles } from "./role.ts";
import type { AuthenticationParts } from "./settings.ts";
import { Submitted } from "./submitted.ts";

/** The macros that tell the role and iprev. An admin's own list may lack them. */
const CONNECT_MACROS = [
  "j",
  "_",
  "v",
  "{daemon_name}",
  "{daemon_addr}",
  "{client_addr}",
  "{client_name}",
  "{client_resolve}",
];

export function createAuthentication(parts: AuthenticationParts): Application {
  const { settings } = parts;
  const originOf = createRoles(settings, parts.relays);
  const ids = [...new Set([settings.authservId, ...settings.removeIds].map((id) => lowerCase(id).replace(/\.$/, "")))];
  const wants: Wants = {
    actions: ["addHeaders", "changeHeaders", "quarantine"],
    answers: ["eoh"],
    macros: { connect: CONNECT_MACROS },
    maxHeaderBytes: settings.maxHeaderBytes,
    onError: settings.onError,
  };
  return {
    wants,
    begin(smtp, { address }) {
      const origin = originOf(smtp);
      const isRelayed = origin.role === "incoming" && parts.relays.has(origin.client);
      const { client, heloName } = smtp;
      const key = { clientAddress: client.address, clientPort: String(client.port), heloName, sender: address };
      const transaction = parts.transactions.open(key, parts.clockMs());
      const arrival: Arrival = { parts, smtp, origin, sender: address, ids, isRelayed, transaction };
      switch (arrival.origin.role) {
        case "skip":
          return new Skipped(arrival);
        case "forward":
          return new Forwarded(arrival);
        case "submitted":
          return new Submitted(arrival);
        case "incoming":
          return new Incoming(arrival);
      }
    },
  };
}
