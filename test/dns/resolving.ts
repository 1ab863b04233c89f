/** Helpers for tests of the resolver. */
import {
  createResolver,
  type ResolverOptions,
  type ResolverSettings,
  type StubResolver,
} from "../../src/dns/resolver.ts";
import { parseServer, type ServerAddress } from "../../src/dns/server-address.ts";
import type { DnsEvent } from "../../src/dns/trouble-reports.ts";
import type { DnsAnswer, QueryOutcome, RecordType } from "../../src/dns/types.ts";
import type { Authority, AuthorityAnswer, ZoneRecord } from "../helpers/authority.ts";

/** A resolver under test, with what it reported of its queries. */
export interface TestResolver extends AsyncDisposable {
  readonly resolver: StubResolver;
  /** `TXT noerror` and the like, in order. */
  readonly outcomes: string[];
  readonly events: DnsEvent[];
  ask<T extends RecordType>(name: string, type: T, withinMs?: number): Promise<DnsAnswer<T>>;
}

const SETTINGS: Omit<ResolverSettings, "servers"> = {
  timeoutMs: 300,
  tries: 2,
  cacheSize: 1000,
  maxTtlMs: 86_400_000,
  negativeTtlMs: 300_000,
};

/** A resolver that asks `servers`; its queries wait ten seconds unless a test says otherwise. */
export function testResolver(
  servers: readonly string[],
  settings: Partial<ResolverSettings> = {},
  options: ResolverOptions = {},
): TestResolver {
  const outcomes: string[] = [];
  const events: DnsEvent[] = [];
  const clockMs = options.clockMs ?? (() => performance.now());
  const resolver = createResolver(
    { ...SETTINGS, servers: servers.map(requireServer), ...settings },
    {
      ...options,
      observeQuery: (type: RecordType, outcome: QueryOutcome) => outcomes.push(`${type} ${outcome}`),
      onEvent: (event) => events.push(event),
    },
  );
  return {
    resolver,
    outcomes,
    events,
    ask: async (name, type, withinMs = 10_000) => resolver.resolve(name, type, { deadlineMs: clockMs() + withinMs }),
    [Symbol.asyncDispose]: () => resolver.close(),
  };
}

/** The address in `text`, for a test that knows that it is one. */
export function requireServer(text: string): ServerAddress {
  const server = parseServer(text);
  if (server === undefined) throw new Error(`Cannot use "${text}": want an address`);
  return server;
}

/** Exactly these answers, keyed as `TXT example.com`; NXDOMAIN without a SOA for anything else. */
export function answersOf(
  answers: Readonly<Record<string, Partial<Exclude<AuthorityAnswer, "drop">> | "drop">>,
): Authority {
  return {
    answer: (name, type) => {
      const answer = answers[`${type} ${name}`];
      if (answer === "drop") return "drop";
      return { rcode: answer === undefined ? 3 : 0, answers: [], authority: [], ...answer };
    },
  };
}

/** Numbers of 24 bits that look random and are the same in every run. */
export function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

/** An address record. */
export function a(name: string, data = "192.0.2.1", ttl = 300): ZoneRecord {
  return { name, type: "A", ttl, data };
}
