/** Compares our walk over records and terms with mailauth's own, which evaluates whole records. */
import { spf as bareSpf } from "mailauth/lib/spf/index.js";
import { expect, test } from "vitest";
import { createSpfChecker } from "../../src/spf/checker.ts";
import { bareResolver } from "../helpers/bare-mailauth.ts";
import { memoryResolver, zoneAuthority } from "../helpers/zone.ts";
import { Random, type RandomCase, randomCase } from "./random-policies.ts";

const CASES = 4000;

test(`The walk over ${CASES} random policies ends as mailauth's does`, async () => {
  const random = new Random(8616);
  const differences: unknown[] = [];
  for (let i = 0; i < CASES; i++) {
    const given = withoutKnownFaults(randomCase(random));
    const [ours, theirs] = [await checkOurs(given), await checkBare(given)];
    // Where we count a term whose name cannot be asked for, as RFC 7208 section 4.6.4 has it, mailauth does not.
    if (ours.result !== theirs && !ours.problem.includes("terms with DNS lookups")) {
      differences.push({ ...ours, theirs, given });
    }
  }
  expect(differences).toEqual([]);
});

/** Without `-` among delimiters, which mailauth gets wrong, and `%{p}`, which it counts as a lookup and a void one. */
function withoutKnownFaults(given: RandomCase): RandomCase {
  const mend = (record: string) =>
    record.replace(/%\{p/gi, "%{d").replace(/(%\{[a-z0-9]+[.+,/_=]*)-([.+,/_=]*\})/gi, "$1$2");
  const entries = Object.entries(given.zone).map(([name, list]) => [
    name,
    list.map((entry) =>
      typeof entry === "object" && typeof entry.TXT === "string" ? { TXT: mend(entry.TXT) } : entry,
    ),
  ]);
  return { ...given, zone: Object.fromEntries(entries) };
}

async function checkOurs({ zone, ip, sender, helo }: RandomCase): Promise<{ result: string; problem: string }> {
  const clockMs = () => 0;
  const resolver = memoryResolver(zoneAuthority(zone), { clockMs });
  const limits = { maxDnsLookups: 10, maxVoidLookups: 2, verdictCacheSize: 0 };
  const checker = createSpfChecker({ resolver, receiver: "mx.example.net", clockMs, ...limits });
  const query = { identity: "mailfrom", clientAddress: ip, heloName: helo, sender, deadlineMs: 1 } as const;
  const { result, explanation, problem } = await checker.checkHost(query);
  return { result: result === "fail" ? `fail ${explanation}` : result, problem: problem ?? "" };
}

async function checkBare({ zone, ip, sender, helo }: RandomCase): Promise<string> {
  const { status, explanation } = await bareSpf({
    sender,
    ip,
    helo,
    mta: "mx.example.net",
    strict: true,
    resolver: bareResolver(zone),
  });
  if (status.result !== "fail") return status.result;
  const own = explanation === undefined || explanation.length <= 200 ? explanation : `${explanation.slice(0, 197)}...`;
  return `fail ${own ?? `${ip} is not authorized to send mail of ${sender.slice(sender.indexOf("@") + 1)}`}`;
}
