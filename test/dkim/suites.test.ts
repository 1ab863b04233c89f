/**
 * The DKIM tests of others. Where we answer otherwise, the list says why. Mail::DKIM's corpus (under the terms of Perl),
 * and OpenDKIM's and dkimpy's messages, are read where they are and not copied.
 */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type RecordedCase, readCases, results } from "./verifying.ts";

const ELSEWHERE = new URL("../../../shared/suites/dkim-suites.json", import.meta.url);
const COPIED = ["stalwart-dkim", "go-msgauth"];

/** A time after all the messages. */
const LATER_SECONDS = 1_790_000_000;

const CLASSES = {
  sha1: "RFC 8301 forbids rsa-sha1",
  draft: "drafts before RFC 4871 had no v=, or another",
  clock: "the suite's clock is behind t=",
  oversigned: "the second From field breaks the signature, which is all that DKIM says of it",
} as const;

const DIFFERENCES: Readonly<Record<string, readonly [keyof typeof CLASSES, ...results: string[]]>> = {
  "Mail-DKIM mine_ietf01_2": ["draft", "permerror: no v= tag"],
  "Mail-DKIM good_ietf01_2": ["draft", "permerror: no v= tag"],
  "Mail-DKIM multiple_1": ["draft", ...Array<string>(4).fill("permerror: no v= tag")],
  "Mail-DKIM bad_ietf01_1": ["draft", "permerror: no v= tag"],
  "Mail-DKIM bad_ietf01_2": ["draft", "permerror: no v= tag"],
  "Mail-DKIM no_body_1": ["draft", "permerror: unknown version"],
  "Mail-DKIM no_body_3": ["draft", "permerror: unknown version"],
  ...Object.fromEntries(
    [
      ["good_rfc4871_4", "good_83176", "good_qp_1", "good_qp_2", "bad_1878954", "ignore_5", "ignore_6", "ignore_8"],
      ["goodkey_1", "goodkey_2", "goodkey_3", "badkey_9", "badkey_10"],
    ].flatMap((names) => names.map((name) => [`Mail-DKIM ${name}`, ["sha1", "policy: rsa-sha1 is too weak"] as const])),
  ),
  "stalwart-dkim 004": ["clock", "policy: made in the future"],
  "OpenDKIM t-verify-double-from": ["oversigned", "fail: bad signature"],
};

/** Messages of which nobody says what is right, so that we say it. */
const UNSTATED: Readonly<Record<string, readonly string[]>> = {
  "dkimpy ed25519test2": ["permerror: no key in DNS"],
  "dkimpy message.mbox": ["permerror: no key in DNS"],
};

async function verifyCase({ message, zone, now = LATER_SECONDS }: RecordedCase): Promise<string[]> {
  return await results(message, zone, { nowSeconds: now });
}

function check(cases: readonly RecordedCase[]): void {
  test.each(cases.map((one) => [`${one.suite} ${one.name}`, one] as const))("%s", async (name, one) => {
    const found = await verifyCase(one);
    const [of, ...ours] = DIFFERENCES[name] ?? [];
    if (of !== undefined) expect(found, CLASSES[of]).toEqual(ours);
    else if (one.expect === "see") expect(found).toEqual(UNSTATED[name] ?? found);
    else
      expect(found.map((result) => result.replace(/:.*/, "")).concat(found.length === 0 ? "none" : [])).toContain(
        one.expect,
      );
  });
}

describe("The suites that are copied", () => {
  check(readCases("suites"));
});

describe.skipIf(!existsSync(ELSEWHERE))("The suites that are not, where ../shared has them", () => {
  check(elsewhere().filter(({ suite }) => !COPIED.includes(suite ?? "")));
});

function elsewhere(): RecordedCase[] {
  if (!existsSync(ELSEWHERE)) return [];
  return (JSON.parse(readFileSync(ELSEWHERE, "utf8")) as { cases: RecordedCase[] }).cases;
}
