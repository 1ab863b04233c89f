import { appendFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { run } from "./lab/command.ts";
import { forwardOnlyProgram } from "./lab/recipe.ts";
import { LAB_TEST } from "./lab/requires.ts";
import { PACKAGE } from "./lab/runtime.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requirePrograms("postconf");

/** What a Postfix makes of its files, but for their place. */
async function readBack(directory: string): Promise<string[][]> {
  const views = await Promise.all(["-n", "-M", "-P"].map((option) => run(["postconf", "-c", directory, option])));
  return views.map((view) =>
    view
      .replace(/^config_directory = .*$/m, "")
      .split("\n")
      .sort(),
  );
}

const MAPS = "sender_dependent_default_transport_maps = inline:{ {a@b.test = x:y, z} }, hash:/z\n";

const EARLIER = snippet("forward-only.master.cf").replace("  -o smtp_generic_maps=\n", "");

const text = (directory: string, name: string): string => readFileSync(join(directory, name), "utf8");
const everything = (directory: string): string[] =>
  readdirSync(directory)
    .sort()
    .map((name) => `${name} ${isFile(directory, name) ? text(directory, name) : ""}`);
const isFile = (directory: string, name: string): boolean => statSync(join(directory, name)).isFile();

describe.skipIf(missing !== undefined)(`forward-only.sh ${missing ?? ""}`, LAB_TEST, () => {
  const program = (directory: string, ...args: readonly string[]): Promise<string> =>
    forwardOnlyProgram(run, directory, ...args);

  test.each([
    { what: "a main.cf that leaves virtual_alias_domains open", before: "", domains: "$virtual_alias_maps" },
    {
      what: "a main.cf with alias domains",
      before: "virtual_alias_domains = one.test, two.test\n",
      domains: "one.test, two.test",
    },
  ])("makes what the page shows as files, in $what", async ({ before, domains }) => {
    using files = postfixConfig(before);
    using commands = postfixConfig(before);
    const replacements = { $virtual_alias_maps: domains, "/etc/postfix": commands.path };
    appendFileSync(join(files.path, "main.cf"), snippet("forward-only.main.cf", replacements));
    appendFileSync(join(files.path, "master.cf"), snippet("forward-only.master.cf"));
    await program(commands.path, "on", "srs.example.org");
    expect(await readBack(commands.path)).toEqual(await readBack(files.path));
    expect(text(commands.path, "srs-recipients.regexp")).toContain(snippet("srs-recipients.regexp"));
  });

  test.each([
    { what: "nothing", mainCf: "", masterCf: "" },
    { what: "maps of its own", mainCf: `${MAPS}recipient_canonical_maps = hash:/x, hash:/y`, masterCf: "" },
    {
      what: "a list over several lines",
      mainCf: "virtual_alias_domains =\n  one.test,\n# a remark\n  two.test\n",
      masterCf: "",
    },
    { what: "the SRS domain in it", mainCf: "virtual_alias_domains = SRS.example.org\n", masterCf: "" },
    { what: "an earlier recipe, pasted", mainCf: snippet("forward-only.main.cf"), masterCf: EARLIER },
  ])(
    "twice does what once does, and off gives the bytes back, where main.cf has $what",
    async ({ mainCf, masterCf }) => {
      using files = postfixConfig("");
      appendFileSync(join(files.path, "main.cf"), mainCf);
      appendFileSync(join(files.path, "master.cf"), masterCf);
      const before = everything(files.path);
      expect(await program(files.path, "-n", "on", "srs.example.org")).toContain("+");
      expect(everything(files.path)).toEqual(before);
      expect(await program(files.path, "on", "srs.example.org")).toContain(`+++ ${files.path}/m`);
      const once = everything(files.path);
      expect(await program(files.path, "on", "srs.example.org")).toBe("forward-only.sh: nothing to change\n");
      expect(everything(files.path)).toEqual(once);
      expect(text(files.path, "main.cf").match(/srs\.example\.org/gi)).toHaveLength(1);
      await program(files.path, "off");
      expect(everything(files.path)).toEqual(before);
    },
  );

  test("the commands of the page run, one after the other", async () => {
    using files = postfixConfig("");
    const before = everything(files.path);
    const shown = readFileSync(join(PACKAGE, "docs/postfix.md"), "utf8").match(/^sh \/opt\/postvouch\/.*$/gm) ?? [];
    expect(shown.map((line) => line.split(".sh ")[1]?.split(" ")[0])).toEqual(["-n", "on", "bounces-only", "off"]);
    for (const line of shown) {
      const command = line.replace("/opt/postvouch", PACKAGE);
      await run(["sh", "-euc", command], { env: { MAIL_CONFIG: files.path } });
    }
    expect(everything(files.path)).toEqual(before);
  });

  test("off leaves what was edited since", async () => {
    using files = postfixConfig("relayhost = one.test\nmyhostname = mail.one.test\n");
    await program(files.path, "on", "srs.example.org");
    await run(["postconf", "-c", files.path, "-e", "relayhost = two.test", "smtpd_banner = hello"]);
    appendFileSync(join(files.path, "master.cf"), "mine unix - - n - - smtp\n");
    await program(files.path, "on", "srs.example.org", "former.example.org");
    await program(files.path, "off");
    const left = [text(files.path, "main.cf"), text(files.path, "master.cf")].join("\n");
    expect(left).toMatch(/^relayhost = two\.test\nmyhostname = mail\.one\.test\nsmtpd_banner = hello$/m);
    expect(left).toContain("mine unix");
    expect(left).not.toMatch(/srs|12526|forward-only/);
  });

  test.each([
    {
      what: "lines of the recipe were edited",
      args: ["off"],
      edit: "srs_destination_concurrency_limit = 7",
      says: "were edited",
    },
    { what: "there is no domain", args: ["on"], edit: "", says: "usage:" },
    { what: "a domain is a pattern", args: ["on", "srs.*"], edit: "", says: 'Cannot use "srs.*"' },
    { what: "the word is unknown", args: ["remove"], edit: "", says: 'Cannot do "remove"' },
  ])("changes nothing where $what", async ({ args, edit, says }) => {
    using files = postfixConfig("");
    await program(files.path, "on", "srs.example.org");
    if (edit !== "") await run(["postconf", "-c", files.path, "-e", edit]);
    const before = everything(files.path);
    await expect(program(files.path, ...args)).rejects.toThrow(says);
    expect(everything(files.path)).toEqual(before);
  });

  test.each([
    { setting: "transport_maps = inline:{ {* = smtp:relay.test} }", says: /transport_maps: inline.*goes past/ },
    { setting: "recipient_canonical_maps = hash:/mine", says: /recipient_canonical_maps: ours behind hash:\/mine/ },
    { setting: "recipient_canonical_classes = header_recipient", says: /begin to rewrite envelopes/ },
    { setting: MAPS.trim(), says: /maps: ours in front of inline:\{ \{a@b\.test = x:y, z\} \}, hash:\/z/ },
    {
      setting: "sender_canonical_maps = hash:/mine, socketmap:unix:srs:forward",
      says: /takes out socketmap:unix:srs:forward/,
    },
  ])("says what it means for $setting", async ({ setting, says }) => {
    using files = postfixConfig(`${setting}\n`);
    expect(await program(files.path, "-n", "on", "srs.example.org")).toMatch(says);
  });
});
