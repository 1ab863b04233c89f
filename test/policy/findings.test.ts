import { expect, test } from "vitest";
import { Findings, keep } from "../../src/policy/findings.ts";

test("keep holds a value", () => {
  const findings = new Findings();
  expect(keep(findings, "exemption", "none")).toBe("none");
  expect(findings.exemption).toBe("none");
});

test("keep shares a promise, and has the value at once when it has come", async () => {
  const findings = new Findings();
  const kept = keep(findings, "exemption", Promise.resolve("addresses" as const));
  expect(findings.exemption).toBe(kept);
  expect(await kept).toBe("addresses");
  expect(findings.exemption).toBe("addresses");
});

test.each([
  ["at once", "none" as const],
  ["in time", Promise.resolve("none" as const)],
])("keep tells once of a value that comes %s", async (_when, value) => {
  const told: string[] = [];
  const kept = keep(new Findings(), "exemption", value, (known) => told.push(known));
  expect(await kept).toBe("none");
  expect(told).toEqual(["none"]);
});

test("keep forgets what could not be made", async () => {
  const findings = new Findings();
  await expect(keep(findings, "exemption", Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(findings.exemption).toBeUndefined();
});
