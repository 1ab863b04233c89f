/**
 * A message from outside. Its results go into one Authentication-Results field at the top, and DMARC alone decides about
 * it.
 */
import { rejectText } from "../dmarc/disposition.ts";
import { foldedResults, type MethodResult } from "../mail/authentication-results.ts";
import type { Decision, StepReply } from "../milter/application.ts";
import { type CheckResults, Checks } from "./checks.ts";
import { type Arrival, Handled } from "./handled.ts";
import { iprev } from "./iprev.ts";
import type { MailAction } from "./report.ts";

export class Incoming extends Handled {
  readonly #checks: Checks;

  constructor(arrival: Arrival) {
    super(arrival);
    const { parts, smtp, origin, sender } = arrival;
    const clientAddress = origin.client?.text ?? smtp.client.address;
    this.#checks = new Checks(parts, { clientAddress, heloName: smtp.heloName, sender });
  }

  eoh(): StepReply {
    this.#checks.beginBody(this.head);
    return "continue";
  }

  body(chunk: string): boolean {
    this.#checks.body(Buffer.from(chunk, "latin1"));
    return true;
  }

  async eom(): Promise<Decision> {
    const checked = await this.#checks.finish();
    const reverse = iprev(this.arrival.smtp);
    return this.#decide(checked, reverse === undefined ? checked.results : [...checked.results, reverse]);
  }

  #decide({ dmarc }: CheckResults, results: readonly MethodResult[]): Decision {
    const { settings } = this.arrival.parts;
    const wanted: MailAction = dmarc?.disposition.action ?? "accept";
    const action = settings.isReport ? "accept" : wanted;
    this.report(action, {
      authorDomain: dmarc?.verdict.domain ?? "",
      results,
      would: action === wanted ? undefined : wanted,
      problem: dmarc?.verdict.result === "fail" ? dmarc.verdict.reason : undefined,
    });
    const value = foldedResults(settings.authservId, results);
    const edits = { remove: this.forged(), insert: [{ name: "Authentication-Results", value, position: 0 }] };
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
}
