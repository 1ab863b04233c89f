import { describe, expect, test } from "vitest";
import { Signer } from "../../src/srs/signer.ts";
import { DEFAULTS } from "./tables.ts";

function signer(changes: Partial<ConstructorParameters<typeof Signer>[0]> = {}): Signer {
  return new Signer({ ...DEFAULTS, ...changes });
}
const [older, newer] = [Buffer.from("tops3cr3t"), Buffer.from("newsecret")];

describe("With several secrets", () => {
  const rotated = signer({ secrets: [newer, older] });

  test("the first one signs", () => {
    expect(rotated.sign("2Wexample.orgalice")).toBe(signer({ secrets: [newer] }).sign("2Wexample.orgalice"));
  });

  test("every one verifies", () => {
    for (const secret of [newer, older]) {
      expect(rotated.verify(signer({ secrets: [secret] }).sign("2Wexample.orgalice"), "2Wexample.orgalice")).toBe(true);
    }
  });

  test("another one does not", () => {
    const stranger = signer({ secrets: [Buffer.from("another")] });
    expect(rotated.verify(stranger.sign("2Wexample.orgalice"), "2Wexample.orgalice")).toBe(false);
  });
});

test("Without a secret nothing is signed", () => {
  expect(() => signer({ secrets: [] })).toThrow(new RangeError("Cannot sign addresses: want at least one secret"));
});

/** The whole hash of 2Wexample.orgalice under tops3cr3t is +xpxuW02xgU23ooE1clHqgsrF9A. */
describe.each([
  {
    hashLength: 4,
    hashMinLength: 4,
    accepted: ["-xpx", "+xpx", "-XPX", "-xpxuW02", "-xpx!"],
    refused: ["", "-xp", "-xpy"],
  },
  {
    hashLength: 8,
    hashMinLength: 4,
    accepted: ["-xpx", "-xpxuW02", "-xpxuW02zz"],
    refused: ["-xp", "-xpxuX", "-xpxuW0!"],
  },
  { hashLength: 8, hashMinLength: 8, accepted: ["-xpxuW02"], refused: ["-xpx", "-xpxuW0"] },
  { hashLength: 1, hashMinLength: 1, accepted: ["-", "+", "-anything"], refused: ["", "x"] },
])(
  "With $hashLength characters written and $hashMinLength wanted",
  ({ hashLength, hashMinLength, accepted, refused }) => {
    const subject = signer({ hashLength, hashMinLength });

    test("that many are written", () => {
      expect(subject.sign("2Wexample.orgalice")).toBe("-xpxuW02xgU23ooE1clH".slice(0, hashLength));
    });

    test.each(accepted)("%j is accepted", (claim) => expect(subject.verify(claim, "2Wexample.orgalice")).toBe(true));
    test.each(refused)("%j is refused", (claim) => expect(subject.verify(claim, "2Wexample.orgalice")).toBe(false));
  },
);
