/** What a server has seen after some days: connections with one request, each closed by its peer. */
import { connect } from "node:net";
import { type ListenerProtocol, OPENINGS, REQUESTS } from "./requests.ts";

/** Where a protocol is spoken: `127.0.0.1:PORT`. */
export interface Visited {
  readonly protocol: ListenerProtocol;
  readonly target: string;
}

const AT_ONCE = 16;

/** Makes `count` visits, some at a time. Rejects if one gets no answer. */
export async function visit({ protocol, target }: Visited, count: number): Promise<void> {
  const [host = "", port = ""] = target.split(":");
  let left = count;
  const visitor = async (): Promise<void> => {
    while (left-- > 0) await visitOnce(host, Number(port), OPENINGS[protocol] + REQUESTS[protocol]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, visitor));
}

function visitOnce(host: string, port: number, request: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    const socket = connect({ host, port }, () => void socket.write(request, "latin1"));
    socket.once("data", () => {
      isAnswered = true;
      socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => (isAnswered ? resolve() : reject(new Error(`Cannot visit ${host}:${port}: no answer`))));
  });
}
