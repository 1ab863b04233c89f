/** Short forms of settings and of the service's answers. */
import { parseCidr } from "../../src/mail/ip.ts";
import { createPolicyService } from "../../src/policy/service.ts";
import type { IdentitySettings, Override, PolicySettings } from "../../src/policy/settings.ts";
import {
  DEFAULT_POLICY_SETTINGS,
  policyRequest,
  type Results,
  recorder,
  settings,
  sources,
  tableResolver,
} from "./fixtures.ts";

const { helo: DEFAULTS } = DEFAULT_POLICY_SETTINGS;

/** The default dispositions but for some. */
export function identity(more: Partial<IdentitySettings["dispositions"]>, check = true): IdentitySettings {
  return { check, dispositions: { ...DEFAULTS.dispositions, ...more } };
}

export function override(match: Partial<Override["match"]>, change: Override["change"]): Override {
  const any = { recipients: [], senders: [], senderDomains: [], heloNames: [], clientAddresses: [] };
  return { match: { ...any, ...match }, change };
}

export function cidr(text: string) {
  const range = parseCidr(text);
  if (range === undefined) throw new Error(`not a CIDR: ${text}`);
  return range;
}

/** The answers, in short: "header RESULT IDENTITY", the code and text of a refusal, or the action. */
export async function answers(
  results: Results,
  requests: readonly Partial<ReturnType<typeof policyRequest>>[],
  more: Partial<PolicySettings> = {},
  resolver = tableResolver({}),
): Promise<string[]> {
  const observe = recorder();
  const service = createPolicyService({ ...sources(results), settings: settings(more), resolver, observe });
  const replies: string[] = [];
  for (const request of requests) replies.push(summary(await service.answer(policyRequest(request))));
  return replies;
}

export function summary(reply: string): string {
  const action = /^action=([^\n]*)\n\n$/.exec(reply)?.[1] ?? `broken reply ${JSON.stringify(reply)}`;
  const received = /^PREPEND Received-SPF: (\w+) .* identity=(\w+)/.exec(action);
  if (received !== null) return `header ${received[1]} ${received[2]}`;
  return action.replace(/^PREPEND Authentication-Results:/, "results");
}

export const HELO = "mail.sender.test";
export const FROM = "sender.test";

/** The answer to a fail by the default settings. */
export const FORGED = "550 5.7.23 Message rejected due to: SPF fail: explained fail";
