/**
 * The same messages through our whole milter and through OpenDKIM, OpenDMARC and OpenARC: each difference has a class, and a
 * class a reason. test/testdata/peers/README.md tells where the answers of the peers are from.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type ConfiguredKey, SigningKeys } from "../../src/dkim/keys.ts";
import { rsaKey } from "../dkim/raw-signer.ts";
import { ODD_NOW_SECONDS, readCases } from "../dkim/verifying.ts";
import { readAuthenticationResults } from "../helpers/header-grammar.ts";
import { memoryResolver, type ZoneData, zoneAuthority } from "../helpers/zone.ts";
import { type Handling, type Replied, sendThroughMilter } from "./handling.ts";

interface Reply {
  readonly reply: string;
  readonly index?: number;
  readonly name?: string;
  readonly value?: string;
}

interface Case {
  readonly about: string;
  readonly client: {
    readonly address: string;
    readonly name: string;
    readonly helo: string;
    readonly auth: string | null;
  };
  readonly from: string;
  /** Fields, some of them folded with LF. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly replies: readonly Reply[];
  /** Of OpenDMARC and OpenARC: what differs from the usual configuration. */
  readonly config?: readonly string[];
}

interface Odd {
  readonly name: string;
  /** Records, or NXDOMAIN, NODATA, SERVFAIL, TIMEOUT. */
  readonly zone: Readonly<Record<string, string | ZoneData[string]>>;
  readonly opendkim: { readonly fields: readonly string[] };
  readonly opendmarc: { readonly fields: readonly string[] };
}

interface Peers {
  readonly zone: ZoneData;
  readonly odd: readonly Odd[];
  readonly opendkim: readonly Case[];
  readonly opendmarc: readonly Case[];
  readonly openarc: readonly Case[];
}

const PEERS = JSON.parse(
  gunzipSync(readFileSync(new URL("../testdata/peers/peers.json.gz", import.meta.url))).toString("utf8"),
) as Peers;

/** About the time at which the cases of OpenDKIM were signed. */
const RECORDED_SECONDS = 1_795_653_200;

/** Sends a message through the milter, and reads all results of ours strictly. */
async function sent(message: string, handling: Handling, login?: string): Promise<Replied> {
  const replied = await sendThroughMilter(message, handling, login);
  for (const value of resultFields(replied.inserted)) {
    expect(readAuthenticationResults(`Authentication-Results:${value.replaceAll("\n\t", " ")}`)).toMatchObject({
      authservId: "mx.example.org",
    });
  }
  return replied;
}

/** The results of a method in fields, joined; "-" for none, whether that is said or not. */
function resultsOf(method: string, fields: readonly string[]): string {
  const plain = fields.map((value) => value.replace(/\((?:[^()\\]|\\.)*\)/g, ""));
  const found = plain.flatMap((value) => [...value.matchAll(new RegExp(`(?<![-.\\w])${method}=([a-z]+)`, "g"))]);
  return (
    found
      .map(([, result = ""]) => result)
      .filter((result) => result !== "none")
      .join(",") || "-"
  );
}

const valuesOf = (name: string, fields: readonly { name?: string; value?: string }[]): string[] =>
  fields.filter((one) => one.name === name).map(({ value = "" }) => value);
const resultFields = (fields: readonly { name?: string; value?: string }[]): string[] =>
  valuesOf("Authentication-Results", fields);
const signers = (fields: readonly { name?: string; value?: string }[]): string =>
  valuesOf("DKIM-Signature", fields)
    .map((value) => /\bd=([^;\s]+)/.exec(value)?.[1])
    .join(",") || "-";
const numbers = (edits: readonly { index?: number }[]): string =>
  edits
    .map(({ index = 0 }) => index)
    .sort((a, b) => a - b)
    .join(",") || "-";

function send(one: Case, handling: Pick<Handling, "toml" | "keys">): Promise<Replied> {
  const { client, from, headers, body } = one;
  const lines = headers.map((line) => `${line.replace(/(?<!\r)\n/g, "\r\n")}\r\n`).join("");
  const options = {
    ...handling,
    resolver: memoryResolver(zoneAuthority(PEERS.zone)),
    nowSeconds: RECORDED_SECONDS,
    client: { hostname: client.name, family: "inet", address: client.address, port: 40_000 },
    heloName: client.helo,
    sender: from.slice(1, -1),
  } as const;
  return sent(`${lines}\r\n${body}`, options, client.auth ?? undefined);
}

