import { expect, test } from "vitest";
import type { LookupResult, LookupTable } from "../../src/net/lookup.ts";
import { tcpTableService } from "../../src/tcptable/service.ts";
import { converse } from "../net/converse.ts";
import { recordingObserver } from "../net/observer.ts";

const ANSWERS: Readonly<Record<string, LookupResult | Promise<LookupResult>>> = {
  known: { status: "found", outcome: "rewritten", value: "a b@c" },
  slow: Promise.resolve<LookupResult>({ status: "found", outcome: "rewritten", value: "later@c" }),
  down: Promise.resolve<LookupResult>({ status: "tempFail", outcome: "tempfail", part: "store", reason: "store down" }),
};
const table: LookupTable = {
  name: "forward",
  get: (key) => ANSWERS[key] ?? { status: "notFound", outcome: "own", reason: "own" },
};

test("Requests of one packet are answered in order, bad ones too, and the connection stays", async () => {
  const { observer, events } = recordingObserver();
  const conversation = await converse(tcpTableService(table, observer), [
    "get slow\nget\nget known\nget x\nget down\n",
  ]);
  expect(conversation).toEqual({
    replies: ["200 later@c\n", "500 want:%20get%20SPACE%20key\n", "200 a%20b@c\n", "500 own\n", "400 store%20down\n"],
    isClosed: false,
  });
  expect(events).toEqual([
    "forward slow rewritten",
    "bad want: get SPACE key",
    "forward known rewritten",
    "forward x own",
    "forward down tempfail",
  ]);
});

test("A lookup without waiting is a plain string: no promise on the way", () => {
  const service = tcpTableService(table, recordingObserver().observer);
  expect(service.answer("known")).toBe("200 a%20b@c\n");
});

test("The last request lacks its LF when Exim's readsocket asks", async () => {
  const conversation = await converse(tcpTableService(table, recordingObserver().observer), ["get known"], true);
  expect(conversation).toEqual({ replies: ["200 a%20b@c\n"], isClosed: true });
});
