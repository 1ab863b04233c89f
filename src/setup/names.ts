/** Finds the names that the configuration leaves empty. */

import { usesSrs } from "../config/listeners.ts";
import type { Config } from "../config/parameters.ts";
import { isDomainName } from "../mail/names.ts";
import { hostname as systemHostname } from "../process/builtins.ts";
import type { PostfixNames } from "./postfix-names.ts";

export interface Names {
  /** Our own name, in headers. */
  readonly hostname: string;
  /** The domain of rewritten addresses. */
  readonly srsDomain: string;
  /** Postfix's myorigin; empty if there is none. */
  readonly origin: string;
  /** Tells if an address is a sender of Postfix itself, for probes and double bounces. */
  readonly isPostfixSender: (address: string) => boolean;
}

/**
 * Finds the names: Postfix's own if Postfix is installed, else the system's. Postfix is asked only if its answer
 * matters.
 */
export async function readNames(config: Config): Promise<Names> {
  const asksPostfix = config.hostname === "" || config["srs.domain"] === "" || usesSrs(config);
  const postfix = asksPostfix ? await (await import("./postfix-names.ts")).readPostfixNames() : NO_NAMES;
  const system = systemHostname();
  const hostname = config.hostname || postfix.hostname || (isDomainName(system) ? system : "localhost");
  const srsDomain = config["srs.domain"] || postfix.domain || parentDomain(hostname);
  return { hostname, srsDomain, origin: postfix.origin, isPostfixSender: postfix.isOwnSender };
}

const NO_NAMES: PostfixNames = { hostname: "", domain: "", origin: "", isOwnSender: () => false };

/** The domain of a host: the name without its first label, if several are left. */
export function parentDomain(hostname: string): string {
  const dot = hostname.indexOf(".");
  const parent = hostname.slice(dot + 1);
  return dot !== -1 && parent.includes(".") ? parent : hostname;
}
