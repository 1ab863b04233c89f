/** Reads master.cf, from `postconf -M` (its lines) and `postconf -Px` (its `-o` overrides, with `$name` expanded). */
import { runPostconf, settings } from "./postconf.ts";
import type { PostfixCommand } from "./run.ts";

/** One service of master.cf. */
export interface Service {
  /** The first field: `smtp`, `127.0.0.1:12526`. */
  readonly name: string;
  /** `inet`, `unix`, `pass` and so on. */
  readonly type: string;
  /** The fifth field; `-` means the default of this Postfix. */
  readonly chroot: string;
  /** The program: `smtpd`, `cleanup`, `pipe`. */
  readonly program: string;
  /** The arguments of the program. */
  readonly args: string;
  /** The parameters that `-o` sets for this service. */
  readonly overrides: ReadonlyMap<string, string>;
}

/**
 * Reads all services.
 *
 * @throws {Error} with Postfix's message, when postconf is missing or master.cf cannot be read
 */
export async function readServices(command: PostfixCommand): Promise<Service[]> {
  const [lines, overrides] = await Promise.all([runPostconf(["-M"], command), runPostconf(["-Px"], command)]);
  return parseServices(lines.stdout, settings(overrides.stdout));
}

/** @param overrides values by `name/type/parameter` */
function parseServices(lines: string, overrides: ReadonlyMap<string, string>): Service[] {
  return lines.split("\n").flatMap((line) => {
    const [name, type, , , chroot = "-", , , program, ...args] = line.trim().split(/\s+/);
    if (name === undefined || type === undefined || program === undefined) return [];
    const prefix = `${name}/${type}/`;
    const own = [...overrides].filter(([key]) => key.startsWith(prefix));
    return {
      name,
      type,
      chroot,
      program,
      args: args.join(" "),
      overrides: new Map(own.map(([key, value]) => [key.slice(prefix.length), value])),
    };
  });
}
