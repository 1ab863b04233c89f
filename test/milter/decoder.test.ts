import { describe, expect, test } from "vitest";
import { MilterDecoder } from "../../src/milter/decoder.ts";
import type { Packet } from "../../src/milter/packet.ts";
import { MAX_PACKET_BYTES } from "../../src/milter/wire.ts";
import { ProtocolError } from "../../src/net/session.ts";
import { bufferBytes, heapBytes, keptMemory } from "../helpers/kept-memory.ts";
import { charactersLookedAt } from "../helpers/work.ts";
import { BROKEN, decode, FEEDINGS } from "../net/decode.ts";
import { mta, packet } from "./mta.ts";

const BROKEN_CONNECT = { command: "broken", of: "C", problem: "want hostname, family, port and address" };
const BROKEN_MACRO = { command: "broken", of: "D", problem: "want a step, names and values" };

const CASES: readonly { name: string; bytes: string; packets: readonly unknown[] }[] = [
  { name: "nothing", bytes: "", packets: [] },
  { name: "packets without data", bytes: mta.abort() + mta.quitNc(), packets: [{ command: "A" }, { command: "K" }] },
  { name: "packets with data that they should not have", bytes: packet("T", "xyz"), packets: [{ command: "T" }] },
  {
    name: "OPTNEG with more than version 6 knows",
    bytes: packet("O", "\0\0\0\x07\xff\xff\xff\xff\x80\0\0\x01more"),
    packets: [{ command: "O", version: 7, actions: 0xffffffff, protocol: 0x80000001 }],
  },
  { name: "OPTNEG that is too short", bytes: packet("O", "\0\0\0\x06"), packets: [BROKEN] },
  {
    name: "any bytes in values",
    bytes: mta.field("X-\xff", "\r\n \x01\x80\xff\t") + mta.helo("\x1b[31m\n"),
    packets: [
      { command: "L", name: "X-\xff", value: "\r\n \x01\x80\xff\t" },
      { command: "H", value: "\x1b[31m\n" },
    ],
  },
  {
    name: "empty values",
    bytes: mta.field("", "") + mta.helo("") + mta.mail(""),
    packets: [
      { command: "L", name: "", value: "" },
      { command: "H", value: "" },
      { command: "M", strings: [""] },
    ],
  },
  {
    name: "families",
    bytes: [
      mta.connect("a", "2001:db8::1", "6", 65_535),
      mta.connect("b", "/run/x", "L", 0),
      mta.connect("c", "", "U"),
      packet("C", "d\0U\0\x19192.0.2.1\0"),
    ].join(""),
    packets: [
      { command: "C", hostname: "a", family: "6", port: 65_535, address: "2001:db8::1" },
      { command: "C", hostname: "b", family: "L", port: 0, address: "/run/x" },
      { command: "C", hostname: "c", family: "U", port: 0, address: "" },
      { command: "C", hostname: "d", family: "U", port: 0, address: "" },
    ],
  },
  { name: "CONNECT without anything", bytes: packet("C"), packets: [BROKEN_CONNECT] },
  { name: "CONNECT of another family", bytes: mta.connect("a", "b", "7"), packets: [BROKEN_CONNECT] },
  { name: "CONNECT without a port", bytes: packet("C", "a\x004\0"), packets: [BROKEN_CONNECT] },
  { name: "CONNECT without an end", bytes: packet("C", "a\x004\0\x19192.0.2.1"), packets: [BROKEN_CONNECT] },
  { name: "CONNECT with two addresses", bytes: packet("C", "a\x004\0\x19b\0c\0"), packets: [BROKEN_CONNECT] },
  { name: "CONNECT without an end of the hostname", bytes: packet("C", "client.example"), packets: [BROKEN_CONNECT] },
  {
    name: "macros without values, for no step, and of an odd number",
    bytes: packet("D", "H") + packet("D") + packet("D", "Ma\0b\0c\0") + packet("D", "Ma\0b"),
    packets: [{ command: "D", step: "H", macros: [] }, ...["", "M", "M"].map((step) => ({ ...BROKEN_MACRO, step }))],
  },
  {
    name: "macros that come twice",
    bytes: packet("D", "Ma\0b\0a\0c\0"),
    packets: [{ command: "D", step: "M", macros: [["a", "b"], ["a", "c"]] }], // biome-ignore format: one line
  },
  {
    name: "macros that repeat, differ in their last byte, and are longer",
    bytes: ["1", "1", "2", "1", "1 "].map((id) => mta.macros("L", { i: id }) + mta.field("a", id)).join(""),
    packets: ["1", "1", "2", "1", "1 "].flatMap((id) => [
      { command: "D", step: "L", macros: [["i", id]] },
      { command: "L", name: "a", value: id },
    ]),
  },
  {
    name: "too many strings, and as many as there may be",
    bytes: packet("R", "x\0".repeat(1025)) + packet("R", "x\0".repeat(1024)),
    packets: [
      { command: "broken", of: "R", problem: "want strings that end with NUL" },
      { command: "R", strings: Array.from({ length: 1024 }, () => "x") },
    ],
  },
  {
    name: "a field of the largest size",
    bytes: mta.field("a", "x".repeat(MAX_PACKET_BYTES - 4)),
    packets: [{ command: "L", name: "a", value: "x".repeat(MAX_PACKET_BYTES - 4) }],
  },
  { name: "a packet over the largest size", bytes: `${mta.abort()}\0\x10\0\x01L`, packets: [{ command: "A" }, BROKEN] },
  { name: "a packet of no size", bytes: "\0\0\0\0A", packets: [BROKEN] },
  { name: "a packet of 4 GiB", bytes: "\xff\xff\xff\xffB", packets: [BROKEN] },
  { name: "an unknown command", bytes: mta.abort() + packet("x", "y"), packets: [{ command: "A" }, BROKEN] },
  { name: "another protocol", bytes: "EHLO a.example\r\n", packets: [BROKEN] },
  { name: "a packet that is cut off", bytes: `${mta.abort()}\0\0\0\x05Lab`, packets: [{ command: "A" }, BROKEN] },
  { name: "a length that is cut off", bytes: "\0\0", packets: [BROKEN] },
  { name: "a head without its data", bytes: "\0\0\0\x02H", packets: [BROKEN] },
];

