import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { converse } from "../net/converse.ts";
import { DEVIATIONS } from "./deviations.ts";
import { type Peer, postsrsd1, postsrsd2 } from "./replay.ts";
import { DEFAULTS, type SrsOptions } from "./tables.ts";

interface Session {
  readonly mode: "v1" | "v1A" | "v2" | "v2always";
  /** Seconds since 1970. */
  readonly time: number;
  readonly case: string;
  readonly lookups: readonly (readonly [map: "F" | "R" | "S", request: string, reply: string])[];
}

const FILE = new URL("../testdata/postsrsd/postfix-lookups.json.gz", import.meta.url);
const { sessions } = JSON.parse(gunzipSync(readFileSync(FILE)).toString("utf8")) as { sessions: readonly Session[] };

function optionsFor({ mode, time }: Session): SrsOptions {
  return {
    ...DEFAULTS,
    srsDomain: "srs.fwd.example",
    ownDomains: mode.startsWith("v2") ? ["fwd.example"] : [],
    hashAlphabet: mode.startsWith("v2") ? "url-safe" : "standard",
    alwaysRewrite: mode === "v1A" || mode === "v2always",
    nowMs: time * 1000,
  };
}

/** Lookups whose answer was recorded: a mail that was refused ended its connection before. */
const answered = sessions.map((session) => ({
  ...session,
  lookups: session.lookups.filter(([, , reply]) => reply !== ""),
}));

test.each(answered)("A real Postfix asks for a mail and gets what $mode said, or better: $case", async (session) => {
  const options = optionsFor(session);
  const strays: { key: string; recorded: string; ours: string }[] = [];
  for (const [port, request, recorded] of session.lookups) {
    const { peer, map, key } = readRequest(port, request);
    const { replies, isClosed } = await converse(peer.service(options, map), [request]);
    expect({ answers: replies.length, isClosed }).toEqual({ answers: 1, isClosed: false });
    const theirs = peer.parse(peer.payload(recorded));
    const ours = peer.parse(peer.payload(replies.join("")));
    if (theirs.status === ours.status && theirs.value === ours.value) continue;
    if (ours.status === "notFound" && theirs.value === key) continue;
    const divergence = { program: peer.program, options, map, key, theirs, ours };
    if (!DEVIATIONS.some((known) => known.has(divergence))) strays.push({ key, recorded, ours: replies.join("") });
  }
  expect(strays).toEqual([]);
});

test("There are 44 mails, and 240 of their lookups were answered", () => {
  expect([sessions.length, answered.flatMap(({ lookups }) => lookups).length]).toEqual([44, 240]);
});

function readRequest(port: "F" | "R" | "S", request: string): { peer: Peer; map: "forward" | "reverse"; key: string } {
  const [, named, text = ""] = /^(?:\d+:(forward|reverse)|get) (.*)[,\n]$/s.exec(request) ?? [];
  if (port === "S") return { peer: postsrsd2, map: named === "forward" ? "forward" : "reverse", key: text };
  const key = text.replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return { peer: postsrsd1, map: port === "F" ? "forward" : "reverse", key };
}
