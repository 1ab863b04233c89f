/** Reads everything that `serve` needs before it opens a port, and that SIGHUP reads again. */
import type { Config } from "../config/parameters.ts";
import type { OwnDomainSettings } from "../domains/load.ts";
import { accessSync, constants, existsSync, join, lstatSync, mkdirSync } from "../process/builtins.ts";
import { readConfigFile } from "./config-file.ts";
import { readNames } from "./names.ts";
import { NO_SECRETS, readSecretsFile } from "./secrets-file.ts";

/** Facts about the process. They come from cli.ts, the only reader of the environment beside main.js. */
export interface Surroundings {
  /** The file of `--config`. */
  readonly configFile: string | undefined;
  /** The folder of package.json. */
  readonly packageDir: string;
  /** systemd's $CREDENTIALS_DIRECTORY, where LoadCredential= puts files. */
  readonly credentialsDir: string | undefined;
}

export interface Setup {
  readonly config: Config;
  readonly configFile: string | undefined;
  /** True if there is no configuration file, or it sets nothing. */
  readonly isDefault: boolean;
  readonly hostname: string;
  readonly srsDomain: string;
  /** Postfix's myorigin; empty if there is none. */
  readonly origin: string;
  readonly isPostfixSender: (address: string) => boolean;
  readonly secretsFile: string;
  /** The directory of what the daemon keeps. */
  readonly stateDir: string;
  /** The secrets: at least one, unless there are problems or absent secrets were skipped. */
  readonly secrets: readonly Uint8Array[];
  /** Problems that prevent a start. */
  readonly problems: readonly string[];
  /** Warnings: the daemon works, but something should be changed. */
  readonly warnings: readonly string[];
}

/** The name of the systemd credential that is used as secrets file. */
const CREDENTIAL = "srs.secrets";

/**
 * Reads the setup, and goes on after a problem to find the others.
 *
 * @param absentSecrets the reaction to a missing secrets file: `create` makes it; `skip` leaves that to `serve`;
 *   `refuse` makes it a problem, because addresses in use cannot be read without it; `unread` does not look for it
 * @throws {Failure} when the secrets file cannot be made
 */
export async function readSetup(
  around: Surroundings,
  absentSecrets: "create" | "skip" | "refuse" | "unread",
): Promise<Setup> {
  const { config, path, problems, isEmpty, isRead } = readConfigFile(around.configFile);
  const mode = problems.length === 0 && absentSecrets === "create" ? "create" : "skip";
  const { hostname, srsDomain, origin, isPostfixSender } = await readNames(config);
  const secretsFile = config["srs.secrets_file"] || defaultSecretsFile(config, around, mode);
  // Without the configuration it is not known where the secrets are.
  let file = absentSecrets === "unread" || !isRead ? NO_SECRETS : readSecretsFile(secretsFile);
  const news: string[] = [];
  if (file.isAbsent && mode === "create") {
    const { createSecretsFile } = await import("./new-secret.ts");
    createSecretsFile(secretsFile);
    file = readSecretsFile(secretsFile);
    news.push(`srs.secrets_file: made "${secretsFile}" with a new secret; what another one signed does not lead back`);
  }
  const absence = file.isAbsent ? [`srs.secrets_file: "${secretsFile}" does not exist`] : [];
  const isProblem = absentSecrets === "refuse";
  const decoy = unusedSecretsFile(config, secretsFile);
  return {
    config,
    configFile: path,
    isDefault: isEmpty,
    hostname,
    srsDomain,
    origin,
    isPostfixSender,
    secretsFile,
    stateDir: stateDir(config, around, mode),
    secrets: file.secrets,
    problems: [...problems, ...file.problems, ...(isProblem ? absence.map((line) => line + WHERE_SECRETS_ARE) : [])],
    warnings: [
      ...file.warnings,
      ...news,
      ...decoy,
      ...timeWarnings(config),
      ...historyWarnings(config),
      ...(isProblem ? [] : absence.map((line) => `${line}; serve will make it${WHERE_SECRETS_ARE}`)),
    ],
  };
}

