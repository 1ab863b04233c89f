/**
 * Verifies an ARC chain (RFC 8617 section 5.2) while the message comes in, in one pass over the body with DKIM:
 *
 *     const verification = new ChainVerification(settings, { fields, deadlineMs }, body);   // asks for the newest keys
 *     body.update(chunk); ... body.end();
 *     const verdict = await verification.finish();
 *
 * The newest message signature must be good, and so must each seal. Older message signatures need not: whoever changed the
 * message broke them, and has signed it anew.
 */
import { setImmediate } from "node:timers/promises";
import type { BodyHashes, BodyHashTicket } from "../dkim/body-hash.ts";
import { isGood, Judge, type JudgeSettings } from "../dkim/judge.ts";
import { isRefusal, readSignature, type Signature } from "../dkim/signature.ts";
import { SignedFields } from "../dkim/signed-fields.ts";
import type { Refusal } from "../dkim/verdict.ts";
import type { HeaderField } from "../mail/header-field.ts";
import { type Chain, readChain } from "./chain.ts";
import { type ReadSeal, readSeal, type Seal } from "./seal-field.ts";
import { SealedFields } from "./sealed-fields.ts";
import type { ArcVerdict } from "./verdict.ts";

export interface ArcSettings extends JudgeSettings {
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
}

/** The header of a message. */
interface Header {
  readonly fields: readonly HeaderField[];
  /** The time at which DNS is given up, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
}

/** Bytes of sealed header after which others get a turn. */
const BYTES_PER_TURN = 262_144;

export class ChainVerification {
  readonly chain: Chain;
  readonly #judge: Judge;
  readonly #seals: readonly ReadSeal[];
  /** The newest message signature, or what is wrong without a look at keys and body. */
  readonly #signature: Signature | Refusal;
  readonly #body: BodyHashTicket | undefined;
  /** What is wrong with the seals; `undefined` if nothing is. */
  readonly #sealProblem: Promise<Refusal | undefined>;

  /** Reads the chain, asks for the keys and for the body hash of its newest set, and begins with the seals. */
  constructor(settings: ArcSettings, { fields, deadlineMs }: Header, body: BodyHashes) {
    this.chain = readChain(fields);
    this.#judge = new Judge(settings, new SignedFields(fields), deadlineMs);
    this.#seals = this.chain.sets.map(({ seal }) => readSeal(seal));
    this.#signature = this.#readNewest(settings.timeMs() / 1000);
    if (isRefusal(this.#signature)) {
      this.#sealProblem = Promise.resolve(this.#signature);
      return;
    }
    this.#body = body.ask(this.#signature.bodyForm, this.#signature.bodyLimit);
    this.#judge.ask(this.#signature);
    this.#sealProblem = this.#verifySeals();
    // Wanted at the end, where an error is told.
    this.#sealProblem.catch(() => {});
  }

  /** The verdict after the end of the body. */
  async finish(): Promise<ArcVerdict> {
    const { highest, fault } = this.chain;
    const sets = this.#seals.map(({ shown }, at) => ({ instance: at + 1, ...shown }));
    const of = { instance: highest, sets };
    if (highest === 0 && fault === undefined) return { result: "none", reason: "no chain", ...of };
    const problems = [await this.#signatureProblem(), await this.#sealProblem];
    const lasting = problems.find((problem) => problem !== undefined && problem.result !== "temperror");
    if (lasting !== undefined) return { result: "fail", reason: lasting.reason, ...of };
    const trouble = problems.find((problem) => problem !== undefined);
    if (trouble !== undefined) return { result: "temperror", reason: trouble.reason, ...of };
    return { result: "pass", reason: "all seals are good", ...of };
  }

  /** Checks what needs no key, of the whole chain, and reads the newest message signature. */
  #readNewest(nowSeconds: number): Signature | Refusal {
    const { sets, fault } = this.chain;
    const newest = sets.at(-1);
    if (fault !== undefined || newest === undefined) return { result: "fail", reason: fault ?? "no chain" };
    for (const [at, { read }] of this.#seals.entries()) {
      const problem = isRefusal(read) ? read.reason : statusProblem(read, at + 1);
      if (problem !== undefined) return { result: "fail", reason: problem };
    }
    const { read } = readSignature(newest.signature, nowSeconds, "arc");
    if (!isRefusal(read) && read.signedNames.includes("arc-seal")) {
      return { result: "fail", reason: "the message signature covers a seal" };
    }
    return read;
  }

  async #signatureProblem(): Promise<Refusal | undefined> {
    if (isRefusal(this.#signature) || this.#body === undefined) return undefined;
    const { result, reason } = await this.#judge.judge(this.#signature, this.#body());
    return result === "pass" ? undefined : { result, reason: `message signature: ${reason}` };
  }

  /** Verifies the newest seal, and then all others: keys of strangers are only asked for behind a good seal. */
  async #verifySeals(): Promise<Refusal | undefined> {
    const { sets } = this.chain;
    const fields = new SealedFields(sets);
    const seals = this.#seals.map(({ read }) => read as Seal);
    let bytes = 0;
    for (let count = sets.length; count > 0; count--) {
      const seal = seals[count - 1] as Seal;
      this.#judge.ask(seal);
      const covered = fields.bytes(count);
      const problem = await this.#sealProblemOf(seal, covered);
      if (problem !== undefined) return { ...problem, reason: `seal i=${count}: ${problem.reason}` };
      if (count === sets.length) for (const older of seals) this.#judge.ask(older);
      bytes += covered.length;
      if (bytes < BYTES_PER_TURN) continue;
      bytes = 0;
      await setImmediate();
    }
    return undefined;
  }

  async #sealProblemOf(seal: Seal, covered: Buffer): Promise<Refusal | undefined> {
    const keys = await this.#judge.keysOf(seal);
    if ("result" in keys) return keys;
    return keys.some(({ key }) => isGood(seal, covered, key)) ? undefined : { result: "fail", reason: "bad signature" };
  }
}

/** RFC 8617 section 5.2, steps 2 and 3: the first seal has found no chain, and each later one a good one. */
function statusProblem({ status }: Seal, instance: number): string | undefined {
  const wanted = instance === 1 ? "none" : "pass";
  return status === wanted ? undefined : `seal i=${instance} says cv=${status}`;
}
