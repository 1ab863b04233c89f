import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KeyWatch } from "../../src/dkim/key-watch.ts";
import { type ConfiguredKey, SigningKeys } from "../../src/dkim/keys.ts";
import { recordText } from "../../src/dkim/record.ts";
import type { DnsAnswer, Resolver } from "../../src/dns/types.ts";
import { ed25519Key } from "./raw-signer.ts";

function key(selector: string): ConfiguredKey {
  const { privateKey } = ed25519Key();
  return { domain: "example.net", selector, algorithm: "ed25519-sha256", from: ["example.net"], privateKey };
}

/** DNS that changes, in which records live for `ttlMs`, and which counts how many are asked at a time. */
class Dns {
  readonly resolver: Resolver = { resolve: (name) => this.#answer(name) as never };
  readonly records = new Map<string, string>();
  readonly broken = new Set<string>();
  ttlMs = 0;
  asked = 0;
  inFlight = 0;
  most = 0;

  async #answer(name: string): Promise<DnsAnswer<"TXT">> {
    this.asked++;
    this.most = Math.max(this.most, ++this.inFlight);
    await Promise.resolve();
    this.inFlight--;
    if (this.broken.has(name)) return { status: "error", trouble: "timeout", detail: "" };
    const record = this.records.get(name);
    const expiresAtMs = Date.now() + this.ttlMs;
    return record === undefined
      ? { status: "nxdomain", expiresAtMs }
      : { status: "ok", records: [record], expiresAtMs };
  }

  publish(which: ConfiguredKey): void {
    this.records.set(`${which.selector}._domainkey.example.net`, recordText(which.privateKey));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** A watch over two keys, and what it tells. */
function watched(dns: Dns, all: readonly ConfiguredKey[]) {
  const keys = new SigningKeys(all, { requirePublished: true, seen: [] });
  const events: string[] = [];
  const watch = new KeyWatch(
    {
      resolver: dns.resolver,
      keys,
      clockMs: Date.now,
      onChange: ({ selector }, maySign) => events.push(`${selector} ${maySign ? "may sign" : "no longer"}`),
      onWait: ({ selector }) => {
        if (events.at(-1) !== `${selector} waits`) events.push(`${selector} waits`);
      },
    },
    all,
  );
  const signs = (): string[] => keys.choose("ann", "example.net").map(({ selector }) => selector);
  return { watch, events, signs };
}

describe("A rotation", () => {
  test("needs nothing but the new key and its record", async () => {
    const [old, next] = [key("old"), key("next")];
    const dns = new Dns();
    dns.publish(old);
    const { watch, events, signs } = watched(dns, [old, next]);
    await watch.start();
    expect(signs()).toEqual(["old"]);
    dns.publish(next);
    await vi.advanceTimersByTimeAsync(21_000);
    expect(signs()).toEqual(["next"]);
    dns.records.delete("old._domainkey.example.net");
    await vi.advanceTimersByTimeAsync(70_000);
    expect(events).toEqual(["old may sign", "next waits", "next may sign", "old no longer", "old waits"]);
    dns.records.clear();
    dns.publish(old);
    await vi.advanceTimersByTimeAsync(70_000);
    expect(signs()).toEqual(["old"]);
    watch.close();
  });

  test("is not disturbed by a name server that fails", async () => {
    const old = key("old");
    const dns = new Dns();
    dns.publish(old);
    const { watch, events, signs } = watched(dns, [old]);
    await watch.start();
    dns.broken.add("old._domainkey.example.net");
    await vi.advanceTimersByTimeAsync(600_000);
    expect(dns.asked).toBeGreaterThan(5);
    expect({ signs: signs(), events }).toEqual({ signs: ["old"], events: ["old may sign"] });
    watch.close();
  });
});

test("A key is looked up again when its answer has expired, and not before", async () => {
  const dns = new Dns();
  const one = key("one");
  dns.publish(one);
  dns.ttlMs = 600_000;
  const { watch } = watched(dns, [one]);
  await watch.start();
  await vi.advanceTimersByTimeAsync(599_000);
  expect(dns.asked).toBe(1);
  await vi.advanceTimersByTimeAsync(7_000);
  expect(dns.asked).toBe(2);
  dns.ttlMs = 86_400_000;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(dns.asked).toBe(3);
  await vi.advanceTimersByTimeAsync(906_000);
  expect(dns.asked).toBe(4);
  watch.close();
});

test("Thousands of keys are asked for some at a time, and none after the close", async () => {
  const dns = new Dns();
  const one = key("one");
  const all = Array.from({ length: 1000 }, (_, at) => ({ ...one, selector: `s${at}` }));
  const { watch } = watched(dns, all);
  await watch.start();
  expect({ asked: dns.asked, most: dns.most }).toEqual({ asked: 1000, most: 32 });
  watch.close();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(dns.asked).toBe(1000);
});
