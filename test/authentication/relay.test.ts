/** Mail that a trusted relay hands on, from MAIL to the decision: which of its results count, and where they must stand. */
import { describe, expect, test } from "vitest";
import type { Decision } from "../../src/milter/application.ts";
import { rsaKey, signRaw, zoneOf } from "../dkim/raw-signer.ts";
import { type KeyZone, keyResolver } from "../dkim/verifying.ts";
import { readAuthenticationResults } from "../helpers/header-grammar.ts";
import { type Handling, handleMessage, type Outcome, STRANGER } from "./handling.ts";

const KEY = rsaKey(2048);

/** The relay is one of the hosts that the SPF record of our own domain names. */
const ZONE: KeyZone = {
  ...zoneOf(KEY),
  "_dmarc.example.com": ["v=DMARC1; p=reject"],
  "example.com": ["v=spf1 ip4:203.0.113.7 -all"],
  "_dmarc.example.org": ["v=DMARC1; p=reject"],
  "example.org": ["v=spf1 ip4:192.0.2.1 -all"],
};

const RELAY = STRANGER;
const TOML = `[milter]\ntrusted_relays = ["192.0.2.1"]\ntrusted_authserv_ids = ["mx2.example.org", "mx3.example.org"]\n`;

const RECEIVED = "Received: from mail.example.com by mx2.example.org; Thu, 26 Nov 2026 08:00:00 +0000\r\n";
const FROM = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a test\r\n";
const BODY = "\r\nHi\r\n";

/** A field of a relay. */
const field = (results: string, id = "mx2.example.org"): string => `Authentication-Results: ${id}; ${results}\r\n`;
const PASS = field(
  "spf=pass smtp.mailfrom=example.com; spf=none smtp.helo=mail.example.com; iprev=pass policy.iprev=203.0.113.7",
);

function handle(message: string, options: Partial<Handling> & { readonly zone?: KeyZone } = {}): Promise<Outcome> {
  const { zone = ZONE } = options;
  return handleMessage(message, { client: RELAY, toml: TOML, resolver: keyResolver(zone), ...options });
}

/** Our own field: each result without its comment. */
function resultsOf({ message, inserted }: Outcome): string[] {
  expect(inserted[0]).toBe("Authentication-Results");
  const line = message.slice(0, message.search(/\r\n(?!\s)/)).replace(/\r\n\s+/g, " ");
  const { results } = readAuthenticationResults(line);
  if (results === "none") return [];
  return results.map(({ method, result, comment, properties }) =>
    [
      `${method}=${result}`,
      ...Object.entries(properties).map(([key, value]) => `${key}=${value}`),
      ...(comment?.startsWith("as ") ? [`(${comment})`] : []),
    ].join(" "),
  );
}

const removed = ({ decision }: Outcome): number[] =>
  ((decision as Decision).edits?.remove ?? []).map(({ index }) => index).sort();

