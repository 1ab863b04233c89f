/**
 * Makes dist/ from src/: `npm run build [-- FOLDER]`. Each file that Node.js loads costs a small command a third of a
 * millisecond, so what they share is one chunk. Types are not checked here: `npm run check` does that.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { type InputOptions, type OutputOptions, rolldown } from "rolldown";

const ROOT = join(import.meta.dirname, "..");
const SRC = join(ROOT, "src");

const CLI = join(SRC, "cli.ts");

/** The small command that needs most. */
const SMALL = join(SRC, "commands/check-config.ts");

/** A package whose few files would cost check-config more to find than to run. Others stay packages. */
const TAKEN_IN = "smol-toml";

process.umask(0o022);
await build(process.argv[2] ?? join(ROOT, "dist"));

async function build(dist: string): Promise<void> {
  const small = await importedBy(SMALL);
  const cli = await importedBy(CLI);
  rmSync(dist, { recursive: true, force: true });
  await write(dist, CLI, {
    codeSplitting: {
      groups: [
        { name: "command-line", test: (file) => cli.has(file) && file !== CLI },
        { name: "small", test: (file) => small.has(file) && !cli.has(file) && file !== SMALL },
      ],
    },
  });
  // By themselves, because a file that two programs share would be one more for every command.
  await write(dist, join(SRC, "store/sqlite-worker.ts"), {});
  await write(dist, join(SRC, "history/history-worker.ts"), {});
  cpSync(join(ROOT, "node_modules", TAKEN_IN, "LICENSE"), join(dist, `${TAKEN_IN}.LICENSE`));
  // Not through the bundler: an old Node.js must be able to read it, and it imports nothing before it has looked.
  const main = readFileSync(join(SRC, "main.js"), "utf8").replace("./cli.ts", "./cli.js");
  writeFileSync(join(dist, "main.js"), main, { mode: 0o755 });
}

async function write(dir: string, file: string, options: OutputOptions): Promise<void> {
  await using bundle = await rolldown(inputs(file));
  const names = { entryFileNames: "[name].js", chunkFileNames: "[name].js" };
  const { output } = await bundle.generate({ ...names, comments: false, ...options });
  mkdirSync(dir, { recursive: true });
  for (const chunk of output)
    if (chunk.type === "chunk") writeFileSync(join(dir, chunk.fileName), asciiOnly(chunk.code));
}

/** V8 reads text without a character of two bytes in a fifth less time. They stand in strings and patterns alone. */
function asciiOnly(code: string): string {
  return code.replace(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The files that `file` loads when it is imported: not those of `import()`. */
async function importedBy(file: string): Promise<Set<string>> {
  await using bundle = await rolldown(inputs(file));
  const { output } = await bundle.generate({});
  const chunks = output.filter((one) => one.type === "chunk");
  const found = new Set(chunks.filter(({ isEntry }) => isEntry));
  for (const { imports } of found) for (const chunk of chunks) if (imports.includes(chunk.fileName)) found.add(chunk);
  return new Set([...found].flatMap(({ moduleIds }) => moduleIds));
}

function inputs(input: string): InputOptions {
  const isPackage = (id: string): boolean => !id.startsWith(".") && !isAbsolute(id) && id !== TAKEN_IN;
  return { input, platform: "node", external: isPackage, cwd: ROOT };
}
