/** Strict readers of the daemon's output, written from the manuals and not from the encoders. */
import { readAuthenticationResults, readReceivedSpf } from "../helpers/header-grammar.ts";

interface TcpTableReply {
  readonly code: string;
  /** Unquoted. */
  readonly text: string;
}

/** One reply of tcp_table(5): a line of at most 4,096 bytes. @throws {SyntaxError} */
export function readTcpTableReply(bytes: string): TcpTableReply {
  const [, code, quoted] = /^(200|400|500) ((?:[\x21-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})+)\n$/.exec(bytes) ?? [];
  if (code === undefined || quoted === undefined) throw new SyntaxError(`no reply: ${JSON.stringify(bytes)}`);
  if (bytes.length > 4096) throw new SyntaxError("a reply over 4,096 bytes");
  const text = quoted.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return { code, text };
}

/** The payload of one netstring, with nothing before or after it. @throws {SyntaxError} */
export function readNetstring(bytes: string): string {
  const [head, digits] = /^(0|[1-9]\d{0,9}):/.exec(bytes) ?? [];
  if (head === undefined) throw new SyntaxError("no netstring");
  const end = head.length + Number(digits);
  if (bytes[end] !== "," || end + 1 !== bytes.length) throw new SyntaxError("a netstring of another length");
  return bytes.slice(head.length, end);
}

/** One policy reply: an action of ours, in UTF-8, with a header of ours that is legal. @returns the kind @throws {SyntaxError} */
export function readPolicyReply(reply: string): string {
  new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(reply, "latin1"));
  const [, action] = /^action=([^\x00-\x1f\x7f]+)\n\n$/.exec(reply) ?? [];
  if (action === undefined) throw new SyntaxError(`no action: ${JSON.stringify(reply)}`);
  const [, header] = /^PREPEND (.*)$/.exec(action) ?? [];
  if (header === undefined) {
    const [word] = /^DUNNO$|^550 (?=5\.7\.2[34] [\x20-\x7e]{0,400}$)/.exec(action) ?? [];
    if (word === undefined) throw new SyntaxError(`no action of ours: ${action}`);
    return word.trim();
  }
  if (header.length > 998) throw new SyntaxError("a header line over 998 bytes");
  if (header.startsWith("Received-SPF:")) return readReceivedSpf(header).result;
  const { results } = readAuthenticationResults(header);
  return results === "none" ? "none" : String(results.map(({ result }) => result));
}
