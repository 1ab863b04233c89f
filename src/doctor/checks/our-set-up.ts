/** Checks of our own configuration, files, secrets and process. */
import { LISTENER_KEYS } from "../../config/listeners.ts";
import { type Endpoint, formatEndpoint } from "../../net/endpoint.ts";
import { type Check, error, type Finding, shellWord, skipped, warning } from "../check.ts";
import type { Facts, HostFacts } from "../facts.ts";
import { barrierFor } from "../service-user.ts";
import { PROBE_SENDER } from "../srs-tables.ts";

const SECRETS = "srs.secrets_file: ";

export const OUR_SET_UP: readonly Check[] = [
  {
    id: "configuration",
    right: "postvouch.toml and the files that it names are right",
    why: "With a wrong configuration `serve` does not start, and a reload keeps the old one.",
    run: ({ setup, foreseen }) => {
      const mend = `edit ${setup.configFile ?? "/etc/postvouch/postvouch.toml"}, then: postvouch check-config`;
      const problems = [...setup.problems, ...foreseen].filter((line) => !line.startsWith(SECRETS));
      const warnings = setup.warnings.filter((line) => !line.startsWith(SECRETS));
      return [...problems.map((line) => error(line, mend)), ...warnings.map((line) => warning(line, mend))];
    },
  },
  {
    id: "secrets",
    right: "the secrets file can be used, and there is no other one",
    why: "Without its secret no bounce comes back; a second file in `state_dir` would sign if the first went missing.",
    run: ({ setup, foreseen, host }) => {
      const ours = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith(SECRETS));
      const problems = ours([...setup.problems, ...foreseen]).map((line) => error(line, mendOfSecrets(line)));
      const warnings = ours(setup.warnings).map((line) => {
        const isCredential = line.includes("does not exist") && credentialOf(host) !== undefined;
        return isCredential ? skipped(NO_CREDENTIAL) : warning(line, mendOfSecrets(line));
      });
      return [...problems, ...warnings];
    },
  },
  {
    id: "credential",
    right: "the unit's LoadCredential names a file that stays, and the service has its present content",
    why: "`apt purge postsrsd` deletes /etc/postsrsd.secret, and systemd copies a credential only when it starts the service.",
    run: ({ host }) => credentialFindings(host),
  },
  {
    id: "files",
    right: "the service's user can read the configuration, the secrets and the program",
    why: "As root `check-config` sees all files; the service ends with 78 for one that it cannot read, and is not started again.",
    run: ({ setup, host }) => {
      if (host.unit === undefined)
        return [skipped("there is no unit postvouch.service, so the service's user is not known")];
      const isCredential = credentialOf(host) !== undefined;
      const files = [setup.configFile, isCredential ? undefined : setup.secretsFile, programOf(host)];
      return files.flatMap((path) => (path === undefined ? [] : fileFindings(path, host)));
    },
  },
  {
    id: "unit",
    right: "systemd has not given up the service",
    why: "After a wrong configuration, or too many starts in a row, systemd does not try again.",
    run: ({ host }) =>
      host.unitTrouble === undefined
        ? []
        : [
            error(
              `postvouch.service ${host.unitTrouble}`,
              "journalctl -u postvouch -n 20; then: systemctl reset-failed postvouch; systemctl start postvouch",
            ),
          ],
  },
  {
    id: "daemon",
    right: "the daemon runs and is ready",
    why: "While it is down, mail that needs it waits; while its store does not answer, some addresses cannot be rewritten.",
    run: ({ daemon: { ready }, setup, host }) => {
      if ("unreachable" in ready) {
        const [endpoint] = setup.config["metrics.listen"];
        if (endpoint === undefined || endpoint.type === "fd") return [skipped(`not seen: ${ready.unreachable}`)];
        const mend = host.unit === undefined ? "postvouch serve" : "systemctl start postvouch";
        return [error(`no daemon answers on ${formatEndpoint(endpoint)}: ${ready.unreachable}`, mend)];
      }
      return ready.isReady ? [] : [error(`the daemon is not ready: ${ready.text}`, "journalctl -u postvouch -n 20")];
    },
  },
  {
    id: "store",
    right: "the store of long addresses answers",
    why: "While it does not, mail with such a sender, and bounces to it, wait.",
    run: ({ daemon, setup }) => {
      const url = setup.config["srs.store.url"];
      if (url === "") return [skipped("srs.store.url is empty: there is no store")];
      const isUp = daemon.metrics.get("postvouch_store_up");
      if (isUp === undefined) return [skipped("the daemon does not tell")];
      if (isUp === 1) return [];
      return [
        error("the store (srs.store.url) does not answer the daemon", "start it, and: journalctl -u postvouch -n 20"),
      ];
    },
  },
  {
    id: "ports",
    right: "no other program holds our ports",
    why: "A port that another program holds keeps the service from starting, or has that program answer Postfix.",
    run: ({ setup, host }) =>
      LISTENER_KEYS.flatMap((key) => setup.config[key].flatMap((endpoint) => portFindings(key, endpoint, host))),
  },
  {
    id: "running-secrets",
    right: "the running daemon has the secrets of the file",
    why: "Addresses that it signs with another secret cannot be read by commands, nor by the daemon after the next start.",
    run: runningSecrets,
  },
  {
    id: "dns-time",
    right: "every DNS server can be tried before the time of a request is over",
    why: "If the first server is silent, the others are never asked, and the result is temperror.",
    run: ({ setup: { config }, dns }) => {
      if (config["policy.listen"].length === 0) return [skipped("policy.listen is empty: SPF is not checked")];
      const [timeoutMs, tries, limitMs] = [config["dns.timeout"], config["dns.tries"], config["policy.time_limit"]];
      const allMs = timeoutMs * tries * dns.servers.length;
      if (allMs <= limitMs) return [];
      const seconds = (ms: number): string => `${ms / 1000}s`;
      return [
        warning(
          `dns.timeout (${seconds(timeoutMs)}) × dns.tries (${tries}) × ${dns.servers.length} servers is ${seconds(allMs)}, more than policy.time_limit (${seconds(limitMs)})`,
          `in postvouch.toml: [dns] timeout = "${seconds(Math.max(50, Math.floor(limitMs / (tries * dns.servers.length))))}"`,
        ),
      ];
    },
  },
  {
    id: "dns-servers",
    right: "every DNS server answers",
    why: "Each question to a silent server costs the time of a try, and SPF results become temperror.",
    run: async ({ dns }) => {
      const troubles = await Promise.all(dns.servers.map((server) => dns.serverTrouble(server)));
      const silent = dns.servers.flatMap((server, index) => {
        const trouble = troubles[index];
        return trouble === undefined ? [] : [{ server, trouble }];
      });
      const report = silent.length === dns.servers.length ? error : warning;
      return silent.map(({ server, trouble }) =>
        report(
          `the DNS server ${server} does not answer: ${trouble}`,
          "repair it, or name others: /etc/resolv.conf, or dns.servers in postvouch.toml",
        ),
      );
    },
  },
  {
    id: "own-domain-sources",
    right: "every source of own domains can be read",
    why: "While a table does not answer, mail of domains that it was never asked for waits.",
    run: ({ own }) => [
      ...own.errors.map((line) => error(line, "mend that file or table, then: systemctl reload postvouch")),
      ...own.warnings.map((line) =>
        warning(line, "start that database, or give postvouch permission to read its file"),
      ),
    ],
  },
];

