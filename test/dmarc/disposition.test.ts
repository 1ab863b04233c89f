import { describe, expect, test } from "vitest";
import {
  type Circumstances,
  createDisposer,
  type DmarcSettings,
  dmarcResult,
  rejectText,
} from "../../src/dmarc/disposition.ts";
import { authenticationResults } from "../../src/mail/authentication-results.ts";
import { readAuthenticationResults } from "../helpers/header-grammar.ts";
import { DEFAULT_SETTINGS, type DmarcZone, evaluate } from "./fixtures.ts";

const ORDINARY: Circumstances = { listId: "", senderDomain: "sender.example", sealer: undefined };

const zone = (tags: string): DmarcZone => ({ "_dmarc.example.com": [`v=DMARC1; ${tags}`] });

const ARC = { type: "local_policy", comment: "arc=pass of a trusted sealer" };
const LIST = { type: "mailing_list", comment: "a mailing list that is allowed" };
const OFF = { type: "local_policy", comment: "mail is not rejected here" };
const TESTING = { type: "policy_test_mode", comment: "t=y" };

interface Row {
  readonly name: string;
  readonly policy?: string;
  readonly from?: string;
  readonly identifiers?: readonly string[];
  readonly settings?: Partial<DmarcSettings>;
  readonly circumstances?: Partial<Circumstances>;
  /** Action, policy that was applied, and why it is not the one that was asked for. */
  readonly expected: readonly [action: string, applied: string, override?: object];
}

const ROWS: readonly Row[] = [
  {
    name: "a pass",
    policy: "p=reject",
    identifiers: ["dkim=pass example.com"],
    settings: { reject: true },
    expected: ["accept", "none"],
  },
  { name: "no policy", settings: { reject: true }, expected: ["accept", "none"] },
  { name: "p=none", policy: "p=none", settings: { reject: true, quarantine: "hold" }, expected: ["accept", "none"] },
  { name: "p=quarantine", policy: "p=quarantine", expected: ["accept", "quarantine"] },
  {
    name: "p=quarantine held",
    policy: "p=quarantine",
    settings: { quarantine: "hold" },
    expected: ["hold", "quarantine"],
  },
  {
    name: "p=quarantine rejected",
    policy: "p=quarantine",
    settings: { quarantine: "reject" },
    expected: ["reject", "reject"],
  },
  { name: "p=reject where nothing is rejected", policy: "p=reject", expected: ["accept", "none", OFF] },
  { name: "p=reject", policy: "p=reject", settings: { reject: true }, expected: ["reject", "reject"] },
  {
    name: "p=reject and t=y",
    policy: "p=reject; t=y",
    settings: { reject: true, quarantine: "hold" },
    expected: ["hold", "quarantine", TESTING],
  },
  { name: "p=quarantine and t=y", policy: "p=quarantine; t=y", expected: ["accept", "none", TESTING] },
  { name: "temperror", policy: "p=reject", identifiers: ["spf=temperror example.com"], expected: ["accept", "none"] },
  {
    name: "temperror deferred",
    policy: "p=reject",
    identifiers: ["spf=temperror example.com"],
    settings: { temperror: "tempfail" },
    expected: ["tempfail", "none"],
  },
  { name: "no author", from: "", settings: { reject: true }, expected: ["accept", "none"] },
  { name: "no author, held", from: "", settings: { malformed: "quarantine" }, expected: ["hold", "quarantine"] },
  { name: "no author, rejected", from: "", settings: { malformed: "reject" }, expected: ["reject", "reject"] },
  {
    name: "a trusted seal",
    policy: "p=reject",
    settings: { reject: true, trustedSealers: ["lists.example"] },
    circumstances: { sealer: "Lists.Example" },
    expected: ["accept", "none", ARC],
  },
  {
    name: "another seal",
    policy: "p=reject",
    settings: { reject: true, trustedSealers: ["lists.example"] },
    circumstances: { sealer: "evil-lists.example" },
    expected: ["reject", "reject"],
  },
  {
    name: "a list that is allowed",
    policy: "p=quarantine",
    settings: { quarantine: "reject", allowLists: ["dev.lists.example"] },
    circumstances: { listId: ' "Dev <x>" <Dev.Lists.Example>\r\n' },
    expected: ["accept", "none", LIST],
  },
  {
    name: "lists below a name",
    policy: "p=reject",
    settings: { reject: true, allowLists: [".lists.example"] },
    circumstances: { listId: " dev.lists.example" },
    expected: ["accept", "none", LIST],
  },
  {
    name: "a sender that is allowed",
    policy: "p=reject",
    settings: { reject: true, allowLists: ["sender.example"] },
    expected: ["accept", "none", LIST],
  },
  {
    name: "a List-Id without end",
    policy: "p=reject",
    settings: { reject: true, allowLists: ["dev.lists.example"] },
    circumstances: { listId: " <dev.lists.example" },
    expected: ["reject", "reject"],
  },
  {
    name: "a list that is allowed, with p=none",
    policy: "p=none",
    settings: { allowLists: ["sender.example"] },
    expected: ["accept", "none"],
  },
];

