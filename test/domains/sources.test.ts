import { createHook } from "node:async_hooks";
import { readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { OwnDomainSettings } from "../../src/domains/load.ts";
import type { OwnDomainsEvent } from "../../src/domains/source.ts";
import { createOwnDomainSources, type OwnDomainSources } from "../../src/domains/sources.ts";
import { postfixConfig, temporaryDirectory } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { NOTHING, read } from "./reading.ts";

const missing = requirePrograms("postmap", "postconf");

interface Started extends Disposable {
  readonly sources: OwnDomainSources;
  readonly events: OwnDomainsEvent[];
  /** Reads its settings again. */
  readonly reload: () => ReturnType<typeof read>;
}

function start(settings: Partial<OwnDomainSettings>, configDir?: string): Started {
  const events: OwnDomainsEvent[] = [];
  const postfix = configDir === undefined ? {} : { configDir };
  const options = { onEvent: (event: OwnDomainsEvent) => void events.push(event), postfix };
  const sources = createOwnDomainSources(options);
  return { sources, events, reload: () => read(sources, settings), [Symbol.dispose]: () => sources.close() };
}

async function startLoaded(settings: Partial<OwnDomainSettings>, configDir?: string): Promise<Started> {
  const started = start(settings, configDir);
  expect(await started.reload()).toEqual({ errors: [], warnings: [] });
  return started;
}

async function owned(sources: OwnDomainSources, ...domains: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const domain of domains) if (await sources.has(domain)) found.push(domain);
  return found;
}

describe("own domains from the configuration", () => {
  test("are own at once, with srs.domain and hostname", async () => {
    using started = await startLoaded({
      domains: ["A.test", ".b.test", "bücher.test"],
      always: ["srs.test", "mx1.srs.test."],
    });
    const { sources } = started;
    const bücher = Buffer.from("bücher.test").toString("latin1");
    const own = [
      "a.test",
      "A.TEST.",
      "x.b.test",
      "y.x.b.test",
      bücher,
      "xn--bcher-kva.test",
      "srs.test",
      "mx1.srs.test",
    ];
    expect(own.filter((domain) => sources.has(domain) === true)).toEqual(own);
    expect(await owned(sources, "b.test", "x.a.test", "x.srs.test", "", "[192.0.2.1]", "b\xfccher.test")).toEqual([]);
    expect(Object.fromEntries(sources.counts())).toEqual({ domains: 3 });
  });

  test("are named when they are wrong, all of them", async () => {
    using started = start({
      domains: ["*.a.test", "b.test", "c@d.test"],
      postfixTables: ["/etc/domains"],
      files: ["/nonexistent/list"],
    });
    const { errors } = await started.reload();
    expect(errors).toEqual([
      'srs.own_domains.domains: Cannot use "*.a.test" as an own domain: want ".example.net" for all names below example.net',
      'srs.own_domains.domains: Cannot use "c@d.test" as an own domain: want a domain, not an address',
      'srs.own_domains.files: Cannot read "/nonexistent/list": no such file',
      'srs.own_domains.postfix_tables: Cannot use "/etc/domains": want type:name, as "hash:/etc/postfix/domains"',
    ]);
    expect(started.sources.has("b.test")).toBe(false);
  });

  test("change with a reload, or stay as they were when it fails", async () => {
    using started = await startLoaded({ domains: ["a.test"] });
    const { sources } = started;
    await read(sources, { domains: ["b.test"] });
    expect(await owned(sources, "a.test", "b.test")).toEqual(["b.test"]);
    expect((await read(sources, { domains: ["c.test", "@"] })).errors).toHaveLength(1);
    expect(await owned(sources, "a.test", "b.test", "c.test")).toEqual(["b.test"]);
  });
});

/** Timers and processes that were begun while this was in scope and are not at their end, and descriptors beyond before. */
class Unfinished implements Disposable {
  readonly #live = new Map<number, string>();
  readonly #hook = createHook({
    init: (id, type) => {
      if (/^(?:Timeout|PROCESSWRAP)$/.test(type)) this.#live.set(id, type);
    },
    destroy: (id) => void this.#live.delete(id),
  }).enable();

  readonly #descriptors = readdirSync("/proc/self/fd").length;

  /** Counted a moment later: the end of a handle is told in a turn of its own. */
  async types(): Promise<string[]> {
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const descriptors = readdirSync("/proc/self/fd").length - this.#descriptors;
    return [...this.#live.values(), ...Array.from({ length: descriptors }, () => "descriptor")].sort();
  }

  [Symbol.dispose](): void {
    this.#hook.disable();
  }
}

