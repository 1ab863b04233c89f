/** Reads the recorded sessions of test/testdata/policyd-spf, and the decision of each answer. */
import { readFileSync } from "node:fs";
import type { Authority } from "../helpers/authority.ts";
import { readAuthenticationResults, readReceivedSpf } from "../helpers/header-grammar.ts";
import { zoneFileAuthority } from "../helpers/zone-file.ts";

export interface Exchange {
  readonly request?: Readonly<Record<string, string>>;
  readonly raw?: string;
  readonly encoding?: "latin-1";
  readonly reply: string | null;
}

export interface Case {
  readonly id: string;
  readonly note: string;
  readonly engine: "python" | "dnspython" | "perl";
  readonly config?: readonly string[];
  readonly per_user?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly exchanges: readonly Exchange[];
}

interface Recording {
  readonly base: readonly string[];
  readonly defaults: Readonly<Record<string, string>>;
  readonly cases: readonly Case[];
}

const FOLDER = new URL("../testdata/policyd-spf/", import.meta.url);

export function readRecording(): Recording {
  return JSON.parse(readFileSync(new URL("cases.json", FOLDER), "utf8")) as Recording;
}

const ZONES = ["test", "2.0.192.in-addr.arpa", "113.0.203.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];

/** The DNS that the recording was made against. */
export function recordedAuthority(): Authority {
  const texts = ZONES.map((zone) => readFileSync(new URL(`zones/${zone}.zone`, FOLDER), "latin1"));
  return zoneFileAuthority(texts, {
    rcodes: { "servfail.test": 2, "refused.test": 5 },
    silent: ["timeout.test"],
  });
}

/** The request's bytes. */
export function requestBytes({ request, raw, encoding }: Exchange, defaults: Recording["defaults"]): Buffer {
  const lines = Object.entries({ ...defaults, ...request }).map(([name, value]) => `${name}=${value}\n`);
  return Buffer.from(raw ?? `${lines.join("")}\n`, encoding === "latin-1" ? "latin1" : "utf8");
}

/**
 * What a reply of theirs decides, whatever its words: `tag RESULT IDENTITY`, `tag unchecked`, the code of a rejection
 * or a deferral, `dunno`, `crash`, or the action as it stands.
 */
export function theirDecision(reply: string | null): string {
  if (reply === null) return "crash";
  const action = actionOf(reply);
  const received = /^prepend Received-SPF: (\w+) .*? identity=(\w+)/i.exec(action);
  if (received !== null) return `tag ${received[1]?.toLowerCase()} ${received[2]}`;
  const results = /^prepend Authentication-Results: [^;]+; (?:spf=(\w+) \(.*?\) smtp\.(\w+)=|none)/i.exec(action);
  if (results !== null) return results[1] === undefined ? "tag unchecked" : `tag ${results[1]} ${results[2]}`;
  return /^prepend X-Comment:/i.test(action) ? "tag unchecked" : refusal(action);
}

/** The same of a reply of ours, whose headers are read strictly. */
export function ourDecision(reply: string): string {
  const action = actionOf(reply);
  const header = action.replace(/^PREPEND /, "");
  if (action.startsWith("PREPEND Received-SPF:")) {
    const { result, comment, pairs } = readReceivedSpf(header);
    return comment?.startsWith("SPF not checked:") ? "tag unchecked" : `tag ${result} ${pairs.identity}`;
  }
  if (action.startsWith("PREPEND Authentication-Results:")) {
    const { results } = readAuthenticationResults(header);
    if (results === "none") return "tag unchecked";
    return `tag ${results[0]?.result} ${Object.keys(results[0]?.properties ?? {})[0]?.replace("smtp.", "")}`;
  }
  return refusal(action);
}

function actionOf(reply: string): string {
  return /^action=([^\n]*)/.exec(reply)?.[1] ?? "";
}

function refusal(action: string): string {
  const code = /^(550|defer_if_permit)(?: ([45]\.7\.\d+))?(?= |$)/i.exec(action);
  if (code !== null) return `${code[1]?.toLowerCase()}${code[2] === undefined ? "" : ` ${code[2]}`}`;
  return /^dunno$/i.test(action) ? "dunno" : action;
}
