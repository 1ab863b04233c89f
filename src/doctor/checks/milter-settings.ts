/** Checks of our settings of the milter beside those of Postfix. check-config gives them as advice too. */
import type { Cidr } from "../../mail/ip.ts";
import { type AdviceFacts, type Check, error, type Finding, warning, withPostfix } from "../check.ts";
import { hasOurs, isOff, milterLists } from "../milters.ts";
import { allCalls, isOurs } from "../restrictions.ts";
import { isClassic, isForwardOnly } from "../srs-tables.ts";

export const MILTER_ADVICE: readonly Check<AdviceFacts>[] = [
  {
    id: "milter-internal",
    right: "milter.internal, skip and trusted_relays have only networks of our own",
    why: "Mail of these clients is signed as yours, or passes, and is never checked; or results that it brings are believed.",
    run: ({ setup }) => {
      if (isOff(setup)) return [];
      return (Object.keys(EFFECTS) as (keyof typeof EFFECTS)[]).flatMap((key): Finding[] => {
        const [wide] = setup.config[key].filter(isHalfTheInternet);
        if (wide === undefined) return [];
        return [
          error(
            `${key} has ${wide.address}/${wide.prefixBits}: ${EFFECTS[key]}`,
            `in postvouch.toml: [milter] ${key.replace("milter.", "")} = ${key === "milter.internal" ? '["127.0.0.0/8", "::1"]' : "[]"}, and your own networks; then: systemctl reload postvouch`,
          ),
        ];
      });
    },
  },
  {
    id: "dmarc-malformed",
    right: "mail with several authors is no way round dmarc.reject",
    why: "DMARC judges the domain of one author. With two From:, or one that cannot be read, no policy applies.",
    run: ({ setup }) => {
      const { config } = setup;
      if (isOff(setup) || !config["dmarc.verify"] || !config["dmarc.reject"]) return [];
      if (config["milter.malformed"] !== "tag") return [];
      return [
        warning(
          'milter.malformed: got "tag", want "reject" beside dmarc.reject = true: a second From: is a way round p=reject',
          'in postvouch.toml: [milter] malformed = "reject"; then: systemctl reload postvouch',
        ),
      ];
    },
  },
  {
    id: "two-results",
    right: "SPF results are added once",
    why: "The milter checks SPF itself. An Authentication-Results of the policy service is taken out again, and on an old Postfix the wrong field may go.",
    run: withPostfix((postfix, { setup }) => {
      const isAdded = setup.config["policy.headers"].includes("authentication-results");
      const asksPolicy = allCalls(postfix).some((call) => isOurs(call, setup, postfix));
      const asksMilter = milterLists(postfix).some((list) => hasOurs(list, setup, postfix));
      if (!isAdded || !asksPolicy || !asksMilter) return [];
      return [
        warning(
          "policy.headers has authentication-results, and the milter adds one with SPF, DKIM and DMARC in its place",
          "in postvouch.toml: [policy] headers = []; then: systemctl reload postvouch",
        ),
      ];
    }),
  },
  {
    id: "arc-seal",
    right: "what arc.seal names can be told apart",
    why: "Without a second pass nobody knows what is forwarded, so nothing would be sealed.",
    run: withPostfix((postfix, { setup }) => {
      if (isOff(setup) || setup.config["arc.seal"] !== "forwarded") return [];
      if (!isClassic(postfix, setup) || isForwardOnly(postfix)) return [];
      return [
        warning(
          'arc.seal: got "forwarded", which seals nothing: sender_canonical_maps rewrites in the first pass',
          'want "no", "all", or a second pass (docs/milter.md)',
        ),
      ];
    }),
  },
];

/** What becomes of mail of the clients of each key. */
const EFFECTS = {
  "milter.internal": "mail from everywhere is signed as yours, and never checked",
  "milter.skip": "mail from everywhere passes unchecked",
  "milter.trusted_relays": "results that a stranger has forged are believed",
} as const;

/** Tells if a network is no network of anybody's own: a quarter of the addresses, or more. */
function isHalfTheInternet({ prefixBits }: Cidr): boolean {
  return prefixBits <= 2;
}
