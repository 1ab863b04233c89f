/**
 * Mail hosts and a DNS server that know nobody else: real Postfix instances in network namespaces of their own.
 *
 *     origin 10.77.0.10   sends, and receives the bounces
 *     fwd    10.77.0.20   forwards; what is tested runs here
 *     dest   10.77.0.30   the strict receiver: refuses what fails SPF in the eyes of policyd-spf
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DnsRecord, mailHostRecords, startNameserver } from "./nameserver.ts";
import { Network } from "./network.ts";
import { Postfix } from "./postfix.ts";
import { domainOf, hostnameOf, type MailHost } from "./postfix-files.ts";
import { Postvouch } from "./postvouch.ts";

export class Lab implements AsyncDisposable {
  readonly #network: Network;
  readonly #directory: string;
  readonly #parts: AsyncDisposableStack;
  readonly #hosts = new Map<string, Postfix>();
  #daemons = 0;

  private constructor(network: Network, directory: string, parts: AsyncDisposableStack) {
    this.#network = network;
    this.#directory = directory;
    this.#parts = parts;
  }

  /** Starts it all. `records` come beside what each host publishes for itself. */
  static async start(hosts: readonly MailHost[], records: readonly DnsRecord[] = []): Promise<Lab> {
    await using parts = new AsyncDisposableStack();
    const directory = parts.adopt(makeDirectory(), removeDirectory);
    const addresses = Object.fromEntries(hosts.map((host) => [host.name, host.address]));
    const network = parts.use(await Network.create(addresses));
    const own = hosts.flatMap((host) => mailHostRecords(domainOf(host), hostnameOf(host), host.address));
    parts.use(await startNameserver(network, directory, [...new Set([...own, ...records])]));
    const lab = new Lab(network, directory, parts.move());
    try {
      await Promise.all(hosts.map((host) => lab.#startHost(host)));
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  /** @throws {Error} when the lab has no such host */
  host(name: string): Postfix {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`Cannot find host "${name}": not in this lab`);
    return host;
  }

  /** Where other programs of a test keep their files. Readable by everybody. */
  get directory(): string {
    return this.#directory;
  }

  /** The command line that runs a program on a host. */
  on(host: string, argv: readonly string[]): string[] {
    return this.#network.on(host, argv);
  }

  /** Starts our daemon on a host, as root or as `uid`. It ends with the lab, or when the caller stops it. */
  async startPostvouch(
    host: string,
    toml: string,
    env: Readonly<Record<string, string>> = {},
    uid?: number,
  ): Promise<Postvouch> {
    const directory = mkdtempSync(join(this.#directory, `postvouch${++this.#daemons}-`));
    chmodSync(directory, 0o755);
    const options = { network: this.#network, host, directory, toml, env };
    return this.#parts.use(await Postvouch.start(uid === undefined ? options : { ...options, uid }));
  }

  /** Has something end with the lab, before the hosts do. */
  use<T extends AsyncDisposable | Disposable>(part: T): T {
    return this.#parts.use(part);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }

  async #startHost(host: MailHost): Promise<void> {
    const postfix = await Postfix.start(host, this.#network, join(this.#directory, host.name));
    this.#parts.defer(() => postfix.stop());
    this.#hosts.set(host.name, postfix);
  }
}

const DIRECTORY = /^postvouch-lab-(\d+)-/;

/** A directory whose name tells whose it is. Those of processes that are no more go. */
function makeDirectory(): string {
  for (const name of readdirSync(tmpdir())) {
    const pid = DIRECTORY.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeDirectory(join(tmpdir(), name));
  }
  const directory = mkdtempSync(join(tmpdir(), `postvouch-lab-${process.pid}-`));
  chmodSync(directory, 0o755);
  return directory;
}

function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}
