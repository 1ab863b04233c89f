/** Everything that `serve` reads before it opens a port, and that SIGHUP reads again. */
import type { Config } from "../config/parameters.ts";
import type { OwnDomainSettings } from "../domains/load.ts";
import { accessSync, constants, existsSync, join, lstatSync, mkdirSync } from "../process/builtins.ts";
import { readConfigFile } from "./config-file.ts";
import { readNames } from "./names.ts";
import { NO_SECRETS, readSecretsFile } from "./secrets-file.ts";

/** Where the program finds itself. Comes from cli.ts, which alone looks at the environment. */
export interface Surroundings {
  /** What `--config` named. */
  readonly configFile: string | undefined;
  /** The folder of package.json. */
  readonly packageDir: string;
  /** systemd's $CREDENTIALS_DIRECTORY, where LoadCredential= puts files. */
  readonly credentialsDir: string | undefined;
}

export interface Setup {
  readonly config: Config;
  readonly configFile: string | undefined;
  /** There is no configuration file, or it sets nothing. */
  readonly isDefault: boolean;
  readonly hostname: string;
  readonly srsDomain: string;
  /** Postfix's myorigin, empty where there is none. */
  readonly origin: string;
  readonly isPostfixSender: (address: string) => boolean;
  readonly secretsFile: string;
  /** At least one, unless there are problems or absent secrets were skipped. */
  readonly secrets: readonly Uint8Array[];
  /** What keeps the daemon from running. */
  readonly problems: readonly string[];
  /** What works but should not stay as it is. */
  readonly warnings: readonly string[];
}

/** The name that a systemd credential has to have to be taken for the secrets file. */
const CREDENTIAL = "srs.secrets";

/**
 * Reads everything, and goes on after a problem to find the others.
 *
 * @param absentSecrets what a missing secrets file means: `create`: it is made; `skip`: it will be made by `serve`;
 *   `refuse`: it is a problem, because no address under way can be read without; `unread`: nobody looks whether it is there
 * @throws {Failure} when the secrets file cannot be made
 */
export async function readSetup(
  around: Surroundings,
  absentSecrets: "create" | "skip" | "refuse" | "unread",
): Promise<Setup> {
  const { config, path, problems, isEmpty } = readConfigFile(around.configFile);
  const mode = problems.length === 0 && absentSecrets === "create" ? "create" : "skip";
  const { hostname, srsDomain, origin, isPostfixSender } = await readNames(config);
  const secretsFile = config["srs.secrets_file"] || defaultSecretsFile(config, around, mode);
  let file = absentSecrets === "unread" ? NO_SECRETS : readSecretsFile(secretsFile);
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
    secrets: file.secrets,
    problems: [...problems, ...file.problems, ...(isProblem ? absence.map((line) => line + WHERE_SECRETS_ARE) : [])],
    warnings: [
      ...file.warnings,
      ...news,
      ...decoy,
      ...timeWarnings(config),
      ...(isProblem ? [] : absence.map((line) => `${line}; serve will make it${WHERE_SECRETS_ARE}`)),
    ],
  };
}

/** A hint for commands: systemd tells only the service where its credentials are. */
const WHERE_SECRETS_ARE =
  " (with LoadCredential=srs.secrets:FILE in the unit only the service has it; for a command, as root: CREDENTIALS_DIRECTORY=/run/credentials/postvouch.service)";

/** A DNS server that is silent for longer than a request may take leaves no time for the next. */
function timeWarnings(config: Config): string[] {
  const [timeoutMs, limitMs] = [config["dns.timeout"], config["policy.time_limit"]];
  if (timeoutMs < limitMs || config["policy.listen"].length === 0) return [];
  const wish = "want a fraction of it: a second DNS server would never be asked";
  return [`dns.timeout: ${timeoutMs} ms is not below policy.time_limit (${limitMs} ms), ${wish}`];
}

/** Secrets in state_dir that are not those in use: they would sign if the credential went missing. */
function unusedSecretsFile(config: Config, secretsFile: string): string[] {
  const unused = join(config.state_dir, CREDENTIAL);
  if (unused === secretsFile || !isThere(unused)) return [];
  return [`srs.secrets_file: "${unused}" is not in use, "${secretsFile}" is; remove one`];
}

/** [srs.own_domains] as the sources want it. Our own names are own in any case. */
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
 * state_dir, or `state` beside the sources when we run from a checkout as somebody who may write only there. Who only looks
 * at the secrets means the service's, where there is a service.
 */
function stateDir(config: Config, around: Surroundings, mode: "create" | "skip"): string {
  const configured = config.state_dir;
  const isCheckout = existsSync(join(around.packageDir, "src", "main.js"));
  if (!isCheckout || isWritable(configured, mode)) return configured;
  const local = join(around.packageDir, "state");
  if (isThere(join(local, CREDENTIAL))) return local;
  const isService = mode === "skip" && isThere(configured);
  return isService || !isWritable(local, "skip") ? configured : local;
}

function isWritable(directory: string, mode: "create" | "skip"): boolean {
  try {
    if (mode === "create") mkdirSync(directory, { recursive: true, mode: 0o755 });
    accessSync(nearestExisting(directory), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether anything of this name can be seen, a link that leads nowhere included. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // In a directory of somebody else.
    return false;
  }
}

function nearestExisting(directory: string): string {
  return existsSync(directory) || directory === "/" ? directory : nearestExisting(join(directory, ".."));
}
