/** Tests the Grafana dashboard: each query gives data on a real Prometheus that scrapes a daemon with traffic. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { freePorts, Peer, RunningDaemon, scratch } from "./helpers/daemon.ts";
import { startDnsServer } from "./helpers/dns-server.ts";
import { idleMetrics } from "./helpers/observed.ts";
import { requirePrograms } from "./helpers/requires.ts";
import { zoneAuthority } from "./helpers/zone.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
}

const DASHBOARD = JSON.parse(readFileSync(join(import.meta.dirname, "../deploy/grafana/postvouch.json"), "utf8")) as {
  readonly uid: string;
  readonly panels: readonly Panel[];
};

const PANELS = DASHBOARD.panels.filter(({ type }) => type !== "row");
const QUERIES = PANELS.flatMap(({ title, targets = [] }) =>
  targets.map(({ refId, expr, legendFormat }) => ({ name: `${title} ${refId}`, expr, legendFormat })),
);

describe("The dashboard", () => {
  test("has panels that say what they show, each with its own id and place", () => {
    expect(new Set(DASHBOARD.panels.map(({ id }) => id)).size).toBe(DASHBOARD.panels.length);
    expect(PANELS.filter(({ description = "" }) => !description.endsWith(".") && !description.endsWith("?"))).toEqual(
      [],
    );
    const cells = DASHBOARD.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(DASHBOARD.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  });

  test("shows every metric of ours", async () => {
    const { body } = await idleMetrics({ storeUp: () => true, dkimKeys: () => new Map([["signing", 1]]) }).scrape();
    const named = QUERIES.map(({ expr }) => expr).join("\n");
    const metrics = [...body.matchAll(/^# TYPE (postvouch_\w+) /gm)].map(([, name = ""]) => name);
    expect(metrics.filter((name) => !named.includes(name))).toEqual([]);
  });
});

const missing = requirePrograms("prometheus");

describe.skipIf(missing !== undefined)(`Each query of the dashboard on a real Prometheus ${missing ?? ""}`, () => {
  const cleanups = new AsyncDisposableStack();
  let prometheus: ChildProcess | undefined;
  let api = "";

  beforeAll(async () => {
    const zone = zoneAuthority({ "sender.test": [{ TXT: "v=spf1 ip4:192.0.2.0/24 -all" }] });
    const dns = cleanups.use(await startDnsServer(zone));
    const dir = cleanups.use(scratch());
    const [forward = 0, reverse = 0, policy = 0, milter = 0, metrics = 0, web = 0] = await freePorts(6);
    dir.write("secrets", "tops3cr3t\n");
    const config = dir.write(
      "postvouch.toml",
      `hostname = "mx.example.org"
[srs]
domain = "srs.example.org"
secrets_file = "${join(dir.path, "secrets")}"
[srs.own_domains]
domains = ["example.org"]
[srs.store]
url = "sqlite:${join(dir.path, "long.db")}"
[tcptable]
forward = ["127.0.0.1:${forward}"]
reverse = ["127.0.0.1:${reverse}"]
[socketmap]
listen = []
[policy]
listen = ["127.0.0.1:${policy}"]
[milter]
listen = ["127.0.0.1:${milter}"]
[metrics]
listen = ["127.0.0.1:${metrics}"]
[dns]
servers = ["${dns.address}"]
`,
    );
    const daemon = cleanups.use(new RunningDaemon(["--config", config]));
    await daemon.said("listening", 5);
    dir.write(
      "prometheus.yml",
      `global: { scrape_interval: 500ms, scrape_timeout: 500ms }
scrape_configs:
  - job_name: postvouch
    static_configs: [{ targets: ["127.0.0.1:${metrics}"] }]
`,
    );
    const args = ["--config.file", join(dir.path, "prometheus.yml"), "--storage.tsdb.path", join(dir.path, "tsdb")];
    prometheus = spawn("prometheus", [...args, `--web.listen-address=127.0.0.1:${web}`], { stdio: "ignore" });
    api = `http://127.0.0.1:${web}/api/v1/query`;
    using asker = new Peer(policy);
    using signer = new Peer(forward);
    let number = 0;
    const mail = async (): Promise<void> => {
      number++;
      await asker.ask(
        `request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.${number % 250}\nhelo_name=h${number}.test\nsender=u${number}@sender.test\n\n`,
        "\n\n",
      );
      await signer.ask(`get alice${number}@elsewhere.example\n`);
    };
    // A rate needs two scrapes with mail between them.
    const hasRate = async (): Promise<boolean> => {
      await mail();
      const [first] = await query('rate(postvouch_policy_requests_total{action="prepend"}[10s]) > 0').catch(() => []);
      return first !== undefined;
    };
    await vi.waitUntil(hasRate, { timeout: 40_000, interval: 100 });
  });
  afterAll(async () => {
    if (prometheus !== undefined) {
      const closed = new Promise((resolve) => prometheus?.once("close", resolve));
      prometheus.kill("SIGKILL");
      await closed;
    }
    await cleanups.disposeAsync();
  });

  /** The series that a query gives. @throws {Error} when Prometheus refuses it */
  async function query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    const response = await fetch(`${api}?query=${encodeURIComponent(expr)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: { result: never[] } };
    if (answer.status !== "success") throw new Error(answer.error);
    return answer.data.result;
  }

  test.each(QUERIES)("$name gives data, with the labels of its legend", async ({ expr, legendFormat }) => {
    const series = await query(expr.replaceAll("$__rate_interval", "10s").replaceAll("$instance", ".*"));
    expect(series).not.toEqual([]);
    expect(series.map(({ value: [, text] }) => text)).not.toContain("NaN");
    for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      expect(series.filter(({ metric }) => metric[label] === undefined)).toEqual([]);
    }
  });

  test("the variable has the instances", async () => {
    expect(await query('postvouch_build_info{job="postvouch"}')).toMatchObject([
      { metric: { instance: expect.stringMatching(/^127\.0\.0\.1:/) } },
    ]);
  });
});