describe("The results of a trusted relay", () => {
  test("are ours where only it could check, and say from where they are", async () => {
    const outcome = await handle(`${PASS}${RECEIVED}${FROM}${BODY}`);
    expect(resultsOf(outcome)).toEqual([
      "spf=pass smtp.mailfrom=example.com (as mx2.example.org says)",
      "spf=none smtp.helo=mail.example.com (as mx2.example.org says)",
      "dkim=none",
      "arc=none smtp.remote-ip=192.0.2.1",
      "dmarc=pass header.from=example.com",
      "iprev=pass policy.iprev=203.0.113.7 (as mx2.example.org says)",
    ]);
    expect(removed(outcome)).toEqual([]);
    expect(outcome.report?.results.map(({ method, result }) => `${method}=${result}`)).toContain("spf=pass");
  });

  test("have the same name with a dot behind it, in the configuration or in the field", async () => {
    for (const [configured, written] of [
      ["mx2.example.org.", "mx2.example.org"],
      ["mx2.example.org", "mx2.example.org."],
    ] as const) {
      const toml = `[milter]\ntrusted_relays = ["192.0.2.1"]\ntrusted_authserv_ids = ["${configured}"]\n`;
      const pass = field("spf=pass smtp.mailfrom=example.com", written);
      const outcome = await handle(`${pass}${RECEIVED}${pass}${FROM}${BODY}`, { toml });
      expect(resultsOf(outcome)[0]).toBe("spf=pass smtp.mailfrom=example.com (as mx2.example.org says)");
      expect(removed(outcome)).toEqual([2]);
    }
  });

  test.each<[what: string, header: string, spf: string, dmarc: string, removed: number[]]>([
    ["below its Received: are those of strangers", `${RECEIVED}${PASS}${FROM}`, "none", "fail", [1]],
    ["without any Received: are nobody's", `${PASS}${FROM}`, "none", "fail", [1]],
    [
      "below those that it has added do not count",
      `${PASS}${RECEIVED}${field("spf=fail smtp.mailfrom=example.com")}${FROM}`,
      "pass",
      "pass",
      [2],
    ],
    [
      "of another name are not believed",
      `${field("spf=pass smtp.mailfrom=example.com", "mx4.example.org")}${RECEIVED}${FROM}`,
      "none",
      "fail",
      [],
    ],
    [
      "of our own name are not believed, and go",
      `${field("spf=pass smtp.mailfrom=example.com", "mx.example.org")}${RECEIVED}${FROM}`,
      "none",
      "fail",
      [1],
    ],
    [
      "that cannot be read are not believed",
      `${field("==; spf=pass smtp.mailfrom=example.com")}${RECEIVED}${FROM}`,
      "none",
      "fail",
      [],
    ],
    [
      "about another sender are not about this message",
      `${field("spf=pass smtp.mailfrom=example.net")}${RECEIVED}${FROM}`,
      "none",
      "fail",
      [],
    ],
    [
      "about HELO do not stand for the sender",
      `${field("spf=pass smtp.helo=example.com")}${RECEIVED}${FROM}`,
      "none",
      "fail",
      [],
    ],
    ["without what was checked do not count", `${field("spf=pass")}${RECEIVED}${FROM}`, "none", "fail", []],
    [
      "in words that SPF does not have do not count",
      `${field("spf=good smtp.mailfrom=example.com")}${RECEIVED}${FROM}`,
      "none",
      "fail",
      [],
    ],
    ["that fail, fail", `${field("spf=fail smtp.mailfrom=example.com")}${RECEIVED}${FROM}`, "fail", "fail", []],
    [
      "with DNS trouble leave it open",
      `${field("spf=temperror smtp.mailfrom=example.com")}${RECEIVED}${FROM}`,
      "temperror",
      "temperror",
      [],
    ],
    [
      "about the whole address count too",
      `${field("spf=pass smtp.mailfrom=ann@EXAMPLE.com")}${RECEIVED}${FROM}`,
      "pass",
      "pass",
      [],
    ],
    [
      "of several fields: the topmost one of a method counts, as a whole",
      `${field("dkim=none")}${field("spf=fail smtp.mailfrom=example.com", "mx3.example.org")}${PASS}${RECEIVED}${FROM}`,
      "fail",
      "fail",
      [],
    ],
    ["of no field: there are none", `${RECEIVED}${FROM}`, "none", "fail", []],
  ])("%s", async (_what, header, spf, dmarc, indices) => {
    const outcome = await handle(`${header}${BODY}`);
    const results = resultsOf(outcome);
    expect(results.find((one) => one.startsWith("spf=") && one.includes("smtp.mailfrom"))).toMatch(
      `spf=${spf} smtp.mailfrom=example.com`,
    );
    expect(results.find((one) => one.startsWith("dmarc="))).toMatch(`dmarc=${dmarc} `);
    expect(removed(outcome)).toEqual(indices);
  });

  test("of a lower field do not complete those of a higher one", async () => {
    const helo = field("spf=pass smtp.helo=mail.example.com", "mx3.example.org");
    expect(resultsOf(await handle(`${helo}${PASS}${RECEIVED}${FROM}${BODY}`))).toContain(
      "spf=none smtp.mailfrom=example.com",
    );
  });

  test("spare the lookups that would be about the relay", async () => {
    const resolver = keyResolver(ZONE);
    await handle(`${PASS}${RECEIVED}${FROM}${BODY}`, { resolver });
    expect(resolver.queries.filter((query) => !query.includes("_dmarc"))).toEqual([]);
  });

  test("of our own name count if it is among the trusted ones, and go into the one field", async () => {
    const toml = '[milter]\ntrusted_relays = ["192.0.2.1"]\ntrusted_authserv_ids = ["mx.example.org"]\n';
    const own = field("spf=pass smtp.mailfrom=example.com", "mx.example.org");
    const outcome = await handle(`${own}${RECEIVED}${own}${FROM}${BODY}`, { toml });
    expect(resultsOf(outcome)).toContain("spf=pass smtp.mailfrom=example.com (as mx.example.org says)");
    expect(removed(outcome)).toEqual([1, 2]);
  });

  test("are not needed for a null sender, of which HELO is checked", async () => {
    const said = field("spf=pass smtp.helo=example.com");
    expect(resultsOf(await handle(`${said}${RECEIVED}${FROM}${BODY}`, { sender: "" }))).toEqual([
      "spf=pass smtp.helo=example.com (as mx2.example.org says)",
      "dkim=none",
      "arc=none smtp.remote-ip=192.0.2.1",
      "dmarc=pass header.from=example.com",
    ]);
    const remark = field("spf=pass smtp.mailfrom=example.com smtp.helo=example.com");
    expect(resultsOf(await handle(`${remark}${RECEIVED}${FROM}${BODY}`, { sender: "" }))).toContain(
      "spf=none smtp.helo=mail.example.net",
    );
  });
});

