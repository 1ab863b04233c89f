/** Finds in Postfix's configuration the lookup tables of postvouch or postsrsd. */
import { MAPS, type MapName } from "../net/lookup.ts";
import { splitItems } from "../postfix/match-list.ts";
import type { Service } from "../postfix/services.ts";
import type { Setup } from "../setup/setup.ts";
import type { Answer, Ask, PostfixFacts } from "./facts.ts";
import { parsePlace, placeFor, type WrittenPlace } from "./places.ts";

/** A table that answers for SRS, as a parameter names it. */
export interface SrsTable {
  /** The parameter. */
  readonly parameter: string;
  /** The service of master.cf that overrides the parameter; `undefined` if main.cf sets it. */
  readonly service: Service | undefined;
  /** The table as written: `tcp:127.0.0.1:10001`, `socketmap:unix:srs:forward`. */
  readonly text: string;
  readonly protocol: "tcp" | "socketmap";
  readonly where: WrittenPlace;
  readonly map: MapName;
}

/** The parameters that may name our tables, with the map that each needs, and the program that asks. */
const SRS_PARAMETERS = {
  sender_canonical_maps: { map: "forward", program: "cleanup" },
  canonical_maps: { map: "forward", program: "cleanup" },
  recipient_canonical_maps: { map: "reverse", program: "cleanup" },
  virtual_alias_maps: { map: "reverse", program: "cleanup" },
  relay_recipient_maps: { map: "reverse", program: "smtpd" },
  lmtp_generic_maps: { map: "reverse", program: "lmtp" },
  sender_dependent_default_transport_maps: { map: "forward-transport", program: "trivial-rewrite" },
} as const satisfies Readonly<Record<string, { readonly map: MapName; readonly program: string }>>;

type SrsParameter = keyof typeof SRS_PARAMETERS;

/** Ports of postsrsd 1.x, which are our defaults too. */
const FORWARD_PORT = 10_001;
const REVERSE_PORT = 10_002;

const TABLE =
  /(?:^|[\s,{:])(tcp|socketmap):((?:inet:)?(?:\[[^\]\s]*\]|[^\s,{}:[\]]+):\d+|unix:[^\s,{}:]+)(?::([\w.-]+))?(?=$|[\s,}])/g;

/** All tables of SRS in main.cf and master.cf. */
export function srsTables(postfix: PostfixFacts, setup: Setup): SrsTable[] {
  const fromMain = parameterNames().flatMap((parameter) =>
    tablesIn(postfix.value(parameter), { parameter, service: undefined }, setup),
  );
  const fromMaster = postfix.services.flatMap((service) =>
    parameterNames().flatMap((parameter) =>
      tablesIn(service.overrides.get(parameter) ?? "", { parameter, service }, setup),
    ),
  );
  return [...fromMain, ...fromMaster];
}

/** The tables of a value. */
function tablesIn(value: string, at: Pick<SrsTable, "parameter" | "service">, setup: Setup): SrsTable[] {
  return [...value.matchAll(TABLE)].flatMap(([written, protocol, place = "", name]): SrsTable[] => {
    const text = written.replace(/^[\s,{:]/, "");
    const where = parsePlace(place);
    if (where === undefined) return [];
    if (protocol === "socketmap") {
      const map = MAPS.find((one) => one === name);
      return map === undefined ? [] : [{ ...at, text, protocol, where, map }];
    }
    const map = tcpMap(where, setup);
    return map === undefined ? [] : [{ ...at, text, protocol: "tcp", where, map }];
  });
}

/** The map behind a port, by our configuration or by postsrsd's default. */
function tcpMap(where: WrittenPlace, { config }: Setup): MapName | undefined {
  if ("path" in where) return undefined;
  const listens = (key: "tcptable.forward" | "tcptable.reverse"): boolean =>
    config[key].some((endpoint) => endpoint.type === "inet" && endpoint.port === where.port);
  if (listens("tcptable.forward")) return "forward";
  if (listens("tcptable.reverse")) return "reverse";
  return ({ [FORWARD_PORT]: "forward", [REVERSE_PORT]: "reverse" } as const)[where.port];
}

/** A sender that is nobody's: no mail comes from `.invalid` (RFC 6761 section 6.4). */
export const PROBE_SENDER = "doctor@postvouch.invalid";

/** Asks a table as the program that uses it would. */
export function askTable(table: SrsTable, postfix: PostfixFacts, ask: Ask): Promise<Answer> {
  const program = SRS_PARAMETERS[table.parameter as SrsParameter].program;
  const place = placeFor(table.where, postfix, program, table.service);
  return table.protocol === "tcp" ? ask.tcpTable(place, PROBE_SENDER) : ask.socketmap(place, table.map, PROBE_SENDER);
}

/** The services that ask a table. */
export function usersOf({ parameter, service }: SrsTable, postfix: PostfixFacts): readonly Service[] {
  if (service !== undefined) return [service];
  const { program } = SRS_PARAMETERS[parameter as SrsParameter];
  return postfix.services.filter((one) => one.program === program);
}

/** Each table once for each program that asks it. */
export function distinct(tables: readonly SrsTable[]): SrsTable[] {
  const seen = new Map<string, SrsTable>();
  for (const table of tables) seen.set(`${table.parameter} ${table.service?.name} ${table.text}`, table);
  return [...seen.values()];
}

/** Tells if a sender map of main.cf rewrites all mail: the classic set-up. */
export function isClassic(postfix: PostfixFacts, setup: Setup): boolean {
  return classicEntries(postfix, setup).length > 0;
}

/** The entries of sender_canonical_maps that rewrite. One of several, such as pipemap:{...}, is whole. */
export function classicEntries(postfix: PostfixFacts, setup: Setup): string[] {
  const at = { parameter: "sender_canonical_maps", service: undefined };
  return splitItems(postfix.value("sender_canonical_maps")).filter((item) =>
    tablesIn(item, at, setup).some(({ map }) => map === "forward"),
  );
}

/** Tells if mail that leaves this host goes through a second pass: the forward-only set-up. */
export function isForwardOnly(postfix: PostfixFacts): boolean {
  return postfix.value("sender_dependent_default_transport_maps").includes(":forward-transport");
}

function parameterNames(): SrsParameter[] {
  return Object.keys(SRS_PARAMETERS) as SrsParameter[];
}
