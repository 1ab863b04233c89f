import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { STALE_MS } from "../../src/domains/postfix-table.ts";
import type { OwnDomainsEvent } from "../../src/domains/source.ts";
import { createOwnDomainSources, type OwnDomainSources } from "../../src/domains/sources.ts";
import { MARIADB_PROGRAMS, type MariaDb, missingMySqlMap, startMariaDb } from "../helpers/mariadb.ts";
import { postfixConfig, type TemporaryDirectory, temporaryDirectory } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { read } from "./reading.ts";

const missing = requirePrograms("postmap", "postconf", ...MARIADB_PROGRAMS) ?? missingMySqlMap();

/** The tables of PostfixAdmin 3.3, as far as Postfix reads them: latin1, flags as numbers. */
const POSTFIXADMIN = `
  CREATE DATABASE postfix; USE postfix;
  CREATE TABLE domain (
    domain varchar(255) NOT NULL PRIMARY KEY, description varchar(255) NOT NULL DEFAULT '', aliases int NOT NULL DEFAULT 0,
    mailboxes int NOT NULL DEFAULT 0, maxquota bigint NOT NULL DEFAULT 0, quota bigint NOT NULL DEFAULT 0,
    transport varchar(255) NOT NULL DEFAULT 'virtual', backupmx tinyint(1) NOT NULL DEFAULT 0,
    created datetime NOT NULL DEFAULT '2000-01-01', modified datetime NOT NULL DEFAULT '2000-01-01',
    active tinyint(1) NOT NULL DEFAULT 1
  ) DEFAULT CHARSET=latin1 COLLATE=latin1_general_ci;
  CREATE TABLE alias_domain (
    alias_domain varchar(255) NOT NULL PRIMARY KEY, target_domain varchar(255) NOT NULL,
    created datetime NOT NULL DEFAULT '2000-01-01', modified datetime NOT NULL DEFAULT '2000-01-01',
    active tinyint(1) NOT NULL DEFAULT 1
  ) DEFAULT CHARSET=latin1 COLLATE=latin1_general_ci;
  INSERT INTO domain (domain, transport, backupmx, active) VALUES
    ('ALL', 'virtual', 0, 1), ('red.test', 'virtual', 0, 1), ('green.test', 'virtual', 0, 1),
    ('xn--bcher-kva.test', 'virtual', 0, 1), ('backup.test', 'relay', 1, 1), ('closed.test', 'virtual', 0, 0),
    ('closed-backup.test', 'relay', 1, 0);
  INSERT INTO alias_domain (alias_domain, target_domain, active) VALUES
    ('alias.test', 'red.test', 1), ('closed-alias.test', 'red.test', 0);
  CREATE USER postfix@localhost; GRANT SELECT ON postfix.* TO postfix@localhost;`;

/** mysql_table(5): the first is how guides of Postfix 2.1's time write it, and many hosts have it still. */
const FORMS: readonly { name: string; lines: string }[] = [
  {
    name: "legacy table, select_field, where_field",
    lines:
      "table = domain\nselect_field = domain\nwhere_field = domain\nadditional_conditions = and backupmx = '0' and active = '1'\n",
  },
  { name: "query", lines: "query = SELECT domain FROM domain WHERE domain = '%s' AND backupmx = 0 AND active = 1\n" },
  {
    name: "query that gives the transport",
    lines: "query = SELECT transport FROM domain WHERE domain='%s' AND backupmx = '0' AND active = '1'\n",
  },
];
const ALIAS_DOMAINS = "query = SELECT alias_domain FROM alias_domain WHERE alias_domain = '%s' AND active = 1\n";
const BACKUP_DOMAINS = "query = SELECT domain FROM domain WHERE domain = '%s' AND backupmx = 1 AND active = 1\n";

const HOSTED = ["red.test", "GREEN.test", "xn--bcher-kva.test", Buffer.from("bücher.test").toString("latin1")];
const NOT_HOSTED = [
  "backup.test",
  "closed.test",
  "closed-backup.test",
  "alias.test",
  "elsewhere.test",
  "x.red.test",
  "redXtest",
  Buffer.from("käse.test").toString("latin1"),
  Buffer.from("日本.test").toString("latin1"),
  "' or '1'='1",
  "%",
  "red.test'--",
];