describe("Without a word of the relay", () => {
  test("its own address makes nobody pass for our domain", async () => {
    const message = `${RECEIVED}${FROM.replace("ann@example.com", "boss@example.org")}${BODY}`;
    const spoofed = { sender: "boss@example.org" };
    expect(resultsOf(await handle(message, spoofed))).toEqual([
      "spf=none smtp.mailfrom=example.org",
      "dkim=none",
      "arc=none smtp.remote-ip=192.0.2.1",
      "dmarc=fail header.from=example.org policy.dmarc=reject",
    ]);
    // As any other client it would.
    const direct = await handle(message, { ...spoofed, toml: "" });
    expect(resultsOf(direct)).toContain("dmarc=pass header.from=example.org");
  });
});

describe("Clients that are not trusted", () => {
  test.each([
    { what: "another client", client: { ...RELAY, address: "192.0.2.2" } },
    { what: "a client without an address", client: { ...RELAY, family: "unknown", address: "" } as const },
  ])("$what is not believed, and the field goes", async ({ client }) => {
    const outcome = await handle(`${PASS}${RECEIVED}${FROM}${BODY}`, { client });
    expect(resultsOf(outcome).filter((one) => one.startsWith("dmarc="))).toEqual([
      "dmarc=fail header.from=example.com policy.dmarc=reject",
    ]);
    expect(removed(outcome)).toEqual([1]);
  });

  test("a relay within an internal network is a relay all the same, and what it hands on is not signed", async () => {
    const toml = TOML.replace("[milter]", '[milter]\ninternal = ["192.0.2.0/24"]');
    const outcome = await handle(`${PASS}${RECEIVED}${FROM}${BODY}`, { toml });
    expect(outcome.report?.role).toBe("incoming");
    expect(resultsOf(outcome)).toContain("dmarc=pass header.from=example.com");
    const other = await handle(`${PASS}${RECEIVED}${FROM}${BODY}`, {
      toml,
      client: { ...RELAY, address: "192.0.2.2" },
    });
    expect(other.report?.role).toBe("submitted");
  });

  test("a relay through which a user submits is not believed", async () => {
    const outcome = await handle(`${PASS}${RECEIVED}${FROM}${BODY}`, { daemon: "ORIGINATING" });
    expect([outcome.report?.role, removed(outcome)]).toEqual(["submitted", [1]]);
  });
});

