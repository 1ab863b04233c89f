/** The HTTP server of the status page, GET /metrics, /healthz and /readyz. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { spaced } from "../collections/spaced.ts";
import { createTurns, feedInTurns } from "./feed.ts";
import { isOurHost } from "./host.ts";
import { statusPage } from "./page.ts";
import { Peers } from "./peers.ts";
import { type ExplainSpf, readQuestion, SpfForm } from "./spf-form.ts";
import { STYLE } from "./style.ts";
import type { StatusView } from "./view.ts";

export interface Status {
  /** The text of a scrape. */
  scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** The reason why the daemon cannot serve, for /readyz; `undefined` while it can. */
  notReady(): string | undefined;
  /** What the page shows now. */
  view(): StatusView;
  readonly explainSpf: ExplainSpf;
  /** False where the page is turned off. */
  hasPage(): boolean;
  /** The name of this host, under which browsers may open the page. */
  hostname(): string;
}

/** What a request is answered from. */
interface Answers extends Pick<Status, "notReady" | "view" | "hasPage" | "hostname" | "scrape"> {
  /** The page without an answer of the form. */
  page(): Promise<string>;
  readonly form: SpfForm;
}

/**
 * Least time in milliseconds between two renderings of the metrics, or of the page. Each takes some milliseconds, and 64
 * peers that ask all the time would take most of the processor.
 */
const RENDER_APART_MS = 200;

/** A connection of the status server. */
interface StatusConnection {
  drain(): void;
  closed(): void;
}

/** Serves sockets that were accepted elsewhere and give latin1. */
export function createStatusServer(status: Status): (socket: Socket) => StatusConnection {
  const peers = new Peers();
  const turns = createTurns();
  const answers: Answers = {
    notReady: () => status.notReady(),
    view: () => status.view(),
    hasPage: () => status.hasPage(),
    hostname: () => status.hostname(),
    scrape: spaced(() => status.scrape(), RENDER_APART_MS),
    page: spaced(async () => statusPage(status.view()), RENDER_APART_MS),
    form: new SpfForm(status.explainSpf),
  };
  const server = createServer((request, response) => {
    const { socket } = request;
    // No scraper asks again before it is answered. Thousands of requests in one packet would stop everything else.
    if (!peers.ask(socket)) {
      socket.destroy();
      return;
    }
    response.once("finish", () => peers.finish(socket));
    answer(answers, request, response).catch((error: unknown) => {
      response.writeHead(500, TEXT).end(`${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  // The deadlines of peers.ts replace these, which would close a connection between two scrapes.
  server.keepAliveTimeout = 0;
  // nc and other simple clients close their half behind the request. Node.js would hang up on them.
  Object.assign(server, { httpAllowHalfOpen: true });
  return (socket) => {
    const hangUp = (): void => peers.hangUp(socket);
    if (peers.admit(socket)) feedInTurns(socket, turns, { connect: () => server.emit("connection", socket), hangUp });
    else socket.destroy();
    return { drain: hangUp, closed: () => peers.forget(socket) };
  };
}

/** Text of ours is never shown as anything else. */
const TEXT = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };

/** The page loads its style and nothing else, runs no script, and is shown in no frame. */
const PAGE = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

async function answer(answers: Answers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { ...TEXT, allow: "GET, HEAD" }).end("want GET\n");
    return;
  }
  const [path, query = ""] = (request.url ?? "/").split(/\?(.*)/s);
  switch (path) {
    case "/metrics": {
      const { contentType, body } = await answers.scrape();
      response.writeHead(200, { "content-type": contentType }).end(body);
      return;
    }
    case "/healthz":
      response.writeHead(200, TEXT).end("ok\n");
      return;
    case "/readyz": {
      const reason = answers.notReady();
      response.writeHead(reason === undefined ? 200 : 503, TEXT).end(`${reason ?? "ok"}\n`);
      return;
    }
    case "/":
    case "/style.css":
      if (!answers.hasPage()) {
        response.writeHead(404, TEXT).end("the status page is off (metrics.status_page)\n");
      } else if (!isOurHost(request.headers.host, answers.hostname())) {
        response.writeHead(421, TEXT).end(`want this host's address, localhost or ${answers.hostname()} as Host\n`);
      } else if (path === "/style.css") {
        response.writeHead(200, { ...PAGE, "content-type": "text/css; charset=utf-8" }).end(STYLE);
      } else await answerPage(answers, query, request, response);
      return;
    default:
      response.writeHead(404, TEXT).end("want /, /metrics, /healthz or /readyz\n");
  }
}

async function answerPage(
  { form, view, page }: Answers,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const asked = readQuestion(query);
  // A page elsewhere may link to a check, but not have the browsers of its visitors make them.
  const isForeign = !OUR_SITES.has(request.headers["sec-fetch-site"] ?? "none");
  if (asked === undefined) return sendPage(response, await page());
  const answered = isForeign ? { asked, problem: FROM_ELSEWHERE } : await form.answer(asked);
  sendPage(response, statusPage(view(), answered));
}

function sendPage(response: ServerResponse, body: string): void {
  response.writeHead(200, { ...PAGE, "content-type": "text/html; charset=utf-8" }).end(body);
}

/** Where a browser says that a request comes from (Fetch Metadata): this page, or its address line. Programs say nothing. */
const OUR_SITES: ReadonlySet<unknown> = new Set(["same-origin", "none"]);

const FROM_ELSEWHERE = "Another site has filled in this form: press the button to run the check";
