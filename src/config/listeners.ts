/**
 * Every listener, once: its key in the configuration, where it listens unless told otherwise, what serves it, and how
 * main.cf names it. The parameters, the daemon and the main.cf lines that `serve` prints come from this table.
 */
import { type Endpoint, formatEndpoint } from "../net/endpoint.ts";

export interface Listener {
  /** What answers there. */
  readonly service: "forward" | "reverse" | "socketmap" | "policy" | "status";
  readonly default: readonly string[];
  /** One or two sentences for an admin. */
  readonly help: string;
  /** What stands for an endpoint in a parameter of main.cf; `undefined` where Postfix cannot reach it. */
  readonly mainCf: Readonly<Partial<Record<MainCfParameter, (endpoint: Endpoint) => string | undefined>>>;
}

/** The parameters of main.cf that ask us. */
export type MainCfParameter = "sender_canonical_maps" | "recipient_canonical_maps" | "smtpd_recipient_restrictions";

export const LISTENERS = {
  "tcptable.forward": {
    service: "forward",
    default: ["127.0.0.1:10001"],
    help: "tcp_table(5) endpoints that rewrite senders: sender_canonical_maps.",
    mainCf: { sender_canonical_maps: tcpTable },
  },
  "tcptable.reverse": {
    service: "reverse",
    default: ["127.0.0.1:10002"],
    help: "tcp_table(5) endpoints that lead back: recipient_canonical_maps.",
    mainCf: { recipient_canonical_maps: tcpTable },
  },
  "socketmap.listen": {
    service: "socketmap",
    default: ["127.0.0.1:10003"],
    help: "socketmap_table(5) endpoints with the maps forward, reverse and forward-transport.",
    mainCf: {
      sender_canonical_maps: (endpoint) => postfixEndpoint(endpoint, (where) => `socketmap:${where}:forward`),
      recipient_canonical_maps: (endpoint) => postfixEndpoint(endpoint, (where) => `socketmap:${where}:reverse`),
    },
  },
  "policy.listen": {
    service: "policy",
    default: ["127.0.0.1:10030"],
    help: "Policy service endpoints: check_policy_service.",
    mainCf: {
      // No blank around "=": Postfix would end smtpd with "malformed option" at every connection.
      smtpd_recipient_restrictions: (endpoint) =>
        postfixEndpoint(endpoint, (where) => `check_policy_service { ${where}, timeout=30s }`),
    },
  },
  "metrics.listen": {
    service: "status",
    default: ["127.0.0.1:9797"],
    help: "HTTP endpoints with /metrics, /healthz and /readyz.",
    mainCf: {},
  },
} as const satisfies Readonly<Record<string, Listener>>;

export type ListenerKey = keyof typeof LISTENERS;

export const LISTENER_KEYS = Object.keys(LISTENERS) as readonly ListenerKey[];

const SRS_LISTENERS = ["tcptable.forward", "tcptable.reverse", "socketmap.listen"] as const;

/** Whether anything rewrites: a host may only check SPF. */
export function usesSrs(config: Readonly<Record<(typeof SRS_LISTENERS)[number], readonly Endpoint[]>>): boolean {
  return SRS_LISTENERS.some((key) => config[key].length > 0);
}

/** Puts Postfix's own notation, `inet:host:port` or `unix:path`, into a line. Only systemd knows where an fd: endpoint is. */
function postfixEndpoint(endpoint: Endpoint, line: (where: string) => string): string | undefined {
  if (endpoint.type === "fd") return undefined;
  return line(endpoint.type === "unix" ? formatEndpoint(endpoint) : `inet:${formatEndpoint(endpoint)}`);
}

/** tcp_table(5) knows no unix-domain sockets. */
function tcpTable(endpoint: Endpoint): string | undefined {
  return endpoint.type === "inet" ? `tcp:${formatEndpoint(endpoint)}` : undefined;
}
