/** The table of all checks, in the order of the report. */
import type { Check } from "./check.ts";
import { FORWARD_ONLY } from "./checks/forward-only.ts";
import { MAP_ADVICE, MAPS } from "./checks/maps.ts";
import { MILTER } from "./checks/milter.ts";
import { MILTER_PEERS } from "./checks/milter-peers.ts";
import { MILTER_ROLES } from "./checks/milter-roles.ts";
import { MILTER_ADVICE } from "./checks/milter-settings.ts";
import { NEIGHBOURS } from "./checks/neighbours.ts";
import { OUR_SET_UP } from "./checks/our-set-up.ts";
import { POLICY, POLICY_ADVICE } from "./checks/policy.ts";
import { POSTFIX } from "./checks/postfix.ts";
import { SENDING } from "./checks/sending.ts";
import { SIGNING } from "./checks/signing.ts";
import { SPF } from "./checks/spf.ts";
import { UNIT_PATHS } from "./checks/unit-paths.ts";
import { WAY_BACK, WAY_BACK_ADVICE } from "./checks/way-back.ts";

/** The checks by subject. */
export const CHECK_GROUPS: readonly { readonly title: string; readonly checks: readonly Check[] }[] = [
  { title: "Our set-up", checks: [...OUR_SET_UP, ...UNIT_PATHS] },
  { title: "Postfix", checks: POSTFIX },
  { title: "Rewriting", checks: [...MAP_ADVICE, ...MAPS] },
  { title: "The way back of bounces", checks: [...WAY_BACK_ADVICE, ...WAY_BACK] },
  { title: "Forward-only", checks: FORWARD_ONLY },
  { title: "Policy service", checks: [...POLICY_ADVICE, ...POLICY] },
  { title: "Milter", checks: [...MILTER_ADVICE, ...MILTER, ...MILTER_ROLES, ...MILTER_PEERS] },
  { title: "Signing", checks: SIGNING },
  { title: "Other programs", checks: NEIGHBOURS },
  { title: "Names and addresses", checks: SENDING },
  { title: "SPF records", checks: SPF },
];

export const CHECKS: readonly Check[] = CHECK_GROUPS.flatMap(({ checks }) => checks);
