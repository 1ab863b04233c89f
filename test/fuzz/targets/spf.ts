/** Fuzzes SPF records, alone and in whole zones. */
import { createSpfChecker, type SpfChecker } from "../../../src/spf/checker.ts";
import { RecordParser } from "../../../src/spf/record.ts";
import type { SpfQuery } from "../../../src/spf/verdict.ts";
import { memoryResolver, zoneAuthority } from "../../helpers/zone.ts";
import { hostileCase } from "../../spf/hostile-zones.ts";
import { faultsOf, SPF_LIMITS } from "../../spf/sound-verdict.ts";
import { hashOf, must, type Target } from "../target.ts";

const WORDS = [
  ..." |v=spf1 |-all|~all|?all|+|a|mx|ptr|a:|mx:|ip4:192.0.2.0/24|ip4:|ip6:2001:db8::/32|/0|//64|/33|include:|exists:|redirect=|exp=".split(
    "|",
  ),
  ..."%{i}|%{s}|%{d2r.-}|%{p}|%{l}|%{h}|%{v}|%%|%_|%{|}|.|hop.example.com|loop.example.com|why.example.com|x=y|\xff|\0".split(
    "|",
  ),
];

/** The places that a record can lead to. */
const PLACES = {
  "hop.example.com": [{ TXT: "v=spf1 ip4:192.0.2.1 ?all" }, { A: "192.0.2.1" }, { MX: [0, "mail.example.com"] }],
  "loop.example.com": [{ TXT: "v=spf1 include:loop.example.com redirect=sender.example.com" }],
  "why.example.com": [{ TXT: "%{i} is not %{d} \r\n\x1b[31m" }],
  "mail.example.com": [{ A: "192.0.2.1" }, { AAAA: "2001:db8::1" }],
  "1.2.0.192.in-addr.arpa": [{ PTR: "mail.example.com" }],
  "fail.example.com": ["SERVFAIL"],
};

function check(checker: SpfChecker, query: SpfQuery): Promise<string> | string {
  const word = (verdict: Awaited<ReturnType<SpfChecker["checkHost"]>>): string => {
    const faults = faultsOf(verdict);
    must(faults.length === 0, "an unsound verdict", faults);
    return verdict.result;
  };
  const verdict = checker.checkHost(query);
  return verdict instanceof Promise ? verdict.then(word) : word(verdict);
}

export const spfRecordTarget: Target = {
  name: "spf-record",
  modules: ["spf", "mailauth/spf.ts"],
  words: WORDS,
  seeds: [
    "v=spf1 a mx -all",
    "v=spf1 include:hop.example.com ?all",
    "v=spf1 exists:%{ir}.x redirect=loop.example.com",
    "v=spf1 ip4:192.0.2.1 -all exp=why.example.com",
  ],
  maxBytes: 600,
  run(record) {
    new RecordParser().parse(record.replace(/[^\x20-\x7e]/g, "?"));
    const resolver = memoryResolver(zoneAuthority({ ...PLACES, "sender.example.com": [{ TXT: record }] }), {
      clockMs: () => 0,
    });
    const clientAddress = hashOf(record) % 2 === 0 ? "192.0.2.1" : "2001:db8::2";
    const query = { clientAddress, heloName: "mail.example.com", sender: "joe@sender.example.com", deadlineMs: 1 };
    return check(createSpfChecker({ ...SPF_LIMITS, resolver }), { ...query, identity: "mailfrom" });
  },
};

/** The input is the seed of a zone: mostly valid ones, so that the evaluator gets deep into them. */
export const spfZoneTarget: Target = {
  name: "spf-zone",
  modules: ["spf", "mailauth/spf.ts"],
  words: [..."0123456789abcdef"],
  maxBytes: 8,
  run(input) {
    const { resolver, ip, sender, helo } = hostileCase(hashOf(input));
    const query = { identity: "mailfrom" as const, clientAddress: ip, heloName: helo, sender, deadlineMs: 1 };
    return check(createSpfChecker({ ...SPF_LIMITS, resolver }), query);
  },
};