type Classes = Readonly<Record<string, { readonly why: string; readonly cases: readonly string[] }>>;

/** A case with our words and the peer's, if they differ. */
type Difference = readonly [name: string, ours: string, theirs: string];

/** Fails for a difference that has no class, and for a class whose difference is gone. */
function expectExplained(found: readonly Difference[], classes: Classes): void {
  const explained = Object.values(classes).flatMap(({ cases }) => cases);
  const words = new Map(found.map(([name, ours, theirs]) => [name, `${ours} | ${theirs}`]));
  expect({
    unexplained: [...words].filter(([name]) => !explained.includes(name)),
    gone: explained.filter((name) => !words.has(name)),
  }).toEqual({ unexplained: [], gone: [] });
  expect(new Set(explained).size).toBe(explained.length);
}

describe("Odd messages", () => {
  const CLASSES: Classes = {
    key: {
      why: "RFC 8601 section 2.7.1: what cannot pass whatever the message is a permerror, OpenDKIM says fail",
      cases: ["key-h-sha1-only", "key-s-tlsrpt", "key-k-unknown", "key-nxdomain", "key-nodata", "key-only-other-txt"],
    },
    syntax: {
      why: "OpenDKIM adds no field for what it cannot read, and so leaves a planted one alone",
      cases: ["d-missing", "h-missing", "b-missing", "empty-signature-header"],
    },
    tolerant: {
      why: "OpenDKIM reads a bad domain, or a tag given twice",
      cases: ["dup-tag-d", "d-trailing-dot", "d-single-label"],
    },
    sha1: { why: "RFC 8301 forbids rsa-sha1, so it cannot make DMARC pass", cases: ["rsa-sha1"] },
    length: {
      why: "l= leaves a part of the body unsigned, so it cannot make DMARC pass",
      cases: ["l-appended", "l-zero"],
    },
    future: { why: "RFC 6376 section 3.5 leaves the word to the verifier", cases: ["t-future-a-year"] },
    dns: {
      why: "DNS trouble leaves it open; OpenDKIM adds no field, and OpenDMARC lets the message fail",
      cases: ["key-servfail", "key-timeout"],
    },
    records: {
      why: "OpenDKIM gives up at two TXT records, or at an empty tag",
      cases: ["key-two-txt-key-first", "key-two-keys", "key-double-semicolon"],
    },
    pkcs1: { why: "OpenDKIM does not read the form of RFC 6376's erratum 3017", cases: ["key-pkcs1"] },
    cr: { why: "a CR of its own is content for us", cases: ["body-bare-cr-relaxed"] },
    many: { why: "OpenDKIM verifies three, and lists the rest as neutral", cases: ["sigs-12-last-good"] },
    idn: { why: "OpenDMARC looks up a domain in UTF-8 as it stands, and finds no policy", cases: ["eai-from-ulabel"] },
    author: {
      why: "From has no author or two readings: permerror, while OpenDMARC takes one of them or adds no field; OpenDKIM looks at no signature",
      cases: [
        "two-from-one-signed",
        "from-display-unquoted-address",
        "from-two-ats",
        "from-trailing-dot",
        "from-empty",
        "from-no-domain",
        "from-absent",
      ],
    },
  };

  /** Records in the form of our test zones. */
  function zoneData(zone: Odd["zone"]): ZoneData {
    const data: Record<string, ZoneData[string]> = {};
    for (const [name, entry] of Object.entries(zone)) {
      if (entry === "NXDOMAIN") continue;
      if (entry === "NODATA") data[name] = [{ A: "192.0.2.1" }];
      else data[name] = typeof entry === "string" ? [entry] : entry;
    }
    return data;
  }

  test("have the results of OpenDKIM and OpenDMARC, but for the classes above", async () => {
    const messages = new Map(readCases("odd").map(({ name, message }) => [name, message]));
    const found: Difference[] = [];
    for (const { name, zone, opendkim, opendmarc } of PEERS.odd) {
      const { inserted, reply } = await sent(messages.get(name) ?? "", {
        resolver: memoryResolver(zoneAuthority(zoneData(zone))),
        nowSeconds: ODD_NOW_SECONDS,
        client: { hostname: "client.example.net", family: "inet", address: "192.0.2.10", port: 40_000 },
        heloName: "client.example.net",
        sender: "bounce@mail.invalid",
      });
      expect([name, reply, resultFields(inserted).length]).toEqual([name, "c", 1]);
      const ours = `${resultsOf("dkim", resultFields(inserted))} ${resultsOf("dmarc", resultFields(inserted))}`;
      const theirs = `${resultsOf("dkim", opendkim.fields)} ${resultsOf("dmarc", opendmarc.fields)}`;
      if (ours !== theirs) found.push([name, ours, theirs]);
    }
    expect([PEERS.odd.length, messages.size]).toEqual([97, 97]);
    expectExplained(found, CLASSES);
  });
});

