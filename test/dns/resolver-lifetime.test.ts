import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { startDnsServer } from "../helpers/dns-server.ts";
import { a, answersOf, requireServer, testResolver } from "./resolving.ts";

const WORLD = answersOf({
  "A a.example": { answers: [a("a.example")] },
  "TXT long.example": {
    answers: [{ name: "long.example", type: "TXT", ttl: 9, data: Array(9).fill("x".repeat(250)) }],
  },
});
const RESOLVER = new URL("../../src/dns/resolver.ts", import.meta.url).href;

/** Runs `body` in a process of its own, with a resolver of `server`; gives what it printed when it ended by itself. */
async function runAlone(server: string, body: string): Promise<string> {
  const script = `
    import { createResolver } from ${JSON.stringify(RESOLVER)};
    const settings = { servers: [${JSON.stringify(requireServer(server))}], timeoutMs: 5000, tries: 2, cacheSize: 9, maxTtlMs: 9e6, negativeTtlMs: 9e6 };
    const resolver = createResolver(settings);
    const ask = (name, type) => resolver.resolve(name, type, { deadlineMs: performance.now() + 60_000 });
    const print = (answer) => console.log(answer.status, answer.trouble ?? "");
    ${body}`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    timeout: 15_000,
  });
  return stdout.trim();
}

describe("the resolver in a command that ends when its work is done", () => {
  test.each([
    {
      what: "closed",
      body: `print(await ask("a.example", "A")); print(await ask("long.example", "TXT")); await resolver.close();`,
    },
    { what: "not closed", body: `print(await ask("a.example", "A")); print(await ask("long.example", "TXT"));` },
  ])("keeps it alive until it has answered, and not longer, when $what", async ({ body }) => {
    await using server = await startDnsServer(WORLD, { quirk: () => ({ delayMs: 100 }) });
    expect(await runAlone(server.address, body)).toBe("ok \nok");
  });

  test("answers what is in flight when it is closed, and leaves nothing open", async () => {
    await using server = await startDnsServer(WORLD);
    server.quirk = ({ transport, type }) => (type === "TXT" && transport === "udp" ? undefined : "drop");
    const body = `
      const answers = [ask("a.example", "A"), ask("b.example", "A"), ask("long.example", "TXT")];
      setTimeout(async () => {
        await resolver.close();
        for (const answer of await Promise.all(answers)) print(answer);
        print(await ask("a.example", "A"));
        await resolver.close();
      }, 300);`;
    expect(await runAlone(server.address, body)).toBe(Array(4).fill("error aborted").join("\n"));
  });

  test("may be closed at once", async () => {
    await using server = await startDnsServer(WORLD);
    expect(
      await runAlone(
        server.address,
        `const answer = ask("a.example", "A"); await resolver.close(); print(await answer);`,
      ),
    ).toBe("error aborted");
  });
});

describe("without servers in the settings", () => {
  test("resolv.conf says whom to ask, and a change of it is taken up", async () => {
    // Of an interface that does not exist: no packet leaves for them.
    const folder = mkdtempSync(join(tmpdir(), "resolv-"));
    const path = join(folder, "resolv.conf");
    writeFileSync(path, "nameserver fe80::1%none0\n");
    await using world = testResolver([], {}, { resolvConfPath: path, resolvConfIntervalMs: 5 });
    expect(await world.ask("a.example", "A")).toMatchObject({
      status: "error",
      detail: expect.stringContaining("[fe80::1%none0]:53"),
    });

    writeFileSync(path, "nameserver fe80::2%none0\n");
    await vi.waitFor(() =>
      expect(world.events).toContainEqual({ kind: "servers", path, servers: "[fe80::2%none0]:53" }),
    );
    expect(await world.ask("b.example", "A")).toMatchObject({ detail: expect.stringContaining("[fe80::2%none0]:53") });
    rmSync(folder, { recursive: true });
  });
});
