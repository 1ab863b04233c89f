/** Clients that ask a little all the time, as a mail server does: what they wait is what a server lets them wait. */
import { type Load, type Report, runLoad } from "./mailload.ts";
import type { Postvouch } from "./servers/postvouch.ts";
import type { Bench, Subject } from "./subjects.ts";

/** How long they ask, and where they run. */
export type Span = Pick<Load, "seconds" | "warmupSeconds" | "cores">;

const LOOKUPS_PER_SECOND = 400;
const POLICY_REQUESTS_PER_SECOND = 100;

/** Lookups and policy requests at the same time. */
export function wellBehaved(bench: Bench, ours: Postvouch, span: Span): Promise<[Report, Report]> {
  // mailload replaces %u by the number of the request: each is a message of its own.
  const message = `instance=behaved${++runs}.%u`;
  const policy = ["--keys", "100", "--domains", "10", "--attr", message, "--expect", "PREPEND "];
  return Promise.all([
    lookUp(bench, ours.tcp, span, ["--expect", "200 "]),
    run(bench, ours.policy, span, POLICY_REQUESTS_PER_SECOND, policy),
  ]);
}

/** Lookups alone. */
export function lookUp(bench: Bench, subject: Subject, span: Span, options: readonly string[] = []): Promise<Report> {
  return run(bench, subject, span, LOOKUPS_PER_SECOND, options);
}

let runs = 0;

function run(
  bench: Bench,
  { protocol, targets, pid }: Subject,
  span: Span,
  rate: number,
  options: readonly string[],
): Promise<Report> {
  return runLoad(bench.built.mailload, {
    ...span,
    protocol,
    target: targets.forward ?? targets.policy ?? "",
    connections: 4,
    isFirst: true,
    options: ["--rate", String(rate), "--timeout", "30", ...options],
    ...(pid === undefined ? {} : { pid }),
  });
}
