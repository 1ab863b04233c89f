/** Checks of the lookup tables that rewrite: are they asked, do they answer, and do bounces come back. */
import { usesSrs } from "../../config/listeners.ts";
import type { MapName } from "../../net/lookup.ts";
import { splitItems } from "../../postfix/match-list.ts";
import {
  type AdviceFacts,
  type Check,
  error,
  type Finding,
  postconf,
  shellWord,
  skipped,
  someOf,
  warning,
  withPostfix,
} from "../check.ts";
import type { Answer, Facts, PostfixFacts } from "../facts.ts";
import { setForService } from "../milters.ts";
import { isChroot } from "../places.ts";
import {
  askTable,
  classicEntries,
  distinct,
  isClassic,
  isForwardOnly,
  type SrsTable,
  srsTables,
  usersOf,
} from "../srs-tables.ts";

const NOT_USED = "main.cf names no map of ours";

/** Advice that check-config gives too. */
export const MAP_ADVICE: readonly Check<AdviceFacts>[] = [
  {
    id: "one-set-up",
    right: "main.cf has the classic set-up or forward-only, not both",
    why: "Classic maps rewrite all mail before a recipient is known, so the second pass is never taken, and nothing looks wrong.",
    run: withPostfix((postfix, { setup }) => {
      if (!isClassic(postfix, setup) || !isForwardOnly(postfix)) return [];
      return [
        error(
          "main.cf: sender_canonical_maps rewrites every sender, so that sender_dependent_default_transport_maps has nothing left to do",
          `take our map out of sender_canonical_maps (docs/postfix.md): ${withoutEntries("sender_canonical_maps", classicEntries(postfix, setup), postfix)}`,
        ),
      ];
    }),
  },
];

