/** Fuzzes ARC chains: reads, verifies and seals them. */
import { arcResult } from "../../../src/arc/verdict.ts";
import { authenticationResults } from "../../../src/mail/authentication-results.ts";
import { sealMessage, verifyChain } from "../../arc/verifying.ts";
import { mailauthChain } from "../../dkim/peers.ts";
import { rsaKey, zoneOf } from "../../dkim/raw-signer.ts";
import { readAuthenticationResults } from "../../helpers/header-grammar.ts";
import { must, mustBeOneLine, type Target } from "../target.ts";

const KEY = rsaKey(1024);
const NOW_SECONDS = 1_700_000_000;
const DOMAINS = ["one.example", "two.example", "three.example"] as const;
const ZONE = Object.assign({}, ...DOMAINS.map((domain) => zoneOf(KEY, "", `s._domainkey.${domain}`))) as Record<
  string,
  string[]
>;

type Outcome = Awaited<ReturnType<typeof sealMessage>>;

function seal(message: string, domain: string): Promise<Outcome> {
  const key = { domain, selector: "s", algorithm: "rsa-sha256", privateKey: KEY.privateKey } as const;
  return sealMessage(message, ZONE, { key, nowSeconds: NOW_SECONDS, step: 65_535 });
}

async function sealed(message: string, domain: string): Promise<string> {
  const outcome = await seal(message, domain);
  if ("refusal" in outcome) throw new Error(outcome.refusal);
  return outcome.message;
}

const ONE = await sealed("From: a@example.com\r\nSubject: x\r\n\r\nHi\r\n", "one.example");
const TWO = await sealed(ONE, "two.example");

export const arcTarget: Target = {
  name: "arc",
  modules: ["arc"],
  words: [
    ..."ARC-Seal:|ARC-Message-Signature:|ARC-Authentication-Results:|i=1;|i=2;|i=3;|i=51;|i=0;|cv=none;|cv=pass;|cv=fail;|d=one.example;|h=from;|b=|t=1;|;|=|(|)|\r\n|\r\n\t| |\0|\xff".split(
      "|",
    ),
    ONE.slice(0, ONE.indexOf("\r\nFrom") + 2),
  ],
  seeds: [ONE, TWO],
  maxBytes: 6000,
  async run(input) {
    const verdict = await verifyChain(input, ZONE, { nowSeconds: NOW_SECONDS });
    const field = authenticationResults("mx.test", [arcResult(verdict, "192.0.2.1")]);
    mustBeOneLine(field, "a field");
    must(readAuthenticationResults(field).results.length === 1, "other results", field);
    must(verdict.instance <= 50, "a number", verdict.instance);
    const message = input.replace(/\r?\n/g, "\r\n");
    if (verdict.result === "pass") {
      must(
        (await mailauthChain(message, ZONE, NOW_SECONDS)) === "pass",
        "a chain passes that mailauth refuses",
        verdict,
      );
    }
    const outcome = await seal(message, "three.example");
    if ("refusal" in outcome) return `${verdict.result} ${verdict.reason} ${outcome.refusal}`;
    // A chain that was good, or that begins, is good with our seal.
    const after = await verifyChain(outcome.message, ZONE, { nowSeconds: NOW_SECONDS });
    must((after.result === "pass") === (verdict.result !== "fail"), "another result after our seal", {
      verdict,
      after,
    });
    return `${verdict.result} ${verdict.reason} ${after.result}`;
  },
};
