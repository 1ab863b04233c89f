/**
 * A message from outside. Its results go into one Authentication-Results field at the top, and DMARC alone decides about
 * it.
 */
import { authorDomain } from "../dmarc/author-domain.ts";
import { type Disposition, rejectText } from "../dmarc/disposition.ts";
import { foldedResults, type MethodResult } from "../mail/authentication-results.ts";
import { domainOf } from "../mail/names.ts";
import type { Decision, StepReply } from "../milter/application.ts";
import { type CheckResults, Checks } from "./checks.ts";
import { type Arrival, Handled } from "./handled.ts";
import { iprev } from "./iprev.ts";
import type { MailAction } from "./report.ts";
import { Seal, type SealOutcome, sealEdits, sealReport } from "./seal.ts";

export class Incoming extends Handled {
  readonly #checks: Checks;
  #seal: Seal | undefined;

  constructor(arrival: Arrival) {
    super(arrival);
    const { parts, smtp, origin, sender, transaction } = arrival;
    const clientAddress = origin.client?.text ?? smtp.client.address;
    this.#checks = new Checks(parts, { clientAddress, heloName: smtp.heloName, sender }, transaction);
  }

  rcpt(): StepReply {
    this.#checks.beginSpf();
    return "continue";
  }

  eoh(): StepReply {
    const { parts } = this.arrival;
    this.#checks.beginBody(this.head);
    const { chain, body } = this.#checks;
    if (parts.settings.arc.seal === "all" && chain !== undefined) this.#seal = new Seal(parts, this.head, chain, body);
    return "continue";
  }

  body(chunk: string): boolean {
    this.#checks.body.update(Buffer.from(chunk, "latin1"));
    return true;
  }

  protected async decide(): Promise<Decision> {
    const checked = await this.#checks.finish();
    const reverse = this.arrival.isRelayed ? undefined : iprev(this.arrival.smtp);
    return await this.#act(checked, reverse === undefined ? checked.results : [...checked.results, reverse]);
  }

  async #act({ arc, dmarc }: CheckResults, results: readonly MethodResult[]): Promise<Decision> {
    const { settings } = this.arrival.parts;
    const wanted: MailAction = dmarc?.disposition.action ?? "accept";
    const action = settings.isReport ? "accept" : wanted;
    if (dmarc !== undefined) this.#record(dmarc, action === wanted);
    const value = foldedResults(settings.authservId, results);
    const goesOn = action === "accept" || action === "hold";
    const outcome: SealOutcome | undefined =
      goesOn && arc !== undefined ? await this.#seal?.finish(arc, [value]) : undefined;
    this.report(action, {
      ...sealReport(outcome),
      authorDomain: dmarc?.verdict.domain ?? "",
      results,
      would: action === wanted ? undefined : wanted,
      ...(dmarc?.verdict.result === "fail" ? { problem: dmarc.verdict.reason } : {}),
    });
    const insert = [{ name: "Authentication-Results", value, position: 0 }, ...sealEdits(outcome)];
    const edits = { remove: this.forged(), insert };
    switch (action) {
      case "reject": {
        const text = dmarc === undefined ? "" : rejectText(settings.rejectMessage, dmarc.verdict);
        return { reply: { code: 550, enhancedCode: "5.7.1", text } };
      }
      case "tempfail":
        return { reply: { code: 451, enhancedCode: "4.7.1", text: "Cannot check DMARC now, try again later" } };
      case "hold":
        return { reply: "continue", edits, quarantine: `DMARC policy of ${dmarc?.verdict.domain ?? ""}` };
      default:
        return { reply: "continue", edits };
    }
  }

  /** Keeps the result for reports, with what became of the message. */
  #record({ verdict, disposition }: NonNullable<CheckResults["dmarc"]>, isDone: boolean): void {
    const { parts, smtp, origin, sender, isRelayed } = this.arrival;
    // A report names the address of the client, which for a relay of ours is not known.
    if (parts.record === undefined || origin.client === undefined || isRelayed) return;
    const senderDomain = domainOf(sender);
    parts.record({
      verdict,
      disposition: isDone ? disposition : REPORT_MODE,
      clientAddress: origin.client.text,
      senderDomain: authorDomain(senderDomain) ?? senderDomain,
      queueId: smtp.macros.get("i") ?? "NOQUEUE",
      reporter: parts.settings.authservId,
      receivedSeconds: parts.timeMs() / 1000,
      isReport: verdict.result === "pass" && this.head.valuesOf("subject").some((subject) => REPORT.test(subject)),
    });
  }
}

/** What becomes of all messages in report mode. */
const REPORT_MODE: Disposition = {
  action: "accept",
  applied: "none",
  override: { type: "local_policy", comment: "no policy is applied here" },
};

/** The subject of an aggregate report (RFC 9990 section 3.5.2). Whoever lies in it must pass DMARC, so the lie is his own. */
const REPORT = /^\s*Report\s+Domain:\s+\S+\s+Submitter:\s+\S/;
