/**
 * Replies of T-Online (Deutsche Telekom). https://postmaster.t-online.de has the rules, the words are those of bounces that
 * admins have shown in public between 2019 and 2024.
 */
import { logLines } from "./example.ts";
import type { Rule } from "./rule.ts";

const { refused } = logLines("mx02.t-online.de[194.25.134.9]", "bob@t-online.de");

const RULES_OF_THEIRS =
  "Its rules (postmaster.t-online.de, 4.1) want a reverse name that shows who runs the host, and a web page under its domain with name, address and telephone number.";

export const T_ONLINE: readonly Rule[] = [
  {
    id: "t-online-reputation",
    by: "tOnline",
    text: /None\/bad reputation|\(NOWL\)/,
    line: refused(
      "554 IP=192.0.2.10 - None/bad reputation. Ask your postmaster for help or to contact tobr@rx.t-online.de for reset. (NOWL)",
    ),
    means:
      "T-Online does not know the address of this host, or has had nothing from it for a year. It refuses all such hosts.",
    todo: `Write to the address in the reply and ask for a reset. ${RULES_OF_THEIRS} Nothing is lost: Postfix tries again for five days.`,
    mends: "you",
  },
  {
    id: "t-online-blocked",
    by: "tOnline",
    text: /A problem occurred\. ?\(?Ask your postmaster|\(BL\)/,
    line: refused(
      "554 IP=192.0.2.10 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.) (BL)",
    ),
    means:
      "T-Online blocks the address of this host, because of spam, of forwarded spam too, or because it does not know it.",
    todo: `Filter spam before it is forwarded. Then write to the address in the reply. ${RULES_OF_THEIRS}`,
    mends: "you",
  },
  {
    id: "t-online-dialup",
    by: "tOnline",
    text: /Dialup\/transient IP not allowed|\(DIAL\)/,
    line: refused(
      "554 IP=192.0.2.10 - Dialup/transient IP not allowed. Use a mailgateway or contact toda@rx.t-online.de if obsolete. (DIAL)",
    ),
    means: "T-Online takes the address of this host for one that changes: mostly because of its reverse name.",
    todo: `Have who gave you the address set its PTR record to the host's own name. Then write to the address in the reply. ${RULES_OF_THEIRS}`,
    mends: "you",
  },
];
