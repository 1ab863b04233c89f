/** The ARC tests of others: those that verify, and those that seal. Where we answer otherwise, the list says why. */
import { createPrivateKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { claimedName } from "../../src/authentication/claimed-name.ts";
import { splitMessage } from "../../src/mail/header-field.ts";
import { dkimpyChains, findDkimpy, mailauthChain } from "../dkim/peers.ts";
import type { KeyZone } from "../dkim/verifying.ts";
import { skipReason } from "../helpers/requires.ts";
import { arcCases, chainResult, readArcFile, SEAL_SETTINGS, sealMessage } from "./verifying.ts";

/** Messages of which the suite does not say what is right. */
const UNSTATED: Readonly<Record<string, string>> = {
  // RFC 8617 section 5.2: the first seal must say cv=none.
  "arc-validation cv_fail_i2_as1_fail": "fail: seal i=1 says cv=fail",
};

describe("Chains of the validation suites", () => {
  test.each(arcCases().map((one) => [`${one.suite} ${one.name}`, one] as const))("%s", async (name, one) => {
    for (const step of [65_535, 1]) {
      const found = await chainResult(
        one.message,
        one.zone,
        one.now === undefined ? { step } : { step, nowSeconds: one.now },
      );
      if (one.expect === "") expect(found).toBe(UNSTATED[name]);
      else expect(found.replace(/:.*/s, "")).toBe(one.expect);
    }
  });
});

interface SigningTest {
  readonly message: string;
  readonly t: number;
  readonly "sig-headers": string;
  readonly "srv-id": string;
  readonly AS: string;
  readonly AMS: string;
  readonly AAR: string;
}
interface SigningDoc {
  readonly tests: Readonly<Record<string, SigningTest>>;
  readonly domain: string;
  readonly sel: string;
  readonly privatekey: string;
  readonly "txt-records": Readonly<Record<string, string>>;
}

const SIGNING = (readArcFile("signing") as { docs: readonly SigningDoc[] }).docs.flatMap((doc) =>
  Object.entries(doc.tests).map(([name, one]) => ({ name, doc, one })),
);

/** The tags that must be equal. b= is not one: it depends on how the tags are written. */
const SEAL_TAGS = ["i", "a", "cv", "d", "s", "t"];
const SIGNATURE_TAGS = ["i", "a", "c", "d", "s", "t", "h", "bh"];

/** The suite's i1 and i2 messages carry sets of the very key that is to seal: seen as those of another host. */
const ANOTHER_SIGNER = "another.example";

describe("Sets of the signing suite", () => {
  const python = findDkimpy();
  const missing = python === undefined ? skipReason("Cannot run: python3-dkim not installed") : undefined;

  test.each(SIGNING)("$name", async ({ doc, one }) => {
    const outcome = await sealed(doc, one);
    if (one.AS === "") {
      expect(outcome).toEqual({ refusal: "the newest seal says that the chain has failed" });
      return;
    }
    if ("refusal" in outcome) throw new Error(outcome.refusal);
    const [seal, signature, results] = splitMessage(Buffer.from(outcome.message, "latin1")).fields;
    expect(pick(seal?.value ?? "", SEAL_TAGS)).toEqual(pick(one.AS, SEAL_TAGS));
    expect(pick(signature?.value ?? "", SIGNATURE_TAGS)).toEqual(pick(one.AMS, SIGNATURE_TAGS));
    expect(words(results?.value ?? "")).toEqual(words(one.AAR));
    const chain = /cv=(\w+)/.exec(one.AS)?.[1];
    const wanted = chain === "fail" ? "fail" : "pass";
    const records = zoneOf(doc);
    expect((await chainResult(outcome.message, records)).replace(/:.*/, "")).toBe(wanted);
    expect(await mailauthChain(outcome.message, records, one.t)).toBe(wanted);
  });

  test.skipIf(missing)("dkimpy says the same of all of them", async () => {
    const outcomes = await Promise.all(SIGNING.map(({ doc, one }) => sealed(doc, one)));
    const messages = outcomes.flatMap((outcome) => ("refusal" in outcome ? [] : [outcome.message]));
    const [doc] = SIGNING.map((one) => one.doc);
    if (doc === undefined) throw new Error("no suite");
    const found = dkimpyChains(python ?? "", messages, zoneOf(doc));
    const wanted = SIGNING.filter(({ one }) => one.AS !== "").map(({ one }) =>
      one.AS.includes("cv=fail") ? "ended" : "pass",
    );
    expect(found).toEqual(wanted);
  });
});

async function sealed(doc: SigningDoc, one: SigningTest): ReturnType<typeof sealMessage> {
  const message = one.message.replace(/\r?\n/g, "\r\n");
  const { fields } = splitMessage(Buffer.from(message, "latin1"));
  const results = fields.filter(
    ({ key, value }) => key === "authentication-results" && claimedName(value)(one["srv-id"]),
  );
  return await sealMessage(message, zoneOf(doc), {
    key: {
      domain: doc.domain,
      selector: doc.sel,
      algorithm: "rsa-sha256",
      privateKey: createPrivateKey(doc.privatekey),
    },
    settings: { ...SEAL_SETTINGS, headers: one["sig-headers"].split(":"), oversign: [] },
    results: results.map(({ value }) => value),
    authservId: one["srv-id"],
    ownDomain: ANOTHER_SIGNER,
    nowSeconds: one.t,
  });
}

function zoneOf({ "txt-records": records }: SigningDoc): Record<string, string[]> & KeyZone {
  return Object.fromEntries(Object.entries(records).map(([name, text]) => [name, [text.replace(/\n/g, "")]]));
}

/** Some tags of a list without blanks. The names of h= in any order. */
function pick(list: string, names: readonly string[]): Record<string, string | undefined> {
  const tags = new Map(list.split(";").map((tag) => [tag.split("=", 1)[0]?.trim(), tag.slice(tag.indexOf("=") + 1)]));
  return Object.fromEntries(
    names.map((name) => {
      const value = tags.get(name)?.replace(/\s+/g, "");
      return [name, name === "h" ? value?.toLowerCase().split(":").sort().join(":") : value];
    }),
  );
}

function words(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
