/**
 * Makes the test data in test/testdata/postsrsd out of the recordings: one array for each vector instead of an object,
 * without the fields that no test reads, gzipped.
 *
 *     node scripts/compact-vectors.ts recorded.json test/testdata/postsrsd/postsrsd1.json.gz
 */
import { readFileSync, writeFileSync } from "node:fs";
import { constants, gzipSync } from "node:zlib";

interface Recorded {
  readonly about: unknown;
  readonly configs: Readonly<Record<string, unknown>>;
  readonly wire: readonly unknown[];
  readonly vectors: readonly RecordedVector[];
}

interface RecordedVector {
  readonly config: string;
  readonly map: string;
  readonly key: string | null;
  readonly request?: string;
  readonly reply: string;
  readonly ub?: boolean;
}

/** What a real Postfix asked during one mail. */
interface Session {
  readonly mode: string;
  readonly time: number;
  readonly case: string;
  readonly lookups: readonly unknown[];
}

/** Sessions without their SMTP dialogue. */
function compactSessions(about: unknown, sessions: readonly Session[]): string {
  const kept = sessions.map(({ mode, time, case: name, lookups }) => ({ mode, time, case: name, lookups }));
  return JSON.stringify({ about, sessions: kept });
}

/** Vectors grouped by configuration and map; `request` only where the raw line is the point. What is `ub` is left out. */
function compact(recorded: Recorded): string {
  const vectors: Record<string, Record<string, unknown[][]>> = {};
  for (const { config, map, key, request, reply, ub } of recorded.vectors) {
    if (ub) continue;
    const rows = ((vectors[config] ??= {})[map] ??= []);
    rows.push(request === undefined ? [key, reply] : [key, reply, request]);
  }
  const { about, configs, wire } = recorded;
  return JSON.stringify({ about, configs, wire, vectors });
}

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new TypeError("Cannot start: want the names of two files");
const recording = JSON.parse(readFileSync(from, "utf8")) as Recorded | { about: unknown; sessions: Session[] };
const text = "sessions" in recording ? compactSessions(recording.about, recording.sessions) : compact(recording);
writeFileSync(to, gzipSync(text, { level: constants.Z_BEST_COMPRESSION }));
