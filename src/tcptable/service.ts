/** Serves one SRS map over the tcp_table protocol. */
import type { LookupObserver, LookupTable } from "../net/lookup.ts";
import { answerLookup } from "../net/lookup.ts";
import type { RequestService } from "../net/session.ts";
import { encodeRefusal, encodeReply, TcpTableDecoder, type TcpTableRequest } from "./protocol.ts";

/** Creates the service of one map. tcp_table(5) has no map names, so each map needs its own listener. */
export function tcpTableService(table: LookupTable, observer: LookupObserver): RequestService<TcpTableRequest> {
  return {
    protocol: "tcp_table",
    createDecoder: () => new TcpTableDecoder(),
    answer(request) {
      if (typeof request === "string") return answerLookup(table, request, observer, encodeReply);
      const { problem, got } = request;
      observer.badRequest(got === undefined ? problem : `Cannot read line ${JSON.stringify(got)}: ${problem}`);
      return encodeRefusal(problem);
    },
  };
}
