/** The HTTP server of GET /metrics, /healthz and /readyz. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";

export interface Status {
  /** The text of a scrape. */
  scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** The reason why the daemon cannot serve, for /readyz; `undefined` while it can. */
  notReady(): string | undefined;
}

/** Longest time from the connection to a whole request, and from there until its answer is taken, in milliseconds. */
const REQUEST_MS = 10_000;

/**
 * Longest time from an answer to the next whole request, in milliseconds. Longer than the interval of most scrapers.
 */
const IDLE_MS = 65_000;

/** Largest number of connections, enough for some scrapers and a load balancer. Mail needs the other descriptors. */
const MAX_CONNECTIONS = 64;

/** A connection of the status server. */
interface StatusConnection {
  drain(): void;
  closed(): void;
}

/**
 * Serves sockets that were accepted elsewhere. Deadlines are kept here, because http.Server keeps them only for
 * connections that it accepts itself.
 */
export function createStatusServer(status: Status): (socket: Socket) => StatusConnection {
  const deadlines = new Map<Socket, NodeJS.Timeout>();
  const end = (socket: Socket, afterMs: number): void => {
    clearTimeout(deadlines.get(socket));
    deadlines.set(
      socket,
      setTimeout(() => socket.destroy(), afterMs),
    );
  };
  const answering = new WeakSet<Socket>();
  const scrape = sharedInATurn(() => status.scrape());
  const server = createServer((request, response) => {
    const { socket } = request;
    // No scraper asks again before it is answered. Thousands of requests in one packet would stop everything else.
    if (answering.has(socket)) {
      socket.destroy();
      return;
    }
    answering.add(socket);
    end(socket, REQUEST_MS);
    response.once("finish", () => {
      answering.delete(socket);
      end(socket, IDLE_MS);
    });
    answer({ ...status, scrape }, request, response).catch((error: unknown) => {
      response.writeHead(500, TEXT).end(`${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  // The deadlines above replace these, which would close a connection between two scrapes.
  server.keepAliveTimeout = 0;
  return (socket) => {
    const closed = (): void => {
      clearTimeout(deadlines.get(socket));
      deadlines.delete(socket);
    };
    end(socket, REQUEST_MS);
    if (deadlines.size > MAX_CONNECTIONS) socket.destroy();
    else {
      server.emit("connection", socket);
      feedInSlices(socket);
    }
    return { drain: () => socket.destroySoon(), closed };
  };
}

/** Bytes that are parsed before a connection that asks too much can be closed: most requests of scrapers are shorter. */
const SLICE_BYTES = 1024;

/** Has node:http parse packets in slices. It would parse thousands of requests of one packet, even on a closed connection. */
function feedInSlices(socket: Socket): void {
  const [parse] = socket.listeners("data");
  if (parse === undefined) return;
  socket.removeAllListeners("data");
  socket.on("data", (bytes: Buffer) => {
    for (let at = 0; at < bytes.length && !socket.destroyed; at += SLICE_BYTES)
      parse.call(socket, bytes.subarray(at, at + SLICE_BYTES));
  });
}

/** Makes one call of `work`, at the end of the turn of the event loop, for all that ask in this turn. */
function sharedInATurn<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  const begin = async (): Promise<T> => {
    await setImmediate();
    result = undefined;
    return work();
  };
  return () => (result ??= begin());
}

const TEXT = { "content-type": "text/plain; charset=utf-8" };

async function answer(status: Status, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { ...TEXT, allow: "GET, HEAD" }).end("want GET\n");
    return;
  }
  const [path] = (request.url ?? "/").split("?");
  switch (path) {
    case "/metrics": {
      const { contentType, body } = await status.scrape();
      response.writeHead(200, { "content-type": contentType }).end(body);
      return;
    }
    case "/healthz":
      response.writeHead(200, TEXT).end("ok\n");
      return;
    case "/readyz": {
      const reason = status.notReady();
      response.writeHead(reason === undefined ? 200 : 503, TEXT).end(`${reason ?? "ok"}\n`);
      return;
    }
    default:
      response.writeHead(404, TEXT).end("want /metrics, /healthz or /readyz\n");
  }
}
