/** Reads the end of Postfix's log. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { parseAddress } from "../../mail/ip.ts";
import { specialUse } from "../../mail/special-use.ts";
import { fileTrouble } from "../../process/exit.ts";
import type { Known, MailLogFacts, PostfixFacts } from "../facts.ts";

/** Where the log is if Postfix gives it to syslog. */
const FILES = ["/var/log/mail.log", "/var/log/maillog"];

/** Bytes that are read. */
const TAIL_BYTES = 4 * 1024 * 1024;
const MAX_ADDRESSES = 100;
const MAX_CLIENTS = 10_000;

/** Never rejects: a log that is not there or cannot be read is a reason. */
export function gatherMailLog(postfix: PostfixFacts | undefined): Known<MailLogFacts> {
  const own = postfix?.value("maillog_file") ?? "";
  let reason = "no mail log was found";
  for (const path of own.startsWith("/") && !own.startsWith("/dev/") ? [own] : FILES) {
    try {
      return { known: parseMailLog(path, readTail(path)) };
    } catch (error) {
      reason = `Cannot read "${path}": ${fileTrouble(error)}`;
    }
  }
  return { unknown: reason };
}

/** Finds clients and SRS addresses. */
export function parseMailLog(path: string, text: string): MailLogFacts {
  const clients = new Map<string, number>();
  for (const [, written = ""] of text.matchAll(/\/smtpd\[\d+\]: connect from [^[\s]*\[([^\]]+)\]/g)) {
    const address = parseAddress(written);
    if (address === undefined || specialUse(address) === "a loopback address" || clients.size > MAX_CLIENTS) continue;
    clients.set(address.text, (clients.get(address.text) ?? 0) + 1);
  }
  const srsDomains = new Map<string, number>();
  const srsAddresses = new Set<string>();
  for (const [address, domain = ""] of text.matchAll(/\bSRS[01][-+=][^\s<>@"]+@([\w.-]+\w)/gi)) {
    const name = domain.toLowerCase();
    srsDomains.set(name, (srsDomains.get(name) ?? 0) + 1);
    srsAddresses.delete(address);
    srsAddresses.add(address);
  }
  return { path, clients, srsDomains, srsAddresses: [...srsAddresses].slice(-MAX_ADDRESSES) };
}

function readTail(path: string): string {
  // The opening of a FIFO would wait for a writer.
  if (!statSync(path).isFile()) throw new Error("not a regular file");
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const count = readSync(file, bytes, 0, bytes.length, Math.max(0, size - bytes.length));
    return bytes.toString("latin1", 0, count);
  } finally {
    closeSync(file);
  }
}