/** A hint for commands: systemd shows credentials only to the service. */
const WHERE_SECRETS_ARE =
  " (with LoadCredential=srs.secrets:FILE in the unit only the service has it; for a command, as root: CREDENTIALS_DIRECTORY=/run/credentials/postvouch.service)";

/** Warns if one silent DNS server takes the time of the whole request, so that the next server is never asked. */
function timeWarnings(config: Config): string[] {
  const [timeoutMs, limitMs] = [config["dns.timeout"], config["policy.time_limit"]];
  if (timeoutMs < limitMs || config["policy.listen"].length === 0) return [];
  const wish = "want a fraction of it: a second DNS server would never be asked";
  return [`dns.timeout: ${timeoutMs} ms is not below policy.time_limit (${limitMs} ms), ${wish}`];
}

/** Warns of a history that nothing is written to. */
function historyWarnings(config: Config): string[] {
  if (config["dmarc.history"] === "") return [];
  const missing = config["milter.listen"].length === 0 ? "milter.listen is empty" : "dmarc.verify is false";
  if (config["milter.listen"].length > 0 && config["dmarc.verify"]) return [];
  return [`dmarc.history: nothing is kept, because ${missing}`];
}

/** Warns of unused secrets in state_dir: they would sign if the credential went missing. */
function unusedSecretsFile(config: Config, secretsFile: string): string[] {
  const unused = join(config.state_dir, CREDENTIAL);
  if (unused === secretsFile || !isThere(unused)) return [];
  return [`srs.secrets_file: "${unused}" is not in use, "${secretsFile}" is; remove one`];
}

/** The settings of the sources, from [srs.own_domains]. Our own names are always own. */
export function ownDomainSettings(setup: Setup): OwnDomainSettings {
  const { config } = setup;
  return {
    domains: config["srs.own_domains.domains"],
    files: config["srs.own_domains.files"],
    postfixTables: config["srs.own_domains.postfix_tables"],
    postfixClasses: config["srs.own_domains.postfix_classes"],
    always: [setup.srsDomain, ...config["srs.former_domains"], setup.hostname, setup.origin].filter(Boolean),
  };
}

function defaultSecretsFile(config: Config, around: Surroundings, mode: "create" | "skip"): string {
  if (around.credentialsDir !== undefined) {
    const credential = join(around.credentialsDir, CREDENTIAL);
    if (isThere(credential)) return credential;
  }
  return join(stateDir(config, around, mode), CREDENTIAL);
}

/**
 * Finds state_dir: the configured one, or `state` beside the sources if we run from a checkout as a user who may write
 * only there and who can read no secrets in state_dir: new ones would lead no bounce back. A command that only reads
 * secrets uses those of the service, if there is a service.
 */
export function stateDir(config: Config, around: Surroundings, mode: "create" | "skip"): string {
  const configured = config.state_dir;
  const isCheckout = existsSync(join(around.packageDir, "src", "main.js"));
  if (!isCheckout || isAllowed(join(configured, CREDENTIAL), constants.R_OK)) return configured;
  if (isWritable(configured, mode)) return configured;
  const local = join(around.packageDir, "state");
  if (isThere(join(local, CREDENTIAL))) return local;
  const isService = mode === "skip" && isThere(configured);
  return isService || !isWritable(local, "skip") ? configured : local;
}

function isWritable(directory: string, mode: "create" | "skip"): boolean {
  try {
    if (mode === "create") mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch {
    return false;
  }
  return isAllowed(nearestExisting(directory), constants.W_OK);
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** Tells if something of this name exists, even a dangling link. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // The directory belongs to another user.
    return false;
  }
}

function nearestExisting(directory: string): string {
  return existsSync(directory) || directory === "/" ? directory : nearestExisting(join(directory, ".."));
}
