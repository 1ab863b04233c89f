import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createStatusServer } from "../../src/status/server.ts";
import type { ExplainSpf } from "../../src/status/spf-form.ts";
import { quietView } from "./views.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A status server on sockets that somebody else accepts, as the daemon's. */
async function start(
  body = "a_metric 1\n",
  explainSpf: ExplainSpf = () => Promise.resolve(["explained"]),
  hasPage = true,
) {
  const scrape = vi.fn(() => Promise.resolve({ contentType: "text/plain", body }));
  const view = vi.fn(() => quietView());
  const accept = createStatusServer({
    scrape,
    notReady: () => undefined,
    view,
    explainSpf,
    hasPage: () => hasPage,
    hostname: () => "mx.example.org",
  });
  const connections = new Set<{ drain(): void }>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const connection = accept(socket.setEncoding("latin1"));
    connections.add(connection);
    socket.on("close", () => connection.closed());
    socket.resume();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  cleanups.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  };
  const drain = (): void => connections.forEach((connection) => void connection.drain());
  return { port, open, scrape, view, drain };
}

const REQUEST = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [bytes] = (await Promise.race([once(socket, "data"), once(socket, "close")])) as [unknown];
  return Buffer.isBuffer(bytes) ? bytes.toString("latin1") : "closed";
}

