/** Signs a message of ours with DKIM, unless it has a good signature of the same key. An internal client without a key has its signatures verified, and nothing decided. */
import { BodyHashes } from "../dkim/body-hash.ts";
import type { ConfiguredKey } from "../dkim/keys.ts";
import { namesToSign, Signing } from "../dkim/sign.ts";
import { isRefusal, readSignature } from "../dkim/signature.ts";
import type { ShownSignature, SignatureVerdict } from "../dkim/verdict.ts";
import { dkimResults } from "../dkim/verdict.ts";
import { Verification } from "../dkim/verify.ts";
import { readFrom } from "../dmarc/from.ts";
import { lowerCase } from "../dns/name.ts";
import { foldedResults, type MethodResult } from "../mail/authentication-results.ts";
import { parseMailbox } from "../mail/mailbox.ts";
import type { Decision, StepReply } from "../milter/application.ts";
import { Handled } from "./handled.ts";

export class Submitted extends Handled {
  readonly #body = new BodyHashes();
  #authorDomain = "";
  #keys: readonly ConfiguredKey[] = [];
  #signing: Signing | undefined;
  #verification: Verification | undefined;
  readonly #equal: { readonly key: ConfiguredKey; readonly shown: ShownSignature }[] = [];
  /** Why mail that has a key is not signed. */
  #problem: string | undefined;

  eoh(): StepReply {
    const { parts, origin } = this.arrival;
    const { sign, verifiesDkim } = parts.settings;
    this.#chooseKeys();
    if (this.#keys.length > 0) {
      const found = namesToSign(this.head.fields, sign);
      if (this.head.isExcessive) this.#problem = "the header is longer than this host reads";
      else if ("refusal" in found) this.#problem = found.refusal;
      else {
        this.#signing = new Signing(sign, this.head.fields, found.names, this.#keys, this.#body);
        this.#findEqual(found.names);
      }
    }
    const isForeign = this.#signing === undefined && this.#problem === undefined && !origin.isLoopback && verifiesDkim;
    if (isForeign || this.#equal.length > 0) {
      const header = {
        fields: this.head.fields,
        authorDomains: [this.#authorDomain],
        deadlineMs: this.deadlineMs(),
      };
      this.#verification = new Verification(parts.dkim, header, this.#body);
    }
    if (this.#problem !== undefined && sign.onError === "tempfail") return "continue";
    const isDone = this.#signing === undefined && this.#verification === undefined && this.forged().length === 0;
    if (!isDone) return "continue";
    this.#reportDone([], []);
    return "accept";
  }

  body(chunk: string): boolean {
    this.#body.update(Buffer.from(chunk, "latin1"));
    return true;
  }

  protected async decide(): Promise<Decision> {
    const { timeMs, settings } = this.arrival.parts;
    this.#body.end();
    const remove = this.forged();
    if (this.#problem !== undefined && settings.sign.onError === "tempfail") {
      this.report("tempfail", { authorDomain: this.#authorDomain, problem: this.#problem });
      return { reply: { code: 451, enhancedCode: "4.7.0", text: "Cannot sign this message now, try again later" } };
    }
    const verdicts = (await this.#verification?.finish()) ?? [];
    const isVerifiedOnly = this.#signing === undefined && this.#verification !== undefined;
    const results = isVerifiedOnly ? dkimResults(verdicts) : [];
    const all = (await this.#signing?.finish(timeMs() / 1000)) ?? [];
    const keys = this.#keysToSign(verdicts);
    this.#reportDone(results, this.#signing === undefined ? [] : keys);
    const wanted = all.filter((_, at) => keys.includes(this.#keys[at] as ConfiguredKey));
    const insert = wanted.map(({ name, value }) => ({ name, value, position: 0 }));
    if (results.length > 0) {
      const value = foldedResults(settings.authservId, results);
      insert.unshift({ name: "Authentication-Results", value, position: 0 });
    }
    return { reply: "continue", edits: { remove, insert } };
  }

  /**
   * Finds signatures of our keys that would be worth as much as ours, if they are good. Whoever has brought the message may have
   * the same key: `postvouch dmarc report` has.
   */
  #findEqual(names: readonly string[]): void {
    const nowSeconds = this.arrival.parts.timeMs() / 1000;
    for (const field of this.head.fields) {
      if (field.key !== "dkim-signature") continue;
      const { shown, read } = readSignature(field, nowSeconds);
      if (isRefusal(read) || read.bodyLimit !== undefined || !covers(read.signedNames, names)) continue;
      const key = this.#keys.find((one) => isOf(shown, one));
      if (key !== undefined) this.#equal.push({ key, shown });
    }
  }

  /** The keys of which the message has no good signature yet. */
  #keysToSign(verdicts: readonly SignatureVerdict[]): readonly ConfiguredKey[] {
    const isGood = (shown: ShownSignature): boolean =>
      verdicts.some(
        (one) =>
          one.result === "pass" && !one.isTesting && one.signature === shown.signature && one.domain === shown.domain,
      );
    return this.#keys.filter((key) => !this.#equal.some((one) => one.key === key && isGood(one.shown)));
  }

  #reportDone(results: readonly MethodResult[], signed: readonly ConfiguredKey[]): void {
    this.report("accept", { authorDomain: this.#authorDomain, results, signed, problem: this.#problem });
  }

  /** Finds the keys for the author; for a foreign author those of a list or of the envelope sender, if they are ours. */
  #chooseKeys(): void {
    const { keys, settings } = this.arrival.parts;
    const from = readFrom(this.head.valuesOf("from"));
    if (from.isUsable) {
      const { local, domain } = from.mailbox;
      this.#authorDomain = domain;
      this.#keys = keys.choose(local, domain);
      if (this.#keys.length > 0) return;
      if (keys.candidates(local, domain).length > 0) this.#problem = `no key of ${domain} is published in DNS`;
    }
    if (!settings.sign.listMail || this.#problem !== undefined) return;
    for (const domain of [this.#listDomain(), parseMailbox(this.arrival.sender)?.domain]) {
      if (domain === undefined) continue;
      this.#keys = keys.choose("", domain);
      if (this.#keys.length > 0) return;
    }
  }

  /** The domain of List-Id (RFC 2919): what follows the first label of the identifier. */
  #listDomain(): string | undefined {
    const id = /<([^<>\s]{1,255})>[^<>]*$/.exec(this.head.valuesOf("list-id").at(-1) ?? "")?.[1];
    return id?.slice(id.indexOf(".") + 1);
  }
}

function isOf({ domain, selector, algorithm }: ShownSignature, key: ConfiguredKey): boolean {
  const isName = lowerCase(domain) === lowerCase(key.domain) && lowerCase(selector) === lowerCase(key.selector);
  return isName && algorithm === key.algorithm;
}

/** Tells if a signature is about all fields that we would sign, each as many times: also those that nobody may add. */
function covers(signed: readonly string[], wanted: readonly string[]): boolean {
  const counts = new Map<string, number>();
  for (const name of signed) counts.set(lowerCase(name), (counts.get(lowerCase(name)) ?? 0) + 1);
  return wanted.every((name) => {
    const left = counts.get(lowerCase(name)) ?? 0;
    counts.set(lowerCase(name), left - 1);
    return left > 0;
  });
}
