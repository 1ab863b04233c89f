/** A real MariaDB server. */
import { chownSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { runProgram, skipReason } from "./requires.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

/** Who runs the server when we are root: it will not run as root, and need not. */
const NOBODY = { uid: 65_534, gid: 65_534 };

export interface MariaDb extends ServerProcess {
  readonly socket: string;
  sql(statements: string): string;
}

/**
 * Starts a MariaDB of its own in `directory`, on a unix socket only; a second call takes up the data of the first.
 *
 * The account `postfix` has no password and may read the database `postfix`.
 */
export async function startMariaDb(directory: string): Promise<MariaDb> {
  const identity = process.getuid?.() === 0 ? NOBODY : {};
  const [data, socket] = [join(directory, "data"), join(directory, "db.sock")];
  if (process.getuid?.() === 0) chownSync(directory, NOBODY.uid, NOBODY.gid);
  if (!existsSync(data)) {
    mkdirSync(data);
    if (process.getuid?.() === 0) chownSync(data, NOBODY.uid, NOBODY.gid);
    const options = [
      "--no-defaults",
      `--datadir=${data}`,
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
    ];
    runProgram("mariadb-install-db", options, { ...identity, cwd: directory });
  }
  const sql = (statements: string): string =>
    runProgram("mariadb", ["--no-defaults", "--socket", socket, "--user=root", "--batch", "--execute", statements]);
  const options = ["--no-defaults", `--datadir=${data}`, `--socket=${socket}`, "--skip-networking"];
  const sizes = ["--innodb-buffer-pool-size=8M", "--innodb-log-file-size=8M", "--performance-schema=OFF"];
  const pid = `--pid-file=${join(directory, "db.pid")}`;
  const server = await startServer("mariadbd", [...options, ...sizes, pid], {
    isReady: () => canAsk(sql),
    ...identity,
  });
  return { ...server, socket, sql };
}

/** The programs that this needs. */
export const MARIADB_PROGRAMS = ["mariadbd", "mariadb-install-db", "mariadb"] as const;

function canAsk(sql: (statements: string) => string): boolean {
  try {
    return sql("SELECT 1") !== "";
  } catch {
    return false;
  }
}

/** Why Postfix cannot ask MySQL tables here, or `undefined`: distributions ship that map type by itself. */
export function missingMySqlMap(): string | undefined {
  if (runProgram("postconf", ["-m"]).split("\n").includes("mysql")) return undefined;
  return skipReason("Cannot run: Postfix without its mysql map type");
}
