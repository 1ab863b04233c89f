/** The floors: the limits of the operating system and of Node, with a fixed answer to every request. */
import { join } from "node:path";
import { Child, freePorts, SERVER_CORE, type Target } from "../processes.ts";
import type { Bench, Subject } from "../subjects.ts";

export const C_ECHO = "C echo";
export const NODE_ECHO = "Node echo";
export const C_ECHO_UNIX = "C echo, unix";
export const NODE_ECHO_UNIX = "Node echo, unix";
/** What Node needs for the reading, the asking and the writing of a policy request, by the number of queries. */
export const NODE_RELAYS = { 1: "Node relay, 1 query", 2: "Node relay, 2 queries" } as const;

export async function startEchos(
  bench: Bench,
  stack: AsyncDisposableStack,
  protocols: readonly ("tcp" | "policy")[],
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const protocol of protocols) {
    const [cPort = 0, nodePort = 0] = await freePorts(2);
    subjects.push(await startC(bench, stack, C_ECHO, protocol, String(cPort)));
    subjects.push(await startNode(bench, stack, NODE_ECHO, protocol, String(nodePort)));
  }
  return subjects;
}

/** The floors of socketmap on a unix-domain socket. */
export async function startUnixEchos(bench: Bench, stack: AsyncDisposableStack): Promise<Subject[]> {
  return [
    await startC(bench, stack, C_ECHO_UNIX, "socketmap", join(bench.directory, "c-echo.sock")),
    await startNode(bench, stack, NODE_ECHO_UNIX, "socketmap", join(bench.directory, "node-echo.sock")),
  ];
}

/** The floors of a policy service that asks the DNS server on `dnsPort` for each request. */
export async function startRelays(bench: Bench, stack: AsyncDisposableStack, dnsPort: number): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const [queries, name] of Object.entries(NODE_RELAYS)) {
    const [port = 0] = await freePorts(1);
    const command = [process.execPath, bench.built.nodeRelay, queries, String(dnsPort), String(port)];
    subjects.push(await start(stack, name, "policy", String(port), command));
  }
  return subjects;
}

/**
 * A server of Node.js on every core that always has something to do.
 *
 * @param busyMs work in each turn of the event loop, beside the answers; none without
 */
export async function startBusyEcho(bench: Bench, stack: AsyncDisposableStack, busyMs?: number): Promise<Subject> {
  const [port = 0] = await freePorts(1);
  const busy = busyMs === undefined ? [] : ["--busy", String(busyMs)];
  const command = [process.execPath, bench.built.nodeEcho, "str", "tcp", String(port), ...busy];
  return start(stack, NODE_ECHO, "tcp", String(port), command, "all");
}

/** A floor that also closes each connection to another port. */
export interface HangingUp {
  readonly server: Subject;
  /** `127.0.0.1:PORT` of the port that closes connections. */
  readonly target: Target;
}

/** The floor of a listener that has enough connections, in C and of Node.js. */
export async function startHangingUp(
  bench: Bench,
  stack: AsyncDisposableStack,
): Promise<Record<"c" | "node", HangingUp>> {
  const [cPort = 0, cTarget = 0, nodePort = 0, nodeTarget = 0] = await freePorts(4);
  const c = await startC(bench, stack, C_ECHO, "tcp", String(cPort), String(cTarget));
  const node = await startNode(bench, stack, NODE_ECHO, "tcp", String(nodePort), "--hang-up", String(nodeTarget));
  return {
    c: { server: c, target: `127.0.0.1:${cTarget}` },
    node: { server: node, target: `127.0.0.1:${nodeTarget}` },
  };
}

type Protocol = Subject["protocol"];

/** Where a server is started, what it is called, and where it listens; further arguments are its own. */
type Start = [bench: Bench, stack: AsyncDisposableStack, name: string, protocol: Protocol, where: string, ...string[]];

function startC(...[bench, stack, name, protocol, where, ...more]: Start) {
  return start(stack, name, protocol, where, [bench.built.cEcho, protocol, where, ...more]);
}

function startNode(...[bench, stack, name, protocol, where, ...more]: Start) {
  return start(stack, name, protocol, where, [process.execPath, bench.built.nodeEcho, "str", protocol, where, ...more]);
}

async function start(
  stack: AsyncDisposableStack,
  name: string,
  protocol: Protocol,
  where: string,
  command: readonly string[],
  cores?: "all",
): Promise<Subject> {
  const target: Target = where.startsWith("/") ? `unix:${where}` : `127.0.0.1:${where}`;
  const child = await stack.use(new Child(name, cores === "all" ? undefined : SERVER_CORE, command)).listening(target);
  const targets = protocol === "policy" ? { policy: target } : { forward: target, reverse: target };
  return { name, protocol, targets, pid: child.pid, isFloor: true };
}
