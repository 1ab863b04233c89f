/** Compares what decoders made of a body, however it was cut. */
import type { Packet } from "../../src/milter/packet.ts";

/** Joins the parts of each body chunk, and of a body in BODYEOB. What is not ended stays as one part. */
export function joinChunks<Other>(packets: Iterable<Packet | Other>): (Packet | Other)[] {
  const joined: (Packet | Other)[] = [];
  let begun = "";
  for (const one of packets) {
    if (isPart(one) && !one.ends) {
      begun += one.bytes;
      continue;
    }
    if (isPart(one)) joined.push({ ...one, bytes: begun + one.bytes });
    else joined.push(...(begun === "" ? [] : [{ command: "B", bytes: begun, ends: false } as const]), one);
    begun = "";
  }
  return begun === "" ? joined : [...joined, { command: "B", bytes: begun, ends: false }];
}

function isPart<Other>(one: Packet | Other): one is Packet & { readonly command: "B" } {
  return typeof one === "object" && one !== null && "command" in one && one.command === "B";
}