export const MAPS: readonly Check[] = [
  {
    id: "srs-use",
    right: "Postfix asks us to rewrite senders, and to restore them",
    why: "A map that nobody asks rewrites nothing; a forward map without a reverse map loses every bounce.",
    run: withPostfix((postfix, { setup }) => {
      if (!usesSrs(setup.config)) return [skipped("no listener rewrites")];
      const maps = new Set(srsTables(postfix, setup).map(({ map }) => map));
      const isForward = maps.has("forward") || maps.has("forward-transport");
      if (!isForward && !maps.has("reverse")) {
        return [warning(`${NOT_USED}, so nothing is rewritten`, "postvouch setup forward-only --apply")];
      }
      if (isForward && !maps.has("reverse")) {
        return [
          error(
            "main.cf: senders are rewritten, but no map restores them: every bounce is refused or lost",
            `postvouch setup ${isForwardOnly(postfix) ? "forward-only" : "classic"} --apply`,
          ),
        ];
      }
      return [];
    }),
  },
  {
    id: "srs-endpoints",
    right: "every SRS map that Postfix names answers as it should, also out of a chroot",
    why: "While a map does not answer, mail waits: with 451, and with tcp: after nine seconds for each recipient. A wrong map rewrites the wrong way.",
    run: withPostfix(async (postfix, facts) => {
      const tables = distinct(srsTables(postfix, facts.setup));
      if (tables.length === 0) return [skipped(NOT_USED)];
      const answers = await Promise.all(tables.map((table) => askTable(table, postfix, facts.ask)));
      return tables.flatMap((table, index) => {
        const unknown = namelessInChroot(table, postfix, facts);
        return unknown === undefined ? endpointFinding(table, answers[index], facts) : [unknown];
      });
    }),
  },
  {
    id: "localhost",
    right: "our maps are named by address",
    why: "`localhost` may be ::1 first, where nothing listens: each new connection then costs a try.",
    run: withPostfix((postfix, { setup }) => {
      const named = srsTables(postfix, setup).filter(
        ({ where, service }) => service === undefined && "host" in where && where.host === "localhost",
      );
      return named.map((table) =>
        warning(
          `main.cf: ${table.parameter} names ${table.text}, and localhost may be ::1 first`,
          localhostMend(table, postfix),
        ),
      );
    }),
  },
  {
    id: "sender-classes",
    right: "only the envelope sender is rewritten, never From:",
    why: "The default of `sender_canonical_classes` has header_sender too: From: becomes SRS0=… in mail from this host, which breaks DKIM and DMARC.",
    run: withPostfix((postfix, { setup }) => {
      const forward = srsTables(postfix, setup).filter(({ map }) => map === "forward");
      if (forward.length === 0) return [skipped(NOT_USED)];
      return distinct(forward).flatMap((table) => {
        if (table.parameter === "canonical_maps") {
          return error(
            `${whereIs(table)} rewrites recipients and headers too, not only the envelope sender`,
            "postvouch setup classic --apply",
          );
        }
        const classes = effective("sender_canonical_classes", table, postfix);
        if (!splitItems(classes).includes("header_sender")) return [];
        return error(
          `${whereIs(table)} rewrites From: too, because sender_canonical_classes is "${classes}": DKIM and DMARC of that mail break`,
          setFor(table, "sender_canonical_classes", "envelope_sender"),
        );
      });
    }),
  },
  {
    id: "recipient-classes",
    right: "recipients of the envelope are restored",
    why: "Without envelope_recipient in `recipient_canonical_classes` bounces stay at their SRS address and are refused.",
    run: withPostfix((postfix, { setup }) => {
      const reverse = srsTables(postfix, setup).filter(({ parameter }) => parameter === "recipient_canonical_maps");
      if (reverse.length === 0) return [skipped("recipient_canonical_maps names no map of ours")];
      return distinct(reverse).flatMap((table) => {
        const classes = effective("recipient_canonical_classes", table, postfix);
        if (splitItems(classes).includes("envelope_recipient")) return [];
        return error(
          `${whereIs(table)} leaves the envelope alone, because recipient_canonical_classes is "${classes}": no bounce comes back`,
          setFor(table, "recipient_canonical_classes", "envelope_recipient, header_recipient"),
        );
      });
    }),
  },
  {
    id: "own-domains",
    right: "every domain that Postfix delivers is an own domain, whose senders are not rewritten",
    why: "Mail of a domain that is missing here is rewritten when it is forwarded, although its SPF names this host.",
    run: withPostfix(async (postfix, { setup, own }) => {
      if (!usesSrs(setup.config)) return [skipped("no listener rewrites")];
      if (setup.config["srs.always_rewrite"]) return [skipped("srs.always_rewrite: own domains are rewritten too")];
      if (own.errors.length > 0) return [skipped("the own domains cannot be read")];
      const lists = await postfix.domains();
      const delivered = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains"]
        .flatMap((name) => lists.get(name) ?? [])
        .filter((domain) => domain.includes(".") && !domain.startsWith("localhost."));
      const names = [...new Set(delivered)];
      const isOwn = await Promise.all(names.map((domain) => own.has(domain)));
      const missing = names.filter((_name, index) => isOwn[index] === false);
      if (missing.length === 0) return [];
      return [
        warning(
          `Postfix delivers mail of ${someOf(missing)}, but ${missing.length === 1 ? "it is no own domain" : "they are no own domains"}: their senders are rewritten`,
          "in postvouch.toml: [srs.own_domains] postfix_classes = true; then: systemctl reload postvouch",
        ),
      ];
    }),
  },
  {
    id: "asked",
    right: "Postfix has asked the running daemon",
    why: "A main.cf that does not name us, or a Postfix that was not reloaded, looks like a quiet night.",
    run: withPostfix((postfix, { setup, daemon }) => {
      if ("unreachable" in daemon.ready)
        return [skipped(`the daemon's counters are not seen: ${daemon.ready.unreachable}`)];
      if (srsTables(postfix, setup).length === 0) return [skipped(NOT_USED)];
      const startSeconds = daemon.metrics.get("process_start_time_seconds") ?? 0;
      const count =
        (daemon.metrics.get("postvouch_srs_lookups_total") ?? 0) +
        (daemon.metrics.get("postvouch_policy_requests_total") ?? 0);
      const hours = Math.floor((Date.now() / 1000 - startSeconds) / 3600);
      if (count > 0 || hours < QUIET_HOURS) return [];
      return [warning(`main.cf names our maps, but nothing has asked the daemon for ${hours} hours`, "postfix reload")];
    }),
  },
];

