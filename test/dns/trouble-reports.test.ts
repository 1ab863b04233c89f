import { expect, test } from "vitest";
import { type TroubleFields, TroubleReports } from "../../src/dns/trouble-reports.ts";

test("TroubleReports tells each kind once in ten seconds, and how many it held back", () => {
  let nowMs = 0;
  const told: TroubleFields[] = [];
  const reports = new TroubleReports(
    (fields) => told.push(fields),
    () => nowMs,
  );
  for (const name of ["a", "b", "c"]) reports.add("timeout", { name });
  reports.add("servfail", { name: "d" });
  expect(told).toEqual([{ name: "a" }, { name: "d" }]);

  nowMs = 10_000;
  reports.add("timeout", { name: "e" });
  reports.add("servfail", { name: "f" });
  expect(told.slice(2)).toEqual([{ name: "e", suppressed: 2 }, { name: "f" }]);
});
