/** Setups as a start reads them, for tests of what is said about one. */
import { expect } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import type { Setup } from "../../src/setup/setup.ts";

/** The setup of a configuration without problems, on a host where nothing was found. */
export function setupOf(toml: string, found: Pick<Setup, "hostname" | "srsDomain">): Setup {
  const { config, problems } = parseConfig(toml, "c.toml");
  expect(problems).toEqual([]);
  return {
    config,
    configFile: undefined,
    isDefault: false,
    origin: "",
    isPostfixSender: () => false,
    secretsFile: "",
    stateDir: "/nonexistent",
    secrets: [],
    problems: [],
    warnings: [],
    ...found,
  };
}
