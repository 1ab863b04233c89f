/** What of our configuration Postfix is connected to: endpoints in Postfix's notation, domains, the second pass. */
import { LISTENERS, type ListenerKey } from "../config/listeners.ts";
import type { Config } from "../config/parameters.ts";
import { type Endpoint, formatEndpoint } from "../net/endpoint.ts";
import type { FilterProgram } from "./milter-place.ts";
import type { PostfixFacts } from "./postfix-facts.ts";

/** The listeners that the parts connect Postfix to. */
export type Wired = Exclude<ListenerKey, "metrics.listen">;

export interface Wiring {
  /** The address of each listener: `inet:127.0.0.1:10003`, `unix:postvouch/maps`. None for one that is off. */
  readonly addresses: ReadonlyMap<Wired, string>;
  /** Why a listener that is on has no address. */
  readonly problems: ReadonlyMap<Wired, string>;
  readonly srsDomain: string;
  readonly formerDomains: readonly string[];
  readonly forwardTransport: string;
  /** Time that Postfix waits for an answer of the policy service, in seconds: longer than the service takes. */
  readonly policyTimeoutS: number;
  /** The fields that the policy service adds. */
  readonly policyHeaders: readonly string[];
  readonly milter: MilterWiring;
}

/** What of our configuration says where mail has to come through the milter, and what it does there. */
interface MilterWiring {
  /** Values of milter_macro_daemon_name, by what they mean to us; `undefined` where the configuration has none. */
  readonly daemonNames: Readonly<Record<"submission" | "forward" | "reinjection", string | undefined>>;
  /** All such values that make mail ours, or let it pass unchecked. */
  readonly tellingNames: readonly string[];
  /** True if it has keys to sign with. */
  readonly hasKeys: boolean;
  /** The checks of other programs that it makes. */
  readonly does: Readonly<Record<FilterProgram, boolean>>;
  /** True if it refuses mail by a DMARC policy p=reject. */
  readonly rejects: boolean;
  /** True if it has something to do in the second pass: seal, or hold what failed. */
  readonly isInSecondPass: boolean;
  /** True if it seals what is forwarded, and nothing else. */
  readonly sealsForwarded: boolean;
  /** Time that Postfix has to wait for an answer, in seconds. */
  readonly timeoutS: number;
}

/** The programs of Postfix that connect to each listener, in the chroot that master.cf gives them. */
const CLIENTS: Readonly<Record<Wired, readonly string[]>> = {
  "tcptable.forward": ["cleanup"],
  "tcptable.reverse": ["cleanup", "smtpd"],
  "socketmap.listen": ["cleanup", "smtpd", "trivial-rewrite"],
  "policy.listen": ["smtpd"],
  // smtpd hands its connection over to cleanup, which opens those of non_smtpd_milters itself.
  "milter.listen": ["smtpd", "cleanup"],
};

const WIRED = Object.keys(CLIENTS) as readonly Wired[];

/** Time limit of a policy call in seconds, and how much longer than our own limit it is at least. */
const POLICY_TIMEOUT_S = 30;
const MARGIN_S = 5;

/**
 * Finds the addresses.
 *
 * @param unitSockets the path of a socket that systemd hands over under a name, where it is known
 */
export function findWiring(
  config: Config,
  srsDomain: string,
  facts: PostfixFacts,
  unitSockets: ReadonlyMap<string, Endpoint>,
): Wiring {
  const addresses = new Map<Wired, string>();
  const problems = new Map<Wired, string>();
  for (const key of WIRED) {
    const reached = config[key].map((endpoint) => addressOf(key, endpoint, facts, unitSockets));
    const best = reached.find((one) => one.address !== undefined) ?? reached[0];
    if (best?.address !== undefined) addresses.set(key, best.address);
    else if (best !== undefined) problems.set(key, `${key}: ${best.problem}`);
  }
  return {
    addresses,
    problems,
    srsDomain: srsDomain.toLowerCase(),
    formerDomains: config["srs.former_domains"].map((domain) => domain.toLowerCase()),
    forwardTransport: config["srs.forward_transport"],
    policyTimeoutS: Math.max(POLICY_TIMEOUT_S, Math.ceil(config["policy.time_limit"] / 1000) + MARGIN_S),
    policyHeaders: config["policy.headers"],
    milter: milterWiring(config),
  };
}

