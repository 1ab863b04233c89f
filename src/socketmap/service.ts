/** Serves the SRS maps over the socketmap protocol. */
import { answerLookup, type LookupObserver, type LookupTable } from "../net/lookup.ts";
import type { RequestService } from "../net/session.ts";
import type { TOO_LONG } from "./netstring.ts";
import { encodeReply, encodeUnknownMap, MAX_QUERY_BYTES, SocketmapDecoder, type SocketmapRequest } from "./protocol.ts";

/** Creates the service of several maps. A request names its map. */
export function socketmapService(
  tables: readonly LookupTable[],
  observer: LookupObserver,
): RequestService<SocketmapRequest | typeof TOO_LONG> {
  const byName = new Map<string, LookupTable>(tables.map((table) => [table.name, table]));
  const names = [...byName.keys()].join(", ");
  const tooLong = encodeReply({ status: "notFound", outcome: "too_long", reason: `over ${MAX_QUERY_BYTES} bytes` });
  return {
    protocol: "socketmap",
    createDecoder: () => new SocketmapDecoder(),
    answer(request) {
      if (typeof request === "symbol") {
        observer.badRequest(`query over ${MAX_QUERY_BYTES} bytes`);
        return tooLong;
      }
      const table = byName.get(request.map);
      if (table !== undefined) return answerLookup(table, request.key, observer, encodeReply);
      observer.badRequest(`unknown map name ${JSON.stringify(request.map.slice(0, 64))}, want one of: ${names}`);
      return encodeUnknownMap(names);
    },
  };
}
