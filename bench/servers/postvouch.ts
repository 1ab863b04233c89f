/** The daemon itself: all services on, default logs into a file, metrics on. */
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child, freePorts, SERVER_CORE, type Target } from "../processes.ts";
import type { ListenerProtocol } from "../requests.ts";
import type { Bench, Subject } from "../subjects.ts";
import type { Milter } from "./milters.ts";
import { SRS_DOMAIN, writeSecret } from "./secret.ts";

export const POSTVOUCH = "postvouch";

const PROBE = join(import.meta.dirname, "..", "turn-probe.ts");

/** Until a thousand domains are known and the code that answers from the cache is compiled. */
const CACHE_WARMUP_SECONDS = 3;

export interface PostvouchOptions {
  /** Tells several daemons of one run apart. */
  readonly name: string;
  /** Where its main.js is. */
  readonly daemon: string;
  readonly ownDomains: readonly string[];
  readonly dnsPort: number;
  /** Processes that share the ports; they run on every core then. The unix socket is the last one's. */
  readonly processes?: number;
  /** What [milter] has beside its endpoint, and the sections after it. The milter is off without. */
  readonly milterToml?: string;
  /** Port of the probe that watches its event loop; no probe without. */
  readonly probePort?: number;
  /** Gives it every core. */
  readonly cores?: "all";
}

/** A running daemon by its endpoints. */
export interface Postvouch {
  readonly child: Child;
  readonly tcp: Subject;
  readonly socketmap: Subject;
  readonly socketmapUnix: Subject;
  readonly policy: Subject;
  readonly milter: Milter;
  /** `127.0.0.1:PORT` of the metrics. */
  readonly metrics: string;
  /** Size of its log since it was tidied. */
  logBytes(): number;
}

export async function startPostvouch(
  bench: Bench,
  stack: AsyncDisposableStack,
  options: PostvouchOptions,
): Promise<Postvouch> {
  const [forward = 0, reverse = 0, socketmap = 0, policy = 0, milter = 0] = await freePorts(5);
  const ports = { forward, reverse, socketmap, policy, milter };
  const count = options.processes ?? 1;
  let last = await startOne(bench, stack, options, ports);
  for (let i = 1; i < count; i++)
    last = await startOne(bench, stack, { ...options, name: `${options.name} ${i}` }, ports);
  const { child, metrics, unix, log } = last;
  const { name } = options;
  const common = {
    tidy: () => ftruncateSync(log),
    ...(count === 1 ? { pid: child.pid } : {}),
    ...(count === 1 && options.cores === undefined ? {} : { cores: "all" as const }),
  };
  const at = (port: number) => `127.0.0.1:${port}`;
  const both = (target: string) => ({ forward: target, reverse: target });
  return {
    child,
    tcp: { ...common, name, protocol: "tcp", targets: { forward: at(forward), reverse: at(reverse) } },
    socketmap: { ...common, name: `${name}, socketmap`, protocol: "socketmap", targets: both(at(socketmap)) },
    socketmapUnix: { ...common, name: `${name}, unix`, protocol: "socketmap", targets: both(`unix:${unix}`) },
    policy: {
      ...common,
      name,
      protocol: "policy",
      targets: { policy: at(policy) },
      warmupSeconds: () => CACHE_WARMUP_SECONDS,
    },
    milter: { name, target: at(milter), pid: child.pid, tidy: common.tidy },
    metrics: at(metrics),
    logBytes: () => fstatSync(log).size,
  };
}

/** Where one of its listeners is. */
export function targetOf(ours: Postvouch, listener: ListenerProtocol): Target {
  if (listener === "http") return ours.metrics;
  if (listener === "milter") return ours.milter.target;
  return ours[listener].targets[listener === "policy" ? "policy" : "forward"] ?? "";
}

async function startOne(bench: Bench, stack: AsyncDisposableStack, options: PostvouchOptions, ports: Ports) {
  const { name, processes = 1, cores, probePort } = options;
  const [metrics = 0] = await freePorts(1);
  const directory = join(bench.directory, name.replaceAll(/\W/g, "-"));
  mkdirSync(directory, { recursive: true });
  const unix = join(directory, "socketmap.sock");
  const file = join(directory, "postvouch.toml");
  writeFileSync(file, configText(directory, unix, metrics, processes > 1, { ...options, ...ports }));
  const log = openSync(join(directory, "log"), "a");
  stack.defer(() => closeSync(log));
  const node = [process.execPath];
  const probed = ["env", `TURN_PROBE_PORT=${probePort}`, process.execPath, "--import", PROBE];
  const command = [...(probePort === undefined ? node : probed), options.daemon, "serve", "--config", file];
  const child = stack.use(new Child(name, processes > 1 || cores === "all" ? undefined : SERVER_CORE, command, log));
  await child.listening(`127.0.0.1:${metrics}`);
  return { child, metrics, unix, log };
}

interface Ports {
  readonly forward: number;
  readonly reverse: number;
  readonly socketmap: number;
  readonly policy: number;
  readonly milter: number;
}

function configText(
  directory: string,
  unix: string,
  metrics: number,
  reusePort: boolean,
  options: PostvouchOptions & Ports,
): string {
  const domains = join(directory, "domains");
  writeFileSync(domains, `${options.ownDomains.join("\n")}\n`);
  return `hostname = "mx.example.org"
state_dir = "${directory}"
reuse_port = ${reusePort}

[srs]
domain = "${SRS_DOMAIN}"
secrets_file = "${writeSecret(directory)}"

[srs.own_domains]
files = ["${domains}"]

[tcptable]
forward = ["127.0.0.1:${options.forward}"]
reverse = ["127.0.0.1:${options.reverse}"]

[socketmap]
listen = ["127.0.0.1:${options.socketmap}", "unix:${unix}"]

[policy]
listen = ["127.0.0.1:${options.policy}"]

[dns]
servers = ["127.0.0.1:${options.dnsPort}"]

[metrics]
listen = ["127.0.0.1:${metrics}"]
${options.milterToml === undefined ? "" : `\n[milter]\nlisten = ["127.0.0.1:${options.milter}"]\n${options.milterToml}`}`;
}