describe.each(FEEDINGS)("The decoder, fed $name", ({ cuts }) => {
  const isSlow = cuts(2).length > 0;

  test.each(CASES)("reads $name", ({ bytes, packets }) => {
    if (isSlow && bytes.length > 1_000_000) return;
    expect(decode(new MilterDecoder(), bytes, cuts(bytes.length))).toEqual(packets);
  });
});

test("Macros that repeat are the same object, up to a size that is kept", () => {
  const read = (...packets: readonly string[]): boolean => {
    const [first, second] = decode(new MilterDecoder(), packets.join(""), []);
    expect(second).toEqual(first);
    return first === second;
  };
  const [usual, long] = [mta.macros("L", { i: "Q" }), mta.macros("L", { i: "Q".repeat(600) })];
  expect([read(usual, usual), read(long, long)]).toEqual([true, false]);
});

describe("The error for", () => {
  test.each([
    ["an unknown command", packet("x"), 'Cannot read packet "x": no such command'],
    ["a control character", packet("\x1b"), 'Cannot read packet "\\u001b": no such command'],
    ["too much", "\0\x10\0\x01L", "Cannot read packet of 1048577 bytes: want 1 to 1048576"],
    ["nothing", "\0\0\0\0x", "Cannot read packet of 0 bytes: want 1 to 1048576"],
    ["half an OPTNEG", packet("O", "1234"), "Cannot read OPTNEG of 4 bytes: want version, actions and protocol"],
    ["an end in a field", "\0\0\0\x09La", "Cannot read HEADER: the connection ended within it"],
    ["an end in a body", "\0\0\0\x09Bab", "Cannot read BODY: the connection ended within it"],
    ["an end in a length", "\0", "Cannot read packet: the connection ended within it"],
  ])("%s names it", (_, bytes, message) => {
    const decoder = new MilterDecoder();
    decoder.feed(bytes);
    decoder.end();
    expect(() => {
      while (decoder.next() !== undefined);
    }).toThrow(new ProtocolError(message));
  });
});

