import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMailbox } from "../../src/mail/mailbox.ts";
import { srsTag } from "../../src/srs/form.ts";
import { MAX_ADDRESS_BYTES, MAX_LOCAL_PART_BYTES, type Rewriter } from "../../src/srs/rewriter.ts";
import { dayOf } from "../../src/srs/stamp.ts";
import { anyKey, mailbox } from "./mailboxes.ts";
import { modelForward, modelReverse, normalForm, readMailbox, writeMailbox } from "./model.ts";
import { DEFAULTS, type SrsOptions, srsTables } from "./tables.ts";

const DAY = dayOf(DEFAULTS.nowMs);
const { rewriter } = srsTables();
/** Twenty characters cannot be hit by chance. */
const sure = srsTables({ hashLength: 20, hashMinLength: 20 }).rewriter;

function forward(by: Rewriter, address: string, day = DAY): string | undefined {
  const sender = parseMailbox(address);
  return sender === undefined ? undefined : by.forward(sender, srsTag(sender.local), day).address;
}

function reverse(by: Rewriter, address: string, day = DAY): string | undefined {
  return by.reverse(address, day).address;
}

/** Where a bounce to the rewritten sender has to go: a foreign SRS address is unwrapped to the first forwarder's. */
function returnPath(address: string): string {
  const { local, domain } = readMailbox(address) ?? { local: "", domain: "" };
  const [, host, opaque] = /^srs1[=+-][^=]*=([^=]*)=(.*)$/is.exec(local) ?? [];
  if (host !== undefined) return writeMailbox(`SRS0${opaque}`, host);
  if (/^srs0([=+-]|$)/i.test(local)) return writeMailbox(`SRS0${local.slice(4)}`, domain);
  return writeMailbox(local, domain);
}

const options = fc.record({
  separator: fc.constantFrom("=", "+", "-"),
  hashLength: fc.integer({ min: 4, max: 20 }),
  hashAlphabet: fc.constantFrom("url-safe" as const, "standard" as const),
});

