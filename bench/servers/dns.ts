/** The DNS server of the SPF parts, on the core of the load. dns-responder.c defines its names. */
import { Child, freePorts, LOAD_CORE } from "../processes.ts";
import type { Bench } from "../subjects.ts";

/**
 * @param records further TXT records by name
 * @returns the port of 127.0.0.1; 53 where the network is our own, because the peers know no other
 */
export async function startDns(
  bench: Bench,
  stack: AsyncDisposableStack,
  records: Readonly<Record<string, string>> = {},
): Promise<number> {
  const [free = 0] = await freePorts(1);
  const port = bench.hasNamespace ? 53 : free;
  stack.use(
    new Child("dns-responder", LOAD_CORE, [bench.built.dnsResponder, String(port), ...Object.entries(records).flat()]),
  );
  return port;
}
