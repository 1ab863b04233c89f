/** Checks of other milters beside ours: what is done twice, and in which order. */
import type { Endpoint } from "../../net/endpoint.ts";
import { type Check, error, type Finding, warning } from "../check.ts";
import type { ConfigText, Facts, PostfixFacts } from "../facts.ts";
import { isOurMilter, type Milter, type MilterList, mendMilters, nameOfList, ourLists, withOurs } from "../milters.ts";
import { isSubmission, parsePlace, placeFor } from "../places.ts";
import { settingOf } from "../setting.ts";

export const MILTER_PEERS: readonly Check[] = [
  {
    id: "milter-twice",
    right: "no other milter does our milter's work again",
    why: "Two that sign or verify give two signatures and two results that may differ, and each removes what claims its name.",
    run: withOurs((postfix, facts) =>
      ourLists(postfix, facts.setup).flatMap((list) => {
        const doubles = list.milters.flatMap((milter) => {
          const peer = peerOf(milter, list, postfix, facts);
          const work = peer === undefined ? undefined : doneTwice(peer, facts);
          return peer === undefined || work === undefined ? [] : [{ milter, peer, work }];
        });
        if (doubles.length === 0) return [];
        const told = doubles.map(({ peer, work }) => `${NAMES[peer]} ${work}`).join(", ");
        const drop = mendMilters(list, postfix, (all) =>
          all.filter((one) => !doubles.some(({ milter }) => milter === one)),
        );
        const keysAreThere = facts.dkim.keys.length > 0 || doubles.every(({ peer }) => peer !== "opendkim");
        // Without its keys nothing would be signed any more.
        const mend = keysAreThere ? drop : `postvouch import; postvouch dkim check; then: ${drop}`;
        return [warning(`${nameOfList(list)} has another milter beside ours: ${told}`, mend)];
      }),
    ),
  },
  {
    id: "milter-order",
    right: "our milter sees mail from outside before the others, and mail of users after them",
    why: "What another one changes before us breaks the signatures that we verify, and what it changes after us breaks ours.",
    run: withOurs((postfix, facts) =>
      ourLists(postfix, facts.setup).flatMap((list) => orderFindings(list, postfix, facts)),
    ),
  },
  {
    id: "milter-name",
    right: "no other milter writes results under our name",
    why: "OpenDKIM and we remove what claims our own name: under one name each removes the results of the other.",
    run: withOurs((postfix, facts) => {
      const { config, hostname } = facts.setup;
      const ours = (config["milter.authserv_id"] || config["policy.authserv_id"] || hostname).toLowerCase();
      const peers = new Set(
        ourLists(postfix, facts.setup).flatMap((list) =>
          list.milters.flatMap((milter) => peerOf(milter, list, postfix, facts) ?? []),
        ),
      );
      return [...peers].flatMap((peer): Finding[] => {
        const file = fileOf(peer, facts);
        if (file === undefined) return [];
        const written = settingOf(file, "AuthservID") ?? "HOSTNAME";
        const theirs = (written === "HOSTNAME" ? postfix.value("myhostname") : written).toLowerCase();
        if (theirs !== ours) return [];
        return [
          error(
            `${NAMES[peer]} writes results under ${theirs} as we do: each removes or doubles those of the other`,
            `in ${file.path}: AuthservID ${peer}.${theirs}; then restart ${NAMES[peer]}`,
          ),
        ];
      });
    }),
  },
];

const NAMES = { opendkim: "OpenDKIM", opendmarc: "OpenDMARC", openarc: "OpenARC", rspamd: "rspamd" } as const;

type Peer = keyof typeof NAMES;

const PEERS = Object.keys(NAMES) as readonly Peer[];

/** The port of rspamd's milter by default. */
const RSPAMD_PORT = 11_332;

/** The program behind a milter's endpoint: by who listens there, by its own file, or by its name. */
function peerOf(milter: Milter, list: MilterList, postfix: PostfixFacts, facts: Facts): Peer | undefined {
  const { where } = milter;
  if (where === undefined || isOurMilter(milter, facts.setup, postfix)) return undefined;
  const place = placeFor(where, postfix, list.name === "smtpd_milters" ? "smtpd" : "cleanup", list.service);
  const endpoint: Endpoint = "path" in place ? { type: "unix", path: place.path } : { type: "inet", ...place };
  const owner = facts.host.owner(endpoint) ?? "";
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

function fileOf(peer: Peer, { neighbours }: Facts): ConfigText | undefined {
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

function orderFindings(list: MilterList, postfix: PostfixFacts, facts: Facts): Finding[] {
  const isOurs = (milter: Milter): boolean => isOurMilter(milter, facts.setup, postfix);
  const comesLast = list.name === "non_smtpd_milters" || (list.service !== undefined && isSubmission(list.service));
  const others = list.milters.filter((milter) => {
    if (isOurs(milter)) return false;
    const peer = peerOf(milter, list, postfix, facts);
    // The check above says that it is to go.
    return peer === undefined || doneTwice(peer, facts) === undefined;
  });
  const at = list.milters.findIndex(isOurs);
  const wrong = others.filter((other) =>
    comesLast ? list.milters.indexOf(other) > at : list.milters.indexOf(other) < at,
  );
  if (wrong.length === 0) return [];
  const names = wrong.map(({ endpoint }) => endpoint).join(" and ");
  const reordered = (all: readonly Milter[]): Milter[] => {
    const [ours, rest] = [all.filter(isOurs), all.filter((one) => !isOurs(one))];
    return comesLast ? [...rest, ...ours] : [...ours, ...rest];
  };
  return [
    warning(
      comesLast
        ? `${nameOfList(list)} has ${names} after our milter: what it changes breaks our signatures`
        : `${nameOfList(list)} has ${names} before our milter: what it changes breaks signatures that we verify, and forged results reach it`,
      mendMilters(list, postfix, reordered),
    ),
  ];
}
