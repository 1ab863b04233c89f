/** The table of all metrics that the daemon updates. docs/metrics.md describes them for an admin. */
import { MAIL_ACTIONS, METHOD_RESULTS, METHODS, SIGNATURE_ALGORITHMS } from "../authentication/report.ts";
import { ROLES } from "../authentication/role.ts";
import { QUERY_OUTCOMES, RECORD_TYPES } from "../dns/types.ts";
import { MAPS, OUTCOMES, TEMPFAIL_PARTS } from "../net/lookup.ts";
import { PROTOCOLS } from "../net/session.ts";
import { ACTION_KINDS } from "../policy/action.ts";
import { SPF_RESULTS } from "../spf/verdict.ts";

/** A label and its possible values. */
export type Label = readonly [name: string, values: readonly string[]];

export interface CounterRow {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly Label[];
}

const LOOKUP_BUCKETS = [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.001, 0.01, 0.1, 1, 10];
const MESSAGE_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];
const REQUEST_BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60];

export const COUNTERS = {
  spfChecks: {
    name: "spf_checks_total",
    help: "SPF checks by identity and result.",
    labels: [
      ["identity", ["helo", "mailfrom"]],
      ["result", SPF_RESULTS],
    ],
  },
  policyRequests: {
    name: "policy_requests_total",
    help: "Policy requests by the kind of action answered.",
    labels: [["action", ACTION_KINDS]],
  },
  policyWould: {
    name: "policy_would_total",
    help: "In report mode: what would have been answered.",
    labels: [["action", ACTION_KINDS]],
  },
  srsLookups: {
    name: "srs_lookups_total",
    help: "SRS lookups by map, protocol and outcome.",
    labels: [
      ["map", MAPS],
      ["protocol", ["tcp_table", "socketmap"]],
      ["outcome", OUTCOMES],
    ],
  },
  srsTempFails: {
    name: "srs_tempfails_total",
    help: "SRS lookups with a temporary failure, by the part that did not answer.",
    labels: [["part", TEMPFAIL_PARTS]],
  },
  milterMessages: {
    name: "milter_messages_total",
    help: "Messages through the milter by role and action.",
    labels: [
      ["role", ROLES],
      ["action", MAIL_ACTIONS],
    ],
  },
  milterResults: {
    name: "milter_results_total",
    help: "Results of the milter by method.",
    labels: [
      ["method", METHODS],
      ["result", METHOD_RESULTS],
    ],
  },
  milterSignatures: {
    name: "milter_signatures_total",
    help: "Signatures that were added, by algorithm.",
    labels: [["algorithm", SIGNATURE_ALGORITHMS]],
  },
  milterWould: {
    name: "milter_would_total",
    help: "In report mode: what would have become of a message.",
    labels: [["action", MAIL_ACTIONS]],
  },
  dnsQueries: {
    name: "dns_queries_total",
    help: "Queries sent to DNS servers, by type and outcome.",
    labels: [
      ["type", RECORD_TYPES],
      ["outcome", QUERY_OUTCOMES],
    ],
  },
  protocolErrors: {
    name: "protocol_errors_total",
    help: "Requests that broke their protocol.",
    labels: [["protocol", PROTOCOLS]],
  },
  halfRequestsDropped: {
    name: "half_requests_dropped_total",
    help: "Half requests dropped because all held too much.",
    labels: [["protocol", PROTOCOLS]],
  },
  connectionsRefused: {
    name: "connections_refused_total",
    help: "Connections refused because too many were open.",
    labels: [],
  },
} as const satisfies Readonly<Record<string, CounterRow>>;

/** Histograms with a label: one for each of its values. */
export const LABELLED_HISTOGRAMS = {
  milterDuration: {
    name: "milter_message_duration_seconds",
    help: "Time from MAIL to the decision about a message.",
    buckets: MESSAGE_BUCKETS,
    label: ["role", ROLES],
  },
} as const;

export const HISTOGRAMS = {
  policyDuration: {
    name: "policy_request_duration_seconds",
    help: "Time from a policy request to its answer.",
    buckets: REQUEST_BUCKETS,
  },
  srsDuration: {
    name: "srs_lookup_duration_seconds",
    help: "Time from an SRS lookup to its answer.",
    buckets: LOOKUP_BUCKETS,
  },
  dnsDuration: {
    name: "dns_query_duration_seconds",
    help: "Time from a DNS query to the server's reply.",
    buckets: REQUEST_BUCKETS,
  },
} as const;

export const LAST_TIMES = {
  policyLastRequest: {
    name: "policy_last_request_timestamp_seconds",
    help: "When the last policy request was answered; 0 before the first.",
  },
  srsLastLookup: {
    name: "srs_last_lookup_timestamp_seconds",
    help: "When the last SRS lookup was answered; 0 before the first.",
  },
} as const;
