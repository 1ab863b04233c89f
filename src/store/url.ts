/** Parses `srs.store.url`, the address of the store of long addresses. */

export interface RedisAddress {
  readonly kind: "redis";
  /** Host and port of the server, or the path of its unix socket. */
  readonly server: { readonly host: string; readonly port: number; readonly tls: boolean } | { readonly path: string };
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

export type StoreAddress = { readonly kind: "sqlite"; readonly path: string } | RedisAddress;

const DEFAULT_REDIS_PORT = 6379;

/**
 * Reads one of
 *
 *     sqlite:/var/lib/postvouch/addresses.db
 *     redis://[[user]:password@]host[:6379][/0]          rediss:// for TLS
 *     redis+unix:/run/redis/redis.sock[?db=0]            redis+unix://[user]:password@/run/… with a password
 *
 * User and password are %XX-quoted if they contain characters of the syntax. A Valkey server counts as a Redis server.
 *
 * @throws {TypeError} with the wanted form, without the password
 */
export function parseStoreUrl(text: string): StoreAddress {
  const address = parseSqlite(text) ?? parseUnix(text) ?? parseServer(text);
  if (address !== undefined) return address;
  const shown = text.replace(/\/\/[^/]*@/, "//…@");
  throw new TypeError(
    `Cannot use store "${shown}": want "sqlite:/path", "redis://host:6379/0" or "redis+unix:/path?db=0"`,
  );
}

function parseSqlite(text: string): StoreAddress | undefined {
  const path = /^sqlite:(\/[^\0]+|\.{1,2}\/[^\0]+)$/.exec(text)?.[1];
  // Other programs write "sqlite:///path".
  return path === undefined ? undefined : { kind: "sqlite", path: path.replace(/^\/\/+/, "/") };
}

function parseUnix(text: string): StoreAddress | undefined {
  const parts = /^redis\+unix:(?:\/\/(?:([^:@/]*):([^@/]*)@)?)?(\/[^?\0]+)(?:\?db=(\d{1,5}))?$/.exec(text);
  const [, username = "", password = "", path, database = "0"] = parts ?? [];
  return path === undefined ? undefined : redis({ path }, username, password, database);
}

function parseServer(text: string): StoreAddress | undefined {
  const url = /^rediss?:\/\//.test(text) ? URL.parse(text) : null;
  if (url === null || url.hostname === "" || url.search !== "" || url.hash !== "") return undefined;
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1];
  if (database === undefined) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? DEFAULT_REDIS_PORT : Number(url.port);
  return redis({ host, port, tls: url.protocol === "rediss:" }, url.username, url.password, database);
}

function redis(server: RedisAddress["server"], username: string, password: string, database: string) {
  return {
    kind: "redis",
    server,
    username: unquote(username),
    password: unquote(password),
    database: Number(database),
  } satisfies RedisAddress;
}

/** A lone `%` in a password stands for itself. */
function unquote(text: string): string | undefined {
  return text === ""
    ? undefined
    : text.replace(/(?:%[0-9a-f]{2})+/gi, (quoted) => Buffer.from(quoted.replaceAll("%", ""), "hex").toString());
}
