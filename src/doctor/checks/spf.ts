/** Checks of published SPF records: do ours name the addresses from which mail leaves, and are they well written. */
import { usesSrs } from "../../config/listeners.ts";
import { parseAddress, parseCidr } from "../../mail/ip.ts";
import { isDomainName } from "../../mail/names.ts";
import { specialUse } from "../../mail/special-use.ts";
import { explainVerdict } from "../../spf/explain/reason.ts";
import { remarks } from "../../spf/explain/remarks.ts";
import { isNearlyRecord, suggestTerms } from "../../spf/explain/typo.ts";
import { spfRecords, splitTerms } from "../../spf/record.ts";
import type { Trace, TraceRecord } from "../../spf/trace.ts";
import type { SpfVerdict } from "../../spf/verdict.ts";
import { type Check, error, type Finding, skipped, warning } from "../check.ts";
import type { Egress, Facts } from "../facts.ts";
import { heloNames, ownMailDomains } from "../names.ts";

/** An address of documentation (RFC 5737), which no record names: the whole record is evaluated. */
const NOBODYS_ADDRESS = "192.0.2.1";

/** What is wrong with one domain's record. */
type RecordRule = (found: {
  readonly domain: string;
  readonly trace: Trace;
  readonly verdict: SpfVerdict;
}) => Finding[];

export const SPF: readonly Check[] = [
  {
    id: "srs-spf",
    right: "SPF of the SRS domain passes for every address from which mail leaves",
    why: "Receivers check the SPF of forwarded mail with this domain; without a pass SRS helps nothing.",
    run: (facts) => {
      const { config, srsDomain } = facts.setup;
      if (!usesSrs(config)) return [skipped("no listener rewrites")];
      if (!srsDomain.includes(".")) return [skipped("the SRS domain is no full name: see srs-domain")];
      return passFindings(facts, [srsDomain], { softfail: error, none: error });
    },
  },
  {
    id: "own-spf",
    right: "SPF of the own domains passes for every address from which mail leaves",
    why: "Mail of own domains is not rewritten, so their own records must name this host, its IPv6 addresses too.",
    run: (facts) => {
      const domains = ownMailDomains(facts);
      if (domains.length === 0) return [skipped("no own domain is known by name")];
      return passFindings(facts, domains, { softfail: warning, none: warning });
    },
  },
  {
    id: "helo-spf",
    right: "SPF of the HELO name passes for every address from which mail leaves",
    why: "Bounces have no sender that could be rewritten: receivers check the SPF of the HELO name alone.",
    run: (facts) =>
      passFindings(
        facts,
        heloNames(facts).filter((name) => name.includes(".")),
        { softfail: error, none: warning },
        "helo",
      ),
  },
  {
    id: "spf-one-record",
    right: "no domain has two SPF records",
    why: "Two records are a permerror: SPF passes for nobody.",
    run: eachRecord(({ domain, trace, verdict }) =>
      trace.record !== undefined && trace.record.records.length > 1
        ? [error(explained(trace, verdict), `${domain}. TXT: keep one record that has the terms of both`)]
        : [],
    ),
  },
  {
    id: "spf-syntax",
    right: "the SPF records have no typing error",
    why: "One wrong term is a permerror for the whole record, wherever it stands.",
    run: eachRecord(({ domain, trace, verdict }) => {
      const isOther = (trace.record?.records.length ?? 0) > 1 || trace.exceeded !== undefined;
      if (verdict.result === "permerror" && !isOther && gluedTerm(trace) === undefined) {
        return [error(explained(trace, verdict), `correct the TXT record of ${domain}`)];
      }
      const near = trace.record?.lookups.flatMap(({ answers }) => answers).find(isNearlyRecord);
      const isNone = verdict.result === "none" && near !== undefined;
      return isNone ? [error(explained(trace, verdict), `correct the TXT record of ${domain}`)] : [];
    }),
  },
  {
    id: "spf-pieces",
    right: "the strings of long SPF records join at blanks",
    why: 'DNS joins the strings of a TXT record without a blank: `"… ip4:192.0.2.1" "include:x"` is one wrong term.',
    run: eachRecord(({ domain, trace }) => {
      const glued = gluedTerm(trace);
      if (glued === undefined) return [];
      return [
        error(
          `${domain}: "${glued.text}" in the SPF record is two terms without a blank, want "${glued.suggestion}"`,
          `${domain}. TXT: put the blank inside the first of the two strings`,
        ),
      ];
    }),
  },
  {
    id: "spf-lookups",
    right: "the SPF records need no more than ten DNS lookups, and no more than two find nothing",
    why: "Beyond the limits of RFC 7208 4.6.4 the result is permerror: SPF passes for nobody.",
    run: eachRecord(({ domain, trace, verdict }) => {
      if (trace.exceeded !== undefined) {
        return [error(explained(trace, verdict), `${domain}. TXT: write addresses (ip4:, ip6:) instead of names`)];
      }
      if (trace.voidLookups === 0) return [];
      return [
        warning(
          `${domain}: ${trace.voidLookups} terms of the SPF record name what does not exist; three would be a permerror`,
          `postvouch spf --ip ${NOBODYS_ADDRESS} --sender postmaster@${domain} --explain`,
        ),
      ];
    }),
  },
  {
    id: "spf-open",
    right: "no SPF record lets everybody send",
    why: "With `+all`, or a network of half the Internet, SPF passes for every spammer, and receivers distrust the domain.",
    run: eachRecord(({ domain, trace }) => {
      const open = recordsOf(trace.record).flatMap(({ records }) => records.flatMap(openTerms));
      if (open.length === 0) return [];
      return [
        error(
          `${domain}: "${open[0]}" in the SPF record lets everybody send`,
          `${domain}. TXT: write -all or ~all, and your own addresses only`,
        ),
      ];
    }),
  },
  {
    id: "spf-terms",
    right: "every term of the SPF records has an effect, and is what was meant",
    why: "Terms behind `all`, private addresses, `ptr` and a missing `all` are valid, and hardly what their author wanted.",
    run: eachRecord(({ domain, trace }) => {
      const [record = ""] = trace.record?.records ?? [];
      if (record === "") return [];
      return [...remarks(trace.record), ...oddTerms(record)].map((text) =>
        warning(`${domain}: ${text.replace(/\.$/, "")}`, `correct the TXT record of ${domain}`),
      );
    }),
  },
];

