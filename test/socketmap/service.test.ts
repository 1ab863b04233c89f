import { expect, test } from "vitest";
import type { LookupTable } from "../../src/net/lookup.ts";
import { encodeNetstring } from "../../src/socketmap/netstring.ts";
import { socketmapService } from "../../src/socketmap/service.ts";
import { converse } from "../net/converse.ts";
import { recordingObserver } from "../net/observer.ts";

const TABLES: readonly LookupTable[] = (["forward", "reverse"] as const).map((name) => ({
  name,
  get: (key) => ({ status: "found", outcome: "rewritten", value: `${name}:${key}` }),
}));

test("Each map is found by its name, and what is wrong with a query does not end the connection", async () => {
  const { observer, events } = recordingObserver();
  const queries = [
    "forward a",
    "FORWARD a",
    "reverse b",
    "nosuch\n\xff c",
    "",
    `forward ${"x".repeat(10_000)}`,
    "reverse d",
  ];
  const conversation = await converse(socketmapService(TABLES, observer), [queries.map(encodeNetstring).join("")]);
  expect(conversation).toEqual({
    replies: [
      "12:OK forward:a,",
      "52:PERM unknown map name, want one of: forward, reverse,",
      "12:OK reverse:b,",
      "52:PERM unknown map name, want one of: forward, reverse,",
      "52:PERM unknown map name, want one of: forward, reverse,",
      "25:NOTFOUND over 10000 bytes,",
      "12:OK reverse:d,",
    ],
    isClosed: false,
  });
  expect(events).toEqual([
    "forward a rewritten",
    'bad unknown map name "FORWARD", want one of: forward, reverse',
    "reverse b rewritten",
    'bad unknown map name "nosuch\\n\xff", want one of: forward, reverse',
    'bad unknown map name "", want one of: forward, reverse',
    "bad query over 10000 bytes",
    "reverse d rewritten",
  ]);
});

test("After bytes that are no netstring nothing can be understood: PERM, and the end", async () => {
  const conversation = await converse(socketmapService(TABLES, recordingObserver().observer), ["9:forward a,get a\n"]);
  expect(conversation).toEqual({ replies: ["12:OK forward:a,", "19:PERM Invalid query.,"], isClosed: true });
});

test("A query that is cut off by the end is no query", async () => {
  const conversation = await converse(socketmapService(TABLES, recordingObserver().observer), ["9:forward"], true);
  expect(conversation).toEqual({ replies: [], isClosed: true });
});
