import { describe, expect, test } from "vitest";
import { checkStamp, dayOf, encodeStamp, STAMP_PERIOD_DAYS } from "../../src/srs/stamp.ts";
import { postsrsd1 } from "./replay.ts";

const ALL_STAMPS = Array.from({ length: STAMP_PERIOD_DAYS }, (_, day) => encodeStamp(day));

test("Every day of a period has a stamp of its own", () => {
  expect(new Set(ALL_STAMPS).size).toBe(STAMP_PERIOD_DAYS);
});

test.each([
  { date: "1970-01-01T00:00:00Z", stamp: "AA" },
  { date: "2019-12-31T23:59:59.999Z", stamp: "2V" },
  { date: "2020-01-01T00:00:00Z", stamp: "2W" },
  { date: "2020-01-01T23:59:59.999Z", stamp: "2W" },
  { date: "2020-06-18T23:59:59Z", stamp: "77" },
  { date: "2020-06-19T00:00:00Z", stamp: "AA" },
  { date: "2038-01-19T03:14:08Z", stamp: "IX" },
])("$date has the stamp $stamp", ({ date, stamp }) => {
  expect(encodeStamp(dayOf(Date.parse(date)))).toBe(stamp);
});

describe("checkStamp", () => {
  const clocks = Object.entries(postsrsd1.recording.configs).filter(([name]) => name.startsWith("t-"));

  test.each(clocks)("takes tomorrow, today and the 21 days before at the recorded clock %s", (_, { time }) => {
    const today = dayOf(time * 1000);
    const valid = ALL_STAMPS.filter((stamp) => checkStamp(stamp, today, 21) === "valid");
    const expected = Array.from({ length: 23 }, (_, age) => encodeStamp(today + 1 - age + STAMP_PERIOD_DAYS));
    expect(valid.toSorted()).toEqual(expected.toSorted());
  });

  test.each([0, 1, 21, 1000])("takes %i days, the day itself and the next", (maxAgeDays) => {
    const valid = ALL_STAMPS.filter((stamp) => checkStamp(stamp, 20_000, maxAgeDays) === "valid");
    expect(valid).toHaveLength(maxAgeDays + 2);
  });

  test.each([
    { stamp: "2w", outcome: "valid" },
    { stamp: "2V", outcome: "valid" },
    { stamp: "2X", outcome: "valid" },
    { stamp: "2Y", outcome: "expired" },
    { stamp: "", outcome: "expired" },
    { stamp: "2", outcome: "expired" },
    { stamp: "2WA", outcome: "expired" },
    { stamp: "2W".repeat(5_000_000), outcome: "expired" },
    { stamp: "0W", outcome: "malformed" },
    { stamp: "21", outcome: "malformed" },
    { stamp: "2 ", outcome: "malformed" },
    { stamp: "\xd7W", outcome: "malformed" },
    { stamp: "2@", outcome: "malformed" },
    { stamp: "2[", outcome: "malformed" },
    { stamp: "8W", outcome: "malformed" },
  ])("calls a stamp $outcome", ({ stamp, outcome }) => {
    expect(checkStamp(stamp, dayOf(Date.parse("2020-01-01")), 21)).toBe(outcome);
  });
});
