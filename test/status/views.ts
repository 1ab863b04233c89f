/** Data for the status page: of a quiet daemon, and of a busy one whose peers send all that is bad for a page. */
import type { StatusView } from "../../src/status/view.ts";

const NOW_MS = Date.UTC(2026, 10, 26, 8, 30);
const CLOCK_MS = 200_000_000;

const nothing = (name: string) => ({ name, hour: new Array<number>(60).fill(0), day: new Array<number>(1440).fill(0) });

/** Right after the start, with nothing that asks. */
export function quietView(more: Partial<StatusView> = {}): StatusView {
  return {
    hostname: "mx.example.org",
    version: "0.1.0",
    node: "24.0.0",
    nowMs: NOW_MS,
    clockMs: CLOCK_MS,
    startedMs: NOW_MS - 3_000,
    notReady: undefined,
    asked: ["policy service", "map forward", "map reverse", "map forward-transport"].map((name) => ({
      name,
      lastMs: undefined,
    })),
    config: { file: undefined, readMs: NOW_MS - 3_000, isCurrent: true },
    srsDomain: "srs.example.org",
    secrets: { count: 1, sinceMs: NOW_MS - 3_000 },
    store: undefined,
    connections: new Map([["policy.listen", 0]]),
    traffic: [{ title: "SPF verdicts, of HELO and MAIL FROM", rows: ["pass", "fail"].map(nothing) }],
    refusedMails: [],
    refusedLookups: [],
    milter: undefined,
    dns: { servers: [{ name: "127.0.0.1:53", state: "unasked" }], cacheEntries: 0, cacheHits: 0, cacheMisses: 0 },
    ownDomains: [{ source: "domains", count: 2, lastMs: undefined }],
    ...more,
  };
}

/** Texts that break out of markup, of a line, of a direction or of a screen. Latin1, as the wire has them. */
export const HOSTILE = [
  "<script>document.title='owned'</script>",
  `"><img src=x onerror="document.title='owned'">`,
  "'-->&lt;<svg/onload=alert(1)>",
  Buffer.from("\u202egnp.exe \u2066\u200b\ufeff", "utf8").toString("latin1"),
  "\x1b[31mred\x1b]0;title\x07\r\n\0\x85",
  `${"long".repeat(400)}@example.net`,
  Buffer.from("\u05d0\u05d1@\u4f8b\u3048.\u30c6\u30b9\u30c8", "utf8").toString("latin1"),
  "\xff\xfe not UTF-8 \xc3",
] as const;

/** A shape with a day and a night. */
const wave = (name: string, perMinute: number, phase = 0) => {
  const day = Array.from({ length: 1440 }, (_, minute) =>
    Math.max(0, Math.round(perMinute * (1 + Math.sin((minute + phase) / 150)) + 2 * Math.sin(minute * 7.3))),
  );
  return { name, hour: day.slice(-60), day };
};

export function busyView(): StatusView {
  const at = (index: number): string => HOSTILE[index % HOSTILE.length] ?? "";
  return quietView({
    startedMs: NOW_MS - 9 * 86_400_000,
    notReady: "the store (srs.store.url) has not answered yet",
    asked: [
      { name: "policy service", lastMs: NOW_MS - 2_000 },
      { name: "map forward", lastMs: NOW_MS - 61_000 },
      { name: "map reverse", lastMs: undefined },
      { name: "map forward-transport", lastMs: "off" },
    ],
    config: { file: "/etc/postvouch/postvouch.toml", readMs: NOW_MS - 86_400_000, isCurrent: false },
    secrets: { count: 2, sinceMs: NOW_MS - 3 * 86_400_000 },
    store: { kind: "redis", isUp: false },
    connections: new Map([
      ["tcptable.forward", 4],
      ["policy.listen", 12],
    ]),
    traffic: [
      {
        title: "SPF verdicts, of HELO and MAIL FROM",
        rows: [
          wave("pass", 40),
          wave("fail", 3, 300),
          wave("softfail", 2, 90),
          nothing("neutral"),
          wave("none", 12, 700),
        ],
      },
      {
        title: "SRS lookups, several for each message",
        rows: [wave("sender rewritten", 9), nothing("bounce led back")],
      },
    ],
    refusedMails: HOSTILE.map((text, i) => ({
      clockMs: CLOCK_MS - i * 47_000,
      client: "192.0.2.99",
      helo: text,
      sender: at(i + 1),
      recipient: at(i + 2),
      action: i % 2 === 0 ? "reject" : "defer",
      reply: `550 5.7.23 Message rejected due to: SPF fail: ${at(i + 3)}`,
      reason: at(i + 4),
      isReport: i === 1,
    })),
    milter: {
      isReport: true,
      results: [
        {
          method: "dkim",
          counts: [
            { result: "pass", count: 12_345 },
            { result: "fail", count: 67 },
          ],
        },
        { method: "arc", counts: [] },
      ],
      keys: [
        { domain: "example.org", selector: "s2027", type: "RSA, 2048 bits", state: "waiting" },
        { domain: "example.org", selector: "s2026", type: "RSA, 2048 bits", state: "signing" },
        { domain: "example.net", selector: "ed", type: "ed25519", state: "spare" },
      ],
      moreKeys: 1_950,
      brokenKeys: [`dkim.sign.keys[0]: Cannot use "/k/${at(0)}": no permission`],
      messages: HOSTILE.map((text, i) => ({
        clockMs: CLOCK_MS - i * 12_000,
        role: ["incoming", "submitted", "forward", "skip"][i % 4] ?? "",
        client: "192.0.2.99",
        sender: text,
        authorDomain: at(i + 1),
        action: i % 3 === 0 ? "reject" : "accept",
        would: i === 1 ? "hold" : "",
        results: "spf=fail dkim=none arc=none dmarc=fail iprev=pass",
        signed: i === 2 ? "s2026._domainkey.example.org" : "",
        problem: at(i + 2),
      })),
    },
    refusedLookups: HOSTILE.map((text, i) => ({
      clockMs: CLOCK_MS - i * 3_600_000,
      map: "reverse",
      key: `SRS0=Ab1d=EF=elsewhere.example=${text}@srs.example.org`,
      outcome: "bad_hash",
      reason: "hash invalid",
    })),
    dns: {
      servers: [
        { name: "127.0.0.1:53", state: "answering" },
        { name: "[2001:db8::53]:53", state: "silent" },
      ],
      cacheEntries: 4_321,
      cacheHits: 90_210,
      cacheMisses: 12_345,
    },
    ownDomains: [
      { source: "domains", count: 1, lastMs: undefined },
      { source: "files", count: 1_250, lastMs: NOW_MS - 600_000 },
      { source: "postfix_tables", count: 0, lastMs: 0 },
    ],
  });
}
