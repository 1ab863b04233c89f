/** The result of the method iprev (RFC 8601 section 3): whether the client's name and address lead to each other. */
import type { MethodResult } from "../mail/authentication-results.ts";
import type { SmtpSession } from "../milter/application.ts";

/** What Postfix has found out, as the macro {client_resolve} tells it. */
const BY_RESOLVE: Readonly<Record<string, readonly [result: string, comment: string]>> = {
  OK: ["pass", "the name of the client leads to its address"],
  FORGED: ["fail", "the name of the client leads to another address"],
  TEMP: ["temperror", "no answer from DNS"],
  FAIL: ["permerror", "the address of the client has no name"],
};

/** @returns `undefined` for a client without an address */
export function iprev({ client, macros }: SmtpSession): MethodResult | undefined {
  if (client.family !== "inet" && client.family !== "inet6") return undefined;
  const isNamed = !client.hostname.startsWith("[") && client.hostname !== "unknown";
  const [result, comment] = BY_RESOLVE[macros.get("{client_resolve}") ?? ""] ??
    BY_RESOLVE[isNamed ? "OK" : "FAIL"] ?? ["temperror", ""];
  return {
    method: "iprev",
    result,
    comment: isNamed ? client.hostname : comment,
    properties: [{ ptype: "policy", property: "iprev", value: client.address }],
  };
}
