/**
 * The table of all listeners: the key in the configuration, the default endpoint, the service, and the form of the
 * endpoint in main.cf. The parameters, the daemon and the main.cf lines that `serve` prints use this table.
 */
import { type Endpoint, formatEndpoint } from "../net/endpoint.ts";

export interface Listener {
  /** The service that answers. */
  readonly service: "forward" | "reverse" | "socketmap" | "policy" | "milter" | "status";
  readonly default: readonly string[];
  /** One or two sentences for an admin. */
  readonly help: string;
  /** The text for an endpoint in each parameter of main.cf; `undefined` if Postfix cannot reach the endpoint. */
  readonly mainCf: Readonly<Partial<Record<MainCfParameter, (endpoint: Endpoint) => string | undefined>>>;
}

/** The parameters of main.cf that use our listeners. */
export type MainCfParameter =
  | "sender_canonical_maps"
  | "recipient_canonical_maps"
  | "smtpd_recipient_restrictions"
  | "smtpd_milters"
  | "non_smtpd_milters";

export const LISTENERS = {
  "tcptable.forward": {
    service: "forward",
    default: ["127.0.0.1:10001"],
    help: "tcp_table(5) endpoints of the map forward, which rewrites senders: for sender_canonical_maps.",
    mainCf: { sender_canonical_maps: tcpTable },
  },
  "tcptable.reverse": {
    service: "reverse",
    default: ["127.0.0.1:10002"],
    help: "tcp_table(5) endpoints of the map reverse, which restores senders: for recipient_canonical_maps.",
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
    help: "Endpoints of the policy service: for check_policy_service.",
    mainCf: {
      // Written without blanks around "=", because smtpd would end with "malformed option" at every connection.
      smtpd_recipient_restrictions: (endpoint) =>
        postfixEndpoint(endpoint, (where) => `check_policy_service { ${where}, timeout=30s }`),
    },
  },
  "milter.listen": {
    service: "milter",
    default: [],
    help: "Endpoints of the milter, which verifies and signs with DKIM and checks DMARC: for smtpd_milters. Empty: it is off.",
    mainCf: { smtpd_milters: milter, non_smtpd_milters: milter },
  },
  "metrics.listen": {
    service: "status",
    default: ["127.0.0.1:9797"],
    help: "HTTP endpoints with the status page at /, /metrics, /healthz and /readyz.",
    mainCf: {},
  },
} as const satisfies Readonly<Record<string, Listener>>;

export type ListenerKey = keyof typeof LISTENERS;

export const LISTENER_KEYS = Object.keys(LISTENERS) as readonly ListenerKey[];

const SRS_LISTENERS = ["tcptable.forward", "tcptable.reverse", "socketmap.listen"] as const;

/** Tells if any listener rewrites. A host may only check SPF. */
export function usesSrs(config: Readonly<Record<(typeof SRS_LISTENERS)[number], readonly Endpoint[]>>): boolean {
  return SRS_LISTENERS.some((key) => config[key].length > 0);
}

/**
 * Puts Postfix's notation, `inet:host:port` or `unix:path`, into a line. Only systemd knows the address of an fd:
 * endpoint.
 */
function postfixEndpoint(endpoint: Endpoint, line: (where: string) => string): string | undefined {
  if (endpoint.type === "fd") return undefined;
  return line(endpoint.type === "unix" ? formatEndpoint(endpoint) : `inet:${formatEndpoint(endpoint)}`);
}

/** The tcp_table(5) of an endpoint, which cannot be a unix-domain socket. */
function tcpTable(endpoint: Endpoint): string | undefined {
  return endpoint.type === "inet" ? `tcp:${formatEndpoint(endpoint)}` : undefined;
}

/** A milter without options, for both parameters. */
function milter(endpoint: Endpoint): string | undefined {
  return postfixEndpoint(endpoint, (where) => where);
}