type Report = typeof error;

/** Evaluates the records of domains with every egress address. */
async function passFindings(
  facts: Facts,
  domains: readonly string[],
  severity: { readonly softfail: Report; readonly none: Report },
  identity: "mailfrom" | "helo" = "mailfrom",
): Promise<Finding[]> {
  const { egress } = facts.dns;
  if (egress.length === 0) return [skipped("this host has no address from which mail could leave")];
  const found = await Promise.all(
    domains.map(async (domain) => {
      const checks = egress.map(async (from) => {
        const sender = identity === "helo" ? "" : `postmaster@${domain}`;
        const { verdict, trace } = await facts.dns.checkSpf({ clientAddress: from.address, heloName: domain, sender });
        return verdict.result === "pass" ? [] : [noPass(facts, domain, from, { verdict, trace }, severity)];
      });
      return (await Promise.all(checks)).flat();
    }),
  );
  return found.flat();
}

function noPass(
  { postfix }: Facts,
  domain: string,
  from: Egress,
  { verdict, trace }: { readonly verdict: SpfVerdict; readonly trace: Trace },
  severity: { readonly softfail: Report; readonly none: Report },
): Finding {
  const relay = "known" in postfix ? postfix.known.value("relayhost") : "";
  if (verdict.result === "temperror") return skipped(`${domain}: ${verdict.problem ?? verdict.explanation}`);
  // Without a record, and with a wrong one, it does not matter from where mail leaves.
  const isUnknown = verdict.result !== "permerror" && verdict.result !== "none";
  if (isUnknown && relay !== "") {
    return skipped(
      `${domain}: mail leaves through ${relay}, whose addresses are not known here: its operator names the include for your record`,
    );
  }
  if (isUnknown && from.hidden !== undefined) {
    return skipped(
      `${domain}: ${from.address} is ${from.hidden}, other hosts see another one: name it in proxy_interfaces of main.cf`,
    );
  }
  const what = `SPF of ${domain} is ${verdict.result} for ${from.address} (${from.source})`;
  const term = from.hidden === undefined ? `${from.family === "ipv6" ? "ip6" : "ip4"}:${from.address}` : "mx";
  const [record] = trace.record?.records ?? [];
  const mend = `publish: ${domain}. TXT "${record === undefined || verdict.result === "permerror" ? `v=spf1 ${term} -all` : withTerm(record, term)}"`;
  if (!from.isUsed && verdict.result !== "permerror") return warning(`${what}, should mail leave from there`, mend);
  const report =
    verdict.result === "none"
      ? severity.none
      : verdict.result === "fail" || verdict.result === "permerror"
        ? error
        : severity.softfail;
  return report(`${what}: ${explained(trace, verdict)}`, mend);
}

