import { expect, test } from "vitest";
import { suggestTerm } from "../../../src/spf/explain/typo.ts";

test.each([
  ["ipv4:192.0.2.1", "ip4:192.0.2.1"],
  ["-IPv6:2001:db8::/32", "-ip6:2001:db8::/32"],
  ["ip:192.0.2.0/24", "ip4:192.0.2.0/24"],
  ["192.0.2.1", "ip4:192.0.2.1"],
  ["+2001:db8::1", "+ip6:2001:db8::1"],
  ["a:192.0.2.1", "ip4:192.0.2.1"],
  ["ip4:2001:db8::1", "ip6:2001:db8::1"],
  ["ip4=192.0.2.1", "ip4:192.0.2.1"],
  ["redirect:_spf.example.com", "redirect=_spf.example.com"],
  ["includ:a.example", "include:a.example"],
  ["inlcude:a.example", "include:a.example"],
  ["exist:a.example", "exists:a.example"],
  ["~al", "~all"],
  ["-alll", "-all"],
  ["ip4:", undefined],
  ["xyz", undefined],
  ["mxx", undefined],
  ["", undefined],
  ["all", undefined],
])("suggestTerm guesses what %j means: %j", (text, wanted) => {
  expect(suggestTerm(text)).toBe(wanted);
});