test.each(ROWS)("$name: $expected", async ({ policy, from = "ann@example.com", identifiers = [], ...row }) => {
  const verdict = await evaluate(from, policy === undefined ? {} : zone(policy), identifiers);
  const { dispose } = createDisposer({ ...DEFAULT_SETTINGS, ...row.settings });
  const [action, applied, override] = row.expected;
  expect(dispose(verdict, { ...ORDINARY, ...row.circumstances })).toEqual({ action, applied, override });
});

test.each([
  ["forward", "reject", "accept"],
  ["hold", "reject", "hold"],
  ["hold", "quarantine", "hold"],
  ["hold", "none", "accept"],
  ["hold", undefined, "accept"],
] as const)("On the forward pass, forward_failed = %s, a failed %s: %s", (forwardFailed, failed, expected) => {
  expect(createDisposer({ ...DEFAULT_SETTINGS, forwardFailed }).forward(failed, ORDINARY)).toBe(expected);
});

test("On the forward pass a list that is allowed, or a trusted seal, is sent on", () => {
  const { forward } = createDisposer({
    ...DEFAULT_SETTINGS,
    forwardFailed: "hold",
    allowLists: ["dev.lists.example"],
    trustedSealers: ["seal.example"],
  });
  expect(forward("reject", { ...ORDINARY, listId: "<dev.lists.example>" })).toBe("accept");
  expect(forward("reject", { ...ORDINARY, sealer: "seal.example" })).toBe("accept");
  expect(forward("reject", { ...ORDINARY, sealer: "x.example" })).toBe("hold");
});

describe("The words", () => {
  test("of a rejection name the domain, or the fault of From", async () => {
    const text = "Rejected by the policy of {domain}, {domain}";
    expect(rejectText(text, await evaluate("a@example.com", {}, []))).toBe(
      "Rejected by the policy of example.com, example.com",
    );
    expect(rejectText(text, await evaluate("a@example.com <", {}, []))).toBe(
      "Message rejected: its author cannot be told: an address without a domain",
    );
  });

  test.each<[string, string, string, readonly string[], string]>([
    [
      "a pass",
      "a@example.com",
      "p=reject",
      ["spf=pass example.com"],
      "dmarc=pass (p=reject dis=none) header.from=example.com",
    ],
    [
      "a fail",
      "a@example.com",
      "p=reject; t=y",
      [],
      "dmarc=fail (p=reject dis=quarantine) header.from=example.com policy.dmarc=quarantine",
    ],
    [
      "no record",
      "a@example.net",
      "p=reject",
      [],
      'dmarc=none ("example.net" has no DMARC policy) header.from=example.net',
    ],
    [
      "DNS trouble",
      "a@example.com",
      "p=reject",
      ["spf=temperror example.com"],
      'dmarc=temperror (SPF for "example.com" has the result temperror, the same domain) header.from=example.com',
    ],
    ["several authors", "a@example.com, b@example.net", "p=reject", [], "dmarc=permerror (2 domains)"],
  ])("of %s in Authentication-Results", async (_name, from, policy, identifiers, expected) => {
    const verdict = await evaluate(from, zone(policy), identifiers);
    const field = authenticationResults("mx.test", [
      dmarcResult(verdict, createDisposer(DEFAULT_SETTINGS).dispose(verdict, ORDINARY)),
    ]);
    expect(field).toBe(`Authentication-Results: mx.test; ${expected}`);
    expect(readAuthenticationResults(field).results).toMatchObject([{ method: "dmarc", result: verdict.result }]);
  });
});