describe("The status server", () => {
  test.each([
    { name: "that says nothing", bytes: "" },
    { name: "that sends half a request", bytes: "GET /metrics HTTP/1.1\r\nHo" },
    { name: "that sends a byte now and then", bytes: "G", dripMs: 3_000 },
  ])("ends a connection $name after ten seconds", async ({ bytes, dripMs }) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { open } = await start();
    const socket = await open();
    const closed = once(socket, "close");
    socket.write(bytes);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    for (let passedMs = 0; passedMs < 9_000; passedMs += 3_000) {
      if (dripMs !== undefined) socket.write(REQUEST.charAt(1 + passedMs / dripMs));
      vi.advanceTimersByTime(3_000);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    }
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1_100);
    await closed;
  });

  test("keeps a scraper's connection for the next scrape a minute later, not for two", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"], shouldAdvanceTime: true });
    const { open } = await start();
    const socket = await open();
    const closed = once(socket, "close");
    expect(await ask(socket, REQUEST)).toContain("a_metric 1");
    vi.advanceTimersByTime(60_000);
    expect(await ask(socket, REQUEST)).toContain("a_metric 1");
    vi.advanceTimersByTime(66_000);
    await closed;
  });

  test("ends a connection that does not take its answer after ten seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true });
    const { open, scrape } = await start("#".repeat(32_000_000));
    const socket = await open();
    socket.pause().write(REQUEST);
    await vi.waitUntil(() => scrape.mock.calls.length === 1);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    vi.advanceTimersByTime(10_100);
    const closed = once(socket, "close");
    socket.resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(32_000_000);
  });

  test("ends a connection that asks again before it is answered, behind the first answer", async () => {
    const { open, scrape } = await start();
    const socket = await open();
    const closed = once(socket, "close");
    let answers = "";
    socket.setEncoding("latin1").on("data", (text: string) => (answers += text));
    socket.write(REQUEST.repeat(2));
    await closed;
    expect(answers.match(/a_metric 1/g)).toHaveLength(1);
    expect(scrape).toHaveBeenCalledOnce();
  });

  test.each(["\n", "\r\n"])("answers a request with an empty line behind it, as echo sends: %j", async (line) => {
    const { open } = await start();
    const socket = await open();
    expect(await ask(socket, REQUEST + line)).toContain("a_metric 1");
    expect(await ask(socket, line + REQUEST)).toContain("a_metric 1");
  });

  test("answers what is under way when the daemon stops, and hangs up then", async () => {
    const { open, scrape, drain } = await start();
    const rendered = Promise.withResolvers<void>();
    scrape.mockImplementation(async () => {
      await rendered.promise;
      return { contentType: "text/plain", body: "late 1\n" };
    });
    const [socket, silent] = [await open(), await open()];
    const closed = [socket, silent.resume()].map((one) => once(one, "close"));
    const answer = ask(socket, REQUEST);
    await vi.waitUntil(() => scrape.mock.calls.length === 1);
    drain();
    rendered.resolve();
    expect(await answer).toContain("late 1");
    await Promise.all(closed);
  });

  test("gives a new connection time to ask, though others hold all places between two requests", async () => {
    const { open } = await start();
    const idle = await Promise.all(Array.from({ length: 63 }, open));
    await Promise.all(idle.map((socket) => ask(socket, REQUEST)));
    const scraper = await open();
    const closed = Promise.race(idle.map((socket) => once(socket, "close")));
    await open();
    await closed;
    expect(await ask(scraper, REQUEST)).toContain("200 OK");
  });

  test("parses one of a thousand requests in a packet, and all of a long one", async () => {
    let parsed = 0;
    const count = (): void => void parsed++;
    subscribe("http.server.request.start", count);
    cleanups.push(() => unsubscribe("http.server.request.start", count));
    const { open } = await start();
    const [hasty, patient] = [await open(), await open()];
    const closed = once(hasty, "close");
    hasty.resume().write(REQUEST.repeat(1_000));
    await closed;
    expect(parsed).toBe(1);
    expect(await ask(patient, REQUEST.replace("Host", `X-Long: ${"a".repeat(5_000)}\r\nHost`))).toContain("200 OK");
  });

  test("answers a peer that closes its half behind the request, and hangs up on one that asks for nothing", async () => {
    const { open } = await start();
    const [asking, verbose, silent, resetting] = [await open(), await open(), await open(), await open()];
    const answers = ["", ""];
    for (const [at, socket] of [asking, verbose].entries()) {
      socket.setEncoding("latin1").on("data", (text: string) => (answers[at] += text));
    }
    const closed = [asking, verbose, silent].map((socket) => once(socket, "close"));
    asking.end(REQUEST);
    verbose.end(REQUEST.replace("Host", `X-Long: ${"a".repeat(5_000)}\r\nHost`));
    silent.resume().end();
    resetting.resetAndDestroy();
    await Promise.all(closed);
    for (const answer of answers) expect(answer).toContain("a_metric 1");
  });

  test("refuses a request with a body, and says so", async () => {
    const { open } = await start();
    const answer = await ask(
      await open(),
      `${REQUEST.replace("GET", "POST").trimEnd()}\r\nContent-Length: 3\r\n\r\na=b`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 405 .*want GET\n/s);
  });

  test("makes few scrapes for many that ask all the time", async () => {
    const { open, scrape } = await start();
    const sockets = await Promise.all(Array.from({ length: 30 }, open));
    const startMs = performance.now();
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(sockets.map((socket) => ask(socket, REQUEST)));
      expect(answers.every((answer) => answer.includes("200 OK"))).toBe(true);
    }
    // One at once, one for those that asked after it, and then five a second.
    expect(scrape.mock.calls.length).toBeLessThanOrEqual(2 + (performance.now() - startMs) / 200);
  });

  test("takes no more than 64 connections, and closes the one for another that has been silent longest", async () => {
    const { open } = await start();
    const [oldest, next] = [await open(), await open()];
    oldest.write(REQUEST.slice(0, 20));
    const others = await Promise.all(Array.from({ length: 61 }, open));
    const scraper = await open();
    expect(await ask(scraper, REQUEST)).toContain("200 OK");
    const closed = new Promise((resolve) => oldest.once("close", resolve));
    expect(await ask(await open(), REQUEST)).toContain("200 OK");
    await closed;
    expect([next, scraper, ...others].filter(({ destroyed }) => destroyed)).toEqual([]);
    expect(await ask(next, REQUEST)).toContain("200 OK");
  });

  test("closes a scraper's idle connection only if there are fewer silent ones, and none that waits for its answer", async () => {
    let asked = 0;
    const count = (): void => void asked++;
    subscribe("http.server.request.start", count);
    cleanups.push(() => unsubscribe("http.server.request.start", count));
    const { port, open, scrape } = await start();
    const idle = await open();
    expect(await ask(idle, REQUEST)).toContain("200 OK");
    const rendered = Promise.withResolvers<void>();
    scrape.mockImplementation(async () => {
      await rendered.promise;
      return { contentType: "text/plain", body: "late 1\n" };
    });
    const waiting = await Promise.all(Array.from({ length: 63 }, open));
    const answered = waiting.map((socket) => ask(socket, REQUEST));
    await vi.waitUntil(() => asked === 64);
    const closed = new Promise((resolve) => idle.once("close", resolve));
    const one = await open();
    await closed;
    const last = ask(one, REQUEST);
    await vi.waitUntil(() => asked === 65);
    const late = connect(port, "127.0.0.1");
    late.on("error", () => {});
    await new Promise((resolve) => late.once("close", resolve));
    rendered.resolve();
    const texts = await Promise.all([...answered, last]);
    expect(texts.filter((text) => !text.includes("200 OK"))).toEqual([]);
  });
});

