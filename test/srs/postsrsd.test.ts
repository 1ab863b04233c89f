import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePrograms } from "../helpers/requires.ts";
import { converse } from "../net/converse.ts";
import { CUT_AT_THE_FIRST_AT, DEVIATIONS } from "./deviations.ts";
import { anyKey, mailbox } from "./mailboxes.ts";
import { normalForm, writeMailbox } from "./model.ts";
import { type PostsrsdProcess, startPostsrsd } from "./postsrsd-process.ts";
import { postsrsd1 } from "./replay.ts";
import { DEFAULTS, type SrsOptions } from "./tables.ts";

const missing = requirePrograms("postsrsd", "faketime");
const CLOCK = "2020-01-01 00:01:00";

const SETTINGS: readonly { name: string; args: string[]; options: Partial<SrsOptions> }[] = [
  { name: "its defaults", args: [], options: {} },
  {
    name: "eight characters and +",
    args: ["-n", "8", "-N", "6", "-a", "+"],
    options: { hashLength: 8, hashMinLength: 6, separator: "+" },
  },
];

/** Keys for which postsrsd 1.10 reads past the end of the text: its answer means nothing. */
const isBeyond = (key: string): boolean => key.length < 5 && /^srs/i.test(key);

describe.skipIf(missing !== undefined).each(SETTINGS)(`A real postsrsd 1.x with $name ${missing ?? ""}`, (setting) => {
  const options: SrsOptions = { ...DEFAULTS, hashAlphabet: "standard", ...setting.options };
  let theirs: PostsrsdProcess;
  beforeAll(async () => {
    theirs = await startPostsrsd("tops3cr3t\n", "example.com", CLOCK, setting.args);
  });
  afterAll(async () => {
    await theirs?.[Symbol.asyncDispose]();
  });

  /** What both say to the same keys, and who differs without being allowed to. */
  async function compare(map: "forward" | "reverse", keys: readonly string[]) {
    const requests = keys.map((key) => postsrsd1.request(map, key));
    const said = await theirs.ask(map, requests);
    const { replies } = await converse(postsrsd1.service(options, map), requests);
    const pairs = keys.map((key, i) => {
      const [recorded = "", answered = ""] = [said[i], postsrsd1.payload(replies[i] ?? "")];
      return { key, recorded, answered, theirs: postsrsd1.parse(recorded), ours: postsrsd1.parse(answered) };
    });
    const strays = pairs.filter(({ key, theirs: a, ours: b }) => {
      const isSame = a.status === b.status && a.value === b.value;
      if (isSame || (b.status === "notFound" && a.value === key)) return false;
      return ![...DEVIATIONS, CUT_AT_THE_FIRST_AT].some((known) =>
        known.has({ program: 1, options, map, key, theirs: a, ours: b }),
      );
    });
    expect(said).toHaveLength(keys.length);
    expect(strays.map(({ key, recorded, answered }) => ({ key, recorded, answered }))).toEqual([]);
    return pairs;
  }

  test("rewrites random senders as we do, and each takes back what the other wrote", async () => {
    const mailboxes = fc.sample(mailbox, { seed: 1, numRuns: 400 });
    const senders = mailboxes.map(({ local, domain }) => writeMailbox(local, domain));
    const rewritten = await compare("forward", senders);
    const alike = rewritten.filter(({ recorded, answered }) => recorded === answered && recorded.startsWith("200 "));
    expect(alike.length).toBeGreaterThan(150);
    const addresses = rewritten.flatMap(({ theirs: a, ours: b }) => [a.value ?? "x", b.value ?? "x"]);
    const back = await compare("reverse", addresses);
    const home = back.filter(({ recorded, answered }) => recorded === answered && recorded.startsWith("200 "));
    expect(home.length).toBeGreaterThanOrEqual(2 * alike.length);
  });

  test.each(['"a@b"@example.org', "a@b@example.org", '"j d@b c"@example.org', '"a\\"@b"@example.org'])(
    "writes for %s what it cannot read itself, and we take that home",
    async (sender) => {
      const [rewritten] = await theirs.ask("forward", [postsrsd1.request("forward", sender)]);
      const { value = "" } = postsrsd1.parse(rewritten ?? "");
      const [back] = await compare("reverse", [value]);
      expect(back?.theirs.status).toBe("notFound");
      expect(back?.ours.value).toBe(normalForm(sender));
    },
  );

  test.each(["forward", "reverse"] as const)(
    "answers any %s key as we do, but where we differ on purpose",
    async (map) => {
      const keys = fc.sample(anyKey, { seed: 2, numRuns: 800 }).filter((key) => key !== "" && !key.includes("\0"));
      await compare(
        map,
        keys.filter((key) => !isBeyond(key)),
      );
    },
  );
});
