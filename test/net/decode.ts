/** Feeds a decoder with bytes in pieces of any size. */
import { type Decoder, ProtocolError } from "../../src/net/session.ts";

/** The decoder refused its bytes; nothing comes after it. */
export const BROKEN = Symbol("broken protocol");

/**
 * Feeds bytes (latin1) in pieces that end at `cuts`, and the rest, as a connection would.
 *
 * @returns every request, and `BROKEN` at the end when the decoder gave up
 */
export function decode<Request>(
  decoder: Decoder<Request>,
  bytes: string,
  cuts: Iterable<number>,
  ends = true,
): (Request | typeof BROKEN)[] {
  const requests: (Request | typeof BROKEN)[] = [];
  const takeAll = (): void => {
    for (let request = decoder.next(); request !== undefined; request = decoder.next()) requests.push(request);
  };
  try {
    let start = 0;
    for (const cut of [...cuts, bytes.length]) {
      decoder.feed(bytes.slice(start, cut));
      takeAll();
      start = cut;
    }
    if (ends) decoder.end();
    takeAll();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    requests.push(BROKEN);
  }
  return requests;
}

/** The ways in which every case of a decoder's table is fed: whole, byte by byte, and in odd pieces. */
export const FEEDINGS: readonly { readonly name: string; cuts(length: number): number[] }[] = [
  { name: "whole", cuts: () => [] },
  { name: "byte by byte", cuts: (length) => Array.from({ length }, (_, i) => i) },
  { name: "in pieces of 7", cuts: (length) => Array.from({ length: Math.floor(length / 7) }, (_, i) => 7 * i) },
];
