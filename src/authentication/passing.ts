/** Messages that are neither checked nor signed: those of the second pass, and those that the admin has excluded. */
import { POLICIES, type Policy } from "../dmarc/record.ts";
import type { Decision, FieldIndex, StepReply } from "../milter/application.ts";
import { claims } from "./forged-results.ts";
import { Handled } from "./handled.ts";

/** A message that only loses forged results; one of this host itself loses nothing. */
export class Skipped extends Handled {
  eoh(): StepReply {
    if (this.forged().length > 0) return "continue";
    this.report("accept", {});
    return "accept";
  }

  eom(): Decision {
    this.report("accept", {});
    return { reply: "continue", edits: { remove: this.forged() } };
  }

  protected override forged(): FieldIndex[] {
    return this.arrival.origin.isLoopback ? [] : super.forged();
  }
}

/**
 * A message on the second pass. The fields above the first Received: were added by this host on the first pass and stay. No
 * others that claim to be ours do. What failed DMARC is not sent on under our own name if the admin says so.
 */
export class Forwarded extends Skipped {
  override eoh(): StepReply {
    return this.#action() === "hold" ? "continue" : super.eoh();
  }

  override eom(): Decision {
    const wanted = this.#action();
    const action = this.arrival.parts.settings.isReport ? "accept" : wanted;
    this.report(action, { would: action === wanted ? undefined : wanted });
    const edits = { remove: this.forged() };
    if (action === "accept") return { reply: "continue", edits };
    return { reply: "continue", edits, quarantine: "failed DMARC, is not forwarded" };
  }

  protected override forged(): FieldIndex[] {
    return this.head.forged.belowReceived();
  }

  #action(): "accept" | "hold" {
    const received = this.head.fields.findIndex(({ key }) => key === "received");
    const above = this.head.fields.slice(0, Math.max(received, 0));
    const ours = above.find(
      ({ key, value }) => key === "authentication-results" && this.arrival.ids.some((id) => claims(value, id)),
    );
    const { parts, sender } = this.arrival;
    const senderDomain = sender.slice(sender.lastIndexOf("@") + 1);
    const listId = this.head.valuesOf("list-id").at(-1) ?? "";
    return parts.disposer.forward(failedPolicy(ours?.value ?? ""), { listId, senderDomain, sealer: undefined });
  }
}

/** The policy of a message that failed DMARC, from our own field as `foldedResults` writes it: a result on each line. */
function failedPolicy(value: string): Policy | undefined {
  const line = value.split(/;\r?\n\t/).find((one) => one.startsWith("dmarc=fail "));
  return POLICIES.find((policy) => line?.endsWith(` policy.dmarc=${policy}`));
}
