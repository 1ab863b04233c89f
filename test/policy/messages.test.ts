import { describe, expect, test } from "vitest";
import { findOnce, Messages } from "../../src/policy/messages.ts";
import type { PolicyRequest } from "../../src/policy/protocol.ts";
import type { HeaderType } from "../../src/policy/settings.ts";
import { policyRequest } from "./fixtures.ts";

const SPF: readonly HeaderType[] = ["received-spf"];
const BOTH: readonly HeaderType[] = ["received-spf", "authentication-results"];

/** A request at MAIL with smtpd_delay_reject = no: Postfix has made no instance yet. */
const AT_MAIL = { protocol_state: "MAIL", instance: "", recipient: "" };

/** Several of these would be most of a request. */
const LONG = "x".repeat(20_000);

const MINUTE_MS = 60_000;

const CASES: readonly {
  name: string;
  headers: readonly HeaderType[];
  requests: readonly (Partial<PolicyRequest> & { afterMs?: number })[];
  given: readonly (HeaderType | undefined)[];
}[] = [
  {
    name: "one header for three recipients",
    headers: SPF,
    requests: [{}, {}, {}],
    given: ["received-spf", undefined, undefined],
  },
  {
    name: "both headers, then none",
    headers: BOTH,
    requests: [{}, {}, {}],
    given: ["received-spf", "authentication-results", undefined],
  },
  { name: "none where none is configured", headers: [], requests: [{}, AT_MAIL], given: [undefined, undefined] },
  {
    name: "a header for the next message of the session",
    headers: SPF,
    requests: [{}, { instance: "1001.68f0.2.1" }],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "a header for the same instance from another host",
    headers: SPF,
    requests: [{}, { client_address: "192.0.2.11" }],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "a header for the same instance with another sender",
    headers: SPF,
    requests: [{}, { sender: "ann@sender.test" }],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "one header to a message over long pauses",
    headers: SPF,
    requests: [{}, { afterMs: 9 * MINUTE_MS }, { afterMs: 9 * MINUTE_MS }],
    given: ["received-spf", undefined, undefined],
  },
  {
    name: "a header anew when the message is forgotten",
    headers: SPF,
    requests: [{}, { afterMs: 11 * MINUTE_MS }],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "one header to a message that is seen at MAIL and RCPT",
    headers: SPF,
    requests: [AT_MAIL, {}, {}],
    given: ["received-spf", undefined, undefined],
  },
  {
    name: "the second header at RCPT when the first was given at MAIL",
    headers: BOTH,
    requests: [AT_MAIL, {}, {}],
    given: ["received-spf", "authentication-results", undefined],
  },
  {
    name: "both headers when the service is named twice at MAIL",
    headers: BOTH,
    requests: [AT_MAIL, AT_MAIL, {}],
    given: ["received-spf", "authentication-results", undefined],
  },
  {
    name: "a header for each message that is seen at MAIL only",
    headers: SPF,
    requests: [AT_MAIL, AT_MAIL],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "a header for the next message at MAIL, with the same sender",
    headers: SPF,
    requests: [AT_MAIL, {}, AT_MAIL, { instance: "1001.68f0.2.1" }],
    given: ["received-spf", undefined, "received-spf", undefined],
  },
  {
    name: "a header for another session of the same client",
    headers: BOTH,
    requests: [AT_MAIL, { ...AT_MAIL, client_port: "40001" }, { client_port: "40001" }],
    given: ["received-spf", "received-spf", "authentication-results"],
  },
  {
    name: "a header for another client without instance",
    headers: BOTH,
    requests: [AT_MAIL, { ...AT_MAIL, client_address: "192.0.2.11" }],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "a header each time when neither instance nor port is known",
    headers: BOTH,
    requests: [
      { ...AT_MAIL, client_port: "" },
      { ...AT_MAIL, client_port: "" },
    ],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "a header at RCPT when MAIL was long ago",
    headers: SPF,
    requests: [AT_MAIL, { afterMs: 2 * MINUTE_MS }],
    given: ["received-spf", "received-spf"],
  },
  {
    name: "a header each time to names that are longer than any of Postfix's: they are not kept",
    headers: SPF,
    requests: [{ sender: LONG }, { sender: LONG }, { ...AT_MAIL, helo_name: LONG }, { ...AT_MAIL, helo_name: LONG }],
    given: ["received-spf", "received-spf", "received-spf", "received-spf"],
  },
  {
    name: "one header to a message with names as long as Postfix's can be",
    headers: SPF,
    requests: [
      { sender: "x".repeat(2048), helo_name: "y".repeat(2048) },
      { sender: "x".repeat(2048), helo_name: "y".repeat(2048) },
    ],
    given: ["received-spf", undefined],
  },
];

describe("Messages gives", () => {
  test.each(CASES)("$name", ({ headers, requests, given }) => {
    const messages = new Messages();
    let nowMs = 0;
    const taken = requests.map(({ afterMs = 1, ...request }) => {
      nowMs += afterMs;
      return messages.of(policyRequest(request), nowMs).takeHeader(headers);
    });
    expect(taken).toEqual(given);
  });
});

test("Messages forgets the oldest of more than it can hold", () => {
  const messages = new Messages();
  const first = messages.of(policyRequest({ instance: "first" }), 0);
  expect(messages.of(policyRequest({ instance: "first" }), 1)).toBe(first);
  for (let i = 0; i < 16_384; i++) messages.of(policyRequest({ instance: `other ${i}` }), 2);
  expect(messages.of(policyRequest({ instance: "first" }), 3)).not.toBe(first);
});

describe("what is found out about a message", () => {
  const message = () => new Messages().of(policyRequest(), 0);
  const unreached = (): never => {
    throw new Error("was asked again");
  };

  test("is a plain value when it is known at once, and stays", () => {
    const one = message();
    expect(findOnce(one, "exemption", () => "none")).toBe("none");
    expect(findOnce(one, "exemption", unreached)).toBe("none");
  });

  test("is shared while it has to be waited for, and a plain value afterwards", async () => {
    const one = message();
    const promise = findOnce(one, "exemption", () => Promise.resolve("addresses"));
    expect(findOnce(one, "exemption", unreached)).toBe(promise);
    expect(await promise).toBe("addresses");
    expect(findOnce(one, "exemption", unreached)).toBe("addresses");
  });

  test("is looked for again when it could not be found out", async () => {
    const one = message();
    await expect(findOnce(one, "exemption", () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    expect(findOnce(one, "exemption", () => "none")).toBe("none");
  });
});
