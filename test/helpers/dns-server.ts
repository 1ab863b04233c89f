/** A DNS server on the loopback interface, with faults on demand. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Authority, AuthorityAnswer } from "./authority.ts";
import { encodeReply, type ReadQuery, type ReplyHeader, readQuery } from "./dns-message.ts";

/** What the server has been asked. */
interface SeenQuery extends ReadQuery {
  readonly transport: "udp" | "tcp";
  readonly clientPort: number;
}

/**
 * How to answer one query otherwise than the authority says.
 *
 * `forge` sends a false reply (to another id or question, or from another port), then the true one. `cut` sends the
 * reply without its last bytes, `bytes` sends what it is given under the query's id, `close` ends a TCP connection. `extendedErrors` come with SERVFAIL.
 */
export type Quirk =
  | "drop"
  | "truncate"
  | "cut"
  | "close"
  | "without-question"
  | "no-recursion"
  | { readonly forge: "id" | "question" | "port" }
  | { readonly rcode: number; readonly delayMs?: number }
  | { readonly extendedRcode: number }
  | { readonly extendedErrors: NonNullable<ReplyHeader["extendedErrors"]> }
  | { readonly delayMs: number }
  /** Over TCP: takes the connection, and the true reply with its length before it. */
  | { readonly write: (connection: Socket, reply: Buffer) => void }
  | { readonly bytes: Buffer };

export interface DnsServer extends AsyncDisposable {
  /** As the resolver's settings take it: `127.0.0.1:12345`. */
  readonly address: string;
  /** Every query, in order; those dropped too. */
  readonly queries: SeenQuery[];
  /** Sends a datagram to the port of a client. */
  sendUdp(bytes: Buffer, clientPort: number): void;
  /** Lets nobody connect over TCP any more. */
  closeTcp(): Promise<void>;
  /** Asked for each query; `undefined` lets the authority's answer through. */
  quirk: (query: SeenQuery) => Quirk | undefined;
}

export interface DnsServerOptions {
  readonly host?: string;
  readonly quirk?: (query: SeenQuery) => Quirk | undefined;
}

const DEFAULT_PAYLOAD_BYTES = 512;
const FORGED: Exclude<AuthorityAnswer, "drop"> = { rcode: 3, answers: [], authority: [] };

/** Serves `authority` over UDP and TCP, on a free port of the loopback interface. */
export async function startDnsServer(authority: Authority, options: DnsServerOptions = {}): Promise<DnsServer> {
  const host = options.host ?? "127.0.0.1";
  const { udp, tcp, port } = await bindBoth(host);
  const stranger = createSocket(host.includes(":") ? "udp6" : "udp4");
  const connections = new Set<Socket>();
  let isOpen = true;
  const server: DnsServer = {
    address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
    queries: [],
    quirk: options.quirk ?? (() => undefined),
    sendUdp: (bytes, clientPort) => udp.send(bytes, clientPort, host, () => {}),
    closeTcp: async () => {
      for (const connection of connections) connection.destroy();
      if (!tcp.listening) return;
      tcp.close();
      await once(tcp, "close");
    },
    [Symbol.asyncDispose]: async () => {
      isOpen = false;
      udp.close();
      stranger.close();
      await Promise.all([once(udp, "close"), server.closeTcp()]);
    },
  };

  udp.on("message", (bytes, { port: clientPort, address }) => {
    const send = (reply: Buffer, from: "server" | "stranger" = "server") => {
      if (isOpen) (from === "server" ? udp : stranger).send(reply, clientPort, address, () => {});
    };
    serve({ server, authority, send, close: () => {} }, { ...readQuery(bytes), transport: "udp", clientPort });
  });
  tcp.on("connection", (connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
    connection.on("error", () => {});
    const clientPort = connection.remotePort ?? 0;
    const send = (reply: Buffer) => connection.writable && connection.write(prefixLength(reply));
    onMessages(connection, (bytes) =>
      serve(
        { server, authority, send, close: () => connection.destroy(), connection },
        { ...readQuery(bytes), transport: "tcp", clientPort },
      ),
    );
  });
  return server;
}

interface Exchange {
  readonly server: DnsServer;
  readonly authority: Authority;
  readonly send: (reply: Buffer, from?: "server" | "stranger") => void;
  readonly close: () => void;
  readonly connection?: Socket;
}

