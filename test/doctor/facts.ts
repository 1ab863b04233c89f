/** Facts for tests of checks: a real postconf reads Postfix's files; DNS, sockets and the host are as a test says. */
import type { Answer, Egress, Facts, FileFacts, MailLogFacts } from "../../src/doctor/facts.ts";
import { gatherPostfix } from "../../src/doctor/gather/postfix.ts";
import { formatEndpoint } from "../../src/net/endpoint.ts";
import type { Setup } from "../../src/setup/setup.ts";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { postfixConfig, type TemporaryDirectory } from "../helpers/postfix-config.ts";
import { memoryResolver, type ZoneData, zoneAuthority } from "../helpers/zone.ts";
import { setupOf } from "../setup/setups.ts";

/** A host, as far as a test cares. */
export interface Situation {
  /** Added to main.cf. */
  readonly mainCf?: string;
  readonly masterCf?: string;
  /** Files beside main.cf; `DIR` in main.cf stands for their folder. */
  readonly files?: Readonly<Record<string, string>>;
  readonly toml?: string;
  readonly setup?: Partial<Setup>;
  readonly foreseen?: readonly string[];
  readonly zone?: ZoneData;
  readonly egress?: readonly Partial<Egress>[];
  readonly servers?: Readonly<Record<string, string | undefined>>;
  /** What listens, by `host:port` or path; a function is asked with the map and the key. */
  readonly answers?: Readonly<Record<string, Answer | ((map: string, key: string) => Answer)>>;
  readonly own?: Partial<Facts["own"]>;
  readonly ownDomains?: readonly string[];
  readonly host?: Partial<Omit<Facts["host"], "file" | "read" | "owner">>;
  /** Files of the host: their text, or mode and owner. */
  readonly hostFiles?: Readonly<Record<string, string | Partial<FileFacts>>>;
  /** Owners of ports, by endpoint. */
  readonly owners?: Readonly<Record<string, string>>;
  readonly daemon?: Partial<Facts["daemon"]>;
  /** Our DKIM keys, the newest last. */
  readonly keys?: Facts["dkim"]["keys"];
  readonly keyProblems?: readonly string[];
  readonly neighbours?: Partial<Record<"opendmarc" | "opendkim" | "postsrsd", string>>;
  readonly postsrsdSecrets?: readonly string[];
  readonly mailLog?: Partial<MailLogFacts>;
  readonly noPostfix?: string;
}

export const HOSTNAME = "mail.example.org";
export const SRS_DOMAIN = "srs.example.org";

const NOTHING: Answer = { status: "unreachable", reason: "nothing listens there" };

const MAIN_CF = `compatibility_level = 3.6
myhostname = ${HOSTNAME}
mydestination =
alias_maps =
smtp_tls_security_level = may
`;
const MASTER_CF = "smtp inet n - n - - smtpd\n";

/** The files of a situation, and its facts. The caller disposes of the files. */
export async function factsOf(
  situation: Situation,
): Promise<{ readonly facts: Facts; readonly files: TemporaryDirectory }> {
  const files = postfixConfig("");
  for (const [name, text] of Object.entries(situation.files ?? {})) files.write(name, text);
  files.write("main.cf", MAIN_CF + (situation.mainCf ?? "").replaceAll("DIR", files.path));
  files.write("master.cf", situation.masterCf ?? MASTER_CF);
  return { facts: await readFacts(situation, files.path), files };
}

/** What postconf says of files that no situation has changed: most cases are not about Postfix. */
let usual: Promise<Facts["postfix"]> | undefined;

function postfixOf(situation: Situation, configDir: string): Promise<Facts["postfix"]> {
  if (situation.noPostfix !== undefined) return Promise.resolve({ unknown: situation.noPostfix });
  const isUsual = situation.mainCf === undefined && situation.masterCf === undefined;
  return isUsual ? (usual ??= read(configDir)) : read(configDir);
}

async function read(configDir: string): Promise<Facts["postfix"]> {
  return (await gatherPostfix({ configDir })).postfix;
}

