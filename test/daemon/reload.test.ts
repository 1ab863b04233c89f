/** Tests that a reload happens as a whole or not at all, and leaves nothing behind: each part fails in turn. */
import { createHook } from "node:async_hooks";
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { Daemon } from "../../src/daemon/daemon.ts";
import { Failure } from "../../src/process/exit.ts";
import type { LogFields, Logger } from "../../src/process/log.ts";
import { readSetup } from "../../src/setup/setup.ts";
import { freePorts, Peer, scratch } from "../helpers/daemon.ts";
import { startDnsServer } from "../helpers/dns-server.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { zoneAuthority } from "../helpers/zone.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Line {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

function memoryLog(): { readonly logger: Logger; readonly lines: Line[]; readonly levels: string[] } {
  const lines: Line[] = [];
  const levels: string[] = [];
  const logger: Logger = {
    enabled: () => true,
    log: (level, event, fields = {}) => void lines.push({ level, event, fields }),
    configure: ({ level }) => void levels.push(level),
    flush: () => {},
  };
  return { logger, lines, levels };
}

/** By name: the ports, and where files are. */
interface Places {
  readonly dir: string;
  readonly forward: number;
  readonly reverse: number;
  readonly socketmap: number;
  readonly policy: number;
  readonly metrics: number;
  readonly spare: number;
}

type Sections = Record<string, string>;

/** The configuration as sections, so that a test can replace one. */
function sections(at: Places): Sections {
  return {
    "": `hostname = "mx.example.com"`,
    srs: `domain = "srs.example"\nsecrets_file = "${at.dir}/secrets"`,
    "srs.own_domains": `files = ["${at.dir}/own"]`,
    "srs.store": `url = "sqlite:${at.dir}/store.db"`,
    tcptable: `forward = ["127.0.0.1:${at.forward}"]\nreverse = ["127.0.0.1:${at.reverse}"]`,
    socketmap: `listen = ["127.0.0.1:${at.socketmap}", "unix:${at.dir}/map"]`,
    policy: `listen = ["127.0.0.1:${at.policy}"]`,
    milter: `listen = ["unix:${at.dir}/milter"]`,
    dmarc: `history = "sqlite:${at.dir}/history.db"`,
    metrics: `listen = ["127.0.0.1:${at.metrics}"]`,
    log: `level = "info"`,
  };
}

function toToml(all: Sections): string {
  return Object.entries(all)
    .map(([name, text]) => (name === "" ? text : `[${name}]\n${text}`))
    .join("\n");
}

/** What a reload changes when it is taken over: rules, own domains, store, endpoints and log settings. */
function wished(at: Places): Sections {
  const all = sections(at);
  return {
    ...all,
    srs: `${all.srs}\nseparator = "+"`,
    "srs.own_domains": `domains = ["new-own.example"]`,
    "srs.store": `url = "sqlite:${at.dir}/other.db"`,
    socketmap: `listen = ["127.0.0.1:${at.spare}", "unix:${at.dir}/other-map"]`,
    dmarc: `history = "sqlite:${at.dir}/other-history.db"`,
    log: `level = "warn"`,
  };
}

/** A daemon in this process, and its configuration file. */
async function start(edit: (all: Sections, at: Places) => Sections = (all) => all) {
  const dir = scratch();
  cleanups.push(() => dir[Symbol.dispose]());
  const [forward = 0, reverse = 0, socketmap = 0, policy = 0, metrics = 0, spare = 0] = await freePorts(6);
  const at: Places = { dir: dir.path, forward, reverse, socketmap, policy, metrics, spare };
  dir.write("secrets", "tops3cr3t\n");
  dir.write("own", "own.example\n");
  const around = { configFile: join(dir.path, "c.toml"), packageDir: dir.path, credentialsDir: undefined };
  const configure = (all: Sections): void => writeFileSync(around.configFile, toToml(all));
  configure(edit(sections(at), at));
  const log = memoryLog();
  const daemon = await Daemon.start(await readSetup(around, "refuse"), {
    logger: log.logger,
    version: "0",
    timeMs: () => 1_577_836_860_000,
    onReady: () => {},
    inherited: new Map(),
  });
  cleanups.push(() => daemon.stop());
  const reload = async (): Promise<void> => daemon.reload(await readSetup(around, "refuse"));
  return { at, daemon, log, configure, reload };
}

const LONG = `${"x".repeat(70)}@long.example`;

/** What clients see of all that a reload may change. */
async function observed(at: Places): Promise<Record<string, string>> {
  using forward = new Peer(at.forward);
  using spare = new Peer(at.spare);
  using map = new Peer(`${at.dir}/map`);
  const seen: Record<string, string> = {};
  seen.rewritten = await forward.ask("get alice@example.org\n");
  seen.formerlyOwn = await forward.ask("get bob@own.example\n");
  seen.newlyOwn = await forward.ask("get bob@new-own.example\n");
  seen.stored = await forward.ask(`get ${LONG}\n`);
  seen.socketmap = await map.ask("25:forward alice@example.org,", ",");
  // An empty store file stays where a store was opened for nothing: another process may have opened it meanwhile.
  seen.files = readdirSync(at.dir)
    .filter((name) => !/-(?:wal|shm)$|^other\.db$|history\.db$/.test(name))
    .join(" ");
  await Promise.race([spare.closed, delay(2_000)]);
  seen.spare = spare.socket.destroyed ? "closed" : "open";
  return seen;
}

/** Watches what is begun and not at its end: by kind, and descriptors beyond those before. */
class Leaks implements Disposable {
  readonly #live = new Map<number, string>();
  readonly #hook = createHook({
    init: (id, type) => {
      const isHandle = /^(?:PROCESSWRAP|TCPSERVERWRAP|PIPESERVERWRAP|UDPWRAP|FSEVENTWRAP|STATWATCHER)$/.test(type);
      // The test runner has timers too.
      if (isHandle || (type === "Timeout" && /\/src\/[a-z]/.test(new Error().stack ?? ""))) this.#live.set(id, type);
    },
    destroy: (id) => void this.#live.delete(id),
  }).enable();

  /** Counted when nothing changes any more: what ends takes a turn or two, clients' sockets included. */
  async counts(): Promise<Record<string, number>> {
    let before = "";
    for (;;) {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      const counts: Record<string, number> = { descriptors: readdirSync("/proc/self/fd").length };
      for (const kind of this.#live.values()) counts[kind] = (counts[kind] ?? 0) + 1;
      if (JSON.stringify(counts) === before) return counts;
      before = JSON.stringify(counts);
      await delay(30);
    }
  }

  /** The kinds of which there are more than there were. */
  async beyond(before: Readonly<Record<string, number>>): Promise<Record<string, number>> {
    const counts = Object.entries(await this.counts());
    return Object.fromEntries(counts.filter(([kind, count]) => count > (before[kind] ?? 0)));
  }

  [Symbol.dispose](): void {
    this.#hook.disable();
  }
}
/** Listens, so that an endpoint is taken. */
async function occupy(where: number | string): Promise<void> {
  const server: Server = createServer();
  await new Promise<void>((resolve) =>
    typeof where === "number" ? server.listen(where, "127.0.0.1", resolve) : server.listen(where, resolve),
  );
  cleanups.push(() => server.close());
}

