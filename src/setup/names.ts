/** The names that the configuration leaves open. */
import { hostname as systemHostname } from "node:os";
import type { Config } from "../config/parameters.ts";
import { isDomainName } from "../mail/names.ts";
import { readParameters } from "../postfix/postconf.ts";

export interface Names {
  /** Our own name, in headers. */
  readonly hostname: string;
  /** The domain that rewritten addresses get. */
  readonly srsDomain: string;
}

/** Takes Postfix's own names where Postfix is installed, else the system's. */
export async function readNames(config: Config): Promise<Names> {
  const asksPostfix = config.hostname === "" || config["srs.domain"] === "";
  const postfix = asksPostfix ? await readPostfixNames() : new Map<string, string>();
  const hostname = config.hostname || usable(postfix.get("myhostname")) || usable(systemHostname()) || "localhost";
  const derived = usable(postfix.get("mydomain")) || parentDomain(hostname);
  const srsDomain = config["srs.domain"] || derived;
  return { hostname, srsDomain };
}

async function readPostfixNames(): Promise<Map<string, string>> {
  try {
    return await readParameters(["myhostname", "mydomain"], {});
  } catch {
    // No Postfix here, or not set up yet.
    return new Map();
  }
}

function usable(name: string | undefined): string {
  return name !== undefined && isDomainName(name) ? name : "";
}

function parentDomain(hostname: string): string {
  const dot = hostname.indexOf(".");
  const parent = hostname.slice(dot + 1);
  return dot !== -1 && parent.includes(".") ? parent : hostname;
}
