import { describe, expect, test } from "vitest";
import { encodeQuery, encodeQuestion, isReplyTo } from "../../src/dns/message.ts";
import { encodeReply, readQuery } from "../helpers/dns-message.ts";

const QUESTION = encodeQuestion("a.example", "TXT");
const HEAD = { id: 0xbeef, name: "a.example", type: "TXT" };
const EMPTY = { rcode: 0, answers: [], authority: [] };

describe("encodeQuery", () => {
  test("writes header, question and OPT as RFC 1035 4.1 and RFC 6891 6.1 lay them out", () => {
    expect(encodeQuery(0xbeef, QUESTION, true).toString("hex")).toBe(
      [
        "beef 0100 0001 0000 0000 0001", // id, RD, one question, one additional record
        "01 61 07 6578616d706c65 00 0010 0001", // a.example TXT IN
        "00 0029 04d0 00000000 0000", // root OPT, 1,232 bytes, no options
      ]
        .join("")
        .replaceAll(" ", ""),
    );
  });

  test("leaves out the OPT record where EDNS is not understood", () => {
    const query = encodeQuery(1, QUESTION, false);
    expect(query.toString("hex", 4, 12)).toBe("0001000000000000");
    expect(query.length).toBe(12 + QUESTION.length);
  });

  test.each([
    "a",
    "a+b=c.d e.\u00fc\u0000",
    `${"l".repeat(63)}.${"m".repeat(46)}.x`,
    `${`${"l".repeat(63)}.`.repeat(3)}${"m".repeat(61)}`,
  ])("writes what dns-packet reads as %j", (name) => {
    const bytes = encodeQuery(7, encodeQuestion(name, "PTR"), true);
    expect(readQuery(bytes)).toEqual({ id: 7, name, type: "PTR", payloadBytes: 1232 });
  });
});

describe("isReplyTo", () => {
  test.each([
    { what: "the same question", bytes: encodeReply(HEAD, EMPTY) },
    { what: "the name in another case", bytes: encodeReply({ ...HEAD, name: "A.EXAMPLE" }, EMPTY) },
    {
      what: "an error without a question",
      bytes: encodeReply({ ...HEAD, withoutQuestion: true }, { ...EMPTY, rcode: 1 }),
    },
  ])("knows $what", ({ bytes }) => {
    expect(isReplyTo(bytes, 0xbeef, QUESTION)).toBe(true);
  });

  test.each([
    { what: "another id", bytes: encodeReply({ ...HEAD, id: 0xbeee }, EMPTY) },
    { what: "another name", bytes: encodeReply({ ...HEAD, name: "b.example" }, EMPTY) },
    { what: "a name that begins alike", bytes: encodeReply({ ...HEAD, name: "a.example.b" }, EMPTY) },
    { what: "another type", bytes: encodeReply({ ...HEAD, type: "MX" }, EMPTY) },
    { what: "no question in a success", bytes: encodeReply({ ...HEAD, withoutQuestion: true }, EMPTY) },
    { what: "no question in NXDOMAIN", bytes: encodeReply({ ...HEAD, withoutQuestion: true }, { ...EMPTY, rcode: 3 }) },
    { what: "our own query", bytes: encodeQuery(0xbeef, QUESTION, true) },
    { what: "a part of a header", bytes: encodeReply(HEAD, EMPTY).subarray(0, 11) },
    { what: "a part of the question", bytes: encodeReply(HEAD, EMPTY).subarray(0, 25) },
    { what: "another opcode", bytes: withByte(encodeReply(HEAD, EMPTY), 2, 0xa1) },
    { what: "two questions", bytes: withByte(encodeReply(HEAD, EMPTY), 5, 2) },
    { what: "another class", bytes: withByte(encodeReply(HEAD, EMPTY), 26, 3) },
  ])("does not know $what", ({ bytes }) => {
    expect(isReplyTo(bytes, 0xbeef, QUESTION)).toBe(false);
  });
});

function withByte(bytes: Buffer, at: number, byte: number): Buffer {
  bytes[at] = byte;
  return bytes;
}
