/** Gathers all facts. Nothing that is absent, broken or slow makes it fail. */
import { resolverSettings } from "../../config/settings.ts";
import { readResolvConf } from "../../dns/resolv-conf.ts";
import { createResolver } from "../../dns/resolver.ts";
import { formatServer, parseServer } from "../../dns/server-address.ts";
import type { Resolver } from "../../dns/types.ts";
import type { PostfixCommand } from "../../postfix/run.ts";
import { readKeyFiles } from "../../setup/dkim-keys.ts";
import { foresee } from "../../setup/foresee.ts";
import type { Setup } from "../../setup/setup.ts";
import { createChecker } from "../../setup/spf-checker.ts";
import type { DnsFacts, Facts } from "../facts.ts";
import { askEndpoints } from "./ask.ts";
import { gatherDaemon } from "./daemon.ts";
import { egressOf, hostAddresses } from "./egress.ts";
import { gatherHost } from "./host.ts";
import { gatherMailLog } from "./mail-log.ts";
import { gatherNeighbours, type NeighbourPlaces } from "./neighbours.ts";
import { gatherOwn } from "./own.ts";
import { gatherPostfix } from "./postfix.ts";

/** Time for all DNS lookups, in milliseconds. */
const DNS_MS = 20_000;
/** Time for one DNS server to answer. */
const SERVER_MS = 3_000;

const RESOLV_CONF = "/etc/resolv.conf";

/** Where things are. The defaults are those of a Debian host. */
export interface Places extends NeighbourPlaces {
  readonly postfix?: PostfixCommand;
  readonly unitDirectories?: readonly string[];
  readonly packageDir: string;
}

/** The facts, until they are disposed of. */
export interface Gathered extends AsyncDisposable {
  readonly facts: Facts;
}

/** Never rejects. */
export async function gather(setup: Setup, places: Places, timeMs: () => number): Promise<Gathered> {
  const command = places.postfix ?? {};
  const [gathered, host, addresses, daemon] = await Promise.all([
    gatherPostfix(command),
    gatherHost(places.packageDir, places.unitDirectories),
    hostAddresses(),
    gatherDaemon(setup, timeMs),
  ]);
  const { postfix } = gathered;
  const own = await gatherOwn(setup, postfix, command);
  const resolver = createResolver(resolverSettings(setup.config));
  const known = "known" in postfix ? postfix.known : undefined;
  const facts: Facts = {
    setup,
    foreseen: foresee(setup),
    postfix,
    own,
    dns: { ...dnsFacts(setup, resolver), egress: egressOf(known, addresses) },
    host,
    daemon,
    dkim: readKeyFiles(setup.config),
    neighbours: gatherNeighbours(places),
    mailLog: gatherMailLog(known),
    ask: askEndpoints,
  };
  return {
    facts,
    [Symbol.asyncDispose]: async () => {
      own[Symbol.dispose]();
      gathered[Symbol.dispose]();
      await resolver.close();
    },
  };
}

function dnsFacts(setup: Setup, resolver: Resolver): Omit<DnsFacts, "egress"> {
  const configured = setup.config["dns.servers"];
  const servers = configured.length > 0 ? configured : readResolvConf(RESOLV_CONF);
  const checker = createChecker(setup, resolver);
  const deadlineMs = performance.now() + DNS_MS;
  const checks = new Map<string, ReturnType<DnsFacts["checkSpf"]>>();
  return {
    resolver,
    deadlineMs,
    servers: servers.map(formatServer),
    serverTrouble: (server) => serverTrouble(setup, server),
    checkSpf: ({ clientAddress, heloName, sender }) => {
      const identity = sender === "" ? "helo" : "mailfrom";
      const key = [identity, clientAddress, heloName, sender].join(" ");
      const check = checks.get(key) ?? checker.explain({ identity, clientAddress, heloName, sender, deadlineMs });
      checks.set(key, check);
      return check;
    },
  };
}

/** Asks one server alone for the SRS domain. A name that does not exist is an answer too. */
async function serverTrouble(setup: Setup, server: string): Promise<string | undefined> {
  const address = parseServer(server);
  if (address === undefined) return "it has no address";
  const settings = { ...resolverSettings(setup.config), servers: [address], tries: 1, timeoutMs: SERVER_MS };
  const resolver = createResolver(settings);
  try {
    const answer = await resolver.resolve(setup.srsDomain, "MX", { deadlineMs: performance.now() + SERVER_MS });
    return answer.status === "error" ? answer.detail || answer.trouble : undefined;
  } finally {
    await resolver.close();
  }
}
