/**
 * Verifies the signatures of a message (RFC 6376 section 6) while it comes in:
 *
 *     const body = new BodyHashes();
 *     const verification = new Verification(settings, { fields, authorDomains, deadlineMs }, body);   // asks for keys
 *     body.update(chunk); ... body.end();
 *     const verdicts = await verification.finish();
 */
import { setImmediate } from "node:timers/promises";
import type { HeaderField } from "../mail/header-field.ts";
import type { BodyHashes, BodyHashTicket } from "./body-hash.ts";
import { chooseSignatures } from "./choose.ts";
import { Judge, type JudgeSettings } from "./judge.ts";
import { isRefusal, type ReadSignature, readSignature } from "./signature.ts";
import { SignedFields } from "./signed-fields.ts";
import type { Refusal, SignatureVerdict } from "./verdict.ts";

export interface VerifySettings extends JudgeSettings {
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
  /** Most signatures of a message that are verified. The others are left out. */
  readonly maxSignatures: number;
}

/** The header of a message. */
export interface Header {
  readonly fields: readonly HeaderField[];
  /** The domains of the From field, in A-labels: their signatures come first if there are too many. */
  readonly authorDomains: readonly string[];
  /** The time at which DNS is given up, on the clock of `performance.now()`. */
  readonly deadlineMs: number;
}

/** Bytes of signed header after which others get a turn. */
const BYTES_PER_TURN = 262_144;

interface Candidate extends ReadSignature {
  readonly body: BodyHashTicket | undefined;
}

export class Verification {
  readonly #judge: Judge;
  readonly #candidates: readonly Candidate[];

  /** Chooses the signatures, asks for all their keys at once, and for their body hashes. */
  constructor(settings: VerifySettings, { fields, authorDomains, deadlineMs }: Header, body: BodyHashes) {
    this.#judge = new Judge(settings, new SignedFields(fields), deadlineMs);
    const nowSeconds = settings.timeMs() / 1000;
    const chosen = chooseSignatures(fields, authorDomains, settings.maxSignatures);
    this.#candidates = chosen.map((field) => {
      const { shown, read } = readSignature(field, nowSeconds);
      if (isRefusal(read)) return { shown, read, body: undefined };
      this.#judge.ask(read);
      return { shown, read, body: body.ask(read.bodyForm, read.bodyLimit) };
    });
  }

  /** The verdicts in the order of the message, after the end of the body. None if there is no signature. */
  async finish(): Promise<readonly SignatureVerdict[]> {
    const verdicts: SignatureVerdict[] = [];
    let bytes = 0;
    for (const { shown, read, body } of this.#candidates) {
      if (isRefusal(read) || body === undefined) {
        verdicts.push({ ...shown, ...(read as Refusal), isTesting: false, unsignedBytes: 0 });
        continue;
      }
      const { signedBytes, ...verdict } = await this.#judge.judge(read, body());
      verdicts.push({ ...shown, ...verdict });
      bytes += signedBytes;
      if (bytes < BYTES_PER_TURN) continue;
      bytes = 0;
      await setImmediate();
    }
    return verdicts;
  }
}
