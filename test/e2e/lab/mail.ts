/** Writes messages, and reads those in a mailbox. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Message {
  /** Envelope sender; `""` is the null sender. */
  readonly from: string;
  readonly to: string | readonly string[];
  /** Header From:, where it is not the envelope sender. */
  readonly headerFrom?: string;
  /** Header To:, where it is not the envelope recipients. */
  readonly headerTo?: string;
  /** Further header lines, without the last line feed. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

let messages = 0;

/** A word that stands in one message of this run, and so in the bounce of it. */
export function newTag(): string {
  return `tag${process.pid}x${++messages}x`;
}

export function messageText(message: Message, tag: string): string {
  const to =
    message.headerTo ??
    [message.to]
      .flat()
      .map((address) => `<${address}>`)
      .join(", ");
  const lines = [
    `From: ${message.headerFrom ?? `<${message.from || "MAILER-DAEMON"}>`}`,
    `To: ${to}`,
    `Subject: ${tag}`,
    `Message-ID: <${tag}@lab.test>`,
    ...(message.headers ?? []),
    "",
    message.body ?? "hello\n",
  ];
  return lines.join("\n");
}

/** A message as virtual(8) stored it. Text is latin1 bytes. */
export class StoredMessage {
  readonly text: string;
  readonly #head: string;

  constructor(text: string) {
    this.text = text;
    this.#head = text.slice(0, text.indexOf("\n\n")).replace(/\n[ \t]+/g, " ");
  }

  /** The values of every header of a name, from the top. */
  headers(name: string): string[] {
    const start = `${name.toLowerCase()}:`;
    const lines = this.#head.split("\n").filter((line) => line.toLowerCase().startsWith(start));
    return lines.map((line) => line.slice(start.length).trim());
  }

  /** The envelope sender that it came with: `""` for the null sender. */
  get returnPath(): string {
    return (this.headers("Return-Path")[0] ?? "").replace(/^<|>$/g, "");
  }
}

/** Every message in a maildir, whatever it is about. */
export function readMaildir(directory: string): StoredMessage[] {
  const inbox = join(directory, "new");
  if (!existsSync(inbox)) return [];
  return readdirSync(inbox).map((name) => new StoredMessage(readFileSync(join(inbox, name), "latin1")));
}
