import { expect, test } from "vitest";
import { isNoMailPolicy } from "../../src/policy/no-mail.ts";

test.each([
  { record: "v=spf1 -all", is: true },
  { record: "V=SPF1  -ALL ", is: true },
  { record: "v=spf1 -all exp=why.example.net", is: true },
  { record: "v=spf1 redirect=other.example.net", is: false },
  { record: "v=spf1 ip4:192.0.2.1 -all", is: false },
  { record: "v=spf1 ~all", is: false },
  { record: "v=spf1", is: false },
  { record: undefined, is: false },
])("the policy of $record is that of a domain without mail: $is", ({ record, is }) => {
  expect(isNoMailPolicy(record)).toBe(is);
});
