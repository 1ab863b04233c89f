/** One SRS map behind the tcp_table protocol. */
import type { LookupObserver, LookupTable } from "../net/lookup.ts";
import { answerLookup } from "../net/lookup.ts";
import type { RequestService } from "../net/session.ts";
import { encodeRefusal, encodeReply, TcpTableDecoder, type TcpTableRequest } from "./protocol.ts";

/** Serves one map over tcp_table(5), which has no map names: one listener for each direction. */
export function tcpTableService(table: LookupTable, observer: LookupObserver): RequestService<TcpTableRequest> {
  return {
    protocol: "tcp_table",
    createDecoder: () => new TcpTableDecoder(),
    answer(request) {
      if (typeof request === "string") return answerLookup(table, request, observer, encodeReply);
      observer.badRequest(request.problem);
      return encodeRefusal(request.problem);
    },
  };
}