/** The facts of a situation whose Postfix has these files. */
export async function readFacts(situation: Situation, configDir: string): Promise<Facts> {
  const setup = {
    ...setupOf(situation.toml ?? "", { hostname: HOSTNAME, srsDomain: SRS_DOMAIN }),
    secretsFile: "/etc/postvouch/srs.secrets",
    ...situation.setup,
  };
  const resolver = memoryResolver(zoneAuthority(situation.zone ?? {}));
  const checker = createSpfChecker({
    resolver,
    receiver: setup.hostname,
    maxDnsLookups: 10,
    maxVoidLookups: 2,
    clockMs: () => performance.now(),
    verdictCacheSize: 0,
  });
  const deadlineMs = performance.now() + 60_000;
  const own = new Set(situation.ownDomains ?? []);
  const hostFiles = situation.hostFiles ?? {};
  const ask = (place: unknown, map: string, key: string): Promise<Answer> => {
    const where = place as { host?: string; port?: number; path?: string };
    const answer = situation.answers?.[where.path ?? `${where.host}:${where.port}`] ?? NOTHING;
    return Promise.resolve(typeof answer === "function" ? answer(map, key) : answer);
  };
  const neighbour = (name: "opendmarc" | "opendkim" | "postsrsd") => {
    const text = situation.neighbours?.[name];
    return text === undefined ? undefined : { path: `/etc/${name}.conf`, text };
  };
  return {
    setup,
    foreseen: situation.foreseen ?? [],
    postfix: await postfixOf(situation, configDir),
    own: { errors: [], warnings: [], has: (domain) => own.has(domain), listed: [...own], ...situation.own },
    dns: {
      resolver,
      deadlineMs,
      egress: (situation.egress ?? [{}]).map((one) => ({
        address: "198.51.100.20",
        family: "ipv4" as const,
        source: "the route",
        isUsed: true,
        hidden: undefined,
        ...one,
      })),
      servers: Object.keys(situation.servers ?? { "127.0.0.1:53": undefined }),
      serverTrouble: (server) => Promise.resolve(situation.servers?.[server]),
      checkSpf: ({ clientAddress, heloName, sender }) =>
        checker.explain({ identity: sender === "" ? "helo" : "mailfrom", clientAddress, heloName, sender, deadlineMs }),
    },
    host: {
      isRoot: true,
      unit: undefined,
      unitTrouble: undefined,
      user: () => undefined,
      groupId: () => undefined,
      processes: () => [],
      packageDir: `${import.meta.dirname}/../..`,
      file: (path) => {
        const file = hostFiles[path];
        if (file === undefined) return undefined;
        return { mode: 0o644, uid: 0, gid: 0, isDirectory: false, ...(typeof file === "string" ? {} : file) };
      },
      read: (path) => {
        const file = hostFiles[path];
        return typeof file === "string" ? file : undefined;
      },
      owner: (endpoint) => situation.owners?.[formatEndpoint(endpoint)],
      ...situation.host,
    },
    daemon: {
      ready: { isReady: true, text: "ready" },
      metrics: new Map(),
      sign: (address) => `SRS0=hash=tt=${address.replace("@", "=")}@${SRS_DOMAIN}`,
      restore: (address) => (address.includes("=hash=") ? "doctor@postvouch.invalid" : undefined),
      ...situation.daemon,
    },
    dkim: { keys: situation.keys ?? [], problems: situation.keyProblems ?? [] },
    neighbours: {
      opendmarc: neighbour("opendmarc"),
      opendkim: neighbour("opendkim"),
      postsrsd: neighbour("postsrsd"),
      postsrsdSecrets:
        situation.postsrsdSecrets === undefined ? { unknown: "there is none" } : { known: situation.postsrsdSecrets },
    },
    mailLog: {
      known: {
        path: "/var/log/mail.log",
        clients: new Map(),
        srsDomains: new Map(),
        srsAddresses: [],
        ...situation.mailLog,
      },
    },
    ask: {
      tcpTable: (place, key) => ask(place, "", key),
      socketmap: ask,
      policy: (place) => ask(place, "", ""),
      smtp: (place) => ask(place, "", ""),
      connect: (place) => ask(place, "", ""),
    },
  };
}