describe("A sender that is rewritten", () => {
  const someMailbox = fc.tuple(mailbox, options);

  test("comes back as it was, in the form that Postfix asks with and in its inner form", () => {
    fc.assert(
      fc.property(someMailbox, ([{ local, domain }, changes]) => {
        const by = srsTables(changes).rewriter;
        const sender = writeMailbox(local, domain);
        const rewritten = forward(by, sender);
        fc.pre(rewritten !== undefined);
        const back = returnPath(sender);
        expect(reverse(by, rewritten)).toBe(back);
        const inner = readMailbox(rewritten);
        // A user that is in quotes in its inner form is read as postsrsd wrote it: Postfix asks in outer form first.
        if (!/^".*"$/s.test(local)) expect(reverse(by, `${inner?.local}@${inner?.domain}`)).toBe(back);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test("is one of most: few mailboxes are refused, and those for a reason", () => {
    const refused = fc.sample(mailbox, { seed: 2, numRuns: 2000 }).filter(({ local, domain }) => {
      return forward(rewriter, writeMailbox(local, domain)) === undefined;
    });
    expect(refused.filter(({ local }) => !/^srs1/i.test(local))).toEqual([]);
  });

  test("is written in legal form, and its inner form has the fields in their places", () => {
    fc.assert(
      fc.property(mailbox, ({ local, domain }) => {
        const rewritten = forward(rewriter, writeMailbox(local, domain));
        fc.pre(rewritten !== undefined);
        expect(normalForm(rewritten)).toBe(rewritten);
        expect(rewritten).toMatch(/^(?:[!-~\x80-\xff]+|"(?:[^"\\]|\\.)+")@example\.com$/s);
        expect(readMailbox(rewritten)?.local).toMatch(/^SRS[01]=....=/);
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  test("comes back although the way folded its case", () => {
    fc.assert(
      fc.property(mailbox, ({ local, domain }) => {
        const sender = writeMailbox(local, domain);
        const rewritten = forward(rewriter, sender);
        fc.pre(rewritten !== undefined);
        for (const fold of [lowerAscii, upperAscii]) {
          const back = reverse(rewriter, fold(rewritten)) ?? "";
          expect(lowerAscii(back)).toBe(lowerAscii(returnPath(sender)));
        }
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  test("is refused when any one byte of its tag, hash, stamp, host or user is another", () => {
    const change = fc.tuple(mailbox, fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(change, ([{ local, domain }, where, code]) => {
        const rewritten = readMailbox(forward(sure, writeMailbox(local, domain)) ?? "");
        fc.pre(rewritten !== undefined);
        const at = where % rewritten.local.length;
        const changed = rewritten.local.slice(0, at) + String.fromCharCode(code) + rewritten.local.slice(at + 1);
        fc.pre(!isSameToSrs(rewritten.local, changed, at));
        expect(sure.reverse(writeMailbox(changed, rewritten.domain), DAY).outcome).not.toBe("rewritten");
      }),
      { seed: 5, numRuns: 3000 },
    );
  });

  test("is not taken back from 22 days on, nor before the day that it was made on but one", () => {
    const days = fc.tuple(mailbox, fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: -500, max: 500 }));
    fc.assert(
      fc.property(days, ([{ local, domain }, day, age]) => {
        fc.pre(!/^srs[01]/i.test(local));
        const rewritten = forward(sure, writeMailbox(local, domain), day) ?? "";
        const isFresh = age >= -1 && age <= 21;
        expect(sure.reverse(rewritten, day + age).outcome).toBe(isFresh ? outcomeFor(rewritten) : "expired");
      }),
      { seed: 6, numRuns: 1000 },
    );
  });
});

test("An address that was forwarded three times goes back to the first forwarder, and from there home", () => {
  const hosts = fc.tuple(options, options, options);
  fc.assert(
    fc.property(mailbox, hosts, ({ local, domain }, [a, b, c]) => {
      fc.pre(!/^srs[01]/i.test(local));
      const sender = writeMailbox(local, domain);
      const [first, second, third] = [a, b, c].map((changes, i) => host(i, changes)) as [Rewriter, Rewriter, Rewriter];
      const atFirst = forward(first, sender) ?? "";
      const atSecond = forward(second, atFirst) ?? "";
      const atThird = forward(third, atSecond) ?? "";
      expect(readMailbox(atThird)?.local).toMatch(/^SRS1/);
      expect(atThird.length - atSecond.length).toBeLessThanOrEqual(c.hashLength - b.hashLength + "\\".length);
      for (const [by, address] of [
        [second, atSecond],
        [third, atThird],
      ] as const) {
        expect(reverse(by, address)).toBe(atFirst);
      }
      expect(reverse(first, atFirst)).toBe(sender);
      expect(reverse(second, atThird)).toBeUndefined();
    }),
    { seed: 7, numRuns: 500 },
  );

  function host(number: number, changes: Partial<SrsOptions>): Rewriter {
    const secrets = [Buffer.from(`secret ${number}`)];
    return srsTables({ ...changes, secrets, hashMinLength: changes.hashLength ?? 4, srsDomain: `h${number}.example` })
      .rewriter;
  }
});

describe("Any key at all", () => {
  test("is read as the model reads it", () => {
    const tables = srsTables();
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(reverse(tables.rewriter, key)).toBe(modelReverse(key, DEFAULTS));
        const address = forward(tables.rewriter, key);
        const foreign: SrsOptions = { ...DEFAULTS, alwaysRewrite: true };
        if (!tables.rewriter.isOwnValid(key, DAY) && key !== '""') expect(address).toBe(modelForward(key, foreign));
      }),
      { seed: 8, numRuns: 5000 },
    );
  });

  test("that is a text of more than bytes makes no trouble either", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (key) => {
        for (const text of [key, `SRS0=${key}`, `SRS1=${key}`, `"SRS0=${key}"@x`]) {
          expect(sure.reverse(text, DAY).address).toBeUndefined();
          forward(sure, text);
        }
      }),
      { seed: 9, numRuns: 1000 },
    );
  });
});

test.each(['"\\"x\\""@example.org', '"\\"\\""@example.org', '"\\"a b\\""@example.org'])(
  "%s has quotes that belong to its name, and keeps them",
  (sender) => {
    expect(reverse(rewriter, forward(rewriter, sender) ?? "")).toBe(sender);
  },
);

test.each([..." \t\n\r\0\x7f=", '"', "a@"])("A sender or an SRS1 host with %j in its domain is not signed", (char) => {
  const cannotBeCarried = { outcome: "malformed", reason: expect.any(String) };
  expect(rewriter.forward({ local: "alice", domain: `x${char}y.org` }, undefined, DAY)).toEqual(cannotBeCarried);
  if (char === "=") return;
  const srs1 = { local: `SRS1=abcd=x${char}y.org==abcd=2W=o.example=bob`, domain: "second.example" };
  expect(rewriter.forward(srs1, 1, DAY)).toEqual(cannotBeCarried);
});

test.each([
  { length: MAX_LOCAL_PART_BYTES, outcome: "rewritten" },
  { length: MAX_LOCAL_PART_BYTES + 1, outcome: "too_long" },
])("A rewritten local part of $length bytes counts as $outcome, and is written", ({ length, outcome }) => {
  const local = "l".repeat(length - "SRS0=HHHH=2W=x.org=".length);
  const rewrite = rewriter.forward({ local, domain: "x.org" }, undefined, DAY);
  expect(rewrite).toMatchObject({ outcome, address: expect.stringMatching(/^SRS0=....=2W=x\.org=l+@example\.com$/) });
});

test("An address over the buffer of postsrsd is neither written nor read", () => {
  const overhead = "SRS0=HHHH=2W=x.org=@example.com".length;
  const longest = rewriter.forward(
    { local: "l".repeat(MAX_ADDRESS_BYTES - overhead), domain: "x.org" },
    undefined,
    DAY,
  ).address;
  expect(longest).toHaveLength(MAX_ADDRESS_BYTES);
  expect(reverse(rewriter, longest ?? "")).toHaveLength(MAX_ADDRESS_BYTES - overhead + "@x.org".length);
  const over = rewriter.forward(
    { local: "l".repeat(MAX_ADDRESS_BYTES - overhead + 1), domain: "x.org" },
    undefined,
    DAY,
  );
  expect(over).toEqual({ outcome: "too_long", reason: "over 1023 bytes" });
  expect(rewriter.reverse(`${longest}m`, DAY).outcome).toBe("too_long");
});

function outcomeFor(rewritten: string): string {
  return rewritten === "" ? "not_srs" : "rewritten";
}

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function upperAscii(text: string): string {
  return text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
}

/** What SRS does not tell apart: case, the two alphabets within the hash, and the separator after the tag. */
function isSameToSrs(local: string, changed: string, at: number): boolean {
  const hashEnd = local.indexOf("=", 5);
  const fold = (text: string): string => lowerAscii(at < hashEnd ? text.replace(/-/g, "+").replace(/_/g, "/") : text);
  const isSeparator = at === 4 && /[=+-]/.test(changed.charAt(at));
  return isSeparator || fold(local) === fold(changed);
}
