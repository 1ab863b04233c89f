/** `postvouch import`: makes our configuration of those of postsrsd and policyd-spf. */
import { lstatSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { gather } from "../import/host/gather.ts";
import { secretsToWrite, serviceSecretsFile } from "../import/host/secrets.ts";
import { type NewFile, writeAll } from "../import/host/write.ts";
import { EXIT, Failure } from "../process/exit.ts";
import { DEFAULT_CONFIG_FILE, readConfigFile } from "../setup/config-file.ts";
import type { Call } from "./call.ts";

/**
 * Writes the configuration and a copy of the secrets, and says what is different here. With `--dry-run` it prints the
 * configuration.
 *
 * @throws {Failure} when something cannot be read or written; then nothing was written
 */
export async function runImport({ around, options, operands, output, timeMs }: Call): Promise<number> {
  const configFile = around.configFile === undefined ? DEFAULT_CONFIG_FILE : resolve(around.configFile);
  // Beside a configuration in another place, the service would not look for secrets.
  const secretsKey = around.configFile === undefined ? "" : join(dirname(configFile), "srs.secrets");
  const secretsFile = secretsKey || serviceSecretsFile();
  const replaces = options.force === true;
  const isBlank = isThere(configFile) && setsNothing(configFile);
  if (options["dry-run"] !== true && !replaces && !isBlank) mustNotExist(configFile);
  const { toml, notes, sources, secrets } = await gather(operands, secretsKey, timeMs());
  for (const note of notes) output.problem(`note: ${note}`);
  if (options["dry-run"] === true) {
    for (const line of toml.trimEnd().split("\n")) output.line(line);
    output.problem(
      `nothing was written; it would be ${[configFile, ...(secrets === undefined ? [] : [secretsFile])].join(" and ")}`,
    );
    return EXIT.ok;
  }
  const files: NewFile[] = [
    { path: configFile, content: toml, mode: 0o644, replaces: replaces || isBlank, keepsOldAs: `${configFile}.old` },
  ];
  const copy = secrets && secretsToWrite(secrets, secretsFile, replaces);
  // The configuration comes last: where it is, the secrets are.
  if (copy !== undefined) files.unshift({ path: secretsFile, content: copy, mode: 0o600, replaces });
  writeAll(files);
  output.line(`${configFile}: written, from ${sources.join(", ")}`);
  if (secrets !== undefined)
    output.line(`${secretsFile}: ${copy === undefined ? "has the secrets already" : "the secrets, copied"}`);
  output.line("next: postvouch check-config");
  return EXIT.ok;
}

/** Tells if a file has remarks alone, such as the one that a package brings: it may be replaced. */
function setsNothing(path: string): boolean {
  const { isEmpty, problems } = readConfigFile(path);
  return isEmpty && problems.length === 0;
}

function mustNotExist(path: string): void {
  if (!isThere(path)) return;
  throw new Failure(EXIT.cannotCreate, [
    `Cannot write "${path}": it exists; --force replaces it and keeps it as ${path}.old, --dry-run shows the new one`,
  ]);
}

/** Tells if something has this name, even a dangling link. What cannot be looked at cannot be written either. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