const NO_CREDENTIAL =
  "the secrets are the service's own (LoadCredential); to check them too, as root: CREDENTIALS_DIRECTORY=/run/credentials/postvouch.service postvouch doctor";

function mendOfSecrets(line: string): string {
  const [, path = ""] = /"([^"]+)"/.exec(line) ?? [];
  if (line.includes("is not in use")) return `compare both files; then rm ${shellWord(path)}`;
  if (line.includes("want 0600")) return `chmod 600 ${shellWord(path)}`;
  if (line.includes("does not exist")) return "systemctl start postvouch, or name the file: srs.secrets_file";
  return `mend ${path}: one secret on each line`;
}

/** The file of LoadCredential=srs.secrets:FILE. */
function credentialOf({ unit }: HostFacts): string | undefined {
  const loaded = (unit ?? []).filter(([name]) => name === "LoadCredential").map(([, value]) => value);
  return loaded.flatMap((value) => /^srs\.secrets:(.+)$/.exec(value)?.[1] ?? []).at(-1);
}

/** Where systemd puts the copy of a credential. */
const CREDENTIAL_COPY = "/run/credentials/postvouch.service/srs.secrets";

function credentialFindings(host: HostFacts): Finding[] {
  const file = credentialOf(host);
  if (file === undefined) return [skipped("the unit has no LoadCredential=srs.secrets:FILE")];
  const findings: Finding[] = [];
  if (/postsrsd\.secret$/.test(file)) {
    const copy = "/etc/postvouch/srs.secrets";
    findings.push(
      warning(
        `LoadCredential names ${file}, which "apt purge postsrsd" deletes`,
        `(umask 077; cp ${file} ${copy}), and name ${copy} in the unit`,
      ),
    );
  }
  if (host.isRoot && host.file(file) === undefined) {
    return [
      ...findings,
      error(`LoadCredential names ${file}, which does not exist`, "name the file of the secrets in the unit"),
    ];
  }
  const [source, copy] = [host.read(file), host.read(CREDENTIAL_COPY)];
  if (source !== undefined && copy !== undefined && source !== copy) {
    findings.push(
      warning(
        `${file} has changed since the service was started, so it still has the old secrets`,
        "systemctl restart postvouch",
      ),
    );
  }
  return findings;
}

