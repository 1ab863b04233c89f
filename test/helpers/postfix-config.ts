/** A Postfix configuration directory for tests. */
import { chmodSync, existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TemporaryDirectory extends Disposable {
  readonly path: string;
  /** Writes a file in it and gives its path. */
  write(name: string, text: string | Buffer): string;
}

/** Has Postfix believe files at once: it reads one of the last second again and again, lest it is still being written. */
export function settle(...files: readonly string[]): void {
  const longAgoSeconds = 1_000_000_000;
  for (const file of files) if (existsSync(file)) utimesSync(file, longAgoSeconds, longAgoSeconds);
}

/** The same for main.cf and master.cf in a directory. */
export function settleConfig(directory: string): void {
  settle(join(directory, "main.cf"), join(directory, "master.cf"));
}

/** A directory that goes when its scope ends. Readable by all, for programs that give up their rights. */
export function temporaryDirectory(): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), "postvouch-test-"));
  chmodSync(path, 0o755);
  return {
    path,
    write(name, text) {
      const file = join(path, name);
      writeFileSync(file, text);
      settle(file);
      return file;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** The same with a Postfix configuration in it, for `-c`. */
export function postfixConfig(mainCf: string): TemporaryDirectory {
  const directory = temporaryDirectory();
  directory.write("main.cf", `compatibility_level = 3.6\n${mainCf}`);
  directory.write("master.cf", "");
  return directory;
}
