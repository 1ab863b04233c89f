/**
 * Tells by a Received field who handed a message to this host: a program on it (a content filter, local(8) with an alias), or
 * somebody else. Postfix writes the address that it sees in brackets, and nothing that a client says can take it out again:
 *
 *     Received: from localhost (localhost [127.0.0.1]) by mx.example.org (Postfix) with ESMTP id ...
 *     Received: by mx.example.org (Postfix) id ...
 */
import { LOOPBACK, parseAddress } from "../mail/ip.ts";

/** `unclear`: no address, or text in brackets that is none. sendmail(1) is unclear too: any user of this host may call it. */
export type Giver = "host" | "stranger" | "unclear";

/** @param value of a Received field (RFC 5321 section 4.4) */
export function giverOf(value: string): Giver {
  if (FROM_LOCAL.test(value)) return "host";
  const [from = ""] = value.split(/\sby\s/, 1);
  const clients = [...from.matchAll(/\[([^[\]]*)\]/g)].map(([, text = ""]) =>
    parseAddress(text.replace(/^ipv6:/i, "")),
  );
  if (clients.some((client) => client !== undefined && !LOOPBACK.has(client))) return "stranger";
  return clients.length > 0 && !clients.includes(undefined) ? "host" : "unclear";
}

/** What Postfix writes for mail that local(8) queues again. That of pickup(8) has "from userid". */
const FROM_LOCAL = /^\s*by \S+ \([^(),]*\)\s+id /;
