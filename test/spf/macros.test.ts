import { describe, expect, test } from "vitest";
import { dependence, hyphenFirst, moreDependent, withExplicitName } from "../../src/spf/macros.ts";

describe("hyphenFirst", () => {
  test.each([
    ["%{l.-+}.x", "%{l-.+}.x"],
    ["%{L2R,-=}.%{d}.%{o+-}", "%{L2R-,=}.%{d}.%{o-+}"],
    ["%{l-}", "%{l-}"],
    ["%{l.+}", "%{l.+}"],
    ["%%{l.-}", "%%{l.-}"],
    ["%%%{l.-}", "%%%{l-.}"],
    ["a-b.example", "a-b.example"],
  ])("makes of %s: %s", (given, wanted) => {
    expect(hyphenFirst(given)).toBe(wanted);
  });
});

describe("dependence", () => {
  test.each([
    ["v=spf1 exists:%{i}.%{v}.%{d}.%{o}.%{p} -all", "nothing"],
    ["exists:%{ir}.%{H2}.x", "helo"],
    ["%{l-}", "message"],
    ["%{h} %{S}", "message"],
    ["%{t}", "message"],
    ["%h %s {s}", "nothing"],
  ])("of %s is: %s", (given, wanted) => {
    expect(dependence(given)).toBe(wanted);
  });

  test("of two is the greater one", () => {
    const all = ["nothing", "helo", "message"] as const;
    for (const [i, a] of all.entries()) {
      for (const [j, b] of all.entries()) expect(moreDependent(a, b)).toBe(all[Math.max(i, j)]);
    }
  });
});

describe("withExplicitName", () => {
  test.each([
    ["a", "x.example", "a"],
    ["-a/24//64", "x%{i} y.example", "-a:x%%{i}%_y.example/24//64"],
    ["MX", "x%.example", "MX:x%%.example"],
    ["a:other.example", "x%.example", "a:other.example"],
    ["all", "x%.example", "all"],
  ])("makes of %s for %s: %s", (directive, domain, wanted) => {
    expect(withExplicitName(directive, domain)).toBe(wanted);
  });
});