/** A handle that is just ending is still counted. */
const SETTLING = { timeout: 5_000 };

interface Breakage {
  readonly name: string;
  /** Makes the reload that is wished for fail. */
  readonly spoil: (all: Sections, at: Places) => Sections | Promise<Sections>;
  readonly says: RegExp;
}

const isRoot = process.getuid?.() === 0;
const noPostfix = requirePrograms("postconf", "postmap");

const BREAKAGES: readonly Breakage[] = [
  ...(["tcptable", "socketmap", "policy", "metrics"] as const).map(
    (section): Breakage => ({
      name: `a port for ${section} that is taken`,
      spoil: async (all, at) => {
        const [port = 0] = await freePorts(1);
        await occupy(port);
        const key = section === "tcptable" ? "reverse" : "listen";
        const rest = section === "tcptable" ? `forward = ["127.0.0.1:${at.forward}"]\n` : "";
        return { ...all, [section]: `${rest}${key} = ["127.0.0.1:${port}"]` };
      },
      says: /another process .*EADDRINUSE/,
    }),
  ),
  {
    name: "a unix socket that another process answers on",
    spoil: async (all, at) => {
      await occupy(`${at.dir}/taken`);
      return { ...all, policy: `listen = ["unix:${at.dir}/taken"]` };
    },
    says: /another process/,
  },
  {
    name: "a unix socket in a folder that does not exist",
    spoil: (all, at) => ({ ...all, policy: `listen = ["unix:${at.dir}/none/s"]` }),
    says: /its directory does not exist/,
  },
  {
    name: "a unix socket where a file is",
    spoil: (all, at) => ({ ...all, policy: `listen = ["unix:${at.dir}/own"]` }),
    says: /no socket/,
  },
  {
    name: "an address that this machine has not",
    spoil: (all) => ({ ...all, metrics: `listen = ["192.0.2.1:9797"]` }),
    says: /no such address/,
  },
  {
    name: "a store in a folder that does not exist",
    spoil: (all) => ({ ...all, "srs.store": `url = "sqlite:/nonexistent/a.db"` }),
    says: /Cannot open store "\/nonexistent\/a.db"/,
  },
  {
    name: "a store that is no database",
    spoil: (all, at) => {
      writeFileSync(`${at.dir}/text.db`, "this is no database, whatever its name says\n".repeat(100));
      return { ...all, "srs.store": `url = "sqlite:${at.dir}/text.db"` };
    },
    says: /not a database/,
  },
  {
    name: "secrets that are gone",
    spoil: (all, at) => ({ ...all, srs: `domain = "srs.example"\nsecrets_file = "${at.dir}/none"` }),
    says: /does not exist/,
  },
  {
    name: "secrets that are empty",
    spoil: (all, at) => {
      writeFileSync(`${at.dir}/empty`, "\n\n");
      return { ...all, srs: `domain = "srs.example"\nsecrets_file = "${at.dir}/empty"` };
    },
    says: /empty/,
  },
  {
    name: "secrets that are a folder",
    spoil: (all, at) => {
      mkdirSync(`${at.dir}/folder`, { recursive: true });
      return { ...all, srs: `domain = "srs.example"\nsecrets_file = "${at.dir}/folder"` };
    },
    says: /srs.secrets_file/,
  },
  {
    name: "an own-domain list that is wrong",
    spoil: (all, at) => {
      writeFileSync(`${at.dir}/wrong`, "new-own.example\nuser@own.example\n");
      return { ...all, "srs.own_domains": `files = ["${at.dir}/wrong"]` };
    },
    says: /wrong:2: Cannot use "user@own.example"/,
  },
  {
    name: "an own-domain list that is gone",
    spoil: (all, at) => ({ ...all, "srs.own_domains": `files = ["${at.dir}/none"]` }),
    says: /Cannot read/,
  },
  {
    name: "an own-domain list through a link to nowhere",
    spoil: (all, at) => {
      rmSync(`${at.dir}/link`, { force: true });
      symlinkSync(`${at.dir}/none`, `${at.dir}/link`);
      return { ...all, "srs.own_domains": `files = ["${at.dir}/link"]` };
    },
    says: /Cannot read/,
  },
  ...(noPostfix === undefined
    ? [
        {
          name: "an own-domain table whose set-up is wrong",
          spoil: (all: Sections): Sections => ({
            ...all,
            "srs.own_domains": `postfix_tables = ["mysql:/nonexistent/domains.cf"]`,
          }),
          says: /Cannot ask "mysql:/,
        },
      ]
    : []),
  {
    name: "a value that is wrong",
    spoil: (all) => ({ ...all, policy: `mode = "warn"` }),
    says: /policy.mode/,
  },
  { name: "a file that is empty", spoil: () => ({}), says: /Cannot take over the defaults: .*sets nothing/ },
  {
    name: "a file of nothing but comments and empty tables",
    spoil: () => ({ "": "# hostname", srs: "", policy: "" }),
    says: /sets nothing/,
  },
  {
    name: "a file that is no TOML",
    spoil: (all) => ({ ...all, log: `level = ` }),
    says: /not valid TOML/,
  },
  ...(isRoot
    ? []
    : [
        {
          name: "secrets that may not be read",
          spoil: (all: Sections, at: Places): Sections => {
            writeFileSync(`${at.dir}/shut`, "s\n");
            chmodSync(`${at.dir}/shut`, 0);
            return { ...all, srs: `domain = "srs.example"\nsecrets_file = "${at.dir}/shut"` };
          },
          says: /no permission/,
        },
      ]),
];

