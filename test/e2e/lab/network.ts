/**
 * Network namespaces for one lab: a bridge in one of them, every host in one of its own. Nothing of it is seen by the
 * machine's own network. Names carry our process id, so that labs do not meet, and so that the next lab can tell which
 * ones a killed run has left behind.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { run, runOrLeave } from "./command.ts";

const PREFIX = "postvouch-lab";
const NAMESPACE = new RegExp(`^${PREFIX}(\\d+)[.]`);
const RESOLVER_FILES = "/etc/netns";

/** Where the lab's nameserver listens. */
export const NAMESERVER_ADDRESS = "10.77.0.1";

let labs = 0;

/** The IPv6 address of the host that has this IPv4 address: fd77::20 of 10.77.0.20. */
export function ipv6Of(address: string): string {
  return `fd77::${address.split(".").at(-1)}`;
}

export class Network implements AsyncDisposable {
  readonly #prefix: string;
  readonly #namespaces: string[] = [];
  readonly #atExit = (): void => this.#remove();

  private constructor() {
    this.#prefix = `${PREFIX}${process.pid}.${++labs}`;
  }

  /**
   * Makes the bridge and a namespace for each host.
   *
   * @param addresses IPv4 address in 10.77.0.0/24 by host name
   */
  static async create(addresses: Readonly<Record<string, string>>): Promise<Network> {
    sweep();
    const network = new Network();
    process.on("exit", network.#atExit);
    try {
      await network.#addBridge();
      for (const [host, address] of Object.entries(addresses)) await network.#addHost(host, address);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** The command line that runs a program on a host, or beside the nameserver on `lab`. */
  on(host: string, argv: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.#name(host), ...argv];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#atExit);
    this.#remove();
  }

  async #addBridge(): Promise<void> {
    await this.#add("lab");
    await run(this.on("lab", ["ip", "link", "add", "br0", "type", "bridge"]));
    await run(this.on("lab", ["ip", "link", "set", "br0", "up"]));
    await run(this.on("lab", ["ip", "address", "add", `${NAMESERVER_ADDRESS}/24`, "dev", "br0"]));
  }

  async #addHost(host: string, address: string): Promise<void> {
    await this.#add(host);
    const peer = ["peer", "name", "eth0", "netns", this.#name(host)];
    await run(this.on("lab", ["ip", "link", "add", `v-${host}`, "type", "veth", ...peer]));
    await run(this.on("lab", ["ip", "link", "set", `v-${host}`, "master", "br0", "up"]));
    await run(this.on(host, ["ip", "link", "set", "eth0", "up"]));
    await run(this.on(host, ["ip", "address", "add", `${address}/24`, "dev", "eth0"]));
    await run(this.on(host, ["ip", "address", "add", `${ipv6Of(address)}/64`, "dev", "eth0", "nodad"]));
    // `ip netns exec` shows this file as /etc/resolv.conf in the namespace.
    const directory = `${RESOLVER_FILES}/${this.#name(host)}`;
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/resolv.conf`, `nameserver ${NAMESERVER_ADDRESS}\n`);
  }

  async #add(host: string): Promise<void> {
    this.#namespaces.push(this.#name(host));
    await run(["ip", "netns", "add", this.#name(host)]);
    await run(this.on(host, ["ip", "link", "set", "lo", "up"]));
    // Log lines that may wait for Postfix's log daemon: with the usual 10, its master can block on its own log.
    runOrLeave(this.on(host, ["sh", "-c", "echo 512 >/proc/sys/net/unix/max_dgram_qlen"]));
  }

  #remove(): void {
    for (const namespace of this.#namespaces.splice(0)) removeNamespace(namespace);
  }

  #name(host: string): string {
    return `${this.#prefix}.${host}`;
  }
}

/** Removes what runs left behind that were killed: the namespaces of a process that is no more. */
function sweep(): void {
  const lines = runOrLeave(["ip", "netns", "list"]).split("\n");
  for (const name of [...lines.map((line) => line.split(" ")[0] ?? ""), ...resolverDirectories()]) {
    const pid = NAMESPACE.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeNamespace(name);
  }
}

function resolverDirectories(): string[] {
  return existsSync(RESOLVER_FILES) ? readdirSync(RESOLVER_FILES) : [];
}

/** Ends what still runs in a namespace of ours, then takes it away. */
function removeNamespace(namespace: string): void {
  for (const pid of runOrLeave(["ip", "netns", "pids", namespace]).split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended by itself meanwhile.
    }
  }
  runOrLeave(["ip", "netns", "delete", namespace]);
  rmSync(`${RESOLVER_FILES}/${namespace}`, { recursive: true, force: true });
}
