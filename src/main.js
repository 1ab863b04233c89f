#!/usr/bin/env node
// @ts-check
/**
 * The program. Plain JavaScript without an import at its top, because every Node.js must be able to read it: on one that
 * is too old it goes on under the runtime that the package `node` brought along (distributions ship Node.js 18 and 20).
 *
 * dist/main.js, which the build makes of this file, is checked in: before the first build npx finds a program that says
 * what is missing, and keeps a link that works later.
 */
const OLDEST_NODE = 24;

/** sysexits.h: a part that is needed is not there. */
const UNAVAILABLE = 69;

/** How often the parent is looked for, in milliseconds. */
const PARENT_MS = 500;

/** Signals that are for the daemon, not for the process in front of it. */
const PASSED_ON = /** @type {const} */ (["SIGTERM", "SIGINT", "SIGHUP"]);

// Without a listener Node.js opens its inspector, which lets everybody on this host run code in the daemon.
process.on("SIGUSR1", () => {});
endWithParent();
if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) await run();
else await goOnWithNewerNode();

async function run() {
  /** @param {unknown} error */
  let giveUp = (error) => {
    throw error;
  };
  try {
    const cli = await import("./cli.ts");
    giveUp = cli.giveUp;
    process.on("uncaughtException", giveUp);
    process.exitCode = await cli.run(process.argv.slice(2));
  } catch (error) {
    const missing = whatIsMissing(error);
    if (missing === undefined) giveUp(error);
    else end(missing);
  }
}

/**
 * Ends, with the grace of SIGTERM, when the process that started this one is gone: npm and the process in front of an
 * old runtime die of signals that nobody can pass on, and would leave a daemon behind that holds all ports.
 */
function endWithParent() {
  const parent = Number(process.env.POSTVOUCH_PARENT ?? "");
  if (parent === 0) return;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_MS);
  timer.unref();
}

/**
 * What has to be run first, when a file of ours or a package is not there.
 *
 * @param {unknown} error
 */
function whatIsMissing(error) {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const name = /^Cannot find package '([^']+)'/.exec(error.message)?.[1];
  return name === undefined
    ? 'Cannot find all of dist/: run "npm run build" first'
    : `Cannot find the package "${name}": run "npm ci" first`;
}

/**
 * @param {string} problem
 * @returns {never}
 */
function end(problem) {
  process.stderr.write(`postvouch: ${problem}\n`);
  process.exit(UNAVAILABLE);
}

async function goOnWithNewerNode() {
  const [{ spawn }, { fileURLToPath }] = await Promise.all([import("node:child_process"), import("node:url")]);
  const runtime = await findRuntime();
  const child = spawn(runtime, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, POSTVOUCH_PARENT: String(process.pid) },
  });
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => end(`Cannot run "${runtime}": ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? UNAVAILABLE);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

async function findRuntime() {
  const [{ createRequire }, { existsSync }] = await Promise.all([import("node:module"), import("node:fs")]);
  const wish = `Cannot run on Node.js ${process.versions.node}: want ${OLDEST_NODE} or newer`;
  let manifest = "";
  try {
    manifest = createRequire(import.meta.url).resolve("node/package.json");
  } catch {
    end(`${wish}, which "npm ci" brings along: run it first`);
  }
  const runtime = manifest.replace(/package\.json$/, "bin/node");
  if (existsSync(runtime)) return runtime;
  // npm ci --ignore-scripts leaves it out.
  return end(`${wish}, and "${runtime}" is missing: run "npm rebuild node" to have it`);
}
