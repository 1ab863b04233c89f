/** Serves a zone to mailauth's own spf(), for comparison. */
import { memoryResolver, type ZoneData, zoneAuthority } from "./zone.ts";

/** The zone in the form of dns.promises.resolve(), as mailauth's own `spf()` wants it. */
export function bareResolver(zone: ZoneData): (name: string, type: string) => Promise<string[]> {
  const resolver = memoryResolver(zoneAuthority(zone), { clockMs: () => 0 });
  return async (name, type) => {
    const asked = type as "A" | "MX" | "TXT";
    const answer = await resolver.resolve(name, asked, { deadlineMs: Number.MAX_VALUE });
    if (answer.status !== "ok") {
      const code = answer.status === "error" ? "ESERVFAIL" : "ENOTFOUND";
      throw Object.assign(new Error(answer.status), { code });
    }
    const records = answer.records.map((data) => {
      if (typeof data === "object") return { exchange: data.exchange, priority: data.preference };
      return type === "TXT" ? [data] : data;
    });
    return records as string[]; // mailauth's type knows of no MX, its code does.
  };
}
