/** How servers are measured beside attackers: what came before, how often, and for how long. */
import { median } from "../../measurements.ts";
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

/** Warm-ups before it is measured. Under attack V8 compiles what the attack makes hot, and its heap takes its size. */
export const WARMUPS = { alone: 3, under: 8 };

/** Times that each is measured in a row, for the median of them. */
export const WINDOWS = 3;

/** Warmed up by a run of their own. */
export function span(seconds: number): Span {
  return { seconds, warmupSeconds: 0 };
}

export function middle(values: readonly number[]): number {
  return median(values) ?? 0;
}
