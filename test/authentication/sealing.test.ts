/** Mail authentication from MAIL to the decision, where it seals: the second pass, and all that comes from outside. */
import { describe, expect, test } from "vitest";
import { SigningKeys } from "../../src/dkim/keys.ts";
import type { Decision } from "../../src/milter/application.ts";
import { chainResult } from "../arc/verifying.ts";
import { rsaKey, zoneOf } from "../dkim/raw-signer.ts";
import { type KeyZone, keyResolver } from "../dkim/verifying.ts";
import { beginMessage, type Handling, handleMessage, type Outcome, STRANGER } from "./handling.ts";

const KEY = rsaKey(2048);
const ZONE: KeyZone = {
  ...zoneOf(KEY, "", "s1._domainkey.srs.example.org"),
  ...zoneOf(KEY, "", "s1._domainkey.list.example"),
  "_dmarc.example.com": ["v=DMARC1; p=reject"],
  "example.com": ["v=spf1 -all"],
};
const FROM = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a test\r\n";
const RECEIVED = "Received: from mail.example.net by mx.example.org; Thu, 26 Nov 2026 08:00:00 +0000\r\n";
const OURS =
  "Authentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom=example.com;\r\n\tdmarc=pass (p=reject dis=none) header.from=example.com\r\n";
/** What a content filter on this host and the service behind it put above our results. */
const AMAVIS =
  "Received: from mx.example.org ([127.0.0.1])\r\n\tby localhost (mx.example.org [127.0.0.1]) (amavisd-new, port 10024)\r\n\twith ESMTP id x1; Thu, 26 Nov 2026 08:00:01 +0000\r\n";
const REINJECTED =
  "Received: from localhost (localhost [IPv6:::1])\r\n\tby mx.example.org (Postfix) with ESMTP id 4fX1; Thu, 26 Nov 2026 08:00:02 +0000\r\n";
const STRANGERS =
  "Received: from [127.0.0.1] (mail.example.net [192.0.2.1])\r\n\tby mx.example.org (Postfix) with ESMTP id 4fX0; Thu, 26 Nov 2026 08:00:00 +0000\r\n";
const PLANTED = "Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n";

interface Options extends Partial<Handling> {
  readonly zone?: KeyZone;
  /** False: the record of the key was not seen. */
  readonly isPublished?: boolean;
  readonly domain?: string;
}

function handle(message: string, options: Options = {}): Promise<Outcome> {
  const { zone = ZONE, isPublished = true, domain = "srs.example.org", daemon = "FORWARD" } = options;
  const key = { domain, selector: "s1", algorithm: "rsa-sha256", privateKey: KEY.privateKey, from: [domain] } as const;
  const keys = new SigningKeys([key], { requirePublished: !isPublished, seen: [] });
  return handleMessage(message, { ...options, daemon, keys, resolver: keyResolver(zone) });
}

const SET = ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"];

