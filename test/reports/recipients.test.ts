/** Who gets reports, while servers of strangers are silent. */
import { expect, test } from "vitest";
import type { Resolver } from "../../src/dns/types.ts";
import type { KeptPolicy } from "../../src/history/database.ts";
import { Recipients } from "../../src/reports/recipients.ts";
import { registeredDomain } from "../../src/setup/public-suffix.ts";
import { dmarcResolver } from "../dmarc/fixtures.ts";

function keptOf(domain: string, rua: readonly string[]): KeptPolicy {
  const policy = {
    domain,
    p: "none",
    sp: undefined,
    np: undefined,
    adkim: "r",
    aspf: "r",
    fo: "0",
    testing: "n",
  } as const;
  return { id: 1, policy, rua, faults: [], messages: 1, kinds: 1 };
}

/** A resolver that answers nothing below silent.example before the deadline, on a clock of its own. */
function silence() {
  const zone = dmarcResolver({ "ok.test._report._dmarc.r.test": ["v=DMARC1"] });
  const clock = { nowMs: 0, queries: 0, waiting: [] as { endMs: number; end: () => void }[] };
  const resolve: Resolver["resolve"] = async (name, type, options) => {
    if (!name.endsWith("silent.example")) return await zone.resolve(name, type, options);
    clock.queries++;
    await new Promise<void>((end) => clock.waiting.push({ endMs: options?.deadlineMs ?? 0, end }));
    return { status: "error", trouble: "timeout", detail: "timeout" } as never;
  };
  return { clock, resolver: { resolve } as Resolver };
}

/** Lets time pass until the promise is settled. @returns its value, and the time */
async function passing<T>(clock: ReturnType<typeof silence>["clock"], promise: Promise<T>): Promise<T> {
  let isDone = false;
  void promise.finally(() => (isDone = true));
  while (!isDone) {
    for (let turn = 0; turn < 50; turn++) await null;
    await new Promise((resolve) => setImmediate(resolve));
    const [next] = clock.waiting.sort((a, b) => a.endMs - b.endMs);
    if (isDone || next === undefined) continue;
    clock.nowMs = Math.max(clock.nowMs, next.endMs);
    for (const { end } of clock.waiting.filter(({ endMs }) => endMs <= clock.nowMs)) end();
    clock.waiting = clock.waiting.filter(({ endMs }) => endMs > clock.nowMs);
  }
  return await promise;
}

async function allOf(policies: readonly KeptPolicy[]) {
  const { clock, resolver } = silence();
  const recipients = new Recipients({ resolver, organizationOf: registeredDomain, nowMs: () => clock.nowMs });
  const found = [];
  for (const { destinations } of recipients.of(policies)) found.push(await passing(clock, destinations));
  return { found, clock };
}

const SILENT = Array.from({ length: 10 }, (_, i) => `mailto:a@h${i}.silent.example`);

test("Ten silent hosts of a domain take four seconds, and five of them are asked", async () => {
  const { found, clock } = await allOf([keptOf("evil.test", SILENT)]);
  expect(clock.nowMs).toBe(4_000);
  expect(found[0]?.refused.filter(({ isTemporary }) => isTemporary)).toHaveLength(5);
  expect(found[0]?.refused.filter(({ reason }) => reason.startsWith("too many addresses"))).toHaveLength(5);
});

test("A silent host takes nothing from the others of its domain", async () => {
  const { found } = await allOf([keptOf("ok.test", ["mailto:a@h.silent.example", "mailto:a@r.test"])]);
  expect(found[0]?.accepted).toEqual([{ mailbox: "a@r.test", maxBytes: undefined }]);
  expect(found[0]?.refused).toHaveLength(1);
});

test("Domains are asked about at once, and those of one organization for ten seconds in all", async () => {
  const many = Array.from({ length: 500 }, (_, i) => keptOf(`d${i}.evil.test`, SILENT));
  const { found, clock } = await allOf([...many, keptOf("ok.test", ["mailto:a@r.test"])]);
  expect(clock.nowMs).toBeLessThanOrEqual(10_000);
  expect(found.at(-1)?.accepted).toHaveLength(1);
  const others = Array.from({ length: 32 }, (_, i) => keptOf(`evil${i}.test`, SILENT));
  expect((await allOf(others)).clock.nowMs).toBeLessThanOrEqual(12_000);
});
