import { describe, expect, test } from "vitest";
import type { AddressStore } from "../../src/srs/seams.ts";
import { openStore } from "../../src/store/open.ts";
import { freePort } from "../helpers/free-port.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";
import { type ServerProcess, startServer } from "../helpers/server-process.ts";

const ALIAS = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
const missing = requirePrograms("redis-server", "redis-cli");

/** Asks with a client of another make. */
function redisCli(socket: string, ...args: string[]): string {
  return runProgram("redis-cli", ["-s", socket, ...args]);
}

function startRedis(socket: string, ...args: string[]): Promise<ServerProcess> {
  const directory = socket.replace(/\/[^/]*$/, "");
  const options = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", directory];
  return startServer("redis-server", [...options, ...args], { isReady: () => answers(socket) });
}

function answers(socket: string): boolean {
  try {
    return /PONG|NOAUTH/.test(redisCli(socket, "PING"));
  } catch {
    return false;
  }
}

function open(url: string): Promise<AddressStore> {
  return openStore(url, { onFailed: () => {}, onRecovered: () => {}, onLost: () => {} }, Date.now);
}

/** A store that notes what it tells. */
async function openNoting(url: string) {
  const told: string[] = [];
  const hooks = { onFailed: () => told.push("failed"), onRecovered: () => told.push("recovered"), onLost: () => {} };
  const store = await openStore(url, hooks, Date.now);
  return { store, told };
}

describe.skipIf(missing !== undefined)(`the Redis store ${missing ?? ""}`, () => {
  test("shares addresses among hosts, in postsrsd's layout", async () => {
    using directory = temporaryDirectory();
    const socket = `${directory.path}/redis.sock`;
    await using _redis = await startRedis(socket);
    const [first, second] = [await open(`redis+unix:${socket}`), await open(`redis+unix:${socket}?db=0`)];
    await first.put(ALIAS, "long@b.test", 1_814_400);
    expect(await second.get(ALIAS)).toBe("long@b.test");
    expect(await second.get("NONE")).toBeUndefined();
    expect(redisCli(socket, "GET", `PostSRSd/${ALIAS}@1`)).toBe("long@b.test\n");
    expect(Number(redisCli(socket, "TTL", `PostSRSd/${ALIAS}@1`))).toBeGreaterThan(1_814_000);
    await first.close();
    await second.close();
  });

  test("takes over what postsrsd has stored, and gives bytes as they are", async () => {
    using directory = temporaryDirectory();
    const socket = `${directory.path}/redis.sock`;
    await using _redis = await startRedis(socket);
    redisCli(socket, "SETEX", `PostSRSd/${ALIAS}@1`, "1814400", "theirs@b.test");
    const store = await open(`redis+unix:${socket}`);
    expect(await store.get(ALIAS)).toBe("theirs@b.test");
    await store.put(ALIAS, '"k\xe4se\r\n\0"@b.test', 60);
    expect(await store.get(ALIAS)).toBe('"k\xe4se\r\n\0"@b.test');
    await store.close();
  });

  test("renews an address with its second put, and the server forgets it in time", async () => {
    using directory = temporaryDirectory();
    const socket = `${directory.path}/redis.sock`;
    await using _redis = await startRedis(socket);
    const store = await open(`redis+unix:${socket}`);
    await store.put("A", "a@b.test", 100);
    await store.put("A", "a@b.test", 1000);
    expect(Number(redisCli(socket, "TTL", "PostSRSd/A@1"))).toBeGreaterThan(900);
    await store.put("B", "b@b.test", 1);
    await expect.poll(() => store.get("B"), { timeout: 10_000 }).toBeUndefined();
    await store.close();
  });

  test("rejects when its server is killed and goes on when there is one again", async () => {
    using directory = temporaryDirectory();
    const socket = `${directory.path}/redis.sock`;
    const redis = await startRedis(socket);
    const { store, told } = await openNoting(`redis+unix:${socket}`);
    await store.put("A", "a@b.test", 60);
    await redis.kill();
    await expect(store.get("A")).rejects.toThrow(/^Cannot (?:reach|use) store: /);
    await expect(store.put("A", "a@b.test", 60)).rejects.toThrow(/^Cannot (?:reach|use) store: /);
    await using _again = await startRedis(socket);
    await expect.poll(() => store.put("A", "a@b.test", 60), { timeout: 10_000 }).toBeUndefined();
    expect(await store.get("A")).toBe("a@b.test");
    expect(told).toEqual(["failed", "recovered"]);
    await store.close();
  });

  test("does not wait for a server that hangs, and finds it again", async () => {
    using directory = temporaryDirectory();
    const socket = `${directory.path}/redis.sock`;
    await using redis = await startRedis(socket);
    const { store, told } = await openNoting(`redis+unix:${socket}`);
    await store.put("A", "a@b.test", 60);
    redis.signal("SIGSTOP");
    await expect(store.get("A")).rejects.toThrow("Cannot use store: no answer within 2000 ms");
    await expect(store.get("A")).rejects.toThrow("Cannot reach store: no answer");
    redis.signal("SIGCONT");
    await expect.poll(() => store.get("A"), { timeout: 10_000 }).toBe("a@b.test");
    expect(told).toEqual(["failed", "recovered"]);
    await store.close();
  });

  test("opens before its server does", async () => {
    using directory = temporaryDirectory();
    const socket = `${directory.path}/redis.sock`;
    const { store, told } = await openNoting(`redis+unix:${socket}`);
    await expect(store.get("A")).rejects.toThrow(/^Cannot reach store: connect ENOENT/);
    await using _redis = await startRedis(socket);
    await expect.poll(() => store.get("A"), { timeout: 10_000 }).toBeUndefined(); // an answer: none is stored
    expect(told).toEqual(["failed", "recovered"]);
    await store.close();
  });

  test("speaks TCP, with a password, to a database of its own", async () => {
    using directory = temporaryDirectory();
    const socket = `${directory.path}/redis.sock`;
    const port = await freePort();
    const access = ["--requirepass", "s3cr3t@/x", "--port", String(port), "--bind", "127.0.0.1"];
    await using _redis = await startRedis(socket, ...access);
    const store = await open(`redis://:s3cr3t%40%2Fx@127.0.0.1:${port}/2`);
    await store.put("A", "a@b.test", 60);
    expect(await store.get("A")).toBe("a@b.test");
    expect(redisCli(socket, "-a", "s3cr3t@/x", "-n", "2", "GET", "PostSRSd/A@1")).toBe("a@b.test\n");
    await store.close();
  });

  test.each([
    { name: "without the password", access: "", database: "0", says: "NOAUTH" },
    { name: "with a wrong password", access: ":wrong@", database: "0", says: "WRONGPASS" },
    { name: "with a database that there is not", access: ":right@", database: "99", says: "DB index" },
  ])("does not open $name, and does not repeat it", async ({ access, database, says }) => {
    using directory = temporaryDirectory();
    const port = await freePort();
    const settings = ["--requirepass", "right", "--port", String(port), "--bind", "127.0.0.1"];
    await using _redis = await startRedis(`${directory.path}/redis.sock`, ...settings);
    const opening = open(`redis://${access}127.0.0.1:${port}/${database}`);
    await expect(opening).rejects.toThrow(says);
    await expect(opening).rejects.toThrow(
      new RegExp(`^srs.store.url: Cannot open store "127.0.0.1:${port}": (?!.*wrong@)`),
    );
  });
});
