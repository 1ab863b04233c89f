/** The DNS servers and the order in which they are asked. */
import type { MessageIds } from "./message-ids.ts";
import { formatServer, type ServerAddress } from "./server-address.ts";
import { TcpQueries } from "./tcp.ts";
import { type PendingQuery, type ReplyListener, UdpSockets } from "./udp.ts";

/** Time for which a silent server is asked last. After it one query tries the server again. */
const SILENCE_MS = 10_000;
/** Time for which we remember if a server knows EDNS. */
const EDNS_MS = 600_000;

/** What is known of a server. `silent`: it gave no answer when it was last asked. */
export type ServerState = "answering" | "silent" | "unasked";

/** One DNS server, its sockets, and what is known about its health. */
export class Upstream {
  /** The address as `formatServer` writes it. */
  readonly name: string;
  readonly #address: ServerAddress;
  readonly #tcp: TcpQueries;
  readonly #sockets: UdpSockets;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  /** The time to try the server again; `undefined` while it answers. */
  #retryAtMs: number | undefined;
  #ednsHeardAtMs = Number.NEGATIVE_INFINITY;
  #noEdnsUntilMs = Number.NEGATIVE_INFINITY;

  constructor(address: ServerAddress, ids: MessageIds, tcp: TcpQueries) {
    this.name = formatServer(address);
    this.#address = address;
    this.#tcp = tcp;
    this.#sockets = new UdpSockets(address, ids);
  }

  /** @param question the question section, as `encodeQuestion` gives it */
  askUdp(question: Buffer, edns: boolean, listener: ReplyListener, nowMs: number): PendingQuery {
    return this.#sockets.ask(question, edns, listener, nowMs);
  }

  askTcp(question: Buffer, edns: boolean, listener: ReplyListener): PendingQuery {
    return this.#tcp.ask(this.#address, question, edns, listener);
  }

  noteReply(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#retryAtMs = undefined;
  }

  /**
   * Notes that a query sent at `askedAtMs` got no reply. A server that has answered other queries since then is not
   * dead: it waits for a domain whose servers are.
   */
  noteSilence(askedAtMs: number, nowMs: number): void {
    if (this.#heardAtMs < askedAtMs) this.#retryAtMs = nowMs + SILENCE_MS;
  }

  /** Tells if to use EDNS for this server. */
  usesEdns(nowMs: number): boolean {
    return nowMs >= this.#noEdnsUntilMs;
  }

  /** Tells if the server has lately answered a query with EDNS. Then its silence has other reasons. */
  knowsEdns(nowMs: number): boolean {
    return nowMs < this.#ednsHeardAtMs + EDNS_MS;
  }

  /** Notes a good answer to a query with EDNS. */
  noteEdns(nowMs: number): void {
    this.#ednsHeardAtMs = nowMs;
  }

  /** Notes that a query sent at `askedAtMs` got a good answer only without EDNS. */
  noteNoEdns(askedAtMs: number, nowMs: number): void {
    if (this.usesEdns(nowMs) && this.#ednsHeardAtMs < askedAtMs) this.#noEdnsUntilMs = nowMs + EDNS_MS;
  }

  /** True if no fault of the server is known. */
  get isAnswering(): boolean {
    return this.#retryAtMs === undefined;
  }

  get state(): ServerState {
    if (!this.isAnswering) return "silent";
    return this.#heardAtMs === Number.NEGATIVE_INFINITY ? "unasked" : "answering";
  }

  /**
   * Tells if to ask the server in its normal place. For a silent server that is due for a trial, true for one query
   * only.
   */
  takesTurn(nowMs: number): boolean {
    if (this.#retryAtMs === undefined) return true;
    if (nowMs < this.#retryAtMs) return false;
    this.#retryAtMs = nowMs + SILENCE_MS;
    return true;
  }

  retire(): void {
    this.#sockets.retire();
  }

  close(): void {
    this.#sockets.close();
  }
}

/** The servers in their configured order. */
export class Upstreams {
  readonly #ids: MessageIds;
  readonly #tcp: TcpQueries;
  #upstreams: readonly Upstream[] = [];
  /** The schedules by number of rounds while all servers answer. That is the usual case, so they are cached. */
  #inOrder = new Map<number, readonly Upstream[]>();

  constructor(ids: MessageIds) {
    this.#ids = ids;
    this.#tcp = new TcpQueries(ids);
  }

  get states(): { name: string; state: ServerState }[] {
    return this.#upstreams.map(({ name, state }) => ({ name, state }));
  }

  get names(): string[] {
    return this.#upstreams.map(({ name }) => name);
  }

  /** Replaces the servers. Those that stay keep their state. */
  replace(addresses: readonly ServerAddress[]): void {
    const before = this.#upstreams;
    this.#upstreams = addresses.map((address) => {
      const name = formatServer(address);
      return before.find((upstream) => upstream.name === name) ?? new Upstream(address, this.#ids, this.#tcp);
    });
    this.#inOrder = new Map();
    for (const upstream of before) if (!this.#upstreams.includes(upstream)) upstream.retire();
  }

  /** The servers to ask for one query, in order: every server `rounds` times, silent ones last in each round. */
  schedule(rounds: number, nowMs: number): readonly Upstream[] {
    if (this.#upstreams.every((upstream) => upstream.isAnswering)) return this.#scheduleInOrder(rounds);
    const answering: Upstream[] = [];
    const silent: Upstream[] = [];
    for (const upstream of this.#upstreams) (upstream.takesTurn(nowMs) ? answering : silent).push(upstream);
    return repeated([...answering, ...silent], rounds);
  }

  #scheduleInOrder(rounds: number): readonly Upstream[] {
    let schedule = this.#inOrder.get(rounds);
    if (schedule === undefined) {
      schedule = repeated(this.#upstreams, rounds);
      this.#inOrder.set(rounds, schedule);
    }
    return schedule;
  }

  close(): void {
    for (const upstream of this.#upstreams) upstream.close();
  }
}

function repeated(round: readonly Upstream[], rounds: number): Upstream[] {
  return Array.from({ length: rounds }, () => round).flat();
}
