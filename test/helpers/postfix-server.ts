/** A real Postfix server. */
import { chownSync, mkdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { freePort } from "./free-port.ts";
import { postfixConfig } from "./postfix-config.ts";
import { runProgram, skipReason } from "./requires.ts";

export interface PostfixServer extends AsyncDisposable {
  readonly configDir: string;
  /** The reply to RCPT TO for each recipient, e.g. "554 5.7.1 <x@y>: Relay access denied". */
  rcptReplies(recipients: readonly string[]): Promise<string[]>;
}

/** Why no Postfix can be started here: its master must be root to become its users. */
export function missingRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : skipReason("Cannot run: Postfix's master needs root");
}

/** A whole Postfix of its own on a loopback port that takes mail for what `mainCf` says and refuses to relay the rest. */
export async function startPostfix(
  mainCf: (directory: string) => string,
  { chroot }: { readonly chroot: boolean } = { chroot: false },
): Promise<PostfixServer> {
  const port = await freePort();
  const config = postfixConfig("");
  const root = config.path;
  const postfixUid = Number(runProgram("id", ["-u", "postfix"]));
  for (const name of ["queue", "data"]) mkdirSync(`${root}/${name}`);
  chownSync(`${root}/data`, postfixUid, -1);
  config.write(
    "main.cf",
    `${BASE}queue_directory = ${root}/queue\ndata_directory = ${root}/data\nmaillog_file = ${root}/log\n${mainCf(root)}`,
  );
  config.write("master.cf", masterCf(port, chroot ? "y" : "n"));
  const control = (command: string) => runProgram("postfix", ["-c", root, command]);
  control("start");
  return {
    configDir: root,
    rcptReplies: (recipients) => askRcpt(port, recipients),
    async [Symbol.asyncDispose]() {
      control("stop");
      config[Symbol.dispose]();
    },
  };
}

const BASE = `compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
maillog_file_prefixes = /
alias_maps =
local_recipient_maps =
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions =
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_delay_reject = yes
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 2000
import_environment = MAIL_CONFIG TZ
`;

function masterCf(port: number, chroot: "y" | "n"): string {
  const services = [`127.0.0.1:${port} inet n - ${chroot} - - smtpd`, "rewrite unix - - n - - trivial-rewrite"];
  const others = [`cleanup unix n - ${chroot} - 0 cleanup`, "qmgr unix n - n 300 1 qmgr", "anvil unix - - n - 1 anvil"];
  const more = [
    "pickup unix n - n 60 1 pickup",
    "proxymap unix - - n - - proxymap",
    "postlog unix-dgram n - n - 1 postlogd",
  ];
  return [...services, ...others, ...more, ""].join("\n");
}

async function askRcpt(port: number, recipients: readonly string[]): Promise<string[]> {
  const socket = connect(port, "127.0.0.1");
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  await reply(lines);
  await say(socket, lines, "EHLO client.test");
  await say(socket, lines, "MAIL FROM:<>");
  const replies: string[] = [];
  for (const recipient of recipients) replies.push(await say(socket, lines, `RCPT TO:<${recipient}>`));
  socket.destroy();
  return replies;
}

async function say(socket: Socket, lines: AsyncIterator<string>, command: string): Promise<string> {
  socket.write(`${command}\r\n`);
  return reply(lines);
}

/** The last line of a reply. */
async function reply(lines: AsyncIterator<string>): Promise<string> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("Cannot read reply: connection closed");
    if (!/^\d{3}-/.test(String(value))) return String(value);
  }
}
