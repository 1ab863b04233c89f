/** Tests the running daemon: signals, reload, log lines, metrics. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { freePorts, Peer, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { startServer } from "../helpers/server-process.ts";
import { zoneAuthority } from "../helpers/zone.ts";

const NOW = { POSTVOUCH_NOW: "1577836860" };

interface Options {
  readonly srs?: string;
  readonly policy?: string;
  readonly more?: string;
  /** Lines before the first section. */
  readonly top?: string;
  readonly env?: Record<string, string>;
}

/** A daemon with every service on free ports. */
async function start(options: Options = {}) {
  const dir = scratch();
  const [forward = 0, reverse = 0, socketmap = 0, policy = 0, metrics = 0] = await freePorts(5);
  dir.write("secrets", "tops3cr3t\n");
  const toml = (srs: string, more = options.more ?? "") => `hostname = "mx.example.com"
${options.top ?? ""}
[srs]
domain = "example.com"
secrets_file = "${join(dir.path, "secrets")}"
${srs}
[tcptable]
forward = ["127.0.0.1:${forward}"]
reverse = ["127.0.0.1:${reverse}"]
[socketmap]
listen = ["127.0.0.1:${socketmap}", "unix:${dir.path}/s"]
[policy]
listen = ["127.0.0.1:${policy}"]
${options.policy ?? ""}
[metrics]
listen = ["127.0.0.1:${metrics}"]
${more}
`;
  const config = dir.write("postvouch.toml", toml(options.srs ?? ""));
  const daemon = new RunningDaemon(["--config", config], { ...NOW, ...options.env });
  await daemon.said("listening", 6);
  return {
    dir,
    config,
    daemon,
    forward,
    reverse,
    socketmap,
    policy,
    configure: (srs: string, more?: string, edit = (text: string) => text) =>
      writeFileSync(config, edit(toml(srs, more))),
    http: async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${metrics}${path}`);
      return { status: response.status, text: await response.text() };
    },
    [Symbol.asyncDispose]: async () => {
      await daemon[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

const ALICE = "200 SRS0=-xpx=2W=example.org=alice@example.com\n";
const NOT_FOUND = /^500 /;

function policyRequest(attributes: Record<string, string>): string {
  const lines = Object.entries({ request: "smtpd_access_policy", protocol_state: "RCPT", ...attributes });
  return `${lines.map(([name, value]) => `${name}=${value}`).join("\n")}\n\n`;
}

describe("postvouch serve", () => {
  test("prints one line for each listener, no main.cf lines into a log, and warns of a frozen clock", async () => {
    await using d = await start();
    expect(d.daemon.output).not.toContain("sender_canonical_maps");
    expect(d.daemon.output).toContain(`info listening listener=tcptable.forward endpoint=127.0.0.1:${d.forward}\n`);
    expect(d.daemon.output).toContain(
      'warn clock warning="POSTVOUCH_NOW is set: SRS reads a frozen clock" now=1577836860\n',
    );
    expect(statSync(`${d.dir.path}/s`).mode & 0o777).toBe(0o666);
  });

  test("answers all its protocols", async () => {
    await using d = await start();
    using tcp = new Peer(d.forward);
    expect(await tcp.ask("get alice@example.org\n")).toBe(ALICE);
    using back = new Peer(d.reverse);
    expect(await back.ask("get SRS0=-xpx=2W=example.org=alice@example.com\n")).toBe("200 alice@example.org\n");
    using unix = new Peer(`${d.dir.path}/s`);
    expect(await unix.ask("25:forward alice@example.org,", ",")).toBe(
      "45:OK SRS0=-xpx=2W=example.org=alice@example.com,",
    );
    expect(await unix.ask("35:forward-transport alice@example.org,", ",")).toBe(
      "27:OK srs:[127.0.0.1]:12526,".replace("27", "24"),
    );
    using policy = new Peer(d.policy);
    expect(await policy.ask(policyRequest({ client_address: "127.0.0.1" }), "\n\n")).toBe("action=DUNNO\n\n");
  });

  test("takes new secrets, own domains and endpoints on SIGHUP without dropping a connection", async () => {
    await using d = await start();
    using tcp = new Peer(d.forward);
    expect(await tcp.ask("get alice@example.org\n")).toBe(ALICE);
    d.dir.write("secrets", "new\ntops3cr3t\n");
    d.configure(`[srs.own_domains]\ndomains = ["example.net"]`, `[log]\nlevel = "info"\n`);
    d.daemon.signal("SIGHUP");
    await d.daemon.said("info reload result=ok");
    const signed = await tcp.ask("get alice@example.org\n");
    expect(signed).toMatch(/^200 SRS0=....=2W=example\.org=alice@example\.com\n$/);
    expect(signed).not.toBe(ALICE);
    expect(await tcp.ask("get bob@example.net\n")).toMatch(NOT_FOUND);
    using back = new Peer(d.reverse);
    expect(await back.ask("get SRS0=-xpx=2W=example.org=alice@example.com\n")).toBe("200 alice@example.org\n");
  });

  test("gives a message one header, also when a reload comes between its recipients", async () => {
    await using dns = await startDnsServer(zoneAuthority({}));
    await using d = await start({ more: `[dns]\nservers = ["${dns.address}"]` });
    using policy = new Peer(d.policy);
    const request = { client_address: "192.0.2.1", helo_name: "h.example", sender: "a@b.example", instance: "1.2.3" };
    expect(await policy.ask(policyRequest({ ...request, recipient: "x@c.example" }), "\n\n")).toMatch(
      /^action=PREPEND /,
    );
    d.daemon.signal("SIGHUP");
    await d.daemon.said("info reload result=ok");
    expect(await policy.ask(policyRequest({ ...request, recipient: "y@c.example" }), "\n\n")).toBe("action=DUNNO\n\n");
  });

  test("logs why mail is refused, and warns once that the real client is hidden", async () => {
    await using dns = await startDnsServer(zoneAuthority({ "b.example": [{ TXT: "v=spf1 -all" }] }));
    await using d = await start({ more: `[dns]\nservers = ["${dns.address}"]` });
    using policy = new Peer(d.policy);
    for (const instance of ["1", "2"]) {
      const request = { client_address: "10.1.2.3", helo_name: "h", sender: "a@b.example", instance };
      expect(await policy.ask(policyRequest(request), "\n\n")).toMatch(/^action=550 5\.7\.23 /);
    }
    await d.daemon.said("info spf client=10.1.2.3", 2);
    expect(d.daemon.output).toMatch(/^.*info spf .* mailfrom_result=fail mechanism=-all action=reject /m);
    expect(d.daemon.output.match(/^.*warn hidden_client client=10\.1\.2\.3 .*$/gm)).toHaveLength(1);
  });

  test("answers each of many empty requests, and logs ten of them", async () => {
    await using d = await start();
    using policy = new Peer(d.policy);
    await policy.ask("\n".repeat(5000), "action=DUNNO\n\n".repeat(5000));
    await policy.ask(policyRequest({ client_address: "192.0.2.1", sasl_username: "joe", recipient: "last@b.example" }));
    await d.daemon.said("last@b.example");
    expect(d.daemon.output.split(' spf client=""')).toHaveLength(11);
  });

  test("forgets DNS answers and verdicts at a reload", async () => {
    await using dns = await startDnsServer(zoneAuthority({ "b.example": [{ TXT: "v=spf1 -all" }] }));
    await using d = await start({ more: `[dns]\nservers = ["${dns.address}"]` });
    using policy = new Peer(d.policy);
    const check = (instance: string) =>
      policy.ask(
        policyRequest({ client_address: "192.0.2.1", helo_name: "h", sender: "a@b.example", instance }),
        "\n\n",
      );
    const queries = () => dns.queries.filter(({ name }) => name === "b.example");
    for (const instance of ["1", "2", "3"]) expect(await check(instance)).toMatch(/^action=550 5\.7\.23 /);
    expect(queries()).toHaveLength(1);
    d.daemon.signal("SIGHUP");
    await d.daemon.said("info reload result=ok");
    await check("4");
    expect(queries()).toHaveLength(2);
  });

  test("opens and closes endpoints and changes the log level on SIGHUP", async () => {
    await using d = await start();
    using old = new Peer(d.reverse);
    expect(await old.ask("get a@b.example\n")).toMatch(NOT_FOUND);
    const [port = 0] = await freePorts(1);
    d.configure("", '[log]\nlevel = "warn"', (toml) =>
      toml.replace(`reverse = ["127.0.0.1:${d.reverse}"]`, `reverse = ["127.0.0.1:${port}"]`),
    );
    d.daemon.signal("SIGHUP");
    await d.daemon.said(`info listening listener=tcptable.reverse endpoint=127.0.0.1:${port}\n`);
    using fresh = new Peer(port);
    expect(await fresh.ask("get a@b.example\n")).toMatch(NOT_FOUND);
    expect(await old.ask("get a@b.example\n")).toMatch(NOT_FOUND);
    using refused = new Peer(d.reverse);
    await refused.closed;
    using tcp = new Peer(d.forward);
    expect(await tcp.ask("get alice@example.org\n")).toBe(ALICE);
    d.daemon.signal("SIGTERM");
    await d.daemon.exited;
    expect(d.daemon.output).not.toContain("info srs");
  });

  test("keeps the old state when the new one is wrong, and says so in log and metrics", async () => {
    await using d = await start();
    d.configure('separator = "*"');
    d.daemon.signal("SIGHUP");
    await d.daemon.said('error reload result="failed, the old state stays" problem=');
    expect(d.daemon.output).toContain('srs.separator: got \\"*\\", want one of');
    using tcp = new Peer(d.forward);
    expect(await tcp.ask("get alice@example.org\n")).toBe(ALICE);
    expect((await d.http("/metrics")).text).toContain("\npostvouch_config_last_reload_successful 0\n");
  });

  test("shares its ports with another process where that is wanted", async () => {
    await using first = await start({ top: "reuse_port = true" });
    await using second = new RunningDaemon(["--config", first.config], { ...NOW });
    await second.exited;
    // Four inet ports were shared; the unix socket is the first one's alone.
    expect(second.output).toContain(
      `Cannot listen on unix:${first.dir.path}/s for socketmap.listen: another process has it`,
    );
    using tcp = new Peer(first.forward);
    expect(await tcp.ask("get alice@example.org\n")).toBe(ALICE);
  });

  test("keeps its secrets when their file is gone at SIGHUP, and makes no new one", async () => {
    await using d = await start();
    unlinkSync(`${d.dir.path}/secrets`);
    d.daemon.signal("SIGHUP");
    await d.daemon.said("error reload");
    expect(d.daemon.output).toContain("does not exist");
    expect(existsSync(`${d.dir.path}/secrets`)).toBe(false);
    using tcp = new Peer(d.forward);
    expect(await tcp.ask("get alice@example.org\n")).toBe(ALICE);
  });

  test("says aloud that it made a secret, and at a reload that a systemd credential is a copy", async () => {
    using dir = scratch();
    const [port = 0] = await freePorts(1);
    const off = "[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = []\n[policy]\nlisten = []\n";
    const config = dir.write(
      "p.toml",
      `state_dir = "${dir.path}/state"\n${off}[metrics]\nlisten = ["127.0.0.1:${port}"]\n[srs]\ndomain = "x.example"`,
    );
    await using first = new RunningDaemon(["--config", config]);
    await first.said("listening");
    expect(first.output).toContain(`made \\"${dir.path}/state/srs.secrets\\" with a new secret`);
    await first[Symbol.asyncDispose]();
    await using second = new RunningDaemon(["--config", config], { CREDENTIALS_DIRECTORY: `${dir.path}/state` });
    await second.said("listening");
    expect(second.output).not.toContain("new secret");
    second.signal("SIGHUP");
    await second.said("info reload result=ok");
    expect(second.output).toContain('secrets_as_of="the start; restart to read them again"');
  });

  test("tells on /readyz that it is stopping, and which protocol was broken", async () => {
    await using dns = await startDnsServer(zoneAuthority({}), { quirk: () => ({ delayMs: 1500 }) });
    await using d = await start({ more: `[dns]\nservers = ["${dns.address}"]` });
    using garbage = new Peer(d.policy);
    garbage.socket.write("GET / HTTP/1.1\r\n\r\n");
    await garbage.closed;
    expect(garbage.received).toBe("");
    expect((await d.http("/metrics")).text).toContain('postvouch_protocol_errors_total{protocol="policy"} 1\n');
    await d.daemon.said("warn protocol protocol=policy");
    using policy = new Peer(d.policy);
    policy.socket.write(policyRequest({ client_address: "192.0.2.1", helo_name: "x.example", sender: "a@x.example" }));
    while (!dns.queries.some(({ type }) => type === "TXT")) await new Promise((resolve) => setTimeout(resolve, 5));
    d.daemon.signal("SIGTERM");
    await d.daemon.said("info stopping");
    expect(await d.http("/readyz")).toEqual({ status: 503, text: "stopping\n" });
    expect(await d.daemon.exited).toBe(0);
  });

  test("answers what is under way on SIGTERM, then ends with 0", async () => {
    await using dns = await startDnsServer(zoneAuthority({ "slow.example": [{ TXT: "v=spf1 -all" }] }), {
      quirk: () => ({ delayMs: 700 }),
    });
    await using d = await start({ more: `[dns]\nservers = ["${dns.address}"]` });
    using idle = new Peer(d.forward);
    expect(await idle.ask("get alice@example.org\n")).toBe(ALICE);
    using policy = new Peer(d.policy);
    const answer = policy.ask(
      policyRequest({ client_address: "192.0.2.1", helo_name: "slow.example", sender: "a@slow.example" }),
      "\n\n",
    );
    while (!dns.queries.some(({ type }) => type === "TXT")) await new Promise((resolve) => setTimeout(resolve, 5));
    d.daemon.signal("SIGTERM");
    expect(await answer).toMatch(/^action=550 5\.7\.23 /);
    expect(await d.daemon.exited).toBe(0);
    await idle.closed;
    expect(d.daemon.output).toContain("info stopping signal=SIGTERM\n");
  });

  test("waits no longer than five seconds for an answer that does not come", { timeout: 30_000 }, async () => {
    await using dns = await startDnsServer(zoneAuthority({}), { quirk: () => "drop" });
    await using d = await start({ more: `[dns]\nservers = ["${dns.address}"]\ntimeout = "20s"` });
    using policy = new Peer(d.policy);
    policy.socket.write(policyRequest({ client_address: "192.0.2.1", helo_name: "x.example", sender: "a@x.example" }));
    while (!dns.queries.some(({ type }) => type === "TXT")) await new Promise((resolve) => setTimeout(resolve, 5));
    d.daemon.signal("SIGTERM");
    expect(await d.daemon.exited).toBe(0);
    expect(policy.received).toBe("");
  });

  test("ends at once on a second signal", async () => {
    await using dns = await startDnsServer(zoneAuthority({}), { quirk: () => "drop" });
    await using d = await start({ more: `[dns]\nservers = ["${dns.address}"]\ntimeout = "20s"` });
    using policy = new Peer(d.policy);
    policy.socket.write(policyRequest({ client_address: "192.0.2.1", helo_name: "x.example", sender: "a@x.example" }));
    while (!dns.queries.some(({ type }) => type === "TXT")) await new Promise((resolve) => setTimeout(resolve, 5));
    d.daemon.signal("SIGTERM");
    await d.daemon.said("info stopping");
    d.daemon.signal("SIGINT");
    await d.daemon.exited;
    expect(d.daemon.output).toContain("warn stopping signal=SIGINT again=true\n");
  });
});

describe("what the daemon tells", () => {
  test("is one line for each rewriting, refused hash and policy request", async () => {
    await using d = await start();
    using tcp = new Peer(d.forward);
    await tcp.ask("get alice@example.org\n");
    await tcp.ask("get bob@example.com\n");
    using back = new Peer(d.reverse);
    await back.ask("get SRS0=AAAA=2W=example.org=alice@example.com\n");
    await back.ask("get a%0Ab@example.com\n");
    using policy = new Peer(d.policy);
    await policy.ask(
      policyRequest({
        client_address: "127.0.0.1",
        helo_name: 'x" action=fake',
        sender: "a@b.example",
        instance: "1.2",
      }),
      "\n\n",
    );
    await d.daemon.said("info spf");
    const lines = d.daemon.output.split("\n");
    expect(lines).toContain(
      'info srs map=forward from=alice@example.org to="SRS0=-xpx=2W=example.org=alice@example.com"',
    );
    expect(lines).toContain(
      'warn srs map=reverse from="SRS0=AAAA=2W=example.org=alice@example.com" outcome=bad_hash reason="hash invalid"',
    );
    expect(lines.filter((line) => line.includes("bob@"))).toEqual([]);
    const spf = lines.find((line) => line.startsWith("info spf "));
    expect(spf).toMatch(
      /^info spf client=127\.0\.0\.1 helo="x\\" action=fake" sender=a@b\.example recipient="" queue_id=NOQUEUE instance=1\.2 .*action=dunno ms=\S+ lookups=0$/,
    );
  });

  test("does not fill the disk when hashes are guessed", async () => {
    await using d = await start();
    using back = new Peer(d.reverse);
    for (let i = 0; i < 200; i++) await back.ask(`get SRS0=AAAA=2W=example.org=u${i}@example.com\n`);
    d.daemon.signal("SIGTERM");
    await d.daemon.exited;
    expect(d.daemon.output.split("outcome=bad_hash").length - 1).toBeLessThan(25);
  });

  test("is JSON where that is wanted, with the same keys", async () => {
    await using d = await start({ more: '[log]\nformat = "json"' });
    using tcp = new Peer(d.forward);
    await tcp.ask("get alice@example.org\n");
    await d.daemon.said('"event":"srs"');
    const lines = d.daemon.output.split("\n").filter((line) => line.startsWith("{"));
    expect(lines.map((line) => JSON.parse(line) as Record<string, unknown>)).toContainEqual(
      expect.objectContaining({
        event: "srs",
        level: 30,
        map: "forward",
        from: "alice@example.org",
        to: "SRS0=-xpx=2W=example.org=alice@example.com",
      }),
    );
  });

  test("begins with journald's priorities under systemd", async () => {
    await using d = await start({ env: { JOURNAL_STREAM: "8:1" } });
    expect(d.daemon.output).toContain("<6>info listening ");
    expect(d.daemon.output).toContain("<4>warn clock ");
  });
});

describe("what the daemon counts", () => {
  test("is under the names and labels of the contract", async () => {
    await using d = await start();
    using tcp = new Peer(d.forward);
    await tcp.ask("get alice@example.org\n");
    await tcp.ask("nonsense\n");
    using policy = new Peer(d.policy);
    await policy.ask(policyRequest({ client_address: "127.0.0.1" }), "\n\n");
    const { text } = await d.http("/metrics");
    const lines = text.split("\n");
    for (const line of [
      'postvouch_srs_lookups_total{map="forward",protocol="tcp_table",outcome="rewritten"} 1',
      'postvouch_srs_lookups_total{map="reverse",protocol="socketmap",outcome="bad_hash"} 0',
      "postvouch_srs_lookup_duration_seconds_count 1",
      'postvouch_spf_checks_total{identity="mailfrom",result="pass"} 0',
      'postvouch_policy_requests_total{action="dunno"} 1',
      'postvouch_policy_would_total{action="reject"} 0',
      "postvouch_policy_request_duration_seconds_count 1",
      'postvouch_dns_queries_total{type="TXT",outcome="timeout"} 0',
      "postvouch_dns_query_duration_seconds_count 0",
      "postvouch_dns_cache_hits_total 0",
      "postvouch_dns_cache_misses_total 0",
      "postvouch_dns_cache_entries 0",
      'postvouch_connections{listener="tcptable.forward"} 1',
      'postvouch_protocol_errors_total{protocol="tcp_table"} 1',
      'postvouch_own_domains{source="domains"} 0',
      "postvouch_config_last_reload_successful 1",
      "postvouch_srs_secrets 1",
      'postvouch_srs_tempfails_total{part="store"} 0',
    ]) {
      expect(lines).toContain(line);
    }
    expect(text).not.toContain("\npostvouch_store_up ");
    for (const name of ["srs_last_lookup", "policy_last_request"]) {
      const seconds = new RegExp(`^postvouch_${name}_timestamp_seconds (\\S+)$`, "m").exec(text)?.[1];
      expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
    }
    for (const name of [
      "own_domains_last_success_timestamp_seconds{",
      "config_last_reload_timestamp_seconds ",
      'build_info{version="',
    ]) {
      expect(text).toContain(`\npostvouch_${name}`);
    }
    expect(text).toContain("\nprocess_resident_memory_bytes ");
  });

  const redis = requirePrograms("redis-server");
  test.skipIf(redis !== undefined)(
    `is whether the store is up; ready only when it was there once ${redis ?? ""}`,
    async () => {
      using dir = scratch();
      const socket = join(dir.path, "redis");
      await using d = await start({ more: `[srs.store]\nurl = "redis+unix:${socket}"\n` });
      const state = async () => [
        (await d.http("/readyz")).status,
        /^postvouch_store_up (\d)$/m.exec((await d.http("/metrics")).text)?.[1],
      ];
      const becomes = (wanted: unknown) => vi.waitFor(async () => expect(await state()).toEqual(wanted), 10_000);
      expect(await state()).toEqual([503, "0"]);
      expect((await d.http("/readyz")).text).toBe("the store (srs.store.url) has not answered yet\n");
      const options = ["--port", "0", "--save", "", "--dir", dir.path, "--unixsocket", socket];
      const server = await startServer("redis-server", options, { isReady: () => existsSync(socket) });
      await becomes([200, "1"]);
      await server.kill();
      await becomes([200, "0"]);
    },
  );

  const promtool = requirePrograms("promtool");
  test.skipIf(promtool !== undefined)(
    `satisfies promtool${promtool === undefined ? "" : ` (${promtool})`}`,
    async () => {
      await using d = await start();
      using tcp = new Peer(d.forward);
      await tcp.ask("get alice@example.org\n");
      const { status, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], {
        input: (await d.http("/metrics")).text,
        encoding: "utf8",
      });
      expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: "", stdout: "" });
    },
  );

  test("is served beside /healthz and /readyz, and nothing else", async () => {
    await using d = await start();
    expect(await d.http("/healthz")).toEqual({ status: 200, text: "ok\n" });
    expect(await d.http("/readyz")).toEqual({ status: 200, text: "ok\n" });
    expect((await d.http("/nothing")).status).toBe(404);
  });

  test("show on the status page what was asked, a reload that failed, and when the secrets changed", async () => {
    await using d = await start();
    const page = async (): Promise<string> =>
      (await d.http("/")).text.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
    expect(await page()).toContain("Nothing has asked yet.");
    using forward = new Peer(d.forward);
    await forward.ask("get alice@example.org\n");
    expect(await page()).toMatch(/map forward \d seconds? ago .* map reverse not since the start /);
    const since = async (): Promise<string> =>
      /Secrets (\d, the same since) .*?(\(.*?\))/.exec(await page())?.[0] ?? "";
    const first = (await since()).replace(/.*\(/, "(");
    d.dir.write("secrets", "");
    d.daemon.signal("SIGHUP");
    await d.daemon.said("failed, the old state stays");
    expect(await page()).toContain("the last reload failed, the old one is in force");
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    d.dir.write("secrets", "tops3cr3t\n");
    d.daemon.signal("SIGHUP");
    await d.daemon.said("result=ok");
    expect(await page()).toContain("Configuration in force");
    expect(await since()).toContain(first);
    d.dir.write("secrets", "new\ntops3cr3t\n");
    d.daemon.signal("SIGHUP");
    await d.daemon.said("result=ok", 2);
    expect(await since()).toContain("2, the same since");
    expect(await since()).not.toContain(first);
    expect(await page()).not.toContain("tops3cr3t");
  });
});
