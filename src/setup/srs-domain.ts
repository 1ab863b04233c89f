/** Checks if bounces can reach srs.domain, by its name and by DNS. */
import { usesSrs } from "../config/listeners.ts";
import type { Resolver } from "../dns/types.ts";
import { normalizeName } from "../mail/names.ts";
import type { Setup } from "./setup.ts";

/**
 * Names that public DNS does not have: IANA's registry of special-use domain names (RFC 6761), `internal` (reserved by
 * ICANN in 2024), and names that routers, VMs and containers assign.
 */
const NOT_PUBLIC = [
  ...["alt", "example", "invalid", "local", "localhost", "onion", "test", "home.arpa", "internal"],
  ...["corp", "fritz.box", "home", "lan", "localdomain", "mail"],
];

/** Longest wait for DNS, in milliseconds. */
const DNS_MS = 5_000;

/**
 * Finds the reason why bounces cannot come back. There is no warning for a host that only checks SPF. DNS is asked only
 * if the name itself shows no problem, through a separate resolver, so that the daemon's metrics are about mail.
 *
 * @returns one sentence for the admin, or `undefined` if mail to the domain reaches a host
 */
export async function srsDomainWarning(setup: Setup): Promise<string | undefined> {
  if (!usesSrs(setup.config)) return undefined;
  const warning = await srsNameWarning(setup);
  if (warning !== undefined) return warning;
  const [{ resolverSettings }, { createResolver }] = await Promise.all([
    import("../config/settings.ts"),
    import("../dns/resolver.ts"),
  ]);
  const resolver = createResolver(resolverSettings(setup.config));
  return srsDnsWarning(setup.srsDomain, resolver, performance.now() + DNS_MS).finally(() => resolver.close());
}

/** The same by the name of the domain alone. */
export async function srsNameWarning({ srsDomain, config }: Setup): Promise<string | undefined> {
  const problem = await nameProblem(normalizeName(srsDomain));
  if (problem === undefined) return undefined;
  const source = config["srs.domain"] === "" ? " (derived, because srs.domain is not set)" : "";
  return `srs.domain: "${srsDomain}"${source} ${problem}: ${NO_WAY_BACK}; set srs.domain to a domain of yours`;
}

async function nameProblem(name: string): Promise<string | undefined> {
  const special = NOT_PUBLIC.find((one) => name === one || name.endsWith(`.${one}`));
  if (special !== undefined) return `is below "${special}", which public DNS does not have`;
  if (!name.includes(".")) return "is a single label";
  // Loaded here because the list is large.
  const { isPublicSuffix } = await import("./public-suffix.ts");
  return isPublicSuffix(name) ? "is a public suffix, under which others register their domains" : undefined;
}

/**
 * The same by DNS: looks for MX records, else for addresses, which may replace them (RFC 5321 section 5.1).
 *
 * @param deadlineMs on the clock of `performance.now()`
 */
export async function srsDnsWarning(
  srsDomain: string,
  resolver: Resolver,
  deadlineMs: number,
): Promise<string | undefined> {
  const mx = await resolver.resolve(srsDomain, "MX", { deadlineMs });
  if (mx.status === "error") return notLookedUp(srsDomain, mx.detail);
  if (mx.status === "ok") {
    // A null MX is the root as the only MX (RFC 7505).
    const isNull = mx.records.length === 1 && mx.records[0]?.exchange === "";
    return isNull ? `srs.domain: "${srsDomain}" has a null MX record (RFC 7505): ${NO_WAY_BACK}` : undefined;
  }
  for (const type of ["A", "AAAA"] as const) {
    const answer = await resolver.resolve(srsDomain, type, { deadlineMs });
    if (answer.status === "error") return notLookedUp(srsDomain, answer.detail);
    if (answer.status === "ok") return undefined;
  }
  return `srs.domain: "${srsDomain}" has neither MX nor address records: ${NO_WAY_BACK}; publish an MX record that names this host`;
}

const NO_WAY_BACK = "bounces could not come back to it";

function notLookedUp(srsDomain: string, detail: string): string {
  return `srs.domain: Cannot look up the MX records of "${srsDomain}": ${detail}`;
}