describe("A reload that fails", () => {
  test.each(BREAKAGES)("for $name changes nothing and leaves nothing behind", async ({ spoil, says }) => {
    using leaks = new Leaks();
    const { at, log, configure, reload } = await start();
    configure(await spoil(wished(at), at));
    const before = await observed(at);
    const levels = [...log.levels];
    const clean = await leaks.counts();
    for (let time = 0; time < 5; time++) {
      const problem: unknown = await reload().catch((error: unknown) => error);
      expect(problem).toBeInstanceOf(Failure);
      expect((problem as Failure).lines.join("\n")).toMatch(says);
    }
    await expect.poll(() => leaks.beyond(clean), SETTLING).toEqual({});
    expect(await observed(at)).toEqual(before);
    expect(log.levels).toEqual(levels);
    expect(before.spare).toBe("closed");
  });

  test("names all that is wrong with names, lists and secrets at once", async () => {
    const { at, configure, reload } = await start();
    configure({
      ...wished(at),
      srs: `domain = "srs.example"\nsecrets_file = "${at.dir}/none"`,
      "srs.own_domains": `domains = ["a@b.example"]\nfiles = ["/nonexistent"]`,
    });
    const problem: unknown = await reload().catch((error: unknown) => error);
    expect((problem as Failure).lines).toEqual([
      expect.stringContaining("a@b.example"),
      expect.stringContaining("srs.secrets_file"),
      expect.stringContaining("/nonexistent"),
    ]);
  });
});

