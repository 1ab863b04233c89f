/** A real authority (nsd) with a real resolver (unbound) in front. */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "./requires.ts";

/** What is to be served. */
export interface NameServerOptions {
  /** Zone files by the name of their zone, without the trailing dot; nsd serves them, unbound asks nsd for them. */
  readonly zones: Readonly<Record<string, string>>;
  /** Zones that nsd knows of and cannot load: SERVFAIL. */
  readonly brokenZones?: readonly string[];
  /** More lines for unbound's `server:` section. */
  readonly unboundServer?: readonly string[];
}

/** A real authority with a real resolver before it, on the loopback interface. Nothing is asked of the world outside. */
export interface NameServers extends AsyncDisposable {
  /** nsd: answers for its zones only, and does not recurse. */
  readonly authority: string;
  /** unbound. */
  readonly resolver: string;
}

const START_ATTEMPTS = 5;
const HOST = "127.0.0.1";

/** Starts nsd and unbound; check with `requirePrograms("nsd", "unbound")` before. */
export async function startNameServers(options: NameServerOptions): Promise<NameServers> {
  const folder = mkdtempSync(join(tmpdir(), "nameservers-"));
  const children: ChildProcess[] = [];
  const kill = () => children.forEach((child) => void child.kill("SIGKILL"));
  process.once("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true });
  };
  try {
    const nsd = await start(children, (port) => ["nsd", "-d", "-c", writeNsd(folder, port, options)]);
    const deadPort = await freePort();
    const unbound = await start(children, (port) => [
      "unbound",
      "-d",
      "-c",
      writeUnbound(folder, { port, nsd, deadPort, options }),
    ]);
    return { authority: `${HOST}:${nsd}`, resolver: `${HOST}:${unbound}`, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function writeNsd(folder: string, port: number, { zones, brokenZones = [] }: NameServerOptions): string {
  const files = join(folder, "zones");
  mkdirSync(files, { recursive: true });
  for (const [zone, text] of Object.entries(zones)) writeFileSync(join(files, zone), text, "latin1");
  const path = join(folder, "nsd.conf");
  const config = [
    "server:",
    `  ip-address: ${HOST}@${port}`,
    "  server-count: 1",
    '  username: ""',
    '  database: ""',
    `  zonesdir: "${files}"`,
    ...["pidfile", "xfrdfile", "zonelistfile", "logfile"].map((file) => `  ${file}: "${join(folder, `nsd.${file}`)}"`),
    `  xfrdir: "${folder}"`,
    "remote-control:",
    "  control-enable: no",
    ...[...Object.keys(zones), ...brokenZones].flatMap((zone) => [
      "zone:",
      `  name: "${zone}."`,
      `  zonefile: "${zone}"`,
    ]),
  ];
  writeFileSync(path, `${config.join("\n")}\n`);
  return path;
}

interface UnboundPorts {
  readonly port: number;
  readonly nsd: number;
  /** Nobody listens there. */
  readonly deadPort: number;
  readonly options: NameServerOptions;
}

function writeUnbound(folder: string, { port, nsd, deadPort, options }: UnboundPorts): string {
  const { zones, brokenZones = [], unboundServer = [] } = options;
  const names = [...Object.keys(zones), ...brokenZones];
  const path = join(folder, "unbound.conf");
  const config = [
    "server:",
    `  interface: ${HOST}@${port}`,
    '  username: ""',
    '  chroot: ""',
    `  directory: "${folder}"`,
    `  pidfile: "${join(folder, "unbound.pid")}"`,
    `  logfile: "${join(folder, "unbound.log")}"`,
    "  use-syslog: no",
    "  do-daemonize: no",
    "  num-threads: 1",
    "  do-ip6: no",
    "  do-not-query-localhost: no",
    '  module-config: "iterator"',
    // Nothing is asked of the world outside: other names are refused, and targets of aliases end at the dead port.
    '  local-zone: "." always_refuse',
    ...names.map((zone) => `  local-zone: "${zone}." transparent`),
    ...unboundServer.map((line) => `  ${line}`),
    "remote-control:",
    "  control-enable: no",
    ...names.flatMap((zone) => ["stub-zone:", `  name: "${zone}."`, `  stub-addr: ${HOST}@${nsd}`]),
    "forward-zone:",
    '  name: "."',
    `  forward-addr: ${HOST}@${deadPort}`,
  ];
  writeFileSync(path, `${config.join("\n")}\n`);
  return path;
}

/** Starts a program on a free port; on another one if somebody takes that port meanwhile. Gives the port. */
async function start(children: ChildProcess[], command: (port: number) => string[]): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const [name = "", ...args] = command(port);
    const child = spawn(programPath(name) ?? name, args, { stdio: ["ignore", "ignore", "pipe"] });
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString("latin1")));
    if (await isListening(child, port)) {
      children.push(child);
      return port;
    }
    await end(child);
    if (attempt === START_ATTEMPTS) throw new Error(`Cannot start "${name}": ${complaint}`);
  }
}

async function isListening(child: ChildProcess, port: number): Promise<boolean> {
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt += 1) {
    if (await accepts(port)) return true;
    await new Promise((done) => setTimeout(done, 50));
  }
  return false;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, HOST);
    const say = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.on("connect", () => say(true));
    socket.on("error", () => say(false));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 3000);
  await exit;
  clearTimeout(force);
}

/** A port number that is free for TCP and UDP at this moment. */
async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer();
    tcp.listen(0, HOST);
    await once(tcp, "listening");
    const address = tcp.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    const udp = createSocket("udp4");
    const isFree = await new Promise<boolean>((done) => {
      udp.on("error", () => done(false));
      udp.bind(port, HOST, () => done(true));
    });
    udp.close();
    await new Promise((done) => tcp.close(done));
    if (isFree) return port;
  }
}
