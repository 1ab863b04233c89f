import fc from "fast-check";
import { expect, test } from "vitest";
import { createPolicyService } from "../../src/policy/service.ts";
import { HEADER_TYPES } from "../../src/policy/settings.ts";
import { SPF_RESULTS } from "../../src/spf/verdict.ts";
import { readAuthenticationResults, readReceivedSpf } from "../helpers/header-grammar.ts";
import { anyText } from "../helpers/hostile-text.ts";
import { recorder, settings, sources, verdict } from "./fixtures.ts";

/** A value as Postfix can send it. */
const value = anyText.map((text) => text.replaceAll("\n", " "));

const session = fc.record({
  helo_name: value,
  sender: value,
  recipient: value,
  instance: value,
  queue_id: value,
  header: fc.constantFrom(...HEADER_TYPES),
  mode: fc.constantFrom("enforce", "report"),
  result: fc.constantFrom(...SPF_RESULTS),
  explanation: anyText,
  explanationFromDomain: fc.boolean(),
  mechanism: anyText,
});

test("whatever a session and its DNS say, the reply is one action, and a header in it is our own and legal", async () => {
  await fc.assert(
    fc.asyncProperty(
      session,
      async ({ header, mode, result, explanation, explanationFromDomain, mechanism, ...values }) => {
        const service = createPolicyService({
          ...sources({}),
          settings: settings({ headers: [header], mode, rejectMessage: "{explanation} {sender} {helo_name} {domain}" }),
          checkHost: ({ identity, heloName, sender }) =>
            verdict(result, { identity, domain: sender || heloName, explanation, explanationFromDomain, mechanism }),
          observe: recorder(),
        });
        const decoder = service.createDecoder();
        const lines = Object.entries({ client_address: "192.0.2.10", ...values }).map(
          ([name, text]) => `${name}=${text}\n`,
        );
        decoder.feed(`${lines.join("")}\n`);
        const request = decoder.next();
        if (request === undefined) throw new Error("no request");
        expectOneAction(await service.answer(request), result);
      },
    ),
    { numRuns: 300 },
  );
});

function expectOneAction(reply: string, result: string): void {
  expect(() => new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(reply, "latin1"))).not.toThrow();
  const [, action = ""] = /^action=([^\x00-\x1f\x7f]+)\n\n$/.exec(reply) ?? [];
  const [, header] = /^PREPEND (.*)$/.exec(action) ?? [];
  if (header === undefined) {
    expect(action).toMatch(/^(?:DUNNO$|550 5\.7\.2[34] [\x20-\x7e]{0,400}$)/);
    return;
  }
  if (header.startsWith("Received-SPF:")) expect(readReceivedSpf(header)).toMatchObject({ result });
  else expect(readAuthenticationResults(header)).toMatchObject({ authservId: "mx.test" });
}
