/** Messages that are passed on: those of the second pass, which are sealed, and those that the admin has excluded. */
import { readChain } from "../arc/chain.ts";
import { type ArcVerdict, arcResult } from "../arc/verdict.ts";
import { ChainVerification } from "../arc/verify.ts";
import { BodyHashes } from "../dkim/body-hash.ts";
import { POLICIES, type Policy } from "../dmarc/record.ts";
import { lowerCase } from "../dns/name.ts";
import type { Decision, FieldIndex, StepReply } from "../milter/application.ts";
import { ownResults } from "./forged-results.ts";
import { Handled } from "./handled.ts";
import { Seal, sealEdits, sealReport } from "./seal.ts";

/**
 * A message that only loses forged results. One of this host itself loses those below the Received: field of a client elsewhere:
 * before a content filter there is none above ours, and what a program has fetched from another host has all of its below one.
 */
export class Skipped extends Handled {
  eoh(): StepReply {
    if (this.forged().length > 0) return "continue";
    this.report("accept", {});
    return "accept";
  }

  protected decide(): Decision {
    this.report("accept", {});
    return { reply: "continue", edits: { remove: this.forged() } };
  }

  protected override forged(): FieldIndex[] {
    return this.arrival.origin.isLoopback ? this.head.forged.belowStranger() : super.forged();
  }
}

/**
 * A message on the second pass. The results of the first pass stay, wherever a content filter has put fields above them. No
 * others that claim to be ours do. What failed DMARC is not sent on under our own name if the admin says so. All else is
 * sealed as it leaves, with the results of the first pass; what the message has brought is no result.
 */
export class Forwarded extends Handled {
  readonly #body = new BodyHashes();
  #ours: readonly string[] = [];
  #verification: ChainVerification | undefined;
  #seal: Seal | undefined;

  eoh(): StepReply {
    this.#ours = ownResults(this.head.fields, this.arrival.ids);
    this.#begin();
    if (this.#action(undefined) === "hold" || this.#verification !== undefined || this.forged().length > 0)
      return "continue";
    this.report("accept", sealReport(this.#seal?.refusal));
    return "accept";
  }

  body(chunk: string): boolean {
    if (this.#verification === undefined) return false;
    this.#body.update(Buffer.from(chunk, "latin1"));
    return true;
  }

  protected async decide(): Promise<Decision> {
    this.#body.end();
    const chain = await this.#verification?.finish();
    const wanted = this.#action(chain);
    const action = this.arrival.parts.settings.isReport ? "accept" : wanted;
    const outcome = chain === undefined ? this.#seal?.refusal : await this.#seal?.finish(chain, this.#ours);
    this.report(action, {
      would: action === wanted ? undefined : wanted,
      results: chain === undefined ? [] : [arcResult(chain, undefined)],
      ...sealReport(outcome),
    });
    const edits = { remove: this.forged(), insert: sealEdits(outcome) };
    if (action === "accept") return { reply: "continue", edits };
    return { reply: "continue", edits, quarantine: "failed DMARC, is not forwarded" };
  }

  protected override forged(): FieldIndex[] {
    return this.head.forged.notOfFirstPass();
  }

  /** Begins to seal, and to verify the chain if its verdict matters: for a seal, or for a message that is to be held. */
  #begin(): void {
    const { parts } = this.arrival;
    const { settings, dkim } = parts;
    const { fields } = this.head;
    if (settings.arc.seal !== "no") this.#seal = new Seal(parts, this.head, readChain(fields), this.#body);
    const isSealed = this.#seal !== undefined && this.#seal.refusal === undefined;
    const maySoften = settings.dmarc.trustedSealers.length > 0 && this.#action(undefined) === "hold";
    if (!isSealed && !maySoften) return;
    this.#verification = new ChainVerification(dkim, { fields, deadlineMs: this.deadlineMs() }, this.#body);
  }

  #action(chain: ArcVerdict | undefined): "accept" | "hold" {
    const { parts, sender } = this.arrival;
    const senderDomain = sender.slice(sender.lastIndexOf("@") + 1);
    const listId = this.head.valuesOf("list-id").at(-1) ?? "";
    const sealer = chain?.result === "pass" ? this.#foreignSealer(chain) : undefined;
    return parts.disposer.forward(failedPolicy(this.#ours[0] ?? ""), { listId, senderDomain, sealer });
  }

  /** The newest sealer but ourselves: the first pass may have sealed. */
  #foreignSealer({ sets }: ArcVerdict): string | undefined {
    const ours = this.arrival.parts.settings.arc.domains.map(lowerCase);
    return sets.findLast(({ domain }) => !ours.includes(lowerCase(domain)))?.domain;
  }
}

/** The policy of a message that failed DMARC, from our own field as `foldedResults` writes it: a result on each line. */
function failedPolicy(value: string): Policy | undefined {
  const line = value.split(/;\r?\n\t/).find((one) => one.startsWith("dmarc=fail "));
  return POLICIES.find((policy) => line?.endsWith(` policy.dmarc=${policy}`));
}