/** Hours without a question after which it is said. */
const QUIET_HOURS = 6;

/** The commands that take entries out of a list of main.cf. */
function withoutEntries(name: string, entries: readonly string[], postfix: PostfixFacts): string {
  const rest = splitItems(postfix.value(name)).filter((item) => item !== "" && !entries.includes(item));
  return rest.length > 0 ? postconf(`${name} = ${rest.join(", ")}`) : `postconf -X ${name} && postfix reload`;
}

/** A name that a program in a chroot cannot look up, because it has no hosts file there. */
function namelessInChroot(table: SrsTable, postfix: PostfixFacts, { host }: Facts): Finding | undefined {
  const { where } = table;
  if (!("host" in where) || where.host !== "localhost") return undefined;
  const jailed = usersOf(table, postfix).find((service) => isChroot(service, postfix));
  const hosts = `${postfix.value("queue_directory")}/etc/hosts`;
  if (jailed === undefined || host.file(hosts) !== undefined) return undefined;
  const mend = localhostMend(table, postfix);
  return error(
    `${whereIs(table)}: ${jailed.program} runs in a chroot without ${hosts}, and may not find localhost: mail waits`,
    mend,
  );
}

function localhostMend({ parameter, service }: SrsTable, postfix: PostfixFacts): string {
  const written = service?.overrides.get(parameter) ?? postfix.written(parameter) ?? "";
  const value = written.replaceAll("localhost:", "127.0.0.1:");
  if (!value.includes("127.0.0.1:")) return `write 127.0.0.1 instead of localhost in ${parameter}`;
  return service === undefined ? postconf(`${parameter} = ${value}`) : setForService(service, [parameter, value]);
}

function whereIs({ parameter, service, text }: SrsTable): string {
  return service === undefined
    ? `main.cf: ${parameter} (${text})`
    : `master.cf: ${service.name}: ${parameter} (${text})`;
}

/** A parameter as the service of a table has it. */
function effective(name: string, table: SrsTable, postfix: PostfixFacts): string {
  return table.service?.overrides.get(name) ?? postfix.value(name);
}

function setFor(table: SrsTable, name: string, value: string): string {
  if (table.service === undefined) return postconf(`${name} = ${value}`);
  const setting = `${table.service.name}/${table.service.type}/${name}=${value.replaceAll(" ", "")}`;
  return `postconf -P ${shellWord(setting)} && postfix reload`;
}

function endpointFinding(table: SrsTable, answer: Answer | undefined, { setup, host }: Facts): Finding[] {
  if (answer === undefined) return [];
  const start = host.unit === undefined ? "postvouch serve" : "systemctl start postvouch";
  switch (answer.status) {
    case "unreachable": {
      if (answer.reason === "no permission to connect") return [skipped(`${whereIs(table)}: ${answer.reason}`)];
      const mend =
        "path" in table.where ? `${start}; or a port, which a chroot does not hide (docs/postfix.md)` : start;
      return [error(`${whereIs(table)} does not answer: ${answer.reason}`, mend)];
    }
    case "refused":
      return [error(`${whereIs(table)} answers "${answer.reason}": mail waits`, "journalctl -u postvouch -n 20")];
    case "found":
    case "not found": {
      const got = answer.status === "found" ? answer.value : undefined;
      if (isRight(table.map, got, setup.config["srs.forward_transport"])) return [];
      const wanted = { forward: "an SRS address", reverse: "nothing", "forward-transport": "a transport" }[table.map];
      return [
        error(
          `${whereIs(table)} is another map than ${table.map}: for a foreign sender it answers ${got === undefined ? "nothing" : `"${got}"`}, want ${wanted}`,
          `name the right port or map: postvouch setup ${table.map === "forward-transport" ? "forward-only" : "classic"} --apply`,
        ),
      ];
    }
  }
}

/** Tells if a map's answer for a foreign sender is of its kind. */
function isRight(map: MapName, got: string | undefined, forwardTransport: string): boolean {
  switch (map) {
    case "forward":
      return got !== undefined && /^"?srs[01][-+=]/i.test(got);
    case "reverse":
      return got === undefined;
    case "forward-transport":
      return got === forwardTransport;
  }
}
