/** Tests what is said when nothing of the configuration could be read: that alone, and nothing about the defaults. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readSetup } from "../../src/setup/setup.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";

/** The problems of a setup whose default secrets file has no secret. */
async function problemsOf(config: string | undefined): Promise<readonly string[]> {
  using directory = temporaryDirectory();
  const configFile = `${directory.path}/p.toml`;
  writeFileSync(`${directory.path}/srs.secrets`, "");
  if (config !== undefined) writeFileSync(configFile, config);
  const around = { configFile, packageDir: directory.path, credentialsDir: directory.path };
  const { problems } = await readSetup(around, "refuse");
  return problems.map((problem) => problem.replaceAll(directory.path, ""));
}

test.each([
  { what: "is gone", config: undefined, problem: 'Cannot read configuration "/p.toml": no such file' },
  { what: "is no TOML", config: "[srs", problem: expect.stringContaining("not valid TOML") },
  {
    what: "is another program's",
    config: "Domain example.net\nKeyFile /k\n",
    problem: expect.stringContaining("/p.toml"),
  },
])(
  "a configuration that $what says nothing of the secrets, which it may have elsewhere",
  async ({ config, problem }) => {
    const [first, ...more] = await problemsOf(config);
    expect(first).toEqual(problem);
    expect(more.filter((line) => line.includes("secrets"))).toEqual([]);
  },
);

test("a configuration with a wrong key says what is wrong with the secrets too", async () => {
  expect(await problemsOf("bogus = 1\n")).toEqual([
    "/p.toml: bogus: unknown key",
    'srs.secrets_file: Cannot use "/srs.secrets": it is empty, want one secret per line',
  ]);
});
