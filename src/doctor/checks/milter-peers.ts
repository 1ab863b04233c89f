/** Checks of other milters beside ours: what is done twice, and in which order. */
import { type Check, error, type Finding, warning } from "../check.ts";
import type { Facts, PostfixFacts } from "../facts.ts";
import { comesLast, doublesIn, fileOf, maySign, PEER_NAMES, peerOf, tidied } from "../milter-peers.ts";
import { isOurMilter, type Milter, type MilterList, mendMilters, nameOfList, ourLists, withOurs } from "../milters.ts";
import { settingOf } from "../setting.ts";

export const MILTER_PEERS: readonly Check[] = [
  {
    id: "milter-twice",
    right: "no other milter does our milter's work again",
    why: "Two that sign or verify give two signatures and two results that may differ, and each removes what claims its name.",
    run: withOurs((postfix, facts) =>
      ourLists(postfix, facts.setup).flatMap((list) => {
        const doubles = doublesIn(list, postfix, facts);
        if (doubles.length === 0) return [];
        const told = doubles.map(({ peer, work }) => `${PEER_NAMES[peer]} ${work}`).join(", ");
        const drop = mendMilters(list, postfix, tidied(list, postfix, facts, doubles));
        // Without its keys nothing would be signed any more.
        const mend = maySign(doubles, facts) ? drop : `postvouch import; postvouch dkim check; then: ${drop}`;
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
            `${PEER_NAMES[peer]} writes results under ${theirs} as we do: each removes or doubles those of the other`,
            `in ${file.path}: AuthservID ${peer}.${theirs}; then restart ${PEER_NAMES[peer]}`,
          ),
        ];
      });
    }),
  },
];

function orderFindings(list: MilterList, postfix: PostfixFacts, facts: Facts): Finding[] {
  const isOurs = (milter: Milter): boolean => isOurMilter(milter, facts.setup, postfix);
  // The check above says that these are to go.
  const doubles = doublesIn(list, postfix, facts).map(({ milter }) => milter);
  const at = list.milters.findIndex(isOurs);
  const isLast = comesLast(list);
  const wrong = list.milters.filter(
    (other, index) => !isOurs(other) && !doubles.includes(other) && (isLast ? index > at : index < at),
  );
  if (wrong.length === 0) return [];
  const names = wrong.map(({ endpoint }) => endpoint).join(" and ");
  return [
    warning(
      isLast
        ? `${nameOfList(list)} has ${names} after our milter: what it changes breaks our signatures`
        : `${nameOfList(list)} has ${names} before our milter: what it changes breaks signatures that we verify, and forged results reach it`,
      mendMilters(list, postfix, tidied(list, postfix, facts)),
    ),
  ];
}
