/** Asks our maps, over the protocols of Postfix, the recorded questions of a peer, and reports differences. */
import { createHash } from "node:crypto";
import type { RequestService } from "../../src/net/session.ts";
import { socketmapService } from "../../src/socketmap/service.ts";
import { forwardTable, reverseTable } from "../../src/srs/table.ts";
import { tcpTableService } from "../../src/tcptable/service.ts";
import { converse } from "../net/converse.ts";
import type { Divergence, Reply } from "./deviations.ts";
import { hasDatabase, optionsFor1, optionsFor2 } from "./peers.ts";
import { type RecordedConfig, type Recording, readRecording } from "./recorded.ts";
import { memoryStore, SILENT, type SrsOptions, srsTables } from "./tables.ts";

type MapName = "forward" | "reverse";

/** How one program is asked and its replies are read. */
export interface Peer {
  readonly program: 1 | 2;
  readonly recording: Recording;
  /** The settings that stand for its own; with a store where it had a database. */
  options(config: RecordedConfig): SrsOptions;
  /** A service for one connection. */
  service(options: SrsOptions, map: MapName): RequestService<unknown>;
  /** The bytes of a request as Postfix sends it. */
  request(map: MapName, key: string): string;
  /** Takes a reply's frame off. */
  payload(reply: string): string;
  parse(payload: string): Reply;
}

export const postsrsd1: Peer = {
  program: 1,
  recording: readRecording("postsrsd1"),
  options: optionsFor1,
  service(options, map) {
    const tables = srsTables(options);
    return tcpTableService(
      map === "forward" ? forwardTable(tables) : reverseTable(tables),
      SILENT,
    ) as RequestService<unknown>;
  },
  request: (_map, key) => `get ${key.replace(/[^\x21-\x24\x26-\x7e]/g, percent)}\n`,
  payload: (reply) => reply.slice(0, -1),
  parse(payload) {
    if (payload.startsWith("200 ")) return { status: "found", value: unquote(payload.slice(4)) };
    return { status: payload.startsWith("500 ") ? "notFound" : "temporary" };
  },
};

export const postsrsd2: Peer = {
  program: 2,
  recording: readRecording("postsrsd2"),
  options: (config) => ({ ...optionsFor2(config), store: hasDatabase(config) ? memoryStore() : undefined }),
  service(options) {
    const tables = srsTables(options);
    return socketmapService([forwardTable(tables), reverseTable(tables)], SILENT) as RequestService<unknown>;
  },
  request: (map, key) => `${map.length + 1 + key.length}:${map} ${key},`,
  payload: (reply) => reply.slice(reply.indexOf(":") + 1, -1),
  parse(payload) {
    if (payload.startsWith("OK ")) return { status: "found", value: payload.slice(3) };
    if (payload.startsWith("NOTFOUND ")) return { status: "notFound" };
    return { status: payload.startsWith("PERM ") ? "permanent" : "temporary" };
  },
};

/** A divergence with what an eye needs to find it. */
export interface Found extends Divergence {
  readonly config: string;
  readonly recorded: string;
  readonly answered: string;
}

/** Replays every vector of one configuration: how many there were, and those that are answered otherwise. */
export async function replay(peer: Peer, config: string): Promise<{ asked: number; divergences: Found[] }> {
  const recorded = peer.recording.configs[config];
  if (recorded === undefined) throw new RangeError(`Cannot replay "${config}": not recorded`);
  const maps = peer.recording.vectors[config] ?? {};
  const options = peer.options(recorded);
  await fillStore(peer, options, maps.reverse ?? []);
  const divergences: Found[] = [];
  let asked = 0;
  for (const map of ["forward", "reverse"] as const) {
    const service = peer.service(options, map);
    for (const [key, reply, line] of maps[map] ?? []) {
      const { replies } = await converse(service, [line === undefined ? peer.request(map, key ?? "") : `${line}\n`]);
      const answered = peer.payload(replies.join(""));
      const pair = { theirs: peer.parse(reply), ours: peer.parse(answered) };
      const readKey = key ?? unquote(line?.replace(/^get /, "") ?? "");
      asked++;
      if (isSame(pair.theirs, pair.ours, readKey) && (pair.ours.status !== "found" || answered === reply)) continue;
      divergences.push({
        ...pair,
        program: peer.program,
        options,
        map,
        key: readKey,
        config,
        recorded: reply,
        answered,
      });
    }
  }
  return { asked, divergences };
}

/** The key of the store for an address: base32hex is what `toString(32)` writes. */
export function aliasOf(address: string): string {
  const digest = createHash("sha1").update(address, "latin1").digest("hex");
  return BigInt(`0x${digest}`).toString(32).toUpperCase().padStart(32, "0");
}

/** For own domains postsrsd 1.10 answers the address itself, which Postfix takes for not found. */
function isSame(theirs: Reply, ours: Reply, key: string): boolean {
  if (ours.status === "notFound" && theirs.value === key) return true;
  return ours.status === theirs.status && ours.value === theirs.value;
}

/** What the peer's database held when the recording began shows in its answers. */
async function fillStore(
  peer: Peer,
  { store }: SrsOptions,
  rows: readonly (readonly [key: string | null, reply: string, request?: string])[],
): Promise<void> {
  for (const [, reply] of rows) {
    const { value } = peer.parse(reply);
    if (value !== undefined) await store?.put(aliasOf(value), value, 0);
  }
}

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function unquote(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
