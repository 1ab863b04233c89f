import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LookupResult, LookupTable } from "../../src/net/lookup.ts";
import { forwardTable, reverseTable } from "../../src/srs/table.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { mailbox } from "./mailboxes.ts";
import { DEFAULTS, type SrsOptions, srsTables } from "./tables.ts";

const missing = requirePrograms("srs", "perl");

/** Mail::SRS as a filter: `forward address` or `reverse address` on each line, an address or `!` and the error back. */
const FILTER = `
BEGIN { my $now = shift @ARGV; *CORE::GLOBAL::time = sub () { $now } }
use Mail::SRS;
my ($alias, $separator, $length, $min) = splice @ARGV, 0, 4;
my $srs = Mail::SRS->new(Secret => [@ARGV], Separator => $separator, HashLength => $length, HashMin => $min);
while (my $line = <STDIN>) {
  chomp $line;
  my ($verb, $address) = split / /, $line, 2;
  my $result = eval { $verb eq "forward" ? $srs->forward($address, $alias) : $srs->reverse($address) };
  my $error = $@; $error =~ s/\\n.*//s;
  print defined $result ? "$result\\n" : "! $error\\n";
}`;

function mailSrs(verb: "forward" | "reverse", addresses: readonly string[], options: SrsOptions): string[] {
  const { nowMs, srsDomain, separator, hashLength, hashMinLength, secrets } = options;
  const settings = [nowMs / 1000, srsDomain, separator, hashLength, hashMinLength].map(String);
  const args = ["-we", FILTER, ...settings, ...secrets.map((secret) => Buffer.from(secret).toString("latin1"))];
  const input = Buffer.from(addresses.map((address) => `${verb} ${address}\n`).join(""), "latin1");
  const output = execFileSync("perl", args, { input, stdio: ["pipe", "pipe", "ignore"] });
  return output.toString("latin1").split("\n").slice(0, -1);
}

const SETTINGS: readonly { name: string; options: Partial<SrsOptions> }[] = [
  { name: "four characters", options: {} },
  { name: "twenty characters and -", options: { hashLength: 20, hashMinLength: 8, separator: "-" } },
  { name: "two secrets and +", options: { secrets: [Buffer.from("new"), Buffer.from("tops3cr3t")], separator: "+" } },
];

/** Senders that Mail::SRS takes: no quotes, one @. It alone takes SRS0 without a separator for an ordinary name. */
const senders = fc
  .sample(mailbox, { seed: 1, numRuns: 1500 })
  .filter(({ local }) => /^[^\s"(),:;<>@[\\\]]+$/.test(local) && !/^srs(?:0$|1)/i.test(local))
  .filter(({ domain }) => !domain.startsWith("["))
  .map(({ local, domain }) => `${local}@${domain}`);

describe.skipIf(missing !== undefined).each(SETTINGS)(
  `Mail::SRS with $name ${missing ?? ""}`,
  ({ options: changes }) => {
    const options: SrsOptions = { ...DEFAULTS, hashAlphabet: "standard", ...changes };
    const tables = srsTables(options);

    test("signs as we sign, in the standard alphabet", () => {
      const ours = senders.map((address) => found(forwardTable(tables), address));
      expect(mailSrs("forward", senders, options)).toEqual(ours);
    });

    test("takes back what we sign", () => {
      const rewritten = senders.map((address) => found(forwardTable(tables), address));
      const homes = rewritten.map((address) => found(reverseTable(tables), address));
      expect(mailSrs("reverse", rewritten, options)).toEqual(homes);
    });

    test("signs what we take back", () => {
      const rewritten = mailSrs("forward", senders, options);
      const homes = rewritten.map((address) => found(reverseTable(tables), address));
      expect(homes).toEqual(senders.map((sender) => sender.replace(/^srs0(?=[=+-])/i, "SRS0")));
    });

    test.each([
      { name: "a changed hash", change: (address: string) => address.replace(/^(SRS..)./, "$1!"), days: 0 },
      { name: "an old stamp", change: (address: string) => address, days: 22 },
      { name: "a stamp of the day after tomorrow", change: (address: string) => address, days: -2 },
    ])("refuses what we refuse: $name", ({ change, days }) => {
      const then = { ...options, nowMs: options.nowMs + days * 86_400_000 };
      const changed = senders.map((address) => change(found(forwardTable(tables), address)));
      const ours = changed.map((address) => (reverseTable(srsTables(then)).get(address) as LookupResult).status);
      const theirs = mailSrs("reverse", changed, then).map((line) => (line.startsWith("! ") ? "notFound" : "found"));
      expect(theirs).toEqual(ours);
      expect(ours).toContain("notFound");
    });
  },
);

describe.skipIf(missing !== undefined)(`The program srs ${missing ?? ""}`, () => {
  test.each(["alice@example.org", "bounce+x=y.org@lists.example.net", "caf\xc3\xa9@example.org"])(
    "takes %s there and back with us",
    (sender) => {
      const options: SrsOptions = { ...DEFAULTS, hashAlphabet: "standard", nowMs: Date.now() };
      const tables = srsTables(options);
      expect(found(reverseTable(tables), srs("--forward", "--alias=example.com", sender))).toBe(sender);
      expect(srs("--reverse", found(forwardTable(tables), sender))).toBe(sender);
    },
  );
});

function srs(...args: readonly string[]): string {
  const bytes = args.map((arg) => Buffer.from(arg, "latin1").toString("utf8"));
  return execFileSync("srs", ["--secret=tops3cr3t", ...bytes])
    .toString("latin1")
    .trim();
}

function found(table: LookupTable, key: string): string {
  const result = table.get(key);
  if (result instanceof Promise || result.status !== "found") throw new Error(`Cannot rewrite "${key}": not found`);
  return result.value;
}