describe("OpenDKIM's cases", () => {
  const CLASSES: Classes = {
    removal: {
      why: "OpenDKIM removes only fields of its name that hold a dkim result and that it can read, and none of its own users",
      cases: [
        "outside, unsigned, fake A-R",
        "AR case of name only",
        "AR case of value only",
        "AR folded",
        "AR fake, internal",
        "fake A-R plain spf, no resinfo",
        "fake A-R unparsable method",
      ],
    },
    broken: {
      why: "OpenDKIM accepts a message at a signature that it cannot read, before it has removed or added anything",
      cases: ["garbage sig", "fake A-R + garbage DKIM-Signature", "fake A-R + empty DKIM-Signature"],
    },
    key: {
      why: "RFC 8601 section 2.7.1: a key that is missing or revoked is a permerror, OpenDKIM says fail",
      cases: ["wrong selector", "revoked", "servfail domain"],
    },
    sha1: { why: "RFC 8301 forbids rsa-sha1: policy, whatever the key allows", cases: ["rsa-sha1 alg"] },
    author: {
      why: "no usable From is a matter of DMARC (permerror) and not of DKIM, where there is no signature",
      cases: ["no From, outside", "no From, internal", "fake A-R + no From"],
    },
    sender: {
      why: "mail of ours without an author of ours is signed for its envelope sender (dkim.sign.list_mail); of two authors none is the first",
      cases: [
        "two addresses in From, internal",
        "bad From, internal",
        "foreign From, internal",
        "Sender header example.org, From foreign",
        "internal host but foreign From with valid signature",
      ],
    },
  };

  const { privateKey } = rsaKey(2048);
  const key = (domain: string, selector: string, from: readonly string[]): ConfiguredKey => {
    return { domain, selector, algorithm: "rsa-sha256", privateKey, from };
  };
  const keys = [
    key("example.net", "s2048", ["example.net", ".example.net"]),
    key("example.org", "org", ["example.org"]),
  ];

  test("are signed, verified and cleaned as by OpenDKIM, but for the classes above", async () => {
    const found: Difference[] = [];
    for (const one of PEERS.opendkim) {
      const { inserted, removed, reply } = await send(one, {
        toml: '[milter]\ninternal = ["127.0.0.0/8", "192.0.2.1"]\n',
        keys: new SigningKeys(keys, { requirePublished: false, seen: [] }),
      });
      expect([one.about, reply]).toEqual([one.about, expect.toBeOneOf(["c", "a"])]);
      const words = (fields: Parameters<typeof signers>[0], edits: readonly { index?: number }[]): string =>
        `signed ${signers(fields)}, dkim ${resultsOf("dkim", resultFields(fields))}, removed ${numbers(edits)}`;
      const ours = words(inserted, removed);
      const theirs = words(
        one.replies.filter(({ reply: byte }) => byte === "i"),
        one.replies.filter(({ reply: byte }) => byte === "m"),
      );
      if (ours !== theirs) found.push([one.about, ours, theirs]);
    }
    expect(PEERS.opendkim).toHaveLength(49);
    expectExplained(found, CLASSES);
  });
});