function milterWiring(config: Config): MilterWiring {
  const lists = {
    submission: config["milter.submission_daemons"],
    forward: config["milter.forward_daemons"],
    reinjection: config["milter.skip_daemons"],
  };
  const usual = { submission: "ORIGINATING", forward: "FORWARD", reinjection: "REINJECT" };
  const nameOf = (key: keyof typeof lists): string | undefined =>
    lists[key].includes(usual[key]) ? usual[key] : lists[key][0];
  const hasKeys = config["dkim.sign.key_directory"] !== "" || config["dkim.sign.keys"].length > 0;
  return {
    daemonNames: { submission: nameOf("submission"), forward: nameOf("forward"), reinjection: nameOf("reinjection") },
    tellingNames: Object.values(lists).flat(),
    hasKeys,
    does: {
      OpenDKIM: config["dkim.verify"] || hasKeys,
      OpenDMARC: config["dmarc.verify"],
      OpenARC: config["arc.verify"] || config["arc.seal"] !== "no",
    },
    rejects: config["dmarc.reject"] && config["milter.mode"] === "enforce",
    isInSecondPass: config["arc.seal"] !== "no" || config["dmarc.forward_failed"] === "hold",
    sealsForwarded: config["arc.seal"] === "forwarded",
    timeoutS: Math.ceil(config["milter.time_limit"] / 1000) + MARGIN_S,
  };
}

type Reached = { readonly address: string } | { readonly address?: never; readonly problem: string };

function addressOf(
  key: Wired,
  endpoint: Endpoint,
  facts: PostfixFacts,
  unitSockets: ReadonlyMap<string, Endpoint>,
): Reached {
  const cannot = `Cannot connect Postfix to "${formatEndpoint(endpoint)}"`;
  switch (endpoint.type) {
    case "inet":
      return inetAddress(endpoint, facts, cannot);
    case "unix":
      if (key.startsWith("tcptable.")) return { problem: `${cannot}: tcp_table(5) has no unix-domain sockets` };
      return unixAddress(key, endpoint.path, facts, cannot);
    case "fd": {
      const socket = unitSockets.get(endpoint.name);
      if (socket !== undefined && socket.type !== "fd") return addressOf(key, socket, facts, unitSockets);
      return { problem: `${cannot}: no postvouch*.socket unit of systemd has FileDescriptorName=${endpoint.name}` };
    }
  }
}

/** Our listeners at `::` answer IPv4 too. */
function loopbackOf(host: string, protocols: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host !== "::") return host;
  return protocols === "ipv4" ? "127.0.0.1" : "::1";
}

function inetAddress(endpoint: Endpoint & { readonly type: "inet" }, facts: PostfixFacts, cannot: string): Reached {
  const protocols = (facts.expanded.get("inet_protocols") ?? "").trim();
  const host = loopbackOf(endpoint.host, protocols);
  const isIpv6 = host.includes(":");
  if (protocols !== (isIpv6 ? "ipv4" : "ipv6")) return { address: `inet:${formatEndpoint({ ...endpoint, host })}` };
  return {
    problem: `${cannot}: main.cf has inet_protocols = ${protocols}; listen on ${isIpv6 ? "127.0.0.1" : "[::1]"}`,
  };
}

/** Relative to the queue directory where it can be, since that holds inside and outside of a chroot. */
function unixAddress(key: Wired, path: string, facts: PostfixFacts, cannot: string): Reached {
  const root = `${facts.expanded.get("queue_directory")}/`;
  if (path.startsWith(root)) return { address: `unix:${path.slice(root.length)}` };
  const chrooted = facts.services.find(({ program, isChrooted }) => isChrooted && CLIENTS[key].includes(program));
  if (chrooted === undefined) return { address: `unix:${path}` };
  return {
    problem: `${cannot}: ${chrooted.id} of master.cf runs in a chroot; listen on 127.0.0.1, or on a path below ${root}`,
  };
}

/** Where the milter listens in the snippets and in docs/milter.md. It has no default. */
const EXAMPLE_MILTER = "127.0.0.1:8891";

/** The address of a listener in the snippets of deploy/postfix, where it has its default. */
export function exampleAddress(key: Wired): string {
  return `inet:${LISTENERS[key].default[0] ?? EXAMPLE_MILTER}`;
}
