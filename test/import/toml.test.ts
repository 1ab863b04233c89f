import fc from "fast-check";
import { expect, test } from "vitest";
import { PARAMETERS } from "../../src/config/parameters.ts";
import { parseConfig } from "../../src/config/parse.ts";
import type { Key, Setting, TableSetting } from "../../src/import/readers/finding.ts";
import { writeToml } from "../../src/import/toml.ts";

/** Text with all that could end a string, a comment or a line. */
const odd = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom('"', "\\", "\n", "\r", "\x7f", "\0", "\u2028", "#", "'", "]", "\ud800", "é", "x"),
  }),
);

const path = odd.map((text) => `/${text.replaceAll("\0", "")}`);
const domain = fc.domain().filter((name) => name.length < 200);

/** A value for some keys of each kind. */
const VALUES: Partial<Record<Key, fc.Arbitrary<Setting["value"]>>> = {
  "srs.domain": domain,
  "srs.former_domains": fc.array(domain, { maxLength: 5 }),
  "srs.secrets_file": path,
  "srs.separator": fc.constantFrom("=", "+", "-"),
  "srs.hash_length": fc.integer({ min: 4, max: 20 }),
  "srs.always_rewrite": fc.boolean(),
  "srs.own_domains.domains": fc.array(domain),
  "srs.own_domains.files": fc.array(path, { maxLength: 3 }),
  "srs.own_domains.postfix_tables": fc.array(odd, { maxLength: 3 }),
  "policy.reject_message": fc.constantFrom("a", 'say "x" \\ {result}', "{explanation} # no", "'''"),
  "policy.helo.pass": fc.constantFrom("tag", 'action:PREPEND X: "a\\b"', "action:#"),
  "policy.allow.addresses": fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 4 }),
  "log.level": fc.constantFrom("info", "warn"),
};

const settings = fc
  .record(VALUES as Record<string, fc.Arbitrary<Setting["value"]>>, { requiredKeys: [] })
  .chain((values) =>
    fc.tuple(
      ...Object.entries<Setting["value"]>(values as never).map(([key, value]) =>
        odd.map((from) => ({ key: key as Key, value, from })),
      ),
    ),
  );

const overrides = fc.array(
  fc.record({
    values: fc.record({
      recipient: fc.constantFrom('"a b"@x.example'.replace(" ", ""), "ü@x.example", "a'\\@x.example"),
      helo: fc.constant({ check: false, fail: "action:x # y" }),
      reject_message: fc.constantFrom('a "b"', "c\\d"),
    }),
    from: odd,
  }),
  { maxLength: 3 },
);

const keyTables = fc.array(
  fc.record({
    values: fc.record({
      domain: fc.constantFrom("a.example", "b.example"),
      selector: fc.constantFrom("s", "s2.sub"),
      file: path.filter((one) => one.length > 1),
      from: fc.constantFrom<string[]>([], [".a.example", "it's@a.example"]),
    }),
    from: odd,
  }),
  { maxLength: 3 },
);

test("what is written is read back, whatever is in it", () => {
  fc.assert(
    fc.property(settings, overrides, keyTables, fc.array(odd, { maxLength: 3 }), (list, exceptions, keys, title) => {
      const toml = writeToml(list, { "policy.override": exceptions as TableSetting[], "dkim.sign.keys": keys }, title);
      const { config, problems } = parseConfig(toml, "written");
      expect({ toml, problems }).toEqual({ toml, problems: [] });
      for (const { key, value } of list) {
        const wellFormed = JSON.parse(JSON.stringify(value), (_, one) =>
          typeof one === "string" ? one.toWellFormed() : one,
        );
        const parsed = PARAMETERS[key].kind.parse(wellFormed);
        expect(parsed).toEqual({ ok: true, value: config[key] });
      }
      expect(config["policy.override"].map((one) => one.recipient?.[0])).toEqual(
        exceptions.map(({ values }) => values.recipient),
      );
      expect(config["dkim.sign.keys"]).toEqual(
        keys.map(({ values }) => ({ ...values, file: values.file.toWellFormed() })),
      );
    }),
    { numRuns: 300 },
  );
});

test("the origin of a key stands beside it, a long one above it", () => {
  const long = `a long origin ${"x".repeat(100)}`;
  const toml = writeToml(
    [
      { key: "srs.own_domains.domains", value: ["a.example"], from: "SRS_EXCLUDE_DOMAINS (f:2)" },
      { key: "srs.domain", value: "x.example", from: long },
      { key: "hostname", value: "mx.example", from: "elsewhere" },
    ],
    {
      "policy.override": [{ values: { sender: "<>", helo: { fail: "reject" } }, from: "HELO_reject (g:1)" }],
      "dkim.sign.keys": [{ values: { domain: "x.example", from: [".x.example"] }, from: "KeyTable (k:2)" }],
    },
    ["Made for a test."],
  );
  expect(toml).toBe(`# Made for a test.
hostname = "mx.example"  # elsewhere

[srs]
# ${long}
domain = "x.example"

[srs.own_domains]
domains = ["a.example"]  # SRS_EXCLUDE_DOMAINS (f:2)

# HELO_reject (g:1)
[[policy.override]]
sender = "<>"
helo = { fail = "reject" }

# KeyTable (k:2)
[[dkim.sign.keys]]
domain = "x.example"
from = [".x.example"]
`);
});
