/** postsrsd 1.x (tcp_table) and 2.x (socketmap), if installed. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child, freePorts, SERVER_CORE } from "../processes.ts";
import type { Bench, Subject } from "../subjects.ts";
import { SRS_DOMAIN, writeSecret } from "./secret.ts";

export const POSTSRSD_1 = "postsrsd 1.x";
export const POSTSRSD_2 = "postsrsd 2.x";
export const POSTSRSD_2_UNIX = "postsrsd 2.x, unix";

/** Programs that may be on PATH, as distributions and people who keep both call them. */
const PROGRAMS = ["postsrsd", "postsrsd2"];

/** The first program on PATH whose version starts with `major`, and that version. */
function findPostsrsd(major: "1." | "2."): { readonly program: string; readonly version: string } | undefined {
  for (const program of PROGRAMS) {
    const { stdout, stderr, error } = spawnSync(program, ["-v"], { encoding: "utf8" });
    const version = error === undefined ? /\d+\.\d[\d.]*/.exec(stdout + stderr)?.[0] : undefined;
    if (version?.startsWith(major)) return { program, version };
  }
  return undefined;
}

/** @param ownDomains what is not rewritten; 1.x reads them from its command line */
export async function startPostsrsd1(
  bench: Bench,
  stack: AsyncDisposableStack,
  name: string,
  ownDomains: readonly string[],
): Promise<Subject[]> {
  const found = findPostsrsd("1.");
  if (found === undefined) return [];
  const [forward = 0, reverse = 0] = await freePorts(2);
  const command = [
    ...[found.program, "-4", "-l", "127.0.0.1", "-f", String(forward), "-r", String(reverse)],
    ...["-s", writeSecret(bench.directory), "-d", SRS_DOMAIN, `-X${ownDomains.join(",")}`],
  ];
  const child = await stack.use(new Child(name, SERVER_CORE, command)).listening(`127.0.0.1:${forward}`);
  const targets = { forward: `127.0.0.1:${forward}`, reverse: `127.0.0.1:${reverse}` };
  return [{ name, protocol: "tcp", targets, pid: child.pid }];
}

/** One process for inet and one for a unix-domain socket: it takes one socketmap endpoint only. */
export async function startPostsrsd2(
  bench: Bench,
  stack: AsyncDisposableStack,
  ownDomains: readonly string[],
): Promise<Subject[]> {
  const found = findPostsrsd("2.");
  if (found === undefined) return [];
  const [port = 0] = await freePorts(1);
  const path = join(bench.directory, "postsrsd2.sock");
  return [
    await startOne(found.program, POSTSRSD_2, `inet:127.0.0.1:${port}`, `127.0.0.1:${port}`),
    await startOne(found.program, POSTSRSD_2_UNIX, `unix:${path}`, `unix:${path}`),
  ];

  async function startOne(program: string, name: string, endpoint: string, target: string): Promise<Subject> {
    const file = join(bench.directory, `${name.replaceAll(/\W/g, "")}.conf`);
    writeFileSync(
      file,
      [
        `srs-domain = "${SRS_DOMAIN}"`,
        `domains = {${ownDomains.map((domain) => `"${domain}"`).join(", ")}}`,
        `secrets-file = "${writeSecret(bench.directory)}"`,
        `socketmap = "${endpoint}"`,
        'unprivileged-user = ""\nchroot-dir = ""\nkeep-alive = 0\nconnection-limit = 2000\n',
      ].join("\n"),
    );
    const child = await stack.use(new Child(name, SERVER_CORE, [program, "-C", file])).listening(target);
    return { name, protocol: "socketmap", targets: { forward: target, reverse: target }, pid: child.pid };
  }
}
