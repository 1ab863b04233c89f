import { execFile } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BufferBudget } from "../../src/net/buffer-budget.ts";
import type { ServeHooks } from "../../src/net/connection.ts";
import type { Endpoint } from "../../src/net/endpoint.ts";
import { Listeners, serveWith } from "../../src/net/listeners.ts";
import type { LookupTable } from "../../src/net/lookup.ts";
import { stateless } from "../../src/net/session.ts";
import { socketmapService } from "../../src/socketmap/service.ts";
import { forwardTable, reverseTable } from "../../src/srs/table.ts";
import { tcpTableService } from "../../src/tcptable/service.ts";
import { freePort } from "../helpers/free-port.ts";
import { postfixConfig, type TemporaryDirectory } from "../helpers/postfix-config.ts";
import { programPath, requirePrograms } from "../helpers/requires.ts";
import { SILENT, srsTables } from "../srs/tables.ts";
import { apply, UNLIMITED } from "./echo.ts";

const missing = requirePrograms("postmap");

/** Forward and reverse with the tests' defaults, and a key that nobody can answer just now. */
const [forward, reverse] = [forwardTable, reverseTable].map((createTable): LookupTable => {
  const table = createTable(srsTables());
  const trouble = { status: "tempFail", outcome: "tempfail", part: "store", reason: "the store is down" } as const;
  return { name: table.name, get: (key) => (key === "down@example.org" ? trouble : table.get(key)) };
}) as [LookupTable, LookupTable];

const hooks: ServeHooks = {
  protocolError: (protocol, message) => expect.unreachable(`${protocol}: ${message}`),
  internalError: (protocol, error) => expect.unreachable(`${protocol}: ${String(error)}`),
  dropped: (protocol) => expect.unreachable(`${protocol}: dropped`),
};
const context = { hooks, budget: new BufferBudget(Number.POSITIVE_INFINITY) };

describe.skipIf(missing !== undefined)(`Postfix's own client ${missing ?? ""}`, () => {
  let config: TemporaryDirectory;
  const listeners = new Listeners(UNLIMITED);
  const maps: Record<string, { forward: string; reverse: string }> = {};

  beforeAll(async () => {
    config = postfixConfig("");
    const [forwardPort, reversePort, mapPort] = [await freePort(), await freePort(), await freePort()];
    const path = `${config.path}/srs`;
    const inet = (port: number): Endpoint => ({ type: "inet", host: "127.0.0.1", port });
    const maps2 = serveWith(stateless(socketmapService([forward, reverse], SILENT)), context);
    await apply(listeners, [
      {
        name: "1",
        endpoint: inet(forwardPort),
        accept: serveWith(stateless(tcpTableService(forward, SILENT)), context),
      },
      {
        name: "2",
        endpoint: inet(reversePort),
        accept: serveWith(stateless(tcpTableService(reverse, SILENT)), context),
      },
      { name: "3", endpoint: inet(mapPort), accept: maps2 },
      { name: "4", endpoint: { type: "unix", path }, accept: maps2 },
    ]);
    maps.tcp = { forward: `tcp:127.0.0.1:${forwardPort}`, reverse: `tcp:127.0.0.1:${reversePort}` };
    for (const [name, where] of [
      ["socketmap", `inet:127.0.0.1:${mapPort}`],
      ["socketmap on a unix socket", `unix:${path}`],
    ]) {
      maps[name ?? ""] = { forward: `socketmap:${where}:forward`, reverse: `socketmap:${where}:reverse` };
    }
  });

  afterAll(async () => {
    await listeners.drain(0);
    config[Symbol.dispose]();
  });

  const ask = (map: string, keys: readonly string[]): Promise<{ lines: string[]; errors: string }> =>
    new Promise((resolve) => {
      const child = execFile(
        programPath("postmap") ?? "",
        ["-c", config.path, "-q", "-", map],
        { encoding: "latin1" },
        (_, stdout, stderr) => resolve({ lines: stdout.split("\n").filter(Boolean), errors: stderr }),
      );
      child.stdin?.end(`${keys.join("\n")}\n`, "latin1");
    });

  describe.each(["tcp", "socketmap", "socketmap on a unix socket"])("over %s", (protocol) => {
    test("gets there and back what it asks for, whatever is in it", async () => {
      const senders = [
        "alice@example.org",
        '"john doe"@example.org',
        "caf\xc3\xa9@b\xc3\xbccher.example",
        "a%41+b=c@x.org",
        `${"l".repeat(900)}@x.y`,
      ];
      const there = await ask(maps[protocol]?.forward ?? "", senders);
      expect(there.lines.map((line) => line.split("\t")[0])).toEqual(senders);
      const rewritten = there.lines.map((line) => line.split("\t")[1] ?? "");
      const back = await ask(maps[protocol]?.reverse ?? "", rewritten);
      expect(back.lines).toEqual(rewritten.map((address, i) => `${address}\t${senders[i]}`));
    });

    test("believes that there is nothing, and goes on with the next", async () => {
      const keys = ["bob@example.com", '""', "alice", "alice@example.org"];
      const { lines, errors } = await ask(maps[protocol]?.forward ?? "", keys);
      expect(lines).toEqual(["alice@example.org\tSRS0=-xpx=2W=example.org=alice@example.com"]);
      expect(errors).toBe("");
    });

    test("knows trouble for trouble", async () => {
      const { lines, errors } = await ask(maps[protocol]?.forward ?? "", ["down@example.org"]);
      expect(lines).toEqual([]);
      expect(errors).toMatch(/query error/);
    });
  });
});
