import { expect, test } from "vitest";
import { endTransaction, SpfTransactions } from "../../src/spf/transactions.ts";
import { verdict } from "../policy/fixtures.ts";

const KEY = { clientAddress: "192.0.2.1", clientPort: "40000", heloName: "mail.example", sender: "ann@example.com" };

test("A transaction is the same for both services, until its message ends", () => {
  const transactions = new SpfTransactions();
  const asked = transactions.of(KEY, 0);
  const opened = transactions.open({ ...KEY, clientAddress: "::ffff:192.0.2.1" }, 59_999);
  expect(opened).toBe(asked);
  expect(transactions.of(KEY, 3_600_000)).toBe(opened);
  if (opened !== undefined) endTransaction(opened);
  expect(transactions.of(KEY, 60_000)).not.toBe(opened);
});

test("What the milter has not opened ends after a minute, and tells no verdicts", () => {
  const transactions = new SpfTransactions();
  const asked = transactions.of(KEY, 0);
  asked?.learn("mailfrom", verdict("pass"));
  expect(transactions.of(KEY, 59_999)?.verdict("mailfrom")).toBeUndefined();
  expect(transactions.open(KEY, 59_999)?.verdict("mailfrom")?.result).toBe("pass");
  expect(new SpfTransactions().open(KEY, 0)?.verdict("mailfrom")).toBeUndefined();
});

test.each([
  { what: "client without an address", key: { ...KEY, clientAddress: "unknown" } },
  { what: "mail of sendmail(1)", key: { ...KEY, clientPort: "0" } },
  { what: "Postfix that tells no port", key: { ...KEY, clientPort: "" } },
  { what: "name that no host has", key: { ...KEY, heloName: "x".repeat(5000) } },
])("There is none for a $what", ({ key }) => {
  expect(new SpfTransactions().open(key, 0)).toBeUndefined();
});

test("Thousands of clients that go away leave a bounded number", () => {
  const transactions = new SpfTransactions();
  const first = transactions.of(KEY, 0);
  for (let port = 1; port <= 9000; port++) transactions.of({ ...KEY, clientPort: `x${port}` }, 0);
  expect(transactions.of(KEY, 0)).not.toBe(first);
});
