#!/usr/bin/env node
const OLDEST_NODE = 24;
const UNAVAILABLE = 69;
const PARENT_MS = 500;
const PASSED_ON = (["SIGTERM", "SIGINT", "SIGHUP"]);
process.on("SIGUSR1", () => { });
endWithParent();
if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE)
    await run();
else
    await goOnWithNewerNode();
async function run() {
    let giveUp = (error) => {
        throw error;
    };
    try {
        const cli = await import("./cli.js");
        giveUp = cli.giveUp;
        process.on("uncaughtException", giveUp);
        process.exitCode = await cli.run(process.argv.slice(2));
    }
    catch (error) {
        const missing = whatIsMissing(error);
        if (missing === undefined)
            giveUp(error);
        else
            end(missing);
    }
}
function endWithParent() {
    const parent = Number(process.env.POSTVOUCH_PARENT ?? "");
    if (parent === 0)
        return;
    const timer = setInterval(() => {
        if (process.ppid === parent)
            return;
        clearInterval(timer);
        process.kill(process.pid, "SIGTERM");
    }, PARENT_MS);
    timer.unref();
}
function whatIsMissing(error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND")
        return undefined;
    const name = /^Cannot find package '([^']+)'/.exec(error.message)?.[1];
    return name === undefined
        ? 'Cannot find all of dist/: run "npm run build" first'
        : `Cannot find the package "${name}": run "npm ci" first`;
}
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
    for (const signal of PASSED_ON)
        process.on(signal, () => child.kill(signal));
    child.on("error", (error) => end(`Cannot run "${runtime}": ${error.message}`));
    child.on("exit", (code, signal) => {
        if (signal === null)
            process.exit(code ?? UNAVAILABLE);
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
    }
    catch {
        end(`${wish}, which "npm ci" brings along: run it first`);
    }
    const runtime = manifest.replace(/package\.json$/, "bin/node");
    if (existsSync(runtime))
        return runtime;
    return end(`${wish}, and "${runtime}" is missing: run "npm rebuild node" to have it`);
}
export {};
