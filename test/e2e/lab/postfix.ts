/** One real Postfix: its own configuration, queue, mail and log, in a network namespace. */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { settleConfig } from "../../helpers/postfix-config.ts";
import { type CommandOptions, run, runOrLeave } from "./command.ts";
import { eventually } from "./eventually.ts";
import { type Message, messageText, newTag, readMaildir, type StoredMessage } from "./mail.ts";
import type { Network } from "./network.ts";
import { lastOfEach, type MailHost, mainCf, masterCf, POLICYD_SPF_CONF } from "./postfix-files.ts";
import { NODE } from "./runtime.ts";

/** nobody, nogroup: who owns the mailboxes. */
const NOBODY = 65_534;

export interface QueuedMessage {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly sender: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

export class Postfix {
  readonly name: string;
  /** The folder of main.cf and master.cf, for `-c`. */
  readonly configDir: string;
  readonly directory: string;
  readonly #host: MailHost;
  readonly #network: Network;

  private constructor(host: MailHost, network: Network, directory: string) {
    this.name = host.name;
    this.#host = host;
    this.#network = network;
    this.directory = directory;
    this.configDir = join(directory, "etc");
  }

  /** Writes its files and starts it. */
  static async start(host: MailHost, network: Network, directory: string): Promise<Postfix> {
    const postfix = new Postfix(host, network, directory);
    for (const part of ["etc", "queue", "data", "mail"]) mkdirSync(join(directory, part), { recursive: true });
    chmodSync(directory, 0o755);
    await run(["chown", "postfix", join(directory, "data")]);
    chownSync(join(directory, "mail"), NOBODY, NOBODY);
    postfix.#writeConfiguration({});
    writeFileSync(join(directory, "policyd-spf.conf"), POLICYD_SPF_CONF);
    await postfix.command("postfix", "start");
    return postfix;
  }

  /** Runs a program on this host. */
  run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    settleConfig(this.configDir);
    return run(this.#network.on(this.name, argv), options);
  }

  /** Runs one of Postfix's own commands with this host's configuration. */
  command(program: string, ...args: readonly string[]): Promise<string> {
    return this.run([program, "-c", this.configDir, ...args]);
  }