describe("The second pass", () => {
  test("seals what leaves with the results of the first pass", async () => {
    const { inserted, message, report } = await handle(`${OURS}${RECEIVED}${FROM}\r\nHi\r\n`);
    expect(inserted).toEqual(SET);
    expect(message).toMatch(/^ARC-Seal: i=1; a=rsa-sha256; cv=none; d=srs\.example\.org; s=s1;/);
    expect(message).toContain(`\r\nARC-Authentication-Results: i=1;${OURS.slice(OURS.indexOf(":") + 1)}`);
    expect(await chainResult(message, ZONE)).toBe("pass: all seals are good");
    expect(report).toMatchObject({ role: "forward", action: "accept", sealed: { domain: "srs.example.org" } });
  });

  test.each([
    ["a filter that hands mail back", `${REINJECTED}${AMAVIS}`],
    ["a filter that adds no field", REINJECTED],
  ])("finds the results of the first pass below %s", async (_what, above) => {
    const { message, decision } = await handle(`${above}${OURS}${STRANGERS}${PLANTED}${FROM}\r\nHi\r\n`);
    expect(message).toContain(`\r\nARC-Authentication-Results: i=1;${OURS.slice(OURS.indexOf(":") + 1)}`);
    expect((decision as Decision).edits?.remove).toEqual([{ name: "Authentication-Results", index: 2 }]);
  });

  test("holds what failed before a filter", async () => {
    const failed =
      "Authentication-Results: mx.example.org;\r\n\tdmarc=fail (p=reject dis=none) header.from=example.com policy.dmarc=reject\r\n";
    const toml = '[dmarc]\nforward_failed = "hold"';
    const { report } = await handle(`${REINJECTED}${AMAVIS}${failed}${STRANGERS}${FROM}\r\nHi\r\n`, { toml });
    expect(report?.action).toBe("hold");
  });

  test.each([
    [
      "a field below that of a stranger who names loopback in HELO",
      `${REINJECTED}${STRANGERS}${PLANTED}${FROM}\r\nHi\r\n`,
    ],
    [
      "a field below one of fetchmail",
      `${REINJECTED}Received: from pop.example.net [192.0.2.9]\r\n\tby localhost with POP3 (fetchmail-6.4)\r\n${PLANTED}${FROM}\r\nHi\r\n`,
    ],
    [
      "a field below one of sendmail(1)",
      `${REINJECTED}Received: by mx.example.org (Postfix, from userid 1000)\r\n\tid 4fX0\r\n${PLANTED}${FROM}\r\nHi\r\n`,
    ],
    [
      "a field below one that names loopback behind by",
      `${REINJECTED}Received: from x by localhost (localhost [127.0.0.1])\r\n${PLANTED}${FROM}\r\nHi\r\n`,
    ],
    [
      "a field below one without an address that can be read",
      `${REINJECTED}Received: from x (unknown [unknown] [127.0.0.1])\r\n\tby mx.example.org\r\n${PLANTED}${FROM}\r\nHi\r\n`,
    ],
    ["a field below the first Received", `${RECEIVED}${PLANTED}${FROM}\r\nHi\r\n`],
    ["a field of a message without Received", `${PLANTED}${FROM}\r\nHi\r\n`],
    [
      "the results of another host",
      `Authentication-Results: mx.example.net; dmarc=pass\r\n${RECEIVED}${FROM}\r\nHi\r\n`,
    ],
  ])("seals with none rather than with %s", async (_what, given) => {
    const { message } = await handle(given);
    expect(message).toContain("\r\nARC-Authentication-Results: i=1; mx.example.org;\r\n\tnone\r\n");
    expect(await chainResult(message, ZONE)).toBe("pass: all seals are good");
  });

  test("goes on with a chain of others, once", async () => {
    const first = await handle(`${RECEIVED}${FROM}\r\nHi\r\n`, {
      domain: "list.example",
      toml: '[arc]\ndomain = "list.example"',
    });
    const second = await handle(`${OURS}${RECEIVED}${first.message}`);
    expect(second.message).toMatch(/^ARC-Seal: i=2; .* cv=pass; d=srs\.example\.org;/);
    expect(await chainResult(second.message, ZONE)).toBe("pass: all seals are good");
    const again = await handle(`${OURS}${RECEIVED}${second.message}`);
    expect([again.inserted, again.report?.sealed]).toEqual([[], undefined]);
    const broken = await handle(`${RECEIVED}${second.message.replace("\r\nHi", "\r\nHo")}`);
    expect(broken.message).toMatch(/^ARC-Seal: i=3; .* cv=fail;/);
    expect((await handle(`${RECEIVED}${broken.message}`)).inserted).toEqual([]);
  });

  test("seals nothing after DNS trouble", async () => {
    const first = await handle(`${RECEIVED}${FROM}\r\nHi\r\n`, {
      domain: "list.example",
      toml: '[arc]\ndomain = "list.example"',
    });
    const zone = { ...ZONE, "s1._domainkey.list.example": "SERVFAIL" };
    expect((await handle(`${RECEIVED}${first.message}`, { zone })).inserted).toEqual([]);
  });

  test.each<[what: string, options: Options, problem: string | undefined]>([
    ["arc.seal is no", { toml: '[arc]\nseal = "no"' }, undefined],
    ["there is no key", { toml: '[arc]\ndomain = "example.net"' }, undefined],
    ["there is none of that name", { toml: '[arc]\nselector = "s2"' }, undefined],
    ["the key is not published", { isPublished: false }, "not sealed: no key of srs.example.org is published in DNS"],
  ])("does not need the body if %s", async (_what, options, problem) => {
    const { decision, report } = await handle(`${OURS}${RECEIVED}${FROM}\r\nHi\r\n`, options);
    expect([decision, report?.problem]).toEqual(["accept", problem]);
  });

  test("still removes what a stranger has planted", async () => {
    const { decision } = await handle(`${OURS}${RECEIVED}${PLANTED}${FROM}\r\nHi\r\n`);
    expect((decision as Decision).edits?.remove).toEqual([{ name: "Authentication-Results", index: 2 }]);
  });

  test.each(["mx.example.org", "example.org"])("takes the key of %s if srs.domain has none", async (domain) => {
    expect((await handle(`${RECEIVED}${FROM}\r\nHi\r\n`, { domain })).message).toContain(`d=${domain};`);
  });
});

