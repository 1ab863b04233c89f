/** Reads the recorded answers of postsrsd: see test/testdata/postsrsd/README.md. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** One run of a peer: its files and options as it had them. */
export interface RecordedConfig {
  /** Contents, latin1. */
  readonly secret_file: string;
  /** Seconds since 1970, at which its clock stood still. */
  readonly time: number;
  /** postsrsd 1.10: `-d`. */
  readonly domain?: string;
  /** postsrsd 1.10: the other arguments. */
  readonly args?: readonly string[];
  /** postsrsd 2.4.0: postsrsd.conf. */
  readonly options?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** postsrsd 2.4.0: contents of domains-file. */
  readonly domains_file?: string;
}

/** What went over one connection. Latin1. */
export interface Transcript {
  readonly name: string;
  readonly config: string;
  readonly map?: "forward" | "reverse";
  /** Packets of the client. */
  readonly send: readonly string[];
  /** All that came back. */
  readonly recv: string;
  /** Whether the peer hung up, politely or with a reset. */
  readonly eof: boolean | "rst";
  readonly half_close?: boolean;
}

/** The key, or `null` where the request line is the point; the reply without its frame; that line. */
type Row = readonly [key: string | null, reply: string, request?: string];

export interface Recording {
  readonly configs: Readonly<Record<string, RecordedConfig>>;
  readonly wire: readonly Transcript[];
  readonly vectors: Readonly<Record<string, { readonly forward?: readonly Row[]; readonly reverse?: readonly Row[] }>>;
}

/** What postsrsd 1.10 (`postsrsd1`) or 2.4.0 (`postsrsd2`) answered. */
export function readRecording(name: "postsrsd1" | "postsrsd2"): Recording {
  const file = new URL(`../testdata/postsrsd/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString("utf8")) as Recording;
}
