/** The HTTP side: GET /metrics, /healthz and /readyz, and nothing else. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";

export interface Status {
  /** The text of a scrape. */
  scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Why the daemon cannot serve: the answer of /readyz. `undefined` while it can. */
  notReady(): string | undefined;
}

/** An HTTP server that is not listening yet. */
export function createStatusServer(status: Status): Server {
  const listener: RequestListener = (request, response) => {
    answer(status, request, response).catch((error: unknown) => {
      response.writeHead(500, TEXT).end(`${error instanceof Error ? error.message : String(error)}\n`);
    });
  };
  return createServer({ requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 65_000 }, listener);
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
