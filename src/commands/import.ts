/** `postvouch import`: makes our configuration of those of other programs. */
import { lstatSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { copiesToWrite } from "../import/host/dkim-keys.ts";
import { type Gathered, gather, type Places } from "../import/host/gather.ts";
import { secretsToWrite, serviceSecretsFile } from "../import/host/secrets.ts";
import { canRead, serviceUser } from "../import/host/service-user.ts";
import { type NewFile, writeAll } from "../import/host/write.ts";
import { EXIT, Failure } from "../process/exit.ts";
import { DEFAULT_CONFIG_FILE, readConfigFile } from "../setup/config-file.ts";
import type { Call } from "./call.ts";

/** Where the service looks for keys (docs/keys.md). */
const KEY_DIRECTORY = "/var/lib/postvouch/dkim";
const MAX_SHOWN = 10;

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
  const places = placesFor(around.configFile === undefined ? undefined : dirname(configFile), secretsKey);
  const { toml, notes, sources, secrets, ...keys } = await gather(operands, places, timeMs());
  for (const note of notes) output.problem(`note: ${note}`);
  if (options["dry-run"] === true) {
    for (const line of toml.trimEnd().split("\n")) output.line(line);
    const files = [
      configFile,
      ...(secrets === undefined ? [] : [secretsFile]),
      ...keys.keyCopies.map(({ path }) => path),
    ];
    output.problem(`nothing was written; it would be ${shown(files)}`);
    return EXIT.ok;
  }
  const files: NewFile[] = [
    { path: configFile, content: toml, mode: 0o644, replaces: replaces || isBlank, keepsOldAs: `${configFile}.old` },
  ];
  const copies = copiesToWrite(keys.keyCopies, replaces);
  const copy = secrets && secretsToWrite(secrets, secretsFile, replaces);
  // The configuration comes last: where it is, the secrets and the keys are.
  files.unshift(...copies);
  if (copy !== undefined) files.unshift({ path: secretsFile, content: copy, mode: 0o600, replaces });
  writeAll(files);
  output.line(`${configFile}: written, from ${sources.join(", ")}`);
  if (secrets !== undefined)
    output.line(`${secretsFile}: ${copy === undefined ? "has the secrets already" : "the secrets, copied"}`);
  for (const line of aboutKeys(keys, places.keyDirectory)) output.line(line);
  output.line("next: postvouch check-config");
  return EXIT.ok;
}

/** Where copies go: into the directory of the state, or beside a configuration in another place. */
function placesFor(directory: string | undefined, secretsFile: string): Places {
  // Nobody knows as whom a service with another configuration runs.
  if (directory !== undefined) return { secretsFile, keyDirectory: join(directory, "dkim"), isReadable: () => false };
  const user = serviceUser();
  return { secretsFile, keyDirectory: KEY_DIRECTORY, isReadable: (path) => canRead(user, path) };
}

function aboutKeys({ keyCopies, keptKeys }: Pick<Gathered, "keyCopies" | "keptKeys">, directory: string): string[] {
  return [
    ...(keyCopies.length === 0 ? [] : [`${directory}: ${keyCopies.length} of the keys for DKIM, copied`]),
    ...(keptKeys === 0 ? [] : [`${keptKeys} of the keys for DKIM stay where they are`]),
  ];
}

function shown(files: readonly string[]): string {
  const more = files.length - MAX_SHOWN;
  return more > 0 ? `${files.slice(0, MAX_SHOWN).join(", ")} and ${more} more` : files.join(" and ");
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
