/** The policy services with one process for each smtpd. The load generator starts them as spawn(8) would. */
import { accessSync, constants } from "node:fs";
import type { Bench, Subject } from "../subjects.ts";

export const POLICYD_SPF = "policyd-spf";
export const PERL = "policyd-spf-perl";

const PROGRAMS: Readonly<Record<string, string>> = {
  [POLICYD_SPF]: "/usr/bin/policyd-spf",
  [PERL]: "/usr/sbin/postfix-policyd-spf-perl",
};

/** Starting an interpreter takes about a quarter of a second of a core. */
const START_SECONDS = 0.25;

/** Those that are installed; none without a DNS server that they can find. */
export function policyPeers(bench: Bench): Subject[] {
  if (!bench.hasNamespace) return [];
  return Object.entries(PROGRAMS)
    .filter(([, program]) => isExecutable(program))
    .map(([name, program]) => ({
      name,
      protocol: "policy",
      // What they say on standard error when the load hangs up is of no interest.
      targets: { policy: `exec:${program} 2>/dev/null` },
      cores: "all",
      warmupSeconds: (connections) => 1 + connections * START_SECONDS,
    }));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
