/** Other milters beside ours in a list, and the list as it should be. */
import type { Endpoint } from "../net/endpoint.ts";
import type { ConfigText, Facts, PostfixFacts } from "./facts.ts";
import { isOurMilter, type Milter, type MilterList, milterLists, withOption } from "./milters.ts";
import { isSubmission, parsePlace, placeFor } from "./places.ts";
import { settingOf } from "./setting.ts";

/** Other milters that do a part of our work. */
export const PEER_NAMES = {
  opendkim: "OpenDKIM",
  opendmarc: "OpenDMARC",
  openarc: "OpenARC",
  rspamd: "rspamd",
} as const;

type Peer = keyof typeof PEER_NAMES;

const PEERS = Object.keys(PEER_NAMES) as readonly Peer[];

/** The port of rspamd's milter by default. */
const RSPAMD_PORT = 11_332;

/** What tells who is asked. Without `owner` it is not known which processes listen. */
type Known = Pick<Facts, "setup" | "neighbours"> & { readonly host: Partial<Facts["host"]> };

/** The program behind a milter's endpoint: by who listens there, by its own file, or by its name. */
export function peerOf(milter: Milter, list: MilterList, postfix: PostfixFacts, facts: Known): Peer | undefined {
  const { where } = milter;
  if (where === undefined || isOurMilter(milter, facts.setup, postfix)) return undefined;
  const place = placeFor(where, postfix, list.name === "smtpd_milters" ? "smtpd" : "cleanup", list.service);
  const endpoint: Endpoint = "path" in place ? { type: "unix", path: place.path } : { type: "inet", ...place };
  const owner = facts.host.owner?.(endpoint) ?? "";
  return PEERS.find((peer) => {
    if (owner.startsWith(peer)) return true;
    if ("path" in place && place.path.includes(peer)) return true;
    if (peer === "rspamd") return "port" in place && place.port === RSPAMD_PORT;
    const file = fileOf(peer, facts);
    const socket = file === undefined ? undefined : socketOf(settingOf(file, "Socket") ?? "");
    if (socket === undefined) return false;
    return "port" in socket
      ? "port" in place && place.port === socket.port
      : "path" in place && place.path === socket.path;
  });
}

/** Tells if Postfix asks a program, or a milter of which nobody knows whether it is that program. */
export function mayAsk(peer: "opendkim" | "opendmarc", postfix: PostfixFacts, facts: Known): boolean {
  const file = fileOf(peer, facts);
  const isElsewhere = file !== undefined && socketOf(settingOf(file, "Socket") ?? "") !== undefined;
  return milterLists(postfix).some((list) =>
    list.milters.some((milter) => {
      if (isOurMilter(milter, facts.setup, postfix)) return false;
      const found = peerOf(milter, list, postfix, facts);
      return found === undefined ? !isElsewhere : found === peer;
    }),
  );
}

/** The configuration of a peer; `undefined` if it is not known. */
export function fileOf(peer: Peer, { neighbours }: Pick<Facts, "neighbours">): ConfigText | undefined {
  return peer === "opendkim" || peer === "opendmarc" ? neighbours[peer] : undefined;
}

/** Reads `inet:8891@localhost` or `local:/run/opendkim/opendkim.sock` (opendkim.conf(5)). */
function socketOf(text: string): { readonly port: number } | { readonly path: string } | undefined {
  const port = /^inet6?:(\d{1,5})(?:@.*)?$/i.exec(text)?.[1];
  if (port !== undefined) return { port: Number(port) };
  const place = parsePlace(text);
  return place !== undefined && "path" in place ? place : undefined;
}

/** What a program does that we do too; `undefined` for nothing. */
function doneTwice(peer: Peer, facts: Facts): string | undefined {
  const { config } = facts.setup;
  switch (peer) {
    case "opendkim": {
      const mode = settingOf(facts.neighbours.opendkim ?? NO_FILE, "Mode") ?? "sv";
      const verifies = mode.includes("v") && config["dkim.verify"];
      const signs = mode.includes("s") && facts.dkim.keys.length > 0;
      return verifies && signs ? "verifies and signs too" : verifies ? "verifies too" : signs ? "signs too" : undefined;
    }
    case "opendmarc":
      return config["dmarc.verify"] ? "checks DMARC too" : undefined;
    case "openarc":
      return config["arc.verify"] || config["arc.seal"] !== "no" ? "verifies or seals with ARC too" : undefined;
    case "rspamd": {
      const signing = facts.host.read("/etc/rspamd/local.d/dkim_signing.conf");
      const signs = signing !== undefined && !/^\s*enabled\s*=\s*(?:false|no|off)\b/im.test(signing);
      return signs && facts.dkim.keys.length > 0 ? "signs too (local.d/dkim_signing.conf)" : undefined;
    }
  }
}

const NO_FILE: ConfigText = { path: "", text: "" };

/** A milter that does a part of our work. */
export interface Double {
  readonly milter: Milter;
  readonly peer: Peer;
  /** What it does too. */
  readonly work: string;
}

/** The milters of a list that do a part of our work; none in a list without ours. */
export function doublesIn(list: MilterList, postfix: PostfixFacts, facts: Facts): Double[] {
  if (!list.milters.some((milter) => isOurMilter(milter, facts.setup, postfix))) return [];
  return list.milters.flatMap((milter) => {
    const peer = peerOf(milter, list, postfix, facts);
    const work = peer === undefined ? undefined : doneTwice(peer, facts);
    return peer === undefined || work === undefined ? [] : [{ milter, peer, work }];
  });
}

/** Tells if mail is still signed without these. */
export function maySign(doubles: readonly Double[], { dkim }: Facts): boolean {
  return dkim.keys.length > 0 || doubles.every(({ peer }) => peer !== "opendkim");
}

/** Tells if our milter should see the mail of a list after the others: that is mail of ours. */
export function comesLast({ name, service }: MilterList): boolean {
  return name === "non_smtpd_milters" || (service !== undefined && isSubmission(service));
}

/** What Postfix does with mail while a milter is down, where that is not to wait. */
export const UNWANTED_ACTIONS: Readonly<Record<string, string>> = {
  accept: "lets mail pass without its DKIM and DMARC checks while a milter is down",
  reject: "refuses mail for good while a milter is down",
  quarantine: "puts all mail into the hold queue while a milter is down",
};

/**
 * The list as it should be in every respect. The commands of several checks set the same list, and would undo each other
 * otherwise.
 *
 * @param doubles those to leave out
 */
export function tidied(
  list: MilterList,
  postfix: PostfixFacts,
  facts: Facts,
  doubles: readonly Double[] = removable(list, postfix, facts),
): Milter[] {
  const isOurs = (milter: Milter): boolean => isOurMilter(milter, facts.setup, postfix);
  const kept = list.milters
    .filter((milter) => !doubles.some((double) => double.milter === milter))
    .map((milter) => {
      const action = milter.options.get("default_action") ?? "";
      return UNWANTED_ACTIONS[action] === undefined ? milter : withOption(milter, "default_action", undefined);
    })
    .map((milter) =>
      isOurs(milter) && milter.options.has("protocol") ? withOption(milter, "protocol", undefined) : milter,
    );
  const [ours, others] = [kept.filter(isOurs), kept.filter((milter) => !isOurs(milter))];
  if (ours.length === 0) return kept;
  return comesLast(list) ? [...others, ...ours] : [...ours, ...others];
}

function removable(list: MilterList, postfix: PostfixFacts, facts: Facts): Double[] {
  const doubles = doublesIn(list, postfix, facts);
  return maySign(doubles, facts) ? doubles : [];
}