describe("The status page", () => {
  const get = (path: string, headers = "Host: localhost\r\n", method = "GET"): string =>
    `${method} ${path} HTTP/1.1\r\n${headers}\r\n`;

  test.each(["/", "/style.css", "/?ip=192.0.2.1"])("comes at %s with headers that let it do nothing", async (path) => {
    const { open } = await start();
    const answer = await ask(await open(), get(path));
    expect(answer).toContain("200 OK");
    const csp = /content-security-policy: (.*)\r/.exec(answer)?.[1] ?? "";
    expect(csp).toContain("default-src 'none'");
    expect(csp).toContain("frame-ancestors 'none'");
    expect(csp).not.toMatch(/unsafe|script|\*|https?:/);
    for (const header of [
      "x-content-type-options: nosniff",
      "referrer-policy: no-referrer",
      "x-frame-options: DENY",
      "cache-control: no-store",
    ])
      expect(answer).toContain(header);
    expect(answer).not.toContain("access-control-allow-origin");
  });

  test.each([
    ["/", "evil.example", "421"],
    ["/style.css", "evil.example:9797", "421"],
    ["/?ip=192.0.2.1", "evil.example", "421"],
    ["/", "mx.example.org:9797", "200"],
    ["/metrics", "scraped.example", "200"],
    ["/healthz", "probe.example", "200"],
  ])("at %s under Host %s answers %s", async (path, host, status) => {
    const { open } = await start();
    const answer = await ask(await open(), get(path, `Host: ${host}\r\n`));
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    if (status === "421") expect(answer).toContain("want this host's address, localhost or mx.example.org as Host");
  });

  test("is not there where it is turned off, but metrics are", async () => {
    const { open } = await start("a_metric 1\n", undefined, false);
    for (const path of ["/", "/?ip=192.0.2.1", "/style.css"]) {
      const answer = await ask(await open(), get(path));
      expect(answer).toContain("404 ");
      expect(answer).toContain("the status page is off (metrics.status_page)");
    }
    expect(await ask(await open(), get("/metrics"))).toContain("a_metric 1");
  });

  test("takes no POST, and knows no other path", async () => {
    const { open } = await start();
    expect(await ask(await open(), get("/", "Host: localhost\r\n", "POST"))).toContain("405 ");
    expect(await ask(await open(), get("/index.html"))).toContain("want /, /metrics, /healthz or /readyz");
    expect(await ask(await open(), get("/", "Host: localhost\r\n", "HEAD"))).toMatch(/200 OK(?:.*\r\n)+\r\n$/);
  });

  test("is made once for all that ask in a turn of the event loop", async () => {
    const { open, view } = await start();
    const sockets = await Promise.all(Array.from({ length: 30 }, open));
    await Promise.all(sockets.map((socket) => ask(socket, REQUEST)));
    const answers = await Promise.all(sockets.map((socket) => ask(socket, get("/"))));
    expect(answers.every((answer) => answer.includes("200 OK"))).toBe(true);
    expect(view.mock.calls.length).toBeLessThan(5);
  });

  test("explains a check that the form asks for", async () => {
    const explain = vi.fn<ExplainSpf>(() => Promise.resolve(["pass: <ok>"]));
    const { open } = await start("", explain);
    const answer = await ask(await open(), get("/?ip=192.0.2.1&helo=a.example&sender=%3Cjoe@b.example%3E"));
    expect(explain).toHaveBeenCalledWith({ ip: "192.0.2.1", helo: "a.example", sender: "joe@b.example" }, 8_000);
    expect(answer).toContain("pass: &lt;ok&gt;");
  });

  test.each(["cross-site", "same-site"])(
    "makes no check for a page elsewhere (%s), but shows what it would be",
    async (site) => {
      const explain = vi.fn<ExplainSpf>(() => Promise.resolve([]));
      const { open } = await start("", explain);
      const answer = await ask(await open(), get("/?ip=192.0.2.1", `Host: localhost\r\nSec-Fetch-Site: ${site}\r\n`));
      expect(explain).not.toHaveBeenCalled();
      expect(answer).toContain('value="192.0.2.1"');
      expect(answer).toContain("press the button");
    },
  );

  test.each([
    { query: `ip=${"1".repeat(46)}`, says: "Cannot check the client address: want at most 45 characters" },
    { query: `ip=192.0.2.1&sender=${"a".repeat(321)}`, says: "Cannot check the sender: want at most 320" },
    { query: "ip=nonsense", says: "an error &amp; its text" },
  ])("says what is wrong with ?$query", async ({ query, says }) => {
    const { open } = await start("", () => Promise.reject(new RangeError("an error & its text")));
    expect(await ask(await open(), get(`/?${query}`))).toContain(says);
  });

  test("runs two checks at once, and takes another when one has ended, not when its asker has gone", async () => {
    const ends: (() => void)[] = [];
    const { open } = await start("", () => new Promise((resolve) => ends.push(() => resolve(["done"]))));
    const first = await open();
    first.write(get("/?ip=192.0.2.1"));
    const second = ask(await open(), get("/?ip=192.0.2.2"));
    await vi.waitUntil(() => ends.length === 2);
    first.destroy();
    expect(await ask(await open(), get("/?ip=192.0.2.3"))).toContain("Other checks are running");
    ends[1]?.();
    expect(await second).toContain("<pre>done</pre>");
    const third = ask(await open(), get("/?ip=192.0.2.3"));
    await vi.waitUntil(() => ends.length === 3);
    ends[2]?.();
    expect(await third).toContain("<pre>done</pre>");
  });

  test("gives up on a check that does not end, before the server gives up on the request", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const explain = vi.fn<ExplainSpf>(() => new Promise(() => {}));
    const { open } = await start("", explain);
    const answer = ask(await open(), get("/?ip=192.0.2.1"));
    await vi.waitUntil(() => explain.mock.calls.length === 1);
    vi.advanceTimersByTime(8_600);
    expect(await answer).toContain("The check took too long");
  });
});
