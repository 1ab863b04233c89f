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
    replies: ["200 later@c\n", "500 want%20get%20SPACE%20key\n", "200 a%20b@c\n", "500 own\n", "400 store%20down\n"],
    isClosed: false,
  });
  expect(events).toEqual([
    "forward slow rewritten",
    'bad Cannot read line "get": want get SPACE key',
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

test("A line that is no request is told as far as it helps, on one line", async () => {
  const { observer, events } = recordingObserver();
  const bad = [
    "GET / HTTP/1.1\r",
    "16:forward a@b.example,",
    `put ${"x".repeat(100)}`,
    '\xff"\x1b',
    "",
    "get %4",
    "get ",
  ];
  await converse(tcpTableService(table, observer), [`${bad.join("\n")}\n`]);
  expect(events).toEqual([
    'bad Cannot read line "GET / HTTP/1.1": want get SPACE key',
    'bad Cannot read line "16:forward a@b.example,": want get SPACE key',
    `bad Cannot read line "put ${"x".repeat(28)}": want get SPACE key`,
    'bad Cannot read line "\xff\\"\\u001b": want get SPACE key',
    'bad Cannot read line "": want get SPACE key',
    'bad Cannot read line "get %4": want two hexadecimal digits after %',
    'bad Cannot read line "get ": want a key after get',
  ]);
});
