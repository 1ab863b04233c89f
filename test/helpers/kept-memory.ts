/** Compares the memory that decoders keep with the size that they report, which `limits.buffered` limits. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Decoder } from "../../src/net/session.ts";

const DECODERS = 50;

setFlagsFromString("--expose-gc");
export const collectGarbage = runInNewContext("gc") as (options?: { type: "minor" }) => void;

/** Bytes for one decoder that was fed `packets` and asked for all its requests. */
export function keptMemory(
  createDecoder: () => Decoder<unknown>,
  packets: readonly string[],
): { readonly keptBytes: number; readonly heldBytes: number } {
  const decoders = Array.from({ length: DECODERS }, createDecoder);
  const before = heapBytes();
  for (const decoder of decoders) {
    for (const packet of packets) {
      // As from a socket: each time a string of its own.
      decoder.feed(Buffer.from(packet, "latin1").toString("latin1"));
      while (decoder.next() !== undefined);
    }
  }
  const keptBytes = (heapBytes() - before) / DECODERS;
  return { keptBytes, heldBytes: decoders.reduce((sum, decoder) => sum + decoder.heldBytes, 0) / DECODERS };
}

/** The memory of all reachable objects, without the bytes of buffers. */
export function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** The bytes of all reachable buffers. Those of a dead one are freed at the collection after the one that finds it. */
export function bufferBytes(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}
