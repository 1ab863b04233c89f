/** A real postsrsd 1.x with a frozen clock. */
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { freePort } from "../helpers/free-port.ts";
import { temporaryDirectory } from "../helpers/postfix-config.ts";
import { programPath } from "../helpers/requires.ts";

export interface PostsrsdProcess extends AsyncDisposable {
  /** Sends request lines (latin1, LF included) in one go; gives the reply lines. */
  ask(map: "forward" | "reverse", requests: readonly string[]): Promise<string[]>;
}

/** Other tests run at the same time, and one may take a port that was free before postsrsd does. */
const MAX_STARTS = 3;

/**
 * @param args beside secret file, domain and ports
 * @param clock UTC, as faketime reads it: `2020-01-01 00:01:00`
 * @throws Error when it does not start; with what it said
 */
export async function startPostsrsd(secrets: string | Buffer, domain: string, clock: string, args: readonly string[]) {
  for (let starts = 1; ; starts++) {
    try {
      return await startOnce(secrets, domain, clock, args);
    } catch (error) {
      if (starts === MAX_STARTS) throw error;
    }
  }
}

async function startOnce(secrets: string | Buffer, domain: string, clock: string, args: readonly string[]) {
  const directory = temporaryDirectory();
  const ports = { forward: await freePort(), reverse: await freePort() };
  const own = ["-s", directory.write("secret", secrets), "-d", domain, "-4", "-l", "127.0.0.1"];
  const listen = ["-f", String(ports.forward), "-r", String(ports.reverse)];
  // faketime starts the program as a child of its own: the group is what has to end.
  const child = spawn("faketime", ["-f", clock, programPath("postsrsd") ?? "", ...own, ...listen, ...args], {
    env: { ...process.env, TZ: "UTC" },
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
  const gone = new Promise((resolve) => child.once("close", resolve));
  const daemon: PostsrsdProcess = {
    ask: (map, requests) => converse(ports[map], requests),
    async [Symbol.asyncDispose]() {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
      await gone;
      directory[Symbol.dispose]();
    },
  };
  for (let tries = 0; ; tries++) {
    const error = await daemon.ask("reverse", ["get x\n"]).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) return daemon;
    if (tries > 200 || child.exitCode !== null) {
      await daemon[Symbol.asyncDispose]();
      throw new Error(`Cannot start postsrsd: ${said}`, { cause: error });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function converse(port: number, requests: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", reject);
    socket.on("close", () => resolve(text.split("\n").slice(0, -1)));
    socket.end(requests.join(""), "latin1");
  });
}
