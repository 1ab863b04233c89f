import { expect, test } from "vitest";
import { SessionMacros } from "../../src/milter/macros.ts";

test("A macro is found by its name with and without braces, at the latest stage that has it", () => {
  const macros = new SessionMacros();
  macros.set("C", [
    ["j", "mx"],
    ["{daemon_name}", "smtp"],
    ["i", "early"],
  ]);
  macros.set("T", [["{i}", "late"]]);
  macros.set("M", [["i", "middle"]]);
  const names = ["j", "{j}", "daemon_name", "{daemon_name}", "i", "nosuch", "{", ""];
  expect(names.map((name) => macros.get(name))).toEqual([
    "mx",
    "mx",
    "smtp",
    "smtp",
    "middle",
    undefined,
    undefined,
    undefined,
  ]);
});

test("A stage forgets what it had before, and MAIL what the message before it had", () => {
  const macros = new SessionMacros();
  macros.set("H", [["{tls_version}", "TLSv1.3"]]);
  macros.set("R", [["{rcpt_mailer}", "virtual"]]);
  macros.set("R", [["i", "Q"]]);
  expect(macros.get("rcpt_mailer")).toBeUndefined();
  macros.set("H", []);
  expect(macros.get("tls_version")).toBeUndefined();
  macros.set("M", []);
  expect(macros.get("i")).toBeUndefined();
});

test("The same macros are known again in the next message, after others, and after the end of the session", () => {
  const same = [["i", "Q"]] as const;
  const macros = new SessionMacros();
  macros.set("L", same);
  macros.set("L", same);
  expect(macros.get("i")).toBe("Q");
  macros.set("L", []);
  expect(macros.get("i")).toBeUndefined();
  macros.set("L", same);
  expect(macros.get("i")).toBe("Q");
  for (const forget of [() => macros.endMessage(), () => macros.clear(), () => macros.lose("L")]) {
    forget();
    expect(macros.get("i")).toBeUndefined();
    macros.set("L", same);
    expect([macros.get("i"), macros.heldBytes > 0]).toEqual(["Q", true]);
  }
  macros.set("M", same);
  macros.set("M", same);
  expect(macros.get("i")).toBe("Q");
});

test("Macros of no step are ignored", () => {
  const macros = new SessionMacros();
  macros.set("A", [["i", "Q"]]);
  macros.set("__proto__", [["i", "Q"]]);
  expect(macros.get("i")).toBeUndefined();
});

test("A stage whose new macros are lost has none, and the set is incomplete until others come", () => {
  const macros = new SessionMacros();
  macros.set("C", [["{daemon_name}", "smtp"]]);
  macros.set("M", [["{auth_type}", "PLAIN"]]);
  macros.lose("M");
  expect([macros.get("auth_type"), macros.get("daemon_name"), macros.isIncomplete]).toEqual([undefined, "smtp", true]);
  expect(macros.heldBytes).toBeLessThan(200);
  macros.set("M", []);
  expect(macros.isIncomplete).toBe(false);
  macros.lose("R");
  macros.endMessage();
  expect(macros.isIncomplete).toBe(false);
  macros.lose("U");
  expect(macros.isIncomplete).toBe(false);
});

test.each([undefined, ""])("Without the step that lost macros are for (%j) none is known", (step) => {
  const macros = new SessionMacros();
  macros.set("C", [["{daemon_name}", "smtp"]]);
  macros.lose(step);
  macros.endMessage();
  expect([macros.get("daemon_name"), macros.isIncomplete]).toEqual([undefined, true]);
  macros.clear();
  expect(macros.isIncomplete).toBe(false);
});