describe("A body", () => {
  test("may look like the macros before it", () => {
    const macros = mta.macros("B", { i: "1" });
    const packets = decode(new MilterDecoder(), macros + mta.body(macros) + macros + mta.abort(), []);
    const told = { command: "D", step: "B", macros: [["i", "1"]] };
    expect(packets).toEqual([told, { command: "B", bytes: macros, ends: true }, told, { command: "A" }]);
  });

  const parts = (pieces: readonly string[]): Packet[] => {
    const decoder = new MilterDecoder();
    const packets: Packet[] = [];
    for (const piece of pieces) {
      decoder.feed(piece);
      for (let next = decoder.next(); next !== undefined; next = decoder.next()) packets.push(next);
      expect(decoder.heldBytes).toBe(0);
    }
    return packets;
  };

  test("comes in the parts in which it was read", () => {
    const whole = mta.body("abcdef");
    expect(parts([whole.slice(0, 5), whole.slice(5, 7), whole.slice(7) + mta.body("") + mta.body("x")])).toEqual([
      { command: "B", bytes: "ab", ends: false },
      { command: "B", bytes: "cdef", ends: true },
      { command: "B", bytes: "", ends: true },
      { command: "B", bytes: "x", ends: true },
    ]);
  });

  test("may stand in the end of the message", () => {
    const whole = mta.eom("abc");
    expect(parts([whole.slice(0, 7), whole.slice(7), mta.eom()])).toEqual([
      { command: "B", bytes: "ab", ends: false },
      { command: "B", bytes: "c", ends: false },
      { command: "E" },
      { command: "E" },
    ]);
  });
});

describe("A half packet", () => {
  test("that is given up is skipped, and counts as broken", () => {
    const decoder = new MilterDecoder();
    const field = mta.field("a", "x".repeat(100));
    decoder.feed(field.slice(0, 50));
    expect(decoder.next()).toBeUndefined();
    expect(decoder.heldBytes).toBe(45);
    decoder.shed();
    expect(decoder.heldBytes).toBe(0);
    decoder.feed(field.slice(50, 60));
    expect(decoder.next()).toBeUndefined();
    expect(decoder.heldBytes).toBe(0);
    decoder.feed(field.slice(60) + mta.abort() + field);
    expect(decoder.next()).toMatchObject({ command: "broken", of: "L" });
    expect(decoder.next()).toEqual({ command: "A" });
    expect(decoder.next()).toMatchObject({ command: "L", name: "a" });
  });

  test("of which nothing is held is not given up", () => {
    const decoder = new MilterDecoder();
    const field = mta.field("a", "b");
    decoder.feed(field.slice(0, 4));
    decoder.next();
    decoder.shed();
    decoder.feed(field.slice(4));
    expect(decoder.next()).toEqual({ command: "L", name: "a", value: "b" });
  });

  test("costs no more memory than twice its size, also if its bytes come one by one", () => {
    const field = mta.field("a", "x".repeat(30_000)).slice(0, -1);
    const decoders = Array.from({ length: 20 }, () => new MilterDecoder());
    const before = heapBytes() + bufferBytes();
    for (const decoder of decoders) {
      for (const piece of field) {
        decoder.feed(piece);
        decoder.next();
      }
    }
    const keptBytes = (heapBytes() + bufferBytes() - before) / decoders.length;
    const heldBytes = field.length - 5;
    expect(decoders.map((decoder) => decoder.heldBytes)).toEqual(decoders.map(() => heldBytes));
    expect(keptBytes).toBeGreaterThan(heldBytes);
    expect(keptBytes).toBeLessThan(2 * heldBytes + 2000);
  });

  test("does not keep what was read with it", () => {
    const { keptBytes } = keptMemory(
      () => new MilterDecoder(),
      [mta.body("x".repeat(60_000)) + mta.helo().slice(0, -1)],
    );
    expect(keptBytes).toBeLessThan(4000);
  });

  test("and a field that is kept do not keep the body that was read with them", () => {
    const kept: unknown[] = [];
    const keeping = (): MilterDecoder => {
      const decoder = new MilterDecoder();
      const { next } = decoder;
      decoder.next = () => {
        const one = next.call(decoder);
        if (one?.command === "L") kept.push(one.value);
        return one;
      };
      return decoder;
    };
    const packets = [mta.field("Subject", "a value of some length") + mta.body("x".repeat(60_000))];
    expect(keptMemory(keeping, packets).keptBytes).toBeLessThan(4000);
    expect(kept).toHaveLength(50);
  });

  test("costs work in proportion to its size", () => {
    const work = (size: number): number => {
      const pieces = mta.field("a", "x".repeat(size)).split("");
      return charactersLookedAt(() => {
        const decoder = new MilterDecoder();
        for (const piece of pieces) {
          decoder.feed(piece);
          decoder.next();
        }
      });
    };
    expect(work(20_000) / work(10_000)).toBeLessThan(2.2);
  });
});
