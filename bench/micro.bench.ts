/**
 * The pure parts and the whole way of a lookup without its socket, in nanoseconds each. Log lines go to stderr, which
 * should be a file that nobody minds. `npm run bench -- micro` runs it and prints one table.
 */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { lookupObserver } from "../src/daemon/lookup-observer.ts";
import { DomainList } from "../src/mail/names.ts";
import { createMetrics } from "../src/metrics/metrics.ts";
import type { LookupTable } from "../src/net/lookup.ts";
import { PolicyDecoder } from "../src/policy/protocol.ts";
import { createLogger, formatLine } from "../src/process/log.ts";
import { SocketmapDecoder } from "../src/socketmap/protocol.ts";
import { socketmapService } from "../src/socketmap/service.ts";
import { HmacSha1 } from "../src/srs/hmac.ts";
import { Rewriter } from "../src/srs/rewriter.ts";
import { Signer } from "../src/srs/signer.ts";
import { dayOf } from "../src/srs/stamp.ts";
import { forwardTable, reverseTable, type SrsTables } from "../src/srs/table.ts";
import { Activity } from "../src/status/activity.ts";
import { TcpTableDecoder } from "../src/tcptable/protocol.ts";
import { tcpTableService } from "../src/tcptable/service.ts";
import { POLICY_REQUEST } from "./requests.ts";

/** Calls for each sample: most parts take less time than the clock. */
const CALLS = 1000;

/** Where the figures go, as JSON; nowhere if nobody asks. */
const { POSTVOUCH_MICRO_RESULTS } = process.env;

const figures: Record<string, number> = {};
afterAll(() => {
  if (POSTVOUCH_MICRO_RESULTS !== undefined) writeFileSync(POSTVOUCH_MICRO_RESULTS, JSON.stringify(figures));
});

let calls = 0;
let sink: unknown;

function time(name: string, once: (i: number) => unknown): void {
  test(name, async ({ bench }) => {
    const { latency } = await bench(name, () => {
      for (const end = calls + CALLS; calls < end; calls++) sink = once(calls);
      return sink;
    }).run();
    expect(latency.p50).toBeGreaterThan(0);
    figures[name] = (latency.p50 / CALLS) * 1e6;
  });
}

const secret = Buffer.from("benchmark-secret-that-signs-nothing-else");
const signer = new Signer({ secrets: [secret], hashLength: 4, hashMinLength: 4, hashAlphabet: "url-safe" });
const rewriter = new Rewriter({ signer, srsDomain: "srs.example.org", separator: "=", maxAgeDays: 21 });
const domains = new DomainList(Array.from({ length: 100_000 }, (_, i) => `domain${i}.example.org`));
const suffixes = new DomainList(Array.from({ length: 100_000 }, (_, i) => `.domain${i}.example.org`));
const srs: SrsTables = {
  rewriter,
  ownDomains: domains,
  isPostfixSender: () => false,
  alwaysRewrite: false,
  forwardTransport: "srs:[127.0.0.1]:12526",
  store: undefined,
  storeMode: "long",
  maxAgeDays: 21,
  timeMs: Date.now,
};
const logger = createLogger({ level: "info", format: "text", journal: false });
const none = new Map<string, number>();
const metrics = createMetrics({
  version: "0",
  dnsStats: () => ({ cacheEntries: 0, cacheHits: 0, cacheMisses: 0 }),
  connections: () => none,
  ownDomains: () => none,
  ownDomainsLastSuccess: () => none,
  secrets: () => 1,
  storeUp: () => undefined,
  dkimKeys: () => new Map(),
});

const activity = new Activity();

const KEYS = 1024;
const senders = Array.from({ length: KEYS }, (_, i) => `user${i}@d${i}.example.net`);
const day = dayOf(Date.now());
const signed = senders.map((sender) => {
  const result = forwardTable(srs).get(sender);
  return !(result instanceof Promise) && result.status === "found" ? result.value : "";
});

function tcpPackets(keys: readonly string[]): Buffer[] {
  return keys.map((key) => Buffer.from(`get ${key.replaceAll(/[^A-Za-z0-9._-]/g, quote)}\n`, "latin1"));
}

function quote(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

function socketmapPackets(map: string, keys: readonly string[]): Buffer[] {
  return keys.map((key) => Buffer.from(`${map.length + 1 + key.length}:${map} ${key},`, "latin1"));
}

const NO_PACKET = Buffer.alloc(0);

/** What net/accept.ts and net/connection.ts do for each packet. */
function answers<R>(
  packets: readonly Buffer[],
  decoder: { feed(chunk: string): void; next(): R | undefined },
  answer: (request: R) => unknown,
): (i: number) => unknown {
  return (i) => {
    decoder.feed((packets[i % KEYS] ?? NO_PACKET).toString("latin1"));
    const request = decoder.next();
    return request === undefined ? undefined : answer(request);
  };
}

function tcp(table: LookupTable, keys: readonly string[]): (i: number) => unknown {
  const service = tcpTableService(table, lookupObserver("tcp_table", metrics, logger, activity));
  return answers(tcpPackets(keys), new TcpTableDecoder(), (request) => service.answer(request));
}

const hmac = new HmacSha1(secret);
const text = "2Wd512.example.netuser512";
const maps = socketmapService(
  [forwardTable(srs), reverseTable(srs)],
  lookupObserver("socketmap", metrics, logger, activity),
);
const fields = { map: "forward", from: senders[7], to: signed[7] };
const policyPacket = [Buffer.from(POLICY_REQUEST, "latin1")];

time("tcp_table: forward, rewritten and logged", tcp(forwardTable(srs), senders));
time("tcp_table: reverse, found and logged", tcp(reverseTable(srs), signed));
time("tcp_table: reverse, not SRS", tcp(reverseTable(srs), senders));
time(
  "tcp_table: forward, own domain of 100,000",
  tcp(
    forwardTable(srs),
    senders.map((_, i) => `user@domain${i}.example.org`),
  ),
);
time(
  "socketmap: forward, rewritten and logged",
  answers(socketmapPackets("forward", senders), new SocketmapDecoder(), (request) => maps.answer(request)),
);
time(
  "tcp_table: read a request",
  answers(tcpPackets(senders), new TcpTableDecoder(), (request) => request),
);
time(
  "socketmap: read a request",
  answers(socketmapPackets("forward", senders), new SocketmapDecoder(), (request) => request),
);
time("HMAC-SHA1, states kept", () => hmac.signLowerCase(text)[0]);
time("HMAC-SHA1, createHmac of node:crypto", () => createHmac("sha1", secret).update(text).digest());
time("rewrite", (i) => rewriter.forward({ local: `user${i % KEYS}`, domain: "d512.example.net" }, undefined, day));
time("rewrite back", (i) => rewriter.reverse(signed[i % KEYS] ?? "", day));
time("own domain among 100,000", (i) => domains.has(`domain${i % KEYS}.example.org`));
time("own domain below one of 100,000", (i) => suffixes.has(`a.b.domain${i % KEYS}.example.org`));
time("log line: format", () => formatLine("info", "srs", fields));
time("log line: write", (i) => logger.log("info", "srs", { map: "forward", from: senders[i % KEYS], to: signed[7] }));
time("count and time a lookup", () => {
  metrics.srsLookups.add(3);
  metrics.srsDuration.observeMs(performance.now() - performance.now());
});
time("policy: read a request", (i) => {
  const decoder = new PolicyDecoder();
  decoder.feed((policyPacket[i & 0] ?? NO_PACKET).toString("latin1"));
  return decoder.next();
});
