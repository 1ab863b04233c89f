import { expect, test } from "vitest";
import { Findings, keep } from "../../src/policy/findings.ts";

test("keep holds a value", () => {
  const findings = new Findings();
  expect(keep(findings, "exemption", "none")).toBe("none");
  expect(findings.exemption).toBe("none");
});

test("keep shares a promise, and has the value at once when it has come", async () => {
  const findings = new Findings();
  const coming = Promise.resolve("addresses" as const);
  expect(keep(findings, "exemption", coming)).toBe(coming);
  expect(findings.exemption).toBe(coming);
  await coming;
  expect(findings.exemption).toBe("addresses");
});

test("keep forgets what could not be made", async () => {
  const findings = new Findings();
  await expect(keep(findings, "exemption", Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(findings.exemption).toBeUndefined();
});