/** The record with one more term, before its `all` or `redirect=`. */
function withTerm(record: string, term: string): string {
  const words = record.split(" ").filter(Boolean);
  const end = words.findIndex((word) => /^[-~?+]?all$/i.test(word) || /^redirect=/i.test(word));
  return words.toSpliced(end === -1 ? words.length : end, 0, term).join(" ");
}

function explained(trace: Trace, verdict: SpfVerdict): string {
  return explainVerdict(trace, verdict).replace(/\.$/, "");
}

/** Makes a check of a rule that is applied to the record of each domain of ours. */
function eachRecord(rule: RecordRule): Check["run"] {
  return async (facts) => {
    const names = [
      ...ownMailDomains(facts),
      ...(usesSrs(facts.setup.config) ? [facts.setup.srsDomain] : []),
      ...heloNames(facts),
    ];
    const domains = [...new Set(names)].filter((name) => name.includes(".") && isDomainName(name));
    const findings = await Promise.all(
      domains.map(async (domain) => {
        const asked = { clientAddress: NOBODYS_ADDRESS, heloName: domain, sender: `postmaster@${domain}` };
        const { verdict, trace } = await facts.dns.checkSpf(asked);
        if (verdict.result === "temperror") return [skipped(`${domain}: ${verdict.problem ?? verdict.explanation}`)];
        return rule({ domain, trace, verdict });
      }),
    );
    return findings.flat();
  };
}

/** A term of the domain's own record that is two without a blank between them. */
function gluedTerm({ record }: Trace): { readonly text: string; readonly suggestion: string } | undefined {
  const [text] = record?.records ?? [];
  if (text === undefined || spfRecords([text]).length === 0) return undefined;
  const terms = splitTerms(text).map((term) => term.text);
  for (const index of terms.keys()) {
    const term = terms[index] ?? "";
    const isGlued =
      /[a-z\d.](?:include|exists|redirect|ip[46])[:=]|[a-z\d][-~?]all$/i.test(term) && !term.includes("%{");
    const hint = isGlued ? suggestTerms(terms, index) : undefined;
    if (hint?.text === term && hint.suggestion.replaceAll(" ", "") === term && hint.suggestion.includes(" "))
      return hint;
  }
  return undefined;
}

/** The record and those that it led to. */
function recordsOf(record: TraceRecord | undefined): TraceRecord[] {
  return record === undefined ? [] : [record, ...record.terms.flatMap((term) => recordsOf(term.record))];
}

/** Networks wider than this are a good part of the Internet. */
const MIN_PREFIX_BITS = { ipv4: 8, ipv6: 16 } as const;

function openTerms(record: string): string[] {
  return splitTerms(record).flatMap(({ text, name, qualifier, value }) => {
    if (qualifier !== "+") return [];
    if (name === "all") return [text];
    const network = name === "ip4" || name === "ip6" ? parseCidr(value) : undefined;
    return network !== undefined && network.prefixBits < MIN_PREFIX_BITS[network.family] ? [text] : [];
  });
}

function oddTerms(record: string): string[] {
  const terms = splitTerms(record);
  const hidden = terms.filter(({ name, value }) => {
    const address = name === "ip4" || name === "ip6" ? parseAddress(value.replace(/\/.*$/, "")) : undefined;
    return address !== undefined && specialUse(address) !== undefined;
  });
  const odd = hidden.map(({ text }) => `"${text}" names an address that other hosts never see`);
  if (terms.some(({ name, qualifier }) => name === "ptr" && qualifier !== "=")) {
    odd.push('"ptr" is slow, and RFC 7208 5.5 asks not to use it');
  }
  if (
    !terms.some(
      ({ name, qualifier }) => (name === "all" && qualifier !== "=") || (name === "redirect" && qualifier === "="),
    )
  ) {
    odd.push('the SPF record has no "all": for everybody else it says neutral');
  }
  return odd;
}
