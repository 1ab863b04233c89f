/** Has a real OpenDKIM sign messages, over the milter protocol. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../helpers/server-process.ts";
import { type FilterPacket, LOCKSTEP_OFFER, mta, readPackets } from "../milter/mta.ts";

/** The d= and s= of a signature, as `example.net/mail`. */
export type Signer = string;

/** A message as far as it decides about signatures. */
export interface Submission {
  readonly from: string;
  readonly client?: string;
  readonly authenticated?: boolean;
  /** `milter_macro_daemon_name` of the service. */
  readonly daemon?: string;
}

export interface Opendkim extends AsyncDisposable {
  /** Who signs such a message; a word in brackets if the message is refused. */
  sign(message: Submission): Promise<readonly Signer[]>;
}

const REFUSALS: Readonly<Record<string, string>> = { r: "[reject]", t: "[tempfail]", y: "[reject]", d: "[discard]" };

/**
 * Starts OpenDKIM with such a file.
 *
 * @param conf without Socket
 * @throws {Error} with its output if it does not start
 */
export async function startOpendkim(conf: string): Promise<Opendkim> {
  const directory = mkdtempSync(join(tmpdir(), "postvouch-import-"));
  const socket = join(directory, "socket");
  writeFileSync(
    join(directory, "conf"),
    `${conf}\nSocket local:${socket}\nUserID root\nUMask 000\nRequireSafeKeys no\n`,
  );
  const server = await startServer("opendkim", ["-f", "-x", join(directory, "conf")], {
    isReady: () => canConnect(socket),
  });
  return {
    sign: async (message) => await converse(socket, message),
    [Symbol.asyncDispose]: async () => {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function canConnect(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function converse(path: string, submission: Submission): Promise<Signer[]> {
  const { from, client = "127.0.0.1", authenticated, daemon = "smtpd" } = submission;
  const socket = connect(path);
  try {
    await exchange(socket, mta.options(...LOCKSTEP_OFFER));
    const auth = authenticated === true ? { "{auth_type}": "PLAIN", "{auth_authen}": "x" } : {};
    const steps = [
      mta.macros("C", { j: "mx.test", "{daemon_name}": daemon }) + mta.connect("client.test", client),
      mta.helo(),
      mta.macros("M", { i: "4XABC", ...auth }) + mta.mail("<x@y.test>"),
      mta.rcpt("<c@d.test>"),
      mta.field("From", ` ${from}`),
      mta.field("Date", " Thu, 26 Nov 2026 12:00:00 +0000"),
      mta.field("Subject", " x"),
      mta.eoh(),
      mta.body("hi\r\n"),
      mta.eom(),
    ];
    const signers: Signer[] = [];
    for (const step of steps) {
      const got = await exchange(socket, step);
      signers.push(...got.filter(({ byte }) => byte === "i" || byte === "h").flatMap(signerOf));
      const verdict = got.at(-1)?.byte ?? "";
      const refusal = REFUSALS[verdict];
      if (refusal !== undefined) return [refusal];
      if (verdict === "a") return signers;
    }
    return signers;
  } finally {
    socket.destroy();
  }
}

/** Sends a step. @returns the packets up to the verdict */
async function exchange(socket: Socket, bytes: string): Promise<FilterPacket[]> {
  socket.write(bytes, "latin1");
  let received = "";
  return await new Promise((resolve, reject) => {
    const done = (): void => {
      socket.removeAllListeners("data");
      socket.removeAllListeners("close");
    };
    socket.on("data", (data) => {
      received += data.toString("latin1");
      const packets = wholePackets(received);
      if (!"acdrtyO".includes(packets.at(-1)?.byte ?? " ")) return;
      done();
      resolve(packets);
    });
    socket.on("close", () => {
      done();
      reject(new Error("OpenDKIM has closed the connection"));
    });
  });
}

function wholePackets(bytes: string): FilterPacket[] {
  try {
    return readPackets(bytes);
  } catch {
    return [];
  }
}

function signerOf({ data }: FilterPacket): Signer[] {
  if (!data.includes("DKIM-Signature\0")) return [];
  const tag = (name: string): string => new RegExp(`[;\\s]${name}=([^;\\s]+)`).exec(data)?.[1] ?? "";
  return [`${tag("d")}/${tag("s")}`];
}