describe.skipIf(missing !== undefined)(`own domains from PostfixAdmin's database ${missing ?? ""}`, () => {
  let directory: TemporaryDirectory;
  let config: TemporaryDirectory;
  let db: MariaDb;

  beforeAll(async () => {
    directory = temporaryDirectory();
    config = postfixConfig("myhostname = mx.test\n");
    db = await startMariaDb(directory.path);
    db.sql(POSTFIXADMIN);
  });

  afterAll(async () => {
    await db?.kill();
    directory?.[Symbol.dispose]();
    config?.[Symbol.dispose]();
  });

  /** A table as Postfix has it in its configuration. */
  function table(name: string, lines: string): string {
    const access = `hosts = unix:${db.socket}\nuser = postfix\npassword =\ndbname = postfix\n`;
    return `proxy:mysql:${config.write(name, access + lines)}`;
  }

  async function open(postfixTables: string[], timeMs = () => Date.now()) {
    const events: OwnDomainsEvent[] = [];
    const options = {
      onEvent: (event: OwnDomainsEvent) => void events.push(event),
      postfix: { configDir: config.path },
      timeMs,
    };
    const sources = createOwnDomainSources(options);
    const reload = () => read(sources, { postfixTables });
    return { sources, events, reload, report: await reload() };
  }

  async function owned(sources: OwnDomainSources, domains: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const domain of domains) if (await sources.has(domain)) found.push(domain);
    return found;
  }

  test.each(FORMS)("are those that are hosted here and active, by the form $name", async ({ lines }) => {
    const { sources, events, report } = await open([table("domains.cf", lines)]);
    expect(report).toEqual({ errors: [], warnings: [] });
    expect(await owned(sources, [...HOSTED, ...NOT_HOSTED])).toEqual(HOSTED);
    expect(events).toEqual([]);
    sources.close();
  });

  test("are those of several tables together", async () => {
    const hosted = table("domains.cf", FORMS[0]?.lines ?? "");
    const { sources } = await open([hosted, table("aliases.cf", ALIAS_DOMAINS), table("backups.cf", BACKUP_DOMAINS)]);
    const own = [...HOSTED, "alias.test", "backup.test"];
    expect(
      await owned(sources, [...own, "closed-alias.test", "closed.test", "closed-backup.test", "elsewhere.test"]),
    ).toEqual(own);
    sources.close();
  });

  test("change with the database", async () => {
    const { sources, reload } = await open([table("domains.cf", FORMS[1]?.lines ?? "")]);
    expect(await owned(sources, ["blue.test"])).toEqual([]);
    db.sql("INSERT INTO postfix.domain (domain) VALUES ('blue.test')");
    await reload();
    expect(await owned(sources, ["blue.test"])).toEqual(["blue.test"]);
    sources.close();
  });

  test("are remembered while the server is dead; others are put off; then it is asked again", async () => {
    let timeMs = Date.now();
    const source = table("domains.cf", FORMS[0]?.lines ?? "");
    const { sources, events } = await open([source], () => timeMs);
    expect(await owned(sources, ["red.test", "elsewhere.test"])).toEqual(["red.test"]);
    await db.kill();
    timeMs += STALE_MS;
    expect(await owned(sources, ["red.test", "elsewhere.test"])).toEqual(["red.test"]);
    await expect(sources.has("green.test")).rejects.toThrow(/^Cannot ask "proxy:mysql:.*connect to mysql server/);
    db = await startMariaDb(directory.path);
    expect(await owned(sources, ["green.test", "other.test"])).toEqual(["green.test"]);
    expect(events.map(({ type }) => type)).toEqual(["failed", "recovered"]);
    sources.close();
  });

  test("are no reason not to start when the server is down", async () => {
    await db.kill();
    const { sources, report } = await open([table("domains.cf", FORMS[0]?.lines ?? "")]);
    expect(report).toEqual({ errors: [], warnings: [expect.stringContaining("connect to mysql server")] });
    db = await startMariaDb(directory.path);
    expect(await owned(sources, ["red.test"])).toEqual(["red.test"]);
    sources.close();
  });
});