describe("a reading that is prepared", () => {
  test("changes nothing until it is committed, then everything at once", async () => {
    using directory = temporaryDirectory();
    using started = await startLoaded({ domains: ["a.test"], files: [directory.write("old", "b.test\n")] });
    const { sources } = started;
    const settings = { ...NOTHING, domains: ["c.test"], files: [directory.write("new", "d.test\n")] };
    const prepared = await sources.prepare(settings);
    expect(prepared.report).toEqual({ errors: [], warnings: [] });
    const all = ["a.test", "b.test", "c.test", "d.test"];
    expect(await owned(sources, ...all)).toEqual(["a.test", "b.test"]);
    expect(Object.fromEntries(sources.counts())).toEqual({ domains: 1, files: 1 });
    prepared.commit();
    expect(all.filter((domain) => sources.has(domain) === true)).toEqual(["c.test", "d.test"]);
  });

  test("notices what has changed between its reading and its commit", async () => {
    using directory = temporaryDirectory();
    const path = directory.write("list", "a.test\n");
    using started = start({});
    const prepared = await started.sources.prepare({ ...NOTHING, files: [path] });
    writeFileSync(path, "b.test\n");
    prepared.commit();
    expect(await owned(started.sources, "a.test", "b.test")).toEqual(["a.test"]);
    await expect.poll(() => started.sources.has("b.test"), { timeout: 5_000 }).toBe(true);
  });

  test.skipIf(missing !== undefined)(
    `leaves nothing behind when it is dropped, good or not, nor when it is committed to closed sources ${missing ?? ""}`,
    async () => {
      using config = postfixConfig("relay_domains = inline:{b.test=x}\n");
      using unfinished = new Unfinished();
      using started = start({}, config.path);
      const { sources, events } = started;
      const list = config.write("list", "a.test\n");
      const good = { ...NOTHING, files: [list], postfixTables: ["inline:{c.test=x}"], postfixClasses: true };
      const bad = { ...good, domains: ["@"], postfixTables: ["socketmap:unix:/nonexistent/socket:domains"] };
      for (let i = 0; i < 3; i += 1) {
        expect((await sources.prepare(good)).report).toEqual({ errors: [], warnings: [] });
        expect((await sources.prepare(bad)).report.errors).toHaveLength(1);
      }
      const last = await sources.prepare(good);
      expect(await unfinished.types()).toEqual([]);
      sources.close();
      last.commit();
      expect(await unfinished.types()).toEqual([]);
      expect(events.filter(({ type }) => type !== "failed")).toEqual([]);
    },
  );

  test("holds one timer for each kind of watch, however often it is renewed", async () => {
    using directory = temporaryDirectory();
    const settings = { ...NOTHING, files: [directory.write("list", "a.test\n")] };
    using unfinished = new Unfinished();
    using started = start({});
    const { sources } = started;
    for (let i = 0; i < 20; i += 1) (await sources.prepare(settings)).commit();
    expect(await unfinished.types()).toEqual(["Timeout", "Timeout"]); // the file's and the refreshing
    (await sources.prepare(NOTHING)).commit();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await unfinished.types()).toEqual(["Timeout"]);
    sources.close();
    expect(await unfinished.types()).toEqual([]);
  });

  test.skipIf(missing !== undefined)(
    `keeps what is remembered of tables that are still named ${missing ?? ""}`,
    async () => {
      using config = postfixConfig("");
      const file = config.write("domains", "a.test OK\n");
      const kept = `texthash:${file}`;
      const dropped = "inline:{b.test=x}";
      using started = await startLoaded({ postfixTables: [kept, dropped] }, config.path);
      const { sources, events } = started;
      expect(await owned(sources, "a.test", "b.test", "c.test")).toEqual(["a.test", "b.test"]);
      rmSync(file);
      const prepared = await sources.prepare({ ...NOTHING, postfixTables: [kept] });
      expect(prepared.report.errors).toEqual([expect.stringContaining("No such file")]);
      const other = await sources.prepare({ ...NOTHING, domains: ["d.test"], postfixTables: [kept] });
      other.commit();
      // The table is down now: its answers are remembered, and a domain that it was never asked for is put off.
      expect(await owned(sources, "a.test", "c.test")).toEqual(["a.test"]);
      await expect(sources.has("e.test")).rejects.toThrow("Cannot ask");
      await expect(sources.has("b.test")).resolves.toBe(false);
      expect(events).toEqual([{ type: "failed", source: kept, reason: expect.any(String) }]);
      config.write("domains", "a.test OK\nf.test OK\n");
      expect((await sources.prepare({ ...NOTHING, postfixTables: [kept] })).report).toEqual({
        errors: [],
        warnings: [],
      });
      expect(events.at(-1)).toEqual({ type: "recovered", source: kept });
    },
  );
});

