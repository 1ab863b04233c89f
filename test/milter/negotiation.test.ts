import { describe, expect, test } from "vitest";
import type { Wants } from "../../src/milter/application.ts";
import { negotiate } from "../../src/milter/negotiation.ts";
import { ProtocolError } from "../../src/net/session.ts";
import { WANTS } from "./applications.ts";
import { POSTFIX_OFFER, readPackets } from "./mta.ts";

const [version, actions, protocol] = POSTFIX_OFFER;
const POSTFIX = { version, actions, protocol };

function agree(offer: typeof POSTFIX | Record<keyof typeof POSTFIX, number>, wants: Partial<Wants>) {
  const { reply, refused } = negotiate(offer, { ...WANTS, ...wants });
  const [{ byte, data } = { byte: "", data: "" }, ...more] = readPackets(reply);
  const bytes = Buffer.from(data, "latin1");
  const [agreedVersion, agreedActions, agreedProtocol] = [0, 4, 8].map((at) => bytes.readUInt32BE(at));
  expect([byte, more]).toEqual(["O", []]);
  return { version: agreedVersion, actions: agreedActions, protocol: agreedProtocol, lists: data.slice(12), refused };
}

const NONE = { lists: "", refused: [] };

describe("With an MTA", () => {
  test.each<{ name: string; wants: Partial<Wants>; actions?: number; protocol: number }>([
    // 0x20000 and 0x100: UNKNOWN is neither told nor answered. 0x80: no reply to fields. 0x100000: blanks are kept.
    { name: "nothing but the end is answered", wants: { answers: [] }, protocol: 0x1ff180 },
    { name: "the end of the header is answered", wants: { answers: ["eoh"] }, protocol: 0x1bf180 },
    { name: "all is answered, so a body can be skipped", wants: {}, protocol: 0x120580 },
    {
      name: "the body is not told",
      wants: { answers: ["eoh", "body"], ignores: ["body", "data"] },
      protocol: 0x1bf790,
    },
    {
      name: "larger chunks are wanted than Postfix has",
      wants: { answers: [], maxChunkBytes: 1_048_575 },
      protocol: 0x1ff180,
    },
    { name: "quarantine alone", wants: { answers: [], actions: ["quarantine"] }, actions: 0x20, protocol: 0x1ff180 },
    { name: "no edits", wants: { answers: [], actions: [] }, actions: 0, protocol: 0x1ff180 },
  ])("such as Postfix: $name", ({ wants, actions: wanted = 0x31, protocol: agreed }) => {
    expect(agree(POSTFIX, wants)).toEqual({ version: 6, actions: wanted, protocol: agreed, ...NONE });
  });

  test.each([
    { name: "of version 2", offer: { version: 2, actions: 0x3f, protocol: 0x7f }, agreed: [2, 0x31, 0] },
    { name: "of version 4", offer: { version: 4, actions: 0x3f, protocol: 0x3ff }, agreed: [4, 0x31, 0x180] },
    { name: "of version 7", offer: { version: 7, actions: 0x3ff, protocol: 0x3fffff }, agreed: [6, 0x31, 0x1ff180] },
    { name: "that has larger chunks", offer: { ...POSTFIX, protocol: 0x301fffff }, agreed: [6, 0x31, 0x201ff180] },
    {
      name: "with all bits",
      offer: { version: 6, actions: 0xffffffff, protocol: 0xffffffff },
      agreed: [6, 0x31, 0x201ff180],
    },
  ])("$name nothing is claimed that it does not offer", ({ offer, agreed }) => {
    const { version: one, actions: two, protocol: three } = agree(offer, { answers: [], maxChunkBytes: 1_048_575 });
    expect([one, two, three]).toEqual(agreed);
  });

  test("chunks of 256 KiB are asked for where they are offered", () => {
    const offer = { ...POSTFIX, protocol: 0x301fffff };
    expect(agree(offer, { answers: [], maxChunkBytes: 262_143 }).protocol).toBe(0x101ff180);
    expect(agree(offer, { answers: [] }).protocol).toBe(0x1ff180);
  });

  test("without the edits that an application makes, it is said which", () => {
    const { actions: agreed, refused } = agree({ ...POSTFIX, actions: 0x101 }, {});
    expect({ agreed, refused }).toEqual({ agreed: 0x1, refused: ["changeHeaders", "quarantine"] });
  });

  test("lists of macros are sent if it takes them", () => {
    const macros = { connect: ["j", "{client_addr}"], eoh: ["i"], eom: [] };
    const lists = "\0\0\0\0j {client_addr}\0\0\0\0\x05\0\0\0\0\x06i\0";
    expect(agree(POSTFIX, { answers: [], macros })).toMatchObject({ actions: 0x131, lists });
    expect(agree({ ...POSTFIX, actions: 0x3f }, { answers: [], macros })).toMatchObject({ actions: 0x31, lists: "" });
  });

  test.each([0, 1])("of version %d nothing can be agreed", (old) => {
    const offer = { ...POSTFIX, version: old };
    expect(() => negotiate(offer, WANTS)).toThrow(
      new ProtocolError(`Cannot speak milter version ${old}: want 2 or later`),
    );
  });
});