describe("Mail from outside", () => {
  const outside = { client: STRANGER, daemon: "smtpd" } as const;

  test("has arc= between dkim= and dmarc=, and is not sealed by default", async () => {
    const { message, inserted } = await handle(`${RECEIVED}${FROM}\r\nHi\r\n`, outside);
    expect(inserted).toEqual(["Authentication-Results"]);
    expect(message).toMatch(
      /;\r\n\tdkim=none [^;]*;\r\n\tarc=none \(no chain\) smtp\.remote-ip=192\.0\.2\.1;\r\n\tdmarc=fail /,
    );
  });

  test("is sealed below its results with arc.seal = all, and not again on the second pass", async () => {
    const first = await handle(`${RECEIVED}${FROM}\r\nHi\r\n`, {
      ...outside,
      toml: '[arc]\nseal = "all"\nverify = false',
    });
    expect(first.inserted).toEqual(["Authentication-Results", ...SET]);
    expect(await chainResult(first.message, ZONE)).toBe("pass: all seals are good");
    const results = /Authentication-Results:(.*?)\r\nARC-Seal/s.exec(first.message)?.[1];
    expect(first.message).toContain(`\r\nARC-Authentication-Results: i=1;${results}\r\n`);
    const second = await handle(first.message.replace("\r\nARC-Seal", `\r\n${RECEIVED}ARC-Seal`), {
      toml: '[arc]\nseal = "all"',
    });
    expect(second.inserted).toEqual([]);
  });

  test("that is rejected is not sealed", async () => {
    const toml = '[arc]\nseal = "all"\n[dmarc]\nreject = true';
    const { decision, report } = await handle(`${RECEIVED}${FROM}\r\nHi\r\n`, { ...outside, toml });
    expect((decision as Decision).reply).toMatchObject({ code: 550 });
    expect(report?.sealed).toBeUndefined();
  });

  test.each<[what: string, sealer: string, change: (message: string) => string, action: string, arc: RegExp]>([
    ["a trusted sealer", "list.example", (text) => text, "accept", /arc=pass \(i=1\) smtp\.remote-ip=192\.0\.2\.1;/],
    ["another sealer", "other.example", (text) => text, "reject", /arc=pass \(i=1\)/],
    [
      "a trusted sealer's broken chain",
      "list.example",
      (text) => text.replace("\r\nHi", "\r\nHo"),
      "reject",
      /arc=fail \(i=1: message signature: body hash did not verify\)/,
    ],
  ])("that fails DMARC: %s", async (_what, sealer, change, action, arc) => {
    const list = await handle(`${RECEIVED}${FROM}\r\nHi\r\n`, {
      domain: "list.example",
      toml: '[arc]\ndomain = "list.example"',
    });
    const settings = `[arc]\ntrusted_sealers = ["${sealer}"]\n[dmarc]\n`;
    const { report } = await handle(change(list.message), { ...outside, toml: `${settings}reject = true` });
    expect(report?.action).toBe(action);
    const tagged = await handle(change(list.message), { ...outside, toml: `${settings}reject = false` });
    expect(tagged.message).toMatch(arc);
    expect(tagged.message).toMatch(/;\r\n\tdmarc=fail /);
  });
});

test.each([
  [true, "error"],
  [false, "aborted"],
])("A message that is given up because we have failed (%s) counts as %s", (hasFailed, action) => {
  const { handler, reported } = beginMessage({ resolver: keyResolver(ZONE), client: STRANGER });
  handler.abort?.(hasFailed);
  expect(reported()).toEqual(expect.objectContaining({ role: "incoming", action }));
});
