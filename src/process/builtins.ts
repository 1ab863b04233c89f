/**
 * What the commands need of Node's own modules. An import of node:fs would load its promises and streams as well, and that
 * of node:os asks the kernel for all that it knows: together a tenth of what `postvouch check-config` may take.
 */
export const {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
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