describe("Signatures", () => {
  const signed = signRaw({ key: KEY });
  const b = /\bb=([^;\s]{8})/.exec(signed)?.[1] ?? "";
  const said = (result: string, more = "header.s=sel"): string =>
    field(`dkim=${result} header.d=example.com ${more}; spf=none smtp.mailfrom=example.com`);
  const dkimOf = async (message: string, options: Parameters<typeof handle>[1] = {}): Promise<string[]> =>
    resultsOf(await handle(message, options)).filter((one) => /^(?:dkim|dmarc)=/.test(one));
  const changed = signed.replace("Hello", "Hallo");

  test("are verified here, whatever the relay says", async () => {
    expect(await dkimOf(`${said("fail")}${RECEIVED}${signed}`)).toEqual([
      expect.stringMatching(/^dkim=pass header\.d=example\.com/),
      "dmarc=pass header.from=example.com",
    ]);
  });

  test.each([
    { what: "its selector", more: "header.s=sel" },
    { what: "its first characters", more: `header.s=sel header.b="${b}"` },
    { what: "more of it", more: `header.b="${/\bb=([^;\s]{12})/.exec(signed)?.[1]}"` },
  ])("that were changed on the way count if the relay saw $what pass", async ({ more }) => {
    expect(await dkimOf(`${said("pass", more)}${RECEIVED}${changed}`)).toEqual([
      expect.stringMatching(
        /^dkim=pass header\.d=example\.com .* \(as mx2\.example\.org says; here: body hash did not verify\)$/,
      ),
      "dmarc=pass header.from=example.com",
    ]);
  });

  test.each([
    { what: "saw fail", header: `${said("fail")}${RECEIVED}` },
    { what: "says nothing of", header: RECEIVED },
    { what: "saw with another selector", header: `${said("pass", "header.s=other")}${RECEIVED}` },
    { what: "saw with other characters", header: `${said("pass", "header.s=sel header.b=AAAAAAAA")}${RECEIVED}` },
    { what: "saw of another domain", header: `${said("pass").replace("example.com", "example.net")}${RECEIVED}` },
    { what: "is said by the sender to have seen pass", header: `${RECEIVED}${said("pass")}` },
  ])("that were changed on the way and that the relay $what fail", async ({ header }) => {
    expect(await dkimOf(`${header}${changed}`)).toEqual([
      expect.stringMatching(/^dkim=fail /),
      "dmarc=fail header.from=example.com policy.dmarc=reject",
    ]);
  });

  test("that this host would never accept are not made good by the relay", async () => {
    const weak = rsaKey(512);
    const zone = { ...ZONE, ...zoneOf(weak) };
    expect((await dkimOf(`${said("pass")}${RECEIVED}${signRaw({ key: weak })}`, { zone }))[0]).toMatch(/^dkim=policy /);
  });

  test("count as the relay says if this host verifies none", async () => {
    const toml = `${TOML}[dkim]\nverify = false\n[arc]\nverify = false\n`;
    expect(await dkimOf(`${said("pass")}${RECEIVED}${changed}`, { toml })).toEqual([
      "dkim=pass header.d=example.com header.s=sel (as mx2.example.org says)",
      "dmarc=pass header.from=example.com",
    ]);
  });
});

test("The field follows the grammar whatever the relay's holds", async () => {
  const odd =
    'dkim=pass (x) header.i="a\\"; spf=pass" header.d=example.com; spf=pass smtp.mailfrom=example.com smtp.x="\x01 (;"';
  const toml = `${TOML}[dkim]\nverify = false\n`;
  const outcome = await handle(`${field(odd)}${RECEIVED}${FROM}${BODY}`, { toml });
  expect(resultsOf(outcome)[0]).toBe("spf=none smtp.mailfrom=example.com");
  const quoted = await handle(`${field(odd.replace("\x01", ""))}${RECEIVED}${FROM}${BODY}`, { toml });
  expect(resultsOf(quoted)).toContain('dkim=pass header.i=a"; spf=pass header.d=example.com (as mx2.example.org says)');
});
