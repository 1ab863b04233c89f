/** Reads the second pass of forward-only from deploy/postfix, and compares a master.cf with it. */
import { splitItems } from "../postfix/match-list.ts";
import type { Service } from "../postfix/services.ts";
import type { PostfixFacts } from "./facts.ts";

/** The three services of the recipe, by their programs. */
export type RecipePart = "smtp" | "smtpd" | "cleanup";

export type Recipe = Readonly<Record<RecipePart, ReadonlyMap<string, string>>>;

/** Parses the text of forward-only.master.cf: the overrides of each service. */
export function parseRecipe(text: string): Recipe {
  const recipe = {
    smtp: new Map<string, string>(),
    smtpd: new Map<string, string>(),
    cleanup: new Map<string, string>(),
  };
  let part: RecipePart | undefined;
  for (const line of text.split("\n")) {
    const [, name, value] = /^\s+-o ([\w-]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined && part !== undefined) recipe[part].set(name, value);
    const program = /^\S.*\s(smtp|smtpd|cleanup)$/.exec(line)?.[1];
    if (program !== undefined && !line.startsWith("#")) part = program as RecipePart;
  }
  return recipe;
}

/** The transport and the port of `srs:[127.0.0.1]:12526`. */
export function parseForwardTransport(
  text: string,
): { readonly transport: string; readonly host: string; readonly port: number } | undefined {
  const [, transport, host, port] = /^([\w-]+):\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [];
  return transport === undefined || host === undefined ? undefined : { transport, host, port: Number(port) };
}

/** The services of the second pass that master.cf has. */
export function secondPass(
  services: readonly Service[],
  { transport, port }: { readonly transport: string; readonly port: number },
): Readonly<Record<RecipePart, Service | undefined>> {
  const smtpd = services.find(({ name, type }) => type === "inet" && new RegExp(`(?:^|:)${port}$`).test(name));
  const cleanupName = smtpd?.overrides.get("cleanup_service_name");
  return {
    smtp: services.find(({ name, type }) => type === "unix" && name === transport),
    smtpd,
    cleanup: services.find(({ name }) => name === cleanupName),
  };
}

/** The parameters of a service that differ from the recipe's, in effect: set otherwise, or inherited from main.cf. */
export function differences(
  wanted: ReadonlyMap<string, string>,
  service: Service,
  postfix: PostfixFacts,
): readonly string[] {
  return [...wanted].flatMap(([name, value]) => {
    const got = service.overrides.get(name) ?? postfix.value(name);
    const expanded = value.replaceAll(/\$(\w+)/g, (_whole, parameter: string) => postfix.value(parameter));
    const forService = name === "receive_override_options" && hasMilter(service) ? withoutMilters(expanded) : expanded;
    return isAsGood(name, got, forService) ? [] : [name];
  });
}

/** Tells if a second pass has a milter of its own, which seals (docs/milter.md). */
function hasMilter({ overrides }: Service): boolean {
  return overrides.has("smtpd_milters") && overrides.has("milter_macro_daemon_name");
}

function withoutMilters(options: string): string {
  return splitItems(options)
    .filter((option) => option !== "no_milters")
    .join(",");
}

/** Tells if a value has the effect of the recipe's. */
function isAsGood(name: string, got: string, wanted: string): boolean {
  switch (name) {
    case "smtp_bind_address":
      return got === "" || isLoopback(got);
    case "mynetworks":
    case "smtpd_client_event_limit_exceptions":
      return splitItems(got).filter(Boolean).every(isLoopback) && got !== "";
    case "cleanup_service_name":
      return got !== "cleanup";
    case "sender_canonical_maps":
      return /:forward\b|tcp:/.test(got);
    case "smtpd_recipient_limit":
      return Number(got) >= Number(wanted);
    case "receive_override_options":
      return splitItems(wanted).every((option) => splitItems(got).includes(option));
    default:
      return normalize(got) === normalize(wanted);
  }
}

function isLoopback(item: string): boolean {
  return /^(?:127\.|\[?::1\]?(?:\/|$))/.test(item);
}

/** Values that Postfix reads alike: order of blanks and commas, the unit of seconds. */
function normalize(value: string): string {
  return splitItems(value)
    .filter(Boolean)
    .join(",")
    .replace(/^(\d+)s$/, "$1");
}
