/** Asks the running daemon through its metrics listener, and makes a signer with the secrets of the command line. */
import { request } from "node:http";
import type { Endpoint } from "../../net/endpoint.ts";
import { errorCode, errorText } from "../../process/exit.ts";
import type { Setup } from "../../setup/setup.ts";
import { createSrsTables } from "../../setup/srs-tables.ts";
import { forwardTable, reverseTable } from "../../srs/table.ts";
import type { DaemonFacts } from "../facts.ts";

const ANSWER_MS = 3_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Never rejects. */
export async function gatherDaemon(setup: Setup, timeMs: () => number): Promise<DaemonFacts> {
  const endpoint = setup.config["metrics.listen"].find(({ type }) => type !== "fd");
  return { ...(await readStatus(endpoint)), ...signer(setup, timeMs) };
}

async function readStatus(endpoint: Endpoint | undefined): Promise<Pick<DaemonFacts, "ready" | "metrics">> {
  if (endpoint === undefined) return { ready: { unreachable: "metrics.listen names no endpoint" }, metrics: new Map() };
  try {
    const [ready, scrape] = await Promise.all([get(endpoint, "/readyz"), get(endpoint, "/metrics")]);
    return { ready: { isReady: ready.status === 200, text: ready.body.trim() }, metrics: sums(scrape.body) };
  } catch (error) {
    const reason = errorCode(error) === "ECONNREFUSED" || errorCode(error) === "ENOENT" ? "nothing listens there" : "";
    return { ready: { unreachable: reason || errorText(error) }, metrics: new Map() };
  }
}

function get(endpoint: Endpoint, path: string): Promise<{ readonly status: number; readonly body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const asked = request({ ...addressOf(endpoint), path, timeout: ANSWER_MS, agent: false }, (response) => {
    let body = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      body += chunk;
      if (body.length > MAX_ANSWER_BYTES) asked.destroy(new Error("the answer does not end"));
    });
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    response.on("error", reject);
  });
  const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
  asked.on("close", () => clearTimeout(timer));
  asked.on("error", reject);
  asked.end();
  return promise;
}

function addressOf(endpoint: Endpoint): { socketPath: string } | { host: string; port: number } {
  if (endpoint.type === "unix") return { socketPath: endpoint.path };
  if (endpoint.type === "fd") return { socketPath: "" };
  const any = { "0.0.0.0": "127.0.0.1", "::": "::1" } as const;
  return { host: any[endpoint.host as keyof typeof any] ?? endpoint.host, port: endpoint.port };
}

/** Adds up the samples of each metric. */
function sums(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [, name = "", value = ""] of text.matchAll(/^(\w+)(?:\{[^}]*\})? (\S+)$/gm)) {
    found.set(name, (found.get(name) ?? 0) + Number(value));
  }
  return found;
}

function signer(setup: Setup, timeMs: () => number): Pick<DaemonFacts, "sign" | "restore"> {
  if (setup.secrets.length === 0) return { sign: undefined, restore: undefined };
  const tables = createSrsTables(setup, { ownDomains: { has: () => false }, store: undefined, timeMs });
  const asked = (table: ReturnType<typeof forwardTable>) => (address: string) => {
    const result = table.get(address);
    return result instanceof Promise || result.status !== "found" ? undefined : result.value;
  };
  return { sign: asked(forwardTable(tables)), restore: asked(reverseTable(tables)) };
}
