/** More forged results than Postfix could remove in time. */
import { expect, test } from "vitest";
import { keyResolver } from "../dkim/verifying.ts";
import { type Handling, handleMessage, STRANGER } from "./handling.ts";

const MOST = 500;

function handle(count: number, options: Partial<Handling> = {}) {
  const forged = "Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n".repeat(count);
  const message = `${forged}From: ann@example.com\r\n\r\nHi\r\n`;
  return handleMessage(message, { client: STRANGER, resolver: keyResolver({}), ...options });
}

test("A message with 500 forged results loses them", async () => {
  const { decision, report } = await handle(MOST);
  expect(decision).toMatchObject({ reply: "continue" });
  expect(decision).toHaveProperty("edits.remove.length", MOST);
  expect(report).toMatchObject({ action: "accept" });
});

test.each([
  { whose: "a stranger", options: {} },
  { whose: "a host of ours", options: { client: { ...STRANGER, hostname: "localhost", address: "127.0.0.1" } } },
  { whose: "an excluded client", options: { toml: '[milter]\nskip = ["192.0.2.1"]\n' } },
  { whose: "the second pass", options: { daemon: "FORWARD" } },
])("A message of $whose with one more is refused", async ({ options }) => {
  const { decision, report } = await handle(MOST + 1, options);
  expect(decision).toEqual({
    reply: {
      code: 550,
      enhancedCode: "5.7.1",
      text: "Too many authentication results in the name of this host",
    },
  });
  expect(report).toMatchObject({ action: "reject", problem: `${MOST + 1} forged results` });
});

test("Report mode refuses none", async () => {
  const { decision } = await handle(MOST + 1, { toml: '[milter]\nmode = "report"\n' });
  expect(decision).toMatchObject({ reply: "continue" });
  expect(decision).toHaveProperty("edits.remove.length", MOST + 1);
});