describe("A reload that succeeds", () => {
  test("changes everything at once, and a hundred of them leave nothing behind", async () => {
    using leaks = new Leaks();
    const { at, log, configure, reload } = await start();
    using old = new Peer(at.socketmap);
    expect(await old.ask("25:forward alice@example.org,", ",")).toContain("OK SRS0=");
    configure(wished(at));
    await reload();
    using fresh = new Peer(at.spare);
    expect(await fresh.ask("25:forward alice@example.org,", ",")).toContain("OK SRS0+");
    expect(await old.ask("25:forward alice@example.org,", ",")).toContain("OK SRS0+");
    using forward = new Peer(at.forward);
    expect(await forward.ask("get bob@own.example\n")).toMatch(/^200 SRS0/);
    expect(await forward.ask("get bob@new-own.example\n")).toMatch(/^500 /);
    expect(await forward.ask(`get ${LONG}\n`)).toMatch(/^200 SRS0/);
    expect(readdirSync(at.dir)).toContain("other.db");
    expect(log.levels).toEqual(["info", "warn"]);

    let few = {};
    for (let time = 0; time < 100; time++) {
      // Between two configurations, so that endpoints, lists and stores come and go.
      configure(time % 2 === 0 ? sections(at) : wished(at));
      await reload();
      if (time === 1) few = await leaks.counts();
    }
    await expect.poll(() => leaks.beyond(few), SETTLING).toEqual({});
    expect(await fresh.ask("25:forward alice@example.org,", ",")).toContain("OK SRS0+");
    expect(await forward.ask(`get ${LONG}\n`)).toMatch(/^200 SRS0/);
  }, 90_000); // each of them starts a thread for its SQLite file

  test("closes what the last answer still needs only when that has left", async () => {
    await using dns = await startDnsServer(zoneAuthority({ "slow.example": [{ TXT: "v=spf1 -all" }] }), {
      quirk: () => ({ delayMs: 400 }),
    });
    const { at, configure, reload } = await start((all) => ({ ...all, dns: `servers = ["${dns.address}"]` }));
    using policy = new Peer(at.policy);
    const request =
      "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nhelo_name=slow.example\nsender=a@slow.example\nrecipient=b@c.example\ninstance=1.1\n\n";
    const answer = policy.ask(request, "\n\n");
    while (!dns.queries.some(({ type }) => type === "TXT")) await delay(5);
    configure(sections(at));
    await reload();
    await reload();
    expect(await answer).toMatch(/^action=550 5\.7\.23 /);
  });

  test.each([
    {
      name: "metrics and tcp_table swap",
      change: (at: Places): Sections => ({
        tcptable: `forward = ["127.0.0.1:${at.metrics}"]\nreverse = ["127.0.0.1:${at.reverse}"]`,
        metrics: `listen = ["127.0.0.1:${at.forward}"]`,
      }),
      lookups: (at: Places) => at.metrics,
      status: (at: Places) => at.forward,
    },
    {
      name: "tcp_table moves to where socketmap was, and socketmap to a unix socket",
      change: (at: Places): Sections => ({
        tcptable: `forward = ["127.0.0.1:${at.socketmap}"]\nreverse = ["127.0.0.1:${at.forward}"]`,
        socketmap: `listen = ["unix:${at.dir}/moved"]`,
      }),
      lookups: (at: Places) => at.socketmap,
      status: (at: Places) => at.metrics,
    },
    {
      name: "tcp_table moves from inet to unix, and metrics to the port that it leaves",
      change: (at: Places): Sections => ({
        tcptable: `forward = ["unix:${at.dir}/forward"]\nreverse = []`,
        metrics: `listen = ["127.0.0.1:${at.forward}"]`,
      }),
      lookups: (at: Places) => `${at.dir}/forward`,
      status: (at: Places) => at.forward,
    },
    {
      name: "metrics move to a unix socket that was socketmap's, and back",
      change: (at: Places): Sections => ({
        socketmap: `listen = ["127.0.0.1:${at.metrics}"]`,
        metrics: `listen = ["unix:${at.dir}/map", "127.0.0.1:${at.spare}"]`,
      }),
      lookups: (at: Places) => at.forward,
      status: (at: Places) => at.spare,
    },
  ])("lets endpoints change their kind: $name", async ({ change, lookups, status }) => {
    const { at, configure, reload } = await start();
    using before = new Peer(at.forward);
    expect(await before.ask("get alice@example.org\n")).toMatch(/^200 /);
    for (let time = 0; time < 2; time++) {
      configure({ ...sections(at), ...change(at) });
      await reload();
      using peer = new Peer(lookups(at));
      expect(await peer.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      expect((await fetch(`http://127.0.0.1:${status(at)}/healthz`)).status).toBe(200);
      expect(await before.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      configure(sections(at));
      await reload();
      using again = new Peer(at.forward);
      expect(await again.ask("get alice@example.org\n")).toMatch(/^200 SRS0=/);
      expect((await fetch(`http://127.0.0.1:${at.metrics}/healthz`)).status).toBe(200);
    }
  });

  test("gives the mode that it names to the sockets that it opens", async () => {
    const { at, configure, reload } = await start();
    const { statSync } = await import("node:fs");
    configure({ ...wished(at), "": `hostname = "mx.example.com"\nsocket_mode = "0660"` });
    await reload();
    expect(statSync(`${at.dir}/other-map`).mode & 0o777).toBe(0o660);
  });
});

describe("A stop", () => {
  test("during a reload leaves nothing behind", async () => {
    using leaks = new Leaks();
    const clean = await leaks.counts();
    const { at, daemon, configure, reload } = await start();
    configure(wished(at));
    const reloading = reload();
    await daemon.stop();
    await reloading;
    await expect.poll(() => leaks.beyond(clean), SETTLING).toEqual({});
  });
});