describe("own domains from files", () => {
  test("change when a file does", async () => {
    using directory = temporaryDirectory();
    const [first, second] = [directory.write("first", "a.test\n"), directory.write("second", "b.test\n")];
    using started = await startLoaded({ files: [first, second] });
    const { sources, events } = started;
    expect(await owned(sources, "a.test", "b.test", "c.test")).toEqual(["a.test", "b.test"]);
    writeFileSync(first, "c.test\nd.test\n");
    await expect.poll(() => sources.has("c.test"), { timeout: 5_000 }).toBe(true);
    expect(await owned(sources, "a.test", "b.test", "d.test")).toEqual(["b.test", "d.test"]);
    expect(events).toEqual([{ type: "loaded", source: first, entries: 2 }]);
    expect(sources.counts().get("files")).toBe(3);
  });

  test("stay as they were while a file is wrong or gone, which is told once", async () => {
    using directory = temporaryDirectory();
    const path = directory.write("list", "a.test\n");
    using started = await startLoaded({ files: [path] });
    const { sources, events } = started;
    const keptMs = Date.now();
    writeFileSync(path, "b.test\n*.c.test\n");
    await expect.poll(() => events.length, { timeout: 5_000 }).toBe(1);
    expect(events[0]).toMatchObject({ type: "kept", source: path, problems: [expect.stringContaining(`${path}:2: `)] });
    expect(await owned(sources, "a.test", "b.test")).toEqual(["a.test"]);
    rmSync(path);
    await expect.poll(() => events.length, { timeout: 5_000 }).toBe(2);
    expect(events[1]).toEqual({ type: "kept", source: path, problems: [`Cannot read "${path}": no such file`] });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(events).toHaveLength(2);
    expect(await owned(sources, "a.test", "b.test")).toEqual(["a.test"]);
    expect(sources.lastSuccess().get("files")).toBeLessThanOrEqual(Math.ceil(keptMs / 1000) + 1);
    writeFileSync(path, "b.test\n");
    await expect.poll(() => sources.has("b.test"), { timeout: 5_000 }).toBe(true);
    expect(await owned(sources, "a.test")).toEqual([]);
    expect(sources.lastSuccess().get("files")).toBeGreaterThan(Math.ceil(keptMs / 1000));
  });

  test("are as many as there are: a hundred thousand change while lookups go on", async () => {
    using directory = temporaryDirectory();
    const list = (name: string) =>
      Array.from({ length: 100_000 }, (_, index) => `${name}${index}.example.net`).join("\n");
    const path = directory.write("list", `always.test\n${list("old")}`);
    using started = await startLoaded({ files: [path] });
    const { sources } = started;
    expect(sources.counts().get("files")).toBe(100_001);
    writeFileSync(`${path}.new`, `${list("new")}\nalways.test\n`);
    renameSync(`${path}.new`, path);
    let lookups = 0;
    while (sources.has("new99999.example.net") !== true) {
      // Each lookup sees the old list or the new one: whole, and at once.
      expect(sources.has("always.test")).toBe(true);
      expect(sources.has("old0.example.net")).toBe(sources.has("new0.example.net") === false);
      lookups += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(lookups).toBeGreaterThan(100);
    expect(await owned(sources, "old0.example.net", "new0.example.net")).toEqual(["new0.example.net"]);
  });
});

describe.skipIf(missing !== undefined)(`own domains from Postfix's tables ${missing ?? ""}`, () => {
  test("are found, and counted as they are", async () => {
    using config = postfixConfig("");
    const table = `texthash:${config.write("domains", "a.test OK\nb.test OK\n")}`;
    using started = await startLoaded({ postfixTables: ["inline:{c.test=x}", table] }, config.path);
    const { sources } = started;
    expect(await owned(sources, "a.test", "b.test", "c.test", "d.test", "x.a.test")).toEqual([
      "a.test",
      "b.test",
      "c.test",
    ]);
    expect(sources.counts().get("postfix_tables")).toBe(3);
    expect(sources.has("a.test")).toBe(true);
    expect(sources.lastSuccess().get("postfix_tables")).toBeGreaterThan(1_600_000_000);
  });

  test("are asked again after a reload", async () => {
    using config = postfixConfig("");
    const file = config.write("domains", "a.test OK\n");
    using started = await startLoaded({ postfixTables: [`texthash:${file}`] }, config.path);
    expect(await owned(started.sources, "a.test", "b.test")).toEqual(["a.test"]);
    config.write("domains", "b.test OK\n");
    await started.reload();
    expect(await owned(started.sources, "a.test", "b.test")).toEqual(["b.test"]);
  });

  test("put lookups off when a table does not answer, unless another has the domain", async () => {
    using config = postfixConfig("");
    const down = "socketmap:unix:/nonexistent/socket:domains";
    using started = start({ postfixTables: [down, "inline:{a.test=x}"], domains: ["c.test"] }, config.path);
    const { sources, events } = started;
    const report = await started.reload();
    expect(report).toEqual({
      errors: [],
      warnings: [expect.stringContaining(`Cannot ask "${down}" for own domains: `)],
    });
    expect(sources.has("c.test")).toBe(true);
    expect(await sources.has("a.test")).toBe(true);
    await expect(sources.has("b.test")).rejects.toThrow(`Cannot ask "${down}" for own domains: `);
    expect(events).toEqual([{ type: "failed", source: down, reason: expect.any(String) }]);
  });

  test("are an error when the table's set-up is wrong", async () => {
    using config = postfixConfig("");
    using started = start({ postfixTables: ["mysql:/nonexistent/domains.cf"] }, config.path);
    const { errors } = await started.reload();
    expect(errors).toEqual([expect.stringMatching(/^Cannot ask "mysql:\/nonexistent\/domains\.cf" .*No such file/)]);
  });
});

describe.skipIf(missing !== undefined)(`own domains from Postfix's classes ${missing ?? ""}`, () => {
  const mainCf = "myhostname = mx.a.test\nmydestination = $myhostname, localhost\nrelay_domains = b.test\n";

  test("are those of mydestination, virtual_alias_domains, virtual_mailbox_domains and relay_domains", async () => {
    using config = postfixConfig("");
    const nested = config.write("nested", "d.test e.test\n");
    const hosted = config.write("hosted", `c.test\n# x.test\n${nested}\n`);
    const virtual = `virtual_alias_domains = inline:{f.test=x}\nvirtual_mailbox_domains = ${hosted}, !g.test\n`;
    config.write("main.cf", `${mainCf}${virtual}`);
    using started = await startLoaded({ postfixClasses: true }, config.path);
    const own = ["mx.a.test", "localhost", "b.test", "x.b.test", "c.test", "d.test", "e.test", "f.test"];
    expect(await owned(started.sources, ...own, "x.test", "g.test", "x.c.test", "a.test")).toEqual(own);
    expect(started.sources.counts().get("postfix_classes")).toBe(6);
  });

  test("change when main.cf does, and stay as they were while it cannot be read", async () => {
    using config = postfixConfig(mainCf);
    using started = await startLoaded({ postfixClasses: true }, config.path);
    const { sources, events } = started;
    expect(await owned(sources, "b.test", "c.test")).toEqual(["b.test"]);
    writeFileSync(`${config.path}/main.cf`, `${mainCf}relay_domains = c.test\n`);
    utimesSync(`${config.path}/main.cf`, 1_000_000_000, 1_000_000_000);
    await expect.poll(() => sources.has("c.test"), { timeout: 10_000 }).toBe(true);
    expect(await owned(sources, "b.test")).toEqual([]);
    rmSync(`${config.path}/main.cf`);
    await expect.poll(() => events.length, { timeout: 10_000 }).toBe(2);
    expect(events).toEqual([
      { type: "loaded", source: "postfix_classes", entries: 3 },
      { type: "kept", source: "postfix_classes", problems: [expect.stringContaining("main.cf: No such file")] },
    ]);
    expect(await owned(sources, "c.test")).toEqual(["c.test"]);
  });

  test("change when a file that main.cf names does", async () => {
    using config = postfixConfig("");
    const hosted = config.write("hosted", "a.test\n");
    config.write("main.cf", `${mainCf}virtual_alias_domains = ${hosted}\n`);
    using started = await startLoaded({ postfixClasses: true }, config.path);
    writeFileSync(hosted, "c.test\n");
    await expect.poll(() => started.sources.has("c.test"), { timeout: 10_000 }).toBe(true);
    expect(await owned(started.sources, "a.test")).toEqual([]);
  });

  test("are an error when Postfix has no configuration", async () => {
    using started = start({ postfixClasses: true }, "/nonexistent");
    const { errors } = await started.reload();
    expect(errors).toEqual([expect.stringMatching(/^srs\.own_domains\.postfix_classes: Cannot read main\.cf: /)]);
  });
});
