#!/usr/bin/env node
// @ts-check
/**
 * The entry point. It is plain JavaScript without imports at its top, because every Node.js must be able to read it.
 * Under a Node.js that is too old (distributions ship 18 and 20) it starts again with the runtime of the package
 * `node`.
 *
 * The build makes dist/main.js from this file. It is checked in, so that npx finds it before the first build: then it
 * reports what is missing, and the link of npx works later.
 */
const OLDEST_NODE = 24;

/** Exit code of sysexits.h for a missing part. */
const UNAVAILABLE = 69;

/** Interval at which the parent is checked, in milliseconds. */
const PARENT_MS = 500;

/** Signals that the process in front passes on to the daemon. */
const PASSED_ON = /** @type {const} */ (["SIGTERM", "SIGINT", "SIGHUP"]);

// Without a listener Node.js opens its inspector, with which every user of this host can run code in the daemon.
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
    const cli = await import("./cli.js");
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
 * Ends like after a SIGTERM when the parent process is gone. npm and the process in front of an old runtime may die of
 * signals that cannot be passed on, and the daemon would keep all ports.
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
 * Names the command to run first, if one of our files or a package is missing.
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
  // npm leaves it out with --ignore-scripts, and if its settings allow no scripts of packages.
  const folder = manifest.replace(/\/node_modules\/node\/package\.json$/, "");
  return end(`${wish}, and "${runtime}" is missing: run "npm rebuild node" in ${folder} to have it`);
}
