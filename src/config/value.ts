/**
 * Kinds of configuration values: each has a parser, which converts to our units, and a description of the wanted form.
 */
import { type Cidr, parseCidr } from "../mail/ip.ts";
import { isDomainName } from "../mail/names.ts";
import { type Endpoint, parseEndpoint } from "../net/endpoint.ts";

/** A problem of a value. */
export interface ValueProblem {
  /** The rest of the key, such as `[2]` or `.mail_from.fail`; empty for the value itself. */
  readonly path: string;
  /** The wrong value; `undefined` for a missing one. */
  readonly got: unknown;
  readonly want: string;
}

type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly ValueProblem[] };

/** Reads one TOML value. `want` completes the sentence "want …" in errors and documentation. */
export interface Kind<T> {
  readonly want: string;
  parse(value: unknown): Parsed<T>;
}

/** Makes a kind from a function that returns `undefined` for a wrong value. */
export function kind<T>(want: string, read: (value: unknown) => T | undefined): Kind<T> {
  return {
    want,
    parse(value) {
      const parsed = read(value);
      return parsed === undefined ? wrong(value, want) : { ok: true, value: parsed };
    },
  };
}

function wrong(got: unknown, want: string, path = ""): { ok: false; problems: ValueProblem[] } {
  return { ok: false, problems: [{ path, got, want }] };
}

/** A list of values of one kind. */
export function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  const want = `a list of: ${item.want}`;
  return {
    want,
    parse(value) {
      if (!Array.isArray(value)) return wrong(value, want);
      const values: T[] = [];
      const problems: ValueProblem[] = [];
      value.forEach((element: unknown, index) => {
        const parsed = item.parse(element);
        if (parsed.ok) values.push(parsed.value);
        else problems.push(...parsed.problems.map((problem) => ({ ...problem, path: `[${index}]${problem.path}` })));
      });
      return problems.length === 0 ? { ok: true, value: values } : { ok: false, problems };
    },
  };
}

/** One of the given words. */
export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  const want = `one of ${words.map((word) => JSON.stringify(word)).join(", ")}`;
  return kind(want, (value) => words.find((word) => word === value));
}

export function integer(min: number, max: number): Kind<number> {
  return kind(`a whole number from ${min} to ${max}`, (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max ? value : undefined,
  );
}

export const flag: Kind<boolean> = kind("true or false", (value) => (typeof value === "boolean" ? value : undefined));

export const text: Kind<string> = kind("a string", (value) => (typeof value === "string" ? value : undefined));

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A duration as Postfix writes it, in milliseconds. */
export function duration(min: string, max: string): Kind<number> {
  const [minMs, maxMs] = [readDuration(min) ?? 0, readDuration(max) ?? 0];
  return kind(`a duration from "${min}" to "${max}", such as "20s", "5m" or "21d"`, (value) => {
    const ms = readDuration(value);
    return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
  });
}

/** The same, or the empty string, which is `undefined`. */
export function durationOrEmpty(min: string, max: string): Kind<number | undefined> {
  const some = duration(min, max);
  const want = `"" or ${some.want}`;
  return {
    want,
    parse(value) {
      if (value === "") return { ok: true, value: undefined };
      const parsed = some.parse(value);
      return parsed.ok ? parsed : wrong(value, want);
    },
  };
}

function readDuration(value: unknown): number | undefined {
  const match = typeof value === "string" ? /^(\d{1,9})(ms|[smhdw])$/.exec(value) : null;
  return match === null ? undefined : Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? 0);
}

const UNIT_BYTES: Readonly<Record<string, number>> = { KiB: 1 << 10, MiB: 1 << 20, GiB: 1 << 30 };

/** An amount of memory, in bytes. */
export function byteSize(min: string, max: string): Kind<number> {
  const [minBytes, maxBytes] = [readBytes(min) ?? 0, readBytes(max) ?? 0];
  return kind(`an amount from "${min}" to "${max}", such as "512KiB" or "64MiB"`, (value) => {
    const bytes = readBytes(value);
    return bytes !== undefined && bytes >= minBytes && bytes <= maxBytes ? bytes : undefined;
  });
}

function readBytes(value: unknown): number | undefined {
  const match = typeof value === "string" ? /^(\d{1,9})(KiB|MiB|GiB)$/.exec(value) : null;
  return match === null ? undefined : Number(match[1]) * (UNIT_BYTES[match[2] ?? ""] ?? 0);
}

const ENDPOINT_WISH = '"address:port", "[v6address]:port", "unix:/path" (107 bytes at most) or "fd:NAME"';

