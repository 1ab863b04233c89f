/** The policy service in the restrictions of smtpd. */
import { entriesOf, joined, policyServiceOf, restrictionsOf } from "./entries.ts";
import type { Ground } from "./ground.ts";
import type { Planning } from "./plan.ts";
import type { PostfixFacts, ReadParameter } from "./postfix-facts.ts";
import { isFromOutside, isSubmission } from "./services.ts";
import { parametersOf } from "./snippets.ts";
import { exampleAddress } from "./wiring.ts";

const LIST = "smtpd_recipient_restrictions";
const RELAY_LIST = "smtpd_relay_restrictions";

/** The lists of main.cf that another SPF checker may be in. */
const LISTS = [
  "smtpd_client_restrictions",
  "smtpd_helo_restrictions",
  "smtpd_sender_restrictions",
  RELAY_LIST,
  LIST,
  "smtpd_data_restrictions",
  "smtpd_end_of_data_restrictions",
  "smtpd_etrn_restrictions",
] as const satisfies readonly ReadParameter[];

/** Nobody relays behind this entry. The check comes after it, so that it can never open a relay. */
const CLOSES_RELAY = /^(?:reject|defer)_unauth_destination$/;

/** What Postfix's default and ours have in common. */
const USUAL = /^(?:permit_mynetworks|permit_sasl_authenticated|(?:reject|defer)_unauth_destination)$/;

/** Tells calls of SPF checkers, ours among them. */
type IsChecker = (entry: string) => boolean;

/** Programs of master.cf that check SPF: of spf-engine and of postfix-policyd-spf-perl. */
const SPF_CHECKER = /\bpolicyd-spf(?:-perl)?\b/;

export function planPolicy(planning: Planning, ground: Ground): void {
  const { facts, wiring, snippets } = ground;
  const recipe = restrictionsOf(parametersOf(snippets["policy.main.cf"], wiring, facts.configDir).get(LIST) ?? "");
  const ours = recipe.at(-1) ?? "";
  const isChecker = checkers(ground, ours);
  for (const name of LISTS) {
    const present = listOf(facts, name, isChecker);
    const others = present.filter((entry) => !isChecker(entry));
    for (const entry of present.filter((one) => isChecker(one) && one !== ours)) {
      planning.note(`${name}: takes out ${entry}, in whose place ours comes`);
    }
    if (name !== LIST) {
      if (others.length < present.length) planning.set(name, joined(others));
      continue;
    }
    planning.set(name, joined(insert(present, recipe, isChecker, facts)));
    keepFromSubmission(planning, facts, others);
  }
  noteOthers(planning, facts, isChecker, ours);
}

/** Tells of SPF checkers that stay, and of services that do not use the list. */
function noteOthers(
  planning: Planning,
  { settings, services }: PostfixFacts,
  isChecker: IsChecker,
  ours: string,
): void {
  const named = new Set<string>(LISTS);
  for (const [name, value] of settings) {
    if (named.has(name)) continue;
    const calls = restrictionsOf(value).filter((entry) => isChecker(entry) && entry !== ours);
    if (calls.length > 0) planning.note(`${name}: ${joined(calls)} stays. Take it out, or SPF is checked twice`);
  }
  for (const service of services.filter(isFromOutside)) {
    if (!service.overrides.has(LIST)) continue;
    planning.note(`master.cf: ${service.id} has a ${LIST} of its own, which stays. Put ${ours} into it`);
  }
}

function checkers({ facts, wiring }: Ground, ours: string): IsChecker {
  const own = [policyServiceOf(ours), wiring.addresses.get("policy.listen"), exampleAddress("policy.listen")];
  const spawned = facts.services.filter(({ command }) => SPF_CHECKER.test(command));
  const services = new Set([...own, ...spawned.map(({ id }) => `unix:private/${id.replace(/\/.*/, "")}`)]);
  return (entry) => {
    const service = policyServiceOf(entry);
    return service !== undefined && (services.has(service) || /^unix:private\/policyd?-spf/.test(service));
  };
}

/** The entries of a list as main.cf has them. A `$name` stays one, unless what is looked for is behind it. */
function listOf(facts: PostfixFacts, name: ReadParameter, isChecker: IsChecker): string[] {
  const written = restrictionsOf(facts.written.get(name) ?? "");
  const expanded = restrictionsOf((facts.expanded.get(name) ?? "").replaceAll("$", "$$$$"));
  const count = (list: readonly string[]): number =>
    list.filter((entry) => isChecker(entry) || (name === LIST && CLOSES_RELAY.test(entry))).length;
  return count(written) === count(expanded) ? written : expanded;
}

/** Puts ours where another SPF checker was behind the end of relaying, else right after that. */
function insert(
  present: readonly string[],
  recipe: readonly string[],
  isChecker: IsChecker,
  facts: PostfixFacts,
): string[] {
  const ours = recipe.slice(-1);
  const withoutCheckers = (part: readonly string[]): string[] => part.filter((entry) => !isChecker(entry));
  const closes = present.findIndex((entry) => CLOSES_RELAY.test(entry));
  if (closes === -1) {
    const others = withoutCheckers(present);
    const end = others.at(-1) === "permit" ? others.length - 1 : others.length;
    const relay = restrictionsOf((facts.expanded.get(RELAY_LIST) ?? "").replaceAll("$", "$$$$"));
    const closing = closeRelay(withoutCheckers(relay), recipe.slice(0, -1));
    return [...others.slice(0, end), ...closing, ...ours, ...others.slice(end)];
  }
  const checker = present.findIndex((entry, index) => index > closes && isChecker(entry));
  const place = checker === -1 ? closes + 1 : checker;
  return [...withoutCheckers(present.slice(0, place)), ...ours, ...withoutCheckers(present.slice(place))];
}

/**
 * What ends relaying in a list that does not do so itself: the same as in smtpd_relay_restrictions. Whoever may relay is
 * let in, and is not checked.
 */
function closeRelay(relay: readonly string[], recipe: readonly string[]): readonly string[] {
  const needed = relay.slice(0, relay.findIndex((entry) => CLOSES_RELAY.test(entry)) + 1);
  return needed.every((entry) => USUAL.test(entry)) ? recipe : needed;
}

/** Gives the services for our own users the list as it was, where they would inherit ours. */
function keepFromSubmission(planning: Planning, facts: PostfixFacts, others: readonly string[]): void {
  for (const service of facts.services.filter(isSubmission)) {
    if (service.overrides.has(LIST)) continue;
    const words = others.flatMap((entry) => entriesOf(entry));
    // postconf takes no blanks in an option of master.cf. smtpd takes a comma for one.
    if (words.some((word) => /\s/.test(word))) {
      planning.set(SUBMISSION_LIST, joined(others));
      planning.override(service.id, LIST, `$${SUBMISSION_LIST}`);
    } else {
      planning.override(service.id, LIST, words.join(","));
    }
    planning.note(`master.cf: ${service.id} keeps ${LIST} as it was, so that your own users are not checked`);
  }
}

/** A parameter of ours, for a list that does not fit on a line of master.cf. */
const SUBMISSION_LIST = "postvouch_submission_recipient_restrictions";