describe("OpenDMARC's cases", () => {
  const CLASSES: Classes = {
    planted: {
      why: "OpenDMARC believes results of its own name, and any Received-SPF, that the message brings",
      cases: [
        "spf fail, A-R dkim=pass aligned",
        "A-R dkim=pass sub domain",
        "A-R id other case",
        "A-R spf=pass",
        "Received-SPF pass",
        "several A-R of ours, first pass",
        "A-R list",
      ],
    },
    author: {
      why: "From has no author or several: permerror is said, while OpenDMARC takes the first, or adds no field",
      cases: [
        "no From",
        "two From fields",
        "two From fields, second evil",
        "two addresses other domain",
        "bad From",
        "empty From",
        "group From",
        "From <a>@b trick",
        "From IDN u-label",
      ],
    },
    strict: {
      why: "with malformed = reject no author is a rejection, while OpenDMARC goes on with these",
      cases: ["Required: multi-from", "RejectMulti: bad"],
    },
    required: {
      why: "RFC 5322's counts of other fields are no matter of DMARC: a mail server can check them itself",
      cases: ["Required: no Date", "Required: two Date", "Required: two To", "Required: two Subject"],
    },
    own: {
      why: "who has logged in is not judged, while OpenDMARC rejects him unless told otherwise",
      cases: ["auth from outside"],
    },
  };

  /** What the peer's settings are with us. */
  const SETTINGS: Readonly<Record<string, string>> = {
    HoldQuarantinedMessages: 'quarantine = "hold"',
    RequiredHeaders: "malformed",
    RejectMultiValueFrom: "malformed",
  };

  test("have the same action and result, but for the classes above", async () => {
    const found: Difference[] = [];
    for (const one of PEERS.opendmarc) {
      const settings = (one.config ?? []).map((line) => SETTINGS[line.split(" ", 1)[0] ?? ""] ?? "");
      const malformed = settings.includes("malformed") ? 'malformed = "reject"\n' : "";
      const dmarc = settings.filter((setting) => setting.includes("=")).join("\n");
      const { inserted, isHeld, reply } = await send(one, {
        toml: `[milter]\n${malformed}[dmarc]\nreject = true\n${dmarc}\n`,
      });
      const words = (byte: string, held: boolean, fields: Parameters<typeof signers>[0]): string => {
        const isRejected = byte.startsWith("y") || byte === "r";
        // Of a rejected message no field remains.
        return isRejected ? "reject" : `${held ? "hold" : "accept"} ${resultsOf("dmarc", resultFields(fields))}`;
      };
      const ours = words(reply, isHeld, inserted);
      const theirs = words(
        one.replies.at(-1)?.reply ?? "",
        one.replies.some((given) => given.reply === "q"),
        one.replies.filter((given) => given.reply === "i"),
      );
      if (ours !== theirs) found.push([one.about, ours, theirs]);
    }
    expect(PEERS.opendmarc).toHaveLength(54);
    expectExplained(found, CLASSES);
  });
});

describe("OpenARC's cases", () => {
  const CLASSES: Classes = {
    loop: {
      why: "above a good set of our own there is nothing to add: the message goes in circles",
      cases: ["chain of one, verify and seal"],
    },
    own: {
      why: "OpenARC seals what its own host sends, if nothing else is set; it has no results to pass on",
      cases: ["default mode, 127.0.0.1"],
    },
  };

  const { privateKey } = rsaKey(2048);

  test("have the same result and seal, but for the classes above", async () => {
    const found: Difference[] = [];
    for (const one of PEERS.openarc) {
      const key: ConfiguredKey = {
        domain: "example.org",
        selector: "org",
        algorithm: "rsa-sha256",
        privateKey,
        from: [],
      };
      const seal = one.config?.includes("Mode sv") ? "all" : "no";
      const { inserted } = await send(one, {
        toml: `[arc]\nseal = "${seal}"\ndomain = "example.org"\n`,
        keys: new SigningKeys([key], { requirePublished: false, seen: [] }),
      });
      const words = (fields: Parameters<typeof signers>[0]): string => {
        const [sealed = ""] = valuesOf("ARC-Seal", fields);
        const tags = ["i", "cv"].map((tag) => new RegExp(`\\b${tag}=(\\w+)`).exec(sealed)?.[1] ?? "-");
        return `arc ${resultsOf("arc", resultFields(fields))}, seal ${tags.join(" ")}`;
      };
      const [ours, theirs] = [words(inserted), words(one.replies.filter(({ reply }) => reply === "i"))];
      if (ours !== theirs) found.push([one.about, ours, theirs]);
    }
    expect(PEERS.openarc).toHaveLength(11);
    expectExplained(found, CLASSES);
  });
});