export const endpoint: Kind<Endpoint> = {
  want: ENDPOINT_WISH,
  parse(value) {
    const parsed = typeof value === "string" ? parseEndpoint(value) : undefined;
    return parsed === undefined ? wrong(value, ENDPOINT_WISH + endpointHint(value)) : { ok: true, value: parsed };
  },
};

/** Longest text that is searched for a port, because the pattern backtracks. No address is longer. */
const MAX_HINT_CHARS = 100;

/** A hint for a text that is not an endpoint. */
function endpointHint(value: unknown): string {
  const text = String(value).slice(0, MAX_HINT_CHARS);
  const [, host = "", port = ""] = /^(?:inet:)?(.*?):?(\d+)$/.exec(text) ?? [];
  if (Number(port) > 65_535) return "; ports go up to 65535";
  const address = { "": "127.0.0.1", localhost: "127.0.0.1", "*": "0.0.0.0" }[host] ?? host;
  const meant = [`${address}:${port}`, `[${address}]:${port}`].find((one) => parseEndpoint(one) !== undefined);
  return meant === undefined || !(text.includes(":") || host === "") ? "" : `; is "${meant}" meant?`;
}

/** Permissions as in chmod(1). */
export const fileMode: Kind<number> = kind('file permissions in octal, such as "0666"', (value) =>
  typeof value === "string" && /^0?[0-7]{3}$/.test(value) ? Number.parseInt(value, 8) : undefined,
);

/** A host or domain name in A-labels. The empty string means "not set". */
export const domainName: Kind<string> = kind('a domain name such as "example.net"', (value) =>
  typeof value === "string" && (value === "" || isDomainName(value)) ? value : undefined,
);

/** A domain, or with a leading dot every name below it. */
export const domainPattern: Kind<string> = kind(
  'a domain name such as "example.net", or ".example.net" for every name below it',
  (value) =>
    typeof value === "string" && isDomainName(value.startsWith(".") ? value.slice(1) : value) ? value : undefined,
);

/** An address or a network. */
export const cidr: Kind<Cidr> = kind('an address or a network such as "192.0.2.0/24"', (value) =>
  typeof value === "string" ? parseCidr(value) : undefined,
);

/** One value or a list of them, as a list. */
export function oneOrMore<T>(item: Kind<T>): Kind<readonly T[]> {
  const list = listOf(item);
  return { want: `${item.want}, or a list`, parse: (value) => list.parse(Array.isArray(value) ? value : [value]) };
}

export const absolutePath: Kind<string> = kind("an absolute path", (value) =>
  typeof value === "string" && (value === "" || value.startsWith("/")) && !value.includes("\0") ? value : undefined,
);

/** A TOML table with the given keys, each of which may be absent. */
export function tableOf<Shape extends Readonly<Record<string, Kind<unknown>>>>(
  shape: Shape,
): Kind<{ readonly [Key in keyof Shape]?: Shape[Key] extends Kind<infer T> ? T : never }> {
  const want = `a table with any of: ${Object.keys(shape).join(", ")}`;
  return {
    want,
    parse(value) {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong(value, want);
      const values: Record<string, unknown> = {};
      const problems: ValueProblem[] = [];
      for (const [key, inner] of Object.entries(value)) {
        const parsed = shape[key]?.parse(inner) ?? wrong(inner, `no such key; ${want}`);
        if (parsed.ok) values[key] = parsed.value;
        else problems.push(...parsed.problems.map((problem) => ({ ...problem, path: `.${key}${problem.path}` })));
      }
      if (problems.length > 0) return { ok: false, problems };
      return { ok: true, value: values as { readonly [Key in keyof Shape]?: never } };
    },
  };
}

/** The same table, in which some keys must not be absent. */
export function withAll<Table extends object, Key extends keyof Table & string>(
  table: Kind<Table>,
  keys: readonly Key[],
): Kind<Table & { readonly [K in Key]-?: Exclude<Table[K], undefined> }> {
  return {
    want: `${table.want}; it must have ${keys.join(", ")}`,
    parse(value) {
      const parsed = table.parse(value);
      if (!parsed.ok) return parsed;
      const missing = keys.find((key) => parsed.value[key] === undefined);
      if (missing !== undefined)
        return wrong(undefined, `it beside ${keys.filter((key) => key !== missing).join(" and ")}`, `.${missing}`);
      return { ok: true, value: parsed.value as Table & { readonly [K in Key]-?: Exclude<Table[K], undefined> } };
    },
  };
}