function serve(exchange: Exchange, query: SeenQuery): void {
  exchange.server.queries.push(query);
  const quirk = exchange.server.quirk(query);
  const answer = exchange.authority.answer(query.name, query.type);
  if (quirk === "close") exchange.close();
  if (answer === "drop" || quirk === "drop" || quirk === "close") return;
  if (typeof quirk === "object" && "write" in quirk && exchange.connection !== undefined) {
    quirk.write(exchange.connection, prefixLength(encodeFor(query, undefined, answer)));
    return;
  }
  if (typeof quirk === "object" && "forge" in quirk) forge(exchange, query, quirk.forge);
  const reply = encodeFor(query, quirk, answer);
  const delayMs = typeof quirk === "object" && "delayMs" in quirk ? quirk.delayMs : undefined;
  if (delayMs === undefined) exchange.send(reply);
  else setTimeout(() => exchange.send(reply), delayMs);
}

function forge({ send }: Exchange, query: SeenQuery, what: "id" | "question" | "port"): void {
  const id = what === "id" ? query.id ^ 1 : query.id;
  const name = what === "question" ? `other.${query.name}` : query.name;
  send(encodeReply({ id, name, type: query.type }, FORGED), what === "port" ? "stranger" : "server");
}

function encodeFor(query: SeenQuery, quirk: Quirk | undefined, answer: Exclude<AuthorityAnswer, "drop">): Buffer {
  if (quirk === "without-question") return encodeReply({ ...query, withoutQuestion: true }, { ...FORGED, rcode: 1 });
  if (quirk === "truncate" && query.transport === "udp") return encodeReply({ ...query, truncated: true }, answer);
  if (quirk === "no-recursion") return encodeReply({ ...query, recursionAvailable: false }, answer);
  if (quirk === "cut") return encodeReply(query, answer).subarray(0, -3);
  if (typeof quirk === "object" && "rcode" in quirk) return encodeReply(query, { ...FORGED, rcode: quirk.rcode });
  if (typeof quirk === "object" && "extendedRcode" in quirk) {
    return encodeReply({ ...query, extendedRcode: quirk.extendedRcode }, { ...FORGED, rcode: 0 });
  }
  if (typeof quirk === "object" && "extendedErrors" in quirk) {
    return encodeReply({ ...query, extendedErrors: quirk.extendedErrors }, { ...FORGED, rcode: 2 });
  }
  if (typeof quirk === "object" && "bytes" in quirk) {
    const bytes = Buffer.from(quirk.bytes);
    bytes.writeUInt16BE(query.id, 0);
    return bytes;
  }
  const whole = encodeReply(query, answer);
  const fits = query.transport === "tcp" || whole.length <= (query.payloadBytes ?? DEFAULT_PAYLOAD_BYTES);
  return fits ? whole : encodeReply({ ...query, truncated: true }, answer);
}

function prefixLength(message: Buffer): Buffer {
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(message.length);
  return Buffer.concat([prefix, message]);
}

function onMessages(connection: Socket, onMessage: (bytes: Buffer) => void): void {
  let bytes = Buffer.alloc(0);
  connection.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 2 && bytes.length >= bytes.readUInt16BE() + 2) {
      const end = bytes.readUInt16BE() + 2;
      onMessage(bytes.subarray(2, end));
      bytes = bytes.subarray(end);
    }
  });
}

/** One port number that is free for both; the other protocol's may be taken by a stranger, so it tries again. */
async function bindBoth(host: string) {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const tcp = createServer();
    tcp.listen(0, host);
    await once(tcp, "listening");
    const address = tcp.address();
    if (address === null || typeof address === "string") throw new Error("Cannot listen on TCP: no port");
    const udp = createSocket({ type: host.includes(":") ? "udp6" : "udp4", recvBufferSize: 1 << 20 });
    if (await isBound(udp, address.port, host)) return { udp, tcp, port: address.port };
    tcp.close();
  }
  throw new Error("Cannot find a port: none is free for UDP and TCP");
}

async function isBound(udp: UdpSocket, port: number, host: string): Promise<boolean> {
  udp.bind(port, host);
  try {
    await once(udp, "listening");
    return true;
  } catch {
    udp.close();
    return false;
  }
}
