/**
 * Stores addresses on a Redis or Valkey server, in the layout of postsrsd 2:
 *
 *     SETEX PostSRSd/<ALIAS>@1 <seconds> <address>
 *     GET   PostSRSd/<ALIAS>@1
 *
 * Hosts that share a server share the addresses. A lookup waits for an answer for two seconds at most, because Postfix
 * waits for the lookup, and tries again by itself.
 */

import { errorText } from "../process/exit.ts";
import type { AddressStore } from "../srs/seams.ts";
import type { StoreHooks } from "./hooks.ts";
import { TimeoutError, within } from "./timeout.ts";
import type { RedisAddress } from "./url.ts";

const COMMAND_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** Time after which a connection that is not ready is replaced. The server may hang in the greeting. */
const GREETING_TIMEOUT_MS = 10_000;
const MAX_RECONNECT_DELAY_MS = 2_000;
const MAX_WAITING_COMMANDS = 10_000;

/** Errors of a server that are permanent. */
const REFUSAL = /\b(?:WRONGPASS|NOAUTH|NOPERM|ERR .*(?:password|AUTH|DB index))/;

type Redis = typeof import("@redis/client");
type Client = ReturnType<typeof createRedis>;

/**
 * Opens a store.
 *
 * @throws {Error} when the server refuses the password or the database, but not when it cannot be reached
 */
export async function openRedisStore(address: RedisAddress, hooks: StoreHooks): Promise<AddressStore> {
  const redis = await import("@redis/client");
  const store = new RedisStore(() => createRedis(redis, address), hooks);
  const problem = await store.firstProblem();
  if (problem === undefined || !REFUSAL.test(problem)) return store;
  await store.close();
  throw new Error(`Cannot open store "${serverText(address)}": ${problem}`);
}

function createRedis({ createClient, RESP_TYPES }: Redis, { server, username, password, database }: RedisAddress) {
  const limits = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectStrategy: (retries: number) => Math.min(100 * 2 ** Math.min(retries, 10), MAX_RECONNECT_DELAY_MS),
  };
  return createClient({
    RESP: 2, // every server understands it
    socket: "path" in server ? { path: server.path, tls: false, ...limits } : socketTo(server, limits),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    // Fails at once without a connection, because a waiting command would keep Postfix waiting.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING_COMMANDS,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
}

function socketTo<T>({ host, port, tls }: { host: string; port: number; tls: boolean }, limits: T) {
  return tls ? { host, port, tls: true as const, servername: host, ...limits } : { host, port, ...limits };
}

function serverText({ server }: RedisAddress): string {
  return "path" in server ? server.path : `${server.host}:${server.port}`;
}

class RedisStore implements AddressStore {
  readonly #create: () => Client;
  readonly #hooks: StoreHooks;
  #client: Client;
  /** Settles when the first connection has succeeded or failed. */
  readonly #firstContact = Promise.withResolvers<void>();
  #createdMs = 0;
  #problem: string | undefined;
  #closed = false;

  constructor(create: () => Client, hooks: StoreHooks) {
    this.#create = create;
    this.#hooks = hooks;
    this.#client = this.#start();
  }

  /** The problem at the start, if there is one. */
  async firstProblem(): Promise<string | undefined> {
    await within(CONNECT_TIMEOUT_MS, this.#firstContact.promise).catch(() => {});
    const refusal = await this.get("PROBE").then(() => undefined, errorText);
    return this.#problem ?? refusal;
  }

  async put(alias: string, address: string, ttlSeconds: number): Promise<void> {
    await this.#run((client) => client.setEx(keyOf(alias), ttlSeconds, Buffer.from(address, "latin1")));
  }

  async get(alias: string): Promise<string | undefined> {
    const value = await this.#run((client) => client.get(keyOf(alias)));
    return value === null ? undefined : value.toString("latin1");
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    if (client.isReady) await within(COMMAND_TIMEOUT_MS, client.close()).catch(() => {});
    if (client.isOpen) client.destroy();
  }

  async #run<T>(command: (client: Client) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (!client.isReady) {
      if (performance.now() - this.#createdMs > GREETING_TIMEOUT_MS) this.#renew(client);
      throw new Error(`Cannot reach store: ${this.#problem ?? "not connected yet"}`);
    }
    try {
      return await within(COMMAND_TIMEOUT_MS, command(client));
    } catch (error) {
      if (error instanceof TimeoutError) this.#renew(client);
      throw new Error(`Cannot use store: ${errorText(error)}`, { cause: error });
    }
  }

  /** Replaces the connection, because the system needs a quarter of an hour to notice that a server has vanished. */
  #renew(silent: Client): void {
    if (silent !== this.#client || this.#closed) return;
    this.#noteProblem("no answer");
    if (silent.isOpen) silent.destroy();
    this.#client = this.#start();
  }

  #start(): Client {
    const client = this.#create();
    this.#createdMs = performance.now();
    client.on("error", (error: unknown) => {
      if (client === this.#client) this.#noteProblem(errorText(error));
    });
    client.on("ready", () => {
      if (this.#problem !== undefined) this.#hooks.onRecovered();
      this.#problem = undefined;
      this.#firstContact.resolve();
    });
    client.connect().catch(() => {}); // "error" events report the same failure
    return client;
  }

  #noteProblem(problem: string): void {
    const isNews = this.#problem === undefined && !this.#closed;
    this.#problem = problem;
    this.#firstContact.resolve();
    if (isNews) this.#hooks.onFailed(problem);
  }
}

function keyOf(alias: string): string {
  return `PostSRSd/${alias}@1`;
}
