/** What servers have seen before they are measured beside attackers, and how their clients ask. */
import type { ListenerProtocol } from "../../requests.ts";
import type { Span } from "../../well-behaved.ts";

/**
 * Connections that a server has had before it is attacked, as after some days. A new server is slower for its first ten thousand:
 * until V8 has compiled the constructor of streams, each leaves most of a kilobyte behind, and collections take 4 ms. All listeners
 * share the constructor; the metrics listener takes one connection in 10 ms.
 */
export const VISITS: Readonly<Record<ListenerProtocol, number>> = {
  tcp: 12_000,
  socketmap: 4_000,
  policy: 4_000,
  http: 400,
  milter: 4_000,
};

/** Warmed up by a run of their own. */
export function span(seconds: number): Span {
  return { seconds, warmupSeconds: 0 };
}
