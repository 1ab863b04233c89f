/**
 * The server's half of the socketmap protocol: see socketmap_table(5), "PROTOCOL". Every message is a netstring.
 *
 *     map SP key     ->     OK SP value            found
 *                           NOTFOUND SP reason     not found: a final answer for Postfix
 *                           TEMP SP reason         trouble: the mail is tried again later
 *                           PERM SP reason         the map itself is wrong: Postfix logs it, otherwise as TEMP
 *
 * Nothing is quoted: a key or a value is all bytes after the first blank, up to the end of the netstring.
 */
import type { LookupResult } from "../net/lookup.ts";
import type { Decoder } from "../net/session.ts";
import { encodeNetstring, NetstringReader, type TOO_LONG } from "./netstring.ts";

/** Longest query in bytes. Postfix itself sends no longer ones (dict_sockmap.c). */
export const MAX_QUERY_BYTES = 10_000;

export interface SocketmapRequest {
  readonly map: string;
  /** The key in latin1. */
  readonly key: string;
}

/** Yields requests, and `TOO_LONG` for a query over the limit. */
export class SocketmapDecoder implements Decoder<SocketmapRequest | typeof TOO_LONG> {
  readonly #netstrings = new NetstringReader(MAX_QUERY_BYTES);

  feed(chunk: string): void {
    this.#netstrings.feed(chunk);
  }

  /** @throws {ProtocolError} on bytes that are not a netstring, because the start of the next one is then unknown */
  next(): SocketmapRequest | typeof TOO_LONG | undefined {
    const payload = this.#netstrings.next();
    return typeof payload === "string" ? readQuery(payload) : payload;
  }

  get heldBytes(): number {
    return this.#netstrings.heldBytes;
  }

  /** Does nothing: a netstring that is cut off is not a request. */
  end(): void {}
}

function readQuery(query: string): SocketmapRequest {
  const space = query.indexOf(" ");
  return space === -1 ? { map: query, key: "" } : { map: query.slice(0, space), key: query.slice(space + 1) };
}

/** The reply to a lookup, as a netstring (latin1). */
export function encodeReply(result: LookupResult): string {
  switch (result.status) {
    case "found":
      return encodeNetstring(`OK ${result.value}`);
    case "notFound":
      return encodeNetstring(`NOTFOUND ${result.reason}`);
    case "tempFail":
      return encodeNetstring(`TEMP ${result.reason.replace(/[^\x20-\x7e]/g, "?")}`);
  }
}

/** The reply to a request for a map that does not exist. */
export function encodeUnknownMap(names: string): string {
  return encodeNetstring(`PERM unknown map name, want one of: ${names}`);
}
