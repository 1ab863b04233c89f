import { beforeEach, describe, expect, test } from "vitest";
import { MessageIds } from "../../src/dns/message-ids.ts";
import { type Upstream, Upstreams } from "../../src/dns/upstream.ts";

const [A, B, C] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((host) => ({ host, port: 53 }));

describe("Upstreams", () => {
  let upstreams: Upstreams;
  let first: Upstream;

  beforeEach(() => {
    upstreams = new Upstreams(new MessageIds());
    upstreams.replace([A, B].filter((address) => address !== undefined));
    const [one] = upstreams.schedule(1, 0);
    if (one === undefined) throw new Error("Cannot test: no server");
    first = one;
  });

  function order(rounds: number, nowMs: number): string {
    return upstreams
      .schedule(rounds, nowMs)
      .map(({ name }) => name.slice("192.0.2.".length, -":53".length))
      .join("");
  }

  test("are asked in their order, round by round", () => {
    expect(order(2, 0)).toBe("1212");
  });

  test("are said to answer only once they did", () => {
    expect(upstreams.states.map(({ state }) => state)).toEqual(["unasked", "unasked"]);
    first.noteReply(100);
    expect(upstreams.states.map(({ state }) => state)).toEqual(["answering", "unasked"]);
    first.noteSilence(200, 3200);
    expect(upstreams.states.map(({ state }) => state)).toEqual(["silent", "unasked"]);
  });

  test("are asked last while silent", () => {
    first.noteSilence(100, 3100);
    expect(order(2, 3200)).toBe("2121");
    expect(order(1, 13_000)).toBe("21");
  });

  test("are tried again by one query only", () => {
    first.noteSilence(100, 3100);
    expect(order(1, 13_100)).toBe("12");
    expect(order(1, 13_101)).toBe("21");
    expect(order(1, 23_100)).toBe("12");
  });

  test("are back in their place when they answer", () => {
    first.noteSilence(100, 3100);
    first.noteReply(3200);
    expect(order(1, 3201)).toBe("12");
  });

  test("do not pass for silent when they answered others meanwhile", () => {
    first.noteReply(2000);
    first.noteSilence(100, 3100);
    expect(order(1, 3200)).toBe("12");
  });

  test("are all asked when all are silent", () => {
    for (const upstream of upstreams.schedule(1, 0)) upstream.noteSilence(100, 3100);
    expect(order(1, 3200)).toBe("12");
  });

  test("keep what is known of them when others come and go", () => {
    first.noteSilence(100, 3100);
    upstreams.replace([C, A].filter((address) => address !== undefined));
    expect(upstreams.names).toEqual(["192.0.2.3:53", "192.0.2.1:53"]);
    upstreams.replace([A, B].filter((address) => address !== undefined));
    expect(order(1, 3200)).toBe("21");
  });
});