  /** Ends it, also at the end of a test that failed. */
  stop(): void {
    settleConfig(this.configDir);
    runOrLeave(this.#network.on(this.name, ["postfix", "-c", this.configDir, "stop"]));
  }

  /** Writes a file beside main.cf. */
  write(name: string, text: string): void {
    writeFileSync(join(this.configDir, name), text);
  }

  /** Sets its files to those that it started with and these additions, instead of earlier ones. */
  async configure(additions: Pick<MailHost, "mainCf" | "masterCf">): Promise<void> {
    this.#writeConfiguration(additions);
    await this.reload();
  }

  /** Sets main.cf parameters (`name = value`) and has every process take them over. */
  async set(...settings: readonly string[]): Promise<void> {
    await this.command("postconf", "-e", ...settings);
    await this.reload();
  }

  /**
   * `postfix reload`, and waits until the processes that read the old configuration have ended. Otherwise one of them
   * could take the next message.
   */
  async reload(): Promise<void> {
    await this.reloadBy(() => this.command("postfix", "reload"));
  }

  /** The same, by a program that runs `postfix reload`. @returns what the program gives */
  async reloadBy<T>(reload: () => Promise<T>): Promise<T> {
    const before = this.#children();
    const result = await reload();
    await eventually(`${this.name} reloaded`, () => {
      const now = this.#children();
      return before.some((pid) => now.includes(pid)) ? undefined : true;
    });
    return result;
  }

  /** Hands a message to sendmail(1). @returns a word that finds it, and a bounce of it, again */
  async send(message: Message): Promise<string> {
    const tag = newTag();
    const recipients = [message.to].flat();
    const argv = ["sendmail", "-C", this.configDir, "-f", message.from, "--", ...recipients];
    await this.run(argv, { input: messageText(message, tag) });
    return tag;
  }

  /** What a mailbox holds now. */
  mailbox(user: string): StoredMessage[] {
    return readMaildir(join(this.directory, "mail", user));
  }

  /** Waits for the message of a tag in a mailbox; a `bounce` of it is another message. */
  arrived(user: string, tag: string, kind: "message" | "bounce" = "message"): Promise<StoredMessage> {
    const isWanted = (message: StoredMessage): boolean =>
      message.text.includes(tag) && (message.headers("Subject")[0] === tag) === (kind === "message");
    return eventually(
      `the ${kind} of ${tag} in ${user}'s mailbox on ${this.name}`,
      () => this.mailbox(user).find(isWanted),
      () => this.#everybodysLog(),
    );
  }

  /** The lines of the mail log that match. */
  logLines(pattern: RegExp): string[] {
    return readLines(join(this.directory, "maillog")).filter((line) => pattern.test(line));
  }

  /** Waits for a line of the mail log. */
  logged(pattern: RegExp): Promise<string> {
    return eventually(
      `a line like ${pattern} in ${this.name}'s log`,
      () => this.logLines(pattern)[0],
      () => this.#everybodysLog(),
    );
  }

  /** The queue files that a message was in on this host. */
  queueIdsOf(tag: string): string[] {
    const lines = this.logLines(new RegExp(`message-id=<${tag}@`));
    return lines.map((line) => / ([0-9A-Za-z]+): message-id=/.exec(line)?.[1] ?? "");
  }

  /**
   * Speaks SMTP from this host.
   *
   * @returns the replies, the greeting first
   */
  async smtp(server: string, port: number, ...commands: readonly string[]): Promise<string[]> {
    const program = fileURLToPath(new URL("./smtp-session.ts", import.meta.url));
    const input = JSON.stringify([server, String(port), ...commands]);
    const output = await this.run([NODE, program], { input: Buffer.from(input, "latin1") });
    return JSON.parse(output) as string[];
  }

  /**
   * Hands a message over by SMTP, as a host that is no Postfix does: nothing is added to it.
   *
   * @returns its tag
   * @throws {Error} when the server does not take it
   */
  async submit(server: string, port: number, message: Message): Promise<string> {
    const tag = newTag();
    const recipients = [message.to].flat().map((address) => `RCPT TO:<${address}>`);
    const envelope = [`EHLO mail.${this.name}.test`, `MAIL FROM:<${message.from}>`, ...recipients, "DATA"];
    const text = messageText(message, tag).replaceAll("\n", "\r\n");
    const replies = await this.smtp(server, port, ...envelope, `${text}.`, "QUIT");
    const accepted = replies.at(-2) ?? "";
    if (!/^250 .*queued/.test(accepted)) throw new Error(`Cannot submit to ${server}:${port}: ${replies.join(" | ")}`);
    return tag;
  }

  async queue(): Promise<QueuedMessage[]> {
    const lines = (await this.command("postqueue", "-j")).split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as QueuedMessage);
  }

  /** Has what is deferred tried again now. */
  async flush(): Promise<void> {
    await this.command("postqueue", "-f");
  }

  /** What all hosts logged last: the reason may be another's. */
  #everybodysLog(): string {
    const lab = join(this.directory, "..");
    const tails = readdirSync(lab).map((name) => [`${name}:`, ...readLines(join(lab, name, "maillog")).slice(-30)]);
    return tails
      .filter(({ length }) => length > 1)
      .flat()
      .join("\n");
  }

  /** The process ids of the services that take mail in and decide about it. Others may be busy with a delivery. */
  #children(): string[] {
    const master = readFileSync(join(this.directory, "queue", "pid", "master.pid"), "latin1").trim();
    const pids = readFileSync(`/proc/${master}/task/${master}/children`, "latin1").split(" ").filter(Boolean);
    return pids.filter((pid) => /^(?:smtpd|cleanup|trivial-rewrite|qmgr|pickup)$/.test(commandOf(pid)));
  }

  #writeConfiguration({ mainCf: main = "", masterCf: master = "" }: Pick<MailHost, "mainCf" | "masterCf">): void {
    const host = this.#host;
    this.write("main.cf", lastOfEach(mainCf(host, this.directory) + main));
    this.write("master.cf", masterCf(host, this.directory) + master);
  }
}

/** A process's name, empty when it has ended. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1").trim();
  } catch {
    return "";
  }
}

function readLines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "latin1").split("\n") : [];
}
