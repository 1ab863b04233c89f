/** Reads lists of clients of OpenDKIM, OpenDMARC and OpenARC: addresses, networks, names, and exceptions with `!`. */
import type { DataSet } from "./data-set.ts";
import type { Findings } from "./finding.ts";
import { contains, type Network, networkText, readNetwork, without } from "./networks.ts";

/** Most networks that exceptions may leave of a list. */
const MAX_NETWORKS = 1000;

/** Bound for the time that exceptions take. */
const MAX_COMPARISONS = 1_000_000;

const LOOPBACK = ["127.0.0.0/8", "::1"].flatMap((text) => readNetwork(text) ?? []);

/** What the reader tells about a list. */
interface Telling {
  readonly findings: Findings;
  /** The option. */
  readonly name: string;
  /** The program. */
  readonly program: string;
}

/**
 * The clients of a list, in the form of `milter.internal`. The more exact entry counts, and of two for one network the
 * exception. Names of hosts and entries that never matched are said in `findings`.
 */
export function readHosts({ rows, hasPatterns }: DataSet, { findings, name, program }: Telling): readonly string[] {
  const [members, holes]: [Network[], Network[]] = [[], []];
  for (const { key, where } of rows) {
    const isHole = key.startsWith("!");
    const entry = key.slice(isHole ? 1 : 0);
    const target = isHole ? holes : members;
    const network = readNetwork(entry.replace(/^\[(.*)\](\/\d+)?$/, "$1$2"));
    if (network?.isBase === true) {
      if (network.prefixBits === 0 && !isHole) sayEverybody(entry, where, { findings, name, program });
      else target.push(network);
    } else if (network !== undefined) {
      findings.note(
        where,
        `${name}: "${key}" never matched in ${program}: ${networkText(network)} is the network; it is left out`,
      );
    } else if (entry.toLowerCase() === "localhost") target.push(...LOOPBACK);
    else
      findings.note(
        where,
        `${name}: ${nameProblem(key, hasPatterns, program)}; it is left out. Add the addresses that are meant`,
      );
  }
  if (members.length * holes.length > MAX_COMPARISONS) {
    findings.note(
      rows[0]?.where ?? name,
      `${name}: it has ${holes.length} exceptions, which is too many; the list is left out`,
    );
    return [];
  }
  // An exception counts for a network that is wider, not for one within it.
  const kept = members.flatMap((network) =>
    without(
      network,
      holes.filter((hole) => contains(network, hole)),
    ),
  );
  if (kept.length > MAX_NETWORKS) {
    findings.note(
      rows[0]?.where ?? name,
      `${name}: over ${MAX_NETWORKS} networks are left of it; the list is left out`,
    );
    return [];
  }
  return [...new Set(kept.map(networkText))];
}

function sayEverybody(entry: string, where: string, { findings, name, program }: Telling): void {
  findings.note(
    where,
    `${name}: "${entry}" is everybody: ${program} verified nothing that came from outside, and signed what strangers wrote in your name; it is left out`,
  );
}

function nameProblem(entry: string, hasPatterns: boolean, program: string): string {
  if (!entry.includes("*")) return `"${entry}" is a name, and clients are known by their addresses here`;
  if (hasPatterns) return `"${entry}" is a pattern, and clients are known by their addresses here`;
  return `"${entry}" never matched in ${program}, which knows "*" in refile: alone`;
}

/** Those that are not on this host itself, whose mail is ours always. */
export function withoutLoopback(networks: readonly string[]): readonly string[] {
  return networks.flatMap((text) => {
    const network = readNetwork(text);
    return network === undefined ? [] : without(network, LOOPBACK).map(networkText);
  });
}
