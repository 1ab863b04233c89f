import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { run } from "./lab/command.ts";
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

describe.skipIf(missing !== undefined)(`postconf ${missing ?? ""}`, () => {
  test.each([
    { what: "a main.cf that leaves virtual_alias_domains open", before: "", domains: "$virtual_alias_maps" },
    {
      what: "a main.cf with alias domains",
      before: "virtual_alias_domains = one.test, two.test\n",
      domains: "one.test, two.test",
    },
  ])("makes the same of the commands as of the files, in $what", async ({ before, domains }) => {
    using files = postfixConfig(before);
    using commands = postfixConfig(before);
    const mainCf = snippet("forward-only.main.cf", { $virtual_alias_maps: domains });
    appendFileSync(join(files.path, "main.cf"), mainCf);
    appendFileSync(join(files.path, "master.cf"), snippet("forward-only.master.cf"));
    await run(["sh", "-eu", "-c", snippet("forward-only.sh")], { env: { MAIL_CONFIG: commands.path } });
    expect(await readBack(commands.path)).toEqual(await readBack(files.path));
  });
});