/** The program that the unit runs. */
function programOf({ unit }: HostFacts): string | undefined {
  const command = (unit ?? []).findLast(([name]) => name === "ExecStart")?.[1];
  return command?.split(" ").find((word) => word.endsWith("/main.js"));
}

/** Finds the first directory on the way, or the file itself, that the service's user may not pass or read. */
function fileFindings(path: string, host: HostFacts): Finding[] {
  const barrier = barrierFor(path, host);
  if (barrier === undefined) return [];
  const { step, isDirectory } = barrier;
  const mend = isDirectory ? `chmod o+x ${shellWord(step)}` : `chmod o+r ${shellWord(step)}`;
  const isSecret = path.endsWith("srs.secrets");
  return [
    error(
      `${barrier.who} cannot read ${path}: ${step} has mode ${barrier.mode}`,
      isSecret ? "give it as a credential: LoadCredential=srs.secrets:FILE in the unit (docs/install.md)" : mend,
    ),
  ];
}

function portFindings(key: string, endpoint: Endpoint, host: HostFacts): Finding[] {
  const owner = host.owner(endpoint);
  if (owner === undefined || /^(?:node |postvouch|systemd,)/.test(owner)) return [];
  const place = formatEndpoint(endpoint);
  const [, program = "", pid = ""] = /^(.*), pid (\d+)$/.exec(owner) ?? [];
  const mend = program === "postsrsd" ? "systemctl disable --now postsrsd" : `stop it (kill ${pid}), or set ${key}`;
  return [error(`${key}: ${place} is held by ${owner}`, mend)];
}

/** Signs and asks the daemon back, and the other way round. */
async function runningSecrets({ setup, daemon, ask }: Facts): Promise<Finding[]> {
  const { config } = setup;
  const { sign, restore } = daemon;
  if (sign === undefined || restore === undefined) return [skipped("this command has no secrets to compare")];
  const [socketmap] = config["socketmap.listen"].flatMap(placeOf);
  const [reverse] = config["tcptable.reverse"].flatMap(placeOf);
  const asked = async (key: string, map: "forward" | "reverse") => {
    if (socketmap !== undefined) return await ask.socketmap(socketmap, map, key);
    return reverse === undefined || map === "forward" ? undefined : await ask.tcpTable(reverse, key);
  };
  const signed = sign(PROBE_SENDER);
  const back = signed === undefined ? undefined : await asked(signed, "reverse");
  if (back === undefined) return [skipped("no endpoint of ours can be asked")];
  if (back.status === "unreachable" || back.status === "refused")
    return [skipped(`the daemon does not answer: ${back.reason}`)];
  // With mode "all" each question would be kept in the store.
  const theirs = config["srs.store.mode"] === "all" ? undefined : await asked(PROBE_SENDER, "forward");
  const isReadable = theirs?.status !== "found" || restore(theirs.value)?.toLowerCase() === PROBE_SENDER;
  if (back.status === "found" && isReadable) return [];
  const mend =
    "systemctl restart postvouch; if that does not help, name the file that the service has (srs.secrets_file)";
  if (back.status === "found")
    return [error(`the daemon signs with a secret that is not in ${setup.secretsFile}`, mend)];
  return [error(`the daemon does not know the first secret of ${setup.secretsFile}`, mend)];
}

/** The place of an endpoint that this process can connect to. */
function placeOf(endpoint: Endpoint): ({ host: string; port: number } | { path: string })[] {
  if (endpoint.type === "fd") return [];
  if (endpoint.type === "unix") return [{ path: endpoint.path }];
  const any = { "0.0.0.0": "127.0.0.1", "::": "::1" } as const;
  return [{ host: any[endpoint.host as keyof typeof any] ?? endpoint.host, port: endpoint.port }];
}
