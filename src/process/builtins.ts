/**
 * The functions of Node's own modules that commands need. An import of node:fs would load its promises and streams too,
 * and an import of node:os makes many system calls, which short commands would notice.
 */
export const {
  accessSync,
  fchownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} = process.getBuiltinModule("node:fs");

export const { dirname, join } = process.getBuiltinModule("node:path");

/** The system's name of this host. */
export function hostname(): string {
  return process.getBuiltinModule("node:os").hostname();
}
