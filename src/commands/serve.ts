/** `postvouch serve`: runs the daemon in the foreground until a signal ends it. */
import { Daemon } from "../daemon/daemon.ts";
import { listenForSignals } from "../daemon/signals.ts";
import { EXIT, errorText, Failure } from "../process/exit.ts";
import { boundHeap, returnMemory } from "../process/heap.ts";
import { createLogger, type Logger } from "../process/log.ts";
import { inheritedSockets } from "../process/socket-activation.ts";
import { readSetup, type Setup } from "../setup/setup.ts";
import type { Call } from "./call.ts";
import { mainCfLines } from "./main-cf.ts";

/**
 * Runs until SIGTERM or SIGINT.
 *
 * @throws {Failure} when it cannot start
 */
export async function serve(call: Call): Promise<number> {
  boundHeap();
  returnMemory();
  const setup = await readSetup(call.around, "create");
  const logger = createLogger({
    level: setup.config["log.level"],
    format: setup.config["log.format"],
    journal: call.journal,
  });
  try {
    // Called before the first port is open, because a program may then send a SIGHUP, which would end Node by default.
    const signals = listenForSignals(logger);
    const daemon = await Daemon.start(setup, {
      logger,
      version: call.version,
      timeMs: call.timeMs,
      inherited: inheritedSockets(call.activation, process.pid),
      onReady: () => logStart(setup, call, logger),
    });
    logger.flush();
    if (process.stdout.isTTY) for (const line of mainCfLines(setup.config, setup.srsDomain)) call.output.line(line);
    await signals.serve({ reload: () => reload(daemon, call, logger), stop: () => daemon.stop() });
    return EXIT.ok;
  } finally {
    logger.flush();
  }
}

function logStart(setup: Setup, call: Call, logger: Logger): void {
  logger.log("info", "starting", {
    version: call.version,
    node: process.versions.node,
    config: setup.configFile ?? "none, defaults run",
    hostname: setup.hostname,
    srs_domain: setup.srsDomain,
    secrets_file: setup.secretsFile,
    secrets: setup.secrets.length,
  });
  for (const warning of setup.warnings) logger.log("warn", "config", { warning });
  if (call.isClockFrozen) {
    const now = Math.floor(call.timeMs() / 1000);
    logger.log("warn", "clock", { warning: "POSTVOUCH_NOW is set: SRS reads a frozen clock", now });
  }
}

async function reload(daemon: Daemon, call: Call, logger: Logger): Promise<void> {
  try {
    const setup = await readSetup(call.around, "refuse");
    await daemon.reload(setup);
    daemon.reloaded(true);
    const { configFile: config, secretsFile: secrets_file, secrets } = setup;
    // systemd copies a credential when it starts the service, so a reload does not see a new secret.
    const isCopy = secrets_file.startsWith(`${call.around.credentialsDir}/`);
    const secrets_as_of = isCopy ? "the start; restart to read them again" : undefined;
    logger.log("info", "reload", { result: "ok", config, secrets_file, secrets: secrets.length, secrets_as_of });
    for (const warning of setup.warnings) logger.log("warn", "config", { warning });
  } catch (error) {
    daemon.reloaded(false);
    const problems = error instanceof Failure ? error.lines : [errorText(error)];
    for (const problem of problems) logger.log("error", "reload", { result: "failed, the old state stays", problem });
  }
}
