/** Asks each endpoint of ours as Postfix will ask it, before Postfix depends on the answers. */
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { lookUp } from "../../postfix/postmap.ts";
import type { PostfixCommand } from "../../postfix/run.ts";
import { errorText } from "../../process/exit.ts";

/** A sender of a domain that nobody has (RFC 2606), so that it is nobody's own. */
export const STRANGER = "probe@postvouch.invalid";

/** Longest wait for an answer, in milliseconds. */
const ANSWER_MS = 5_000;

const MAX_REPLY_CHARACTERS = 100_000;

export interface Prober {
  readonly postfix: PostfixCommand;
  readonly queueDirectory: string;
  /** The user of Postfix's daemons; `undefined` if we cannot become it. */
  readonly daemonUser: { readonly uid: number; readonly gid: number } | undefined;
}

/** Finds the user of Postfix's daemons, by its name in main.cf. */
export async function daemonUser(name: string): Promise<Prober["daemonUser"]> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all([numberOf("id", "-u", name), numberOf("id", "-g", name)]);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

async function numberOf(program: string, ...args: readonly string[]): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<string>();
  execFile(program, args, (error, stdout) => resolve(error === null ? stdout.trim() : ""));
  const text = await promise;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * Asks a map of ours for a key.
 *
 * @param address `inet:127.0.0.1:10003`, `unix:postvouch/maps`
 * @returns what it answers
 * @throws {Error} with the reason, when there is no answer
 */
export async function askMap(
  type: "tcp" | "socketmap",
  address: string,
  map: string,
  key: string,
  prober: Prober,
): Promise<string | undefined> {
  const table = type === "tcp" ? `tcp:${address.slice("inet:".length)}` : `socketmap:${address}:${map}`;
  return askTable(table, key, prober);
}

/**
 * Asks a table as a daemon of Postfix does: in its directory and, where permissions count, as its user.
 *
 * @throws {Error} with the reason, when there is no answer
 */
export function askTable(
  table: string,
  key: string,
  { postfix, queueDirectory, daemonUser: user }: Prober,
): Promise<string | undefined> {
  const command = { ...postfix, timeoutMs: ANSWER_MS };
  if (!table.includes("socketmap:unix:")) return lookUp(table, key, command);
  return lookUp(table, key, { ...command, cwd: queueDirectory, ...(user === undefined ? {} : { user }) });
}

/** The path of a socket outside of the chroot. */
function socketPath(address: string, queueDirectory: string): string | undefined {
  if (!address.startsWith("unix:")) return undefined;
  const path = address.slice("unix:".length);
  return path.startsWith("/") ? path : join(queueDirectory, path);
}

/**
 * Sends a request of a client on this host to a policy service. It has no name to look up in DNS.
 *
 * @returns the action
 * @throws {Error} with the reason, when there is no answer
 */
export async function askPolicy(address: string, { queueDirectory, daemonUser: user }: Prober): Promise<string> {
  const path = socketPath(address, queueDirectory);
  if (path !== undefined && user !== undefined) await requireWritable(path, user);
  const reply = await converse(path ?? address.slice("inet:".length), REQUEST, (text) => text.endsWith("\n\n"));
  const [, action] = /^action=(.*)\n/.exec(reply) ?? [];
  if (action === undefined) throw new Error(`it answers "${reply.slice(0, 60)}", which is no policy service`);
  return action;
}

const REQUEST = `request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address=127.0.0.1
client_name=localhost
helo_name=
sender=
recipient=${STRANGER}
instance=postvouch-setup

`;

/** The offer of a Postfix with milter_protocol = 6, as a packet: OPTNEG, version, actions, protocol. */
const OFFER = Buffer.from("0000000d4f00000006000001ff001fffff", "hex").toString("latin1");

/** Bytes of the length of a packet. */
const LENGTH_BYTES = 4;

/** A macro that no other milter of these asks for at CONNECT. */
const OUR_MACRO = "{client_resolve}";

/**
 * Negotiates with a milter as Postfix does, and ends the connection before anything of a session.
 *
 * @throws {Error} with the reason, when there is no answer, or it is not ours
 */
export async function askMilter(address: string, { queueDirectory, daemonUser: user }: Prober): Promise<void> {
  const path = socketPath(address, queueDirectory);
  if (path !== undefined && user !== undefined) await requireWritable(path, user);
  const reply = await converse(path ?? address.slice("inet:".length), OFFER, (text) => {
    return text.length >= LENGTH_BYTES && text.length >= LENGTH_BYTES + Buffer.from(text, "latin1").readUInt32BE(0);
  });
  if (reply.charAt(LENGTH_BYTES) !== "O") throw new Error("it answers nothing that a milter says");
  if (!reply.includes(OUR_MACRO)) throw new Error("another milter than ours answers");
}

/**
 * Connects to a milter of another program.
 *
 * @throws {Error} with the reason, when nobody listens
 */
export async function requireListener(address: string, queueDirectory: string): Promise<void> {
  const [, v6, host = "", port = ""] = /^inet:(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(address) ?? [];
  if (port !== "") return connectOnce({ host: v6 ?? host, port: Number(port) });
  const path = /^(?:unix|local):(.+)$/.exec(address)?.[1];
  if (path === undefined) return;
  // In a chroot a path that begins with "/" counts from the queue directory too.
  const inChroot = join(queueDirectory, path);
  await (path.startsWith("/")
    ? connectOnce({ path }).catch(() => connectOnce({ path: inChroot }))
    : connectOnce({ path: inChroot }));
}

function connectOnce(
  where: { readonly host: string; readonly port: number } | { readonly path: string },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(where);
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
  socket.on("connect", () => resolve());
  socket.on("error", (error) => reject(new Error(errorText(error))));
  return promise.finally(() => socket.destroy());
}

/** connect(2) wants permission to write a socket, and to go through its directories. */
async function requireWritable(path: string, user: { readonly uid: number; readonly gid: number }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  execFile("test", ["-w", path], user, (error) => resolve(error === null));
  if (!(await promise))
    throw new Error(`the user of Postfix's daemons may not write "${path}" or go into "${dirname(path)}"`);
}

/** Sends a request in latin1. @returns what comes until it is whole, or until the end */
function converse(where: string, request: string, isWhole: (reply: string) => boolean): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const [, host = "", port = ""] = /^\[?([^\]]*)\]?:(\d+)$/.exec(where) ?? [];
  const socket = port === "" ? connect(where) : connect(Number(port), host);
  let reply = "";
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
  socket.setEncoding("latin1").on("data", (text: string) => {
    reply += text;
    if (isWhole(reply) || reply.length > MAX_REPLY_CHARACTERS) socket.end();
  });
  socket.on("error", (error) => reject(new Error(errorText(error))));
  socket.on("close", () => resolve(reply));
  socket.write(request, "latin1");
  return promise;
}

/** Tells if a connection is accepted. */
export function isListening(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, host);
  socket.setTimeout(ANSWER_MS, () => resolve(false));
  socket.on("connect", () => resolve(true));
  socket.on("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}
