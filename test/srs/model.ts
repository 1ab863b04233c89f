/**
 * SRS a second time, as a reader of reference texts would write it: regular expressions and node:crypto, slow and
 * short, sharing nothing with src/srs. Tests hold the real thing against it where no other program can be asked.
 */
import { createHmac } from "node:crypto";
import type { SrsOptions } from "./tables.ts";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const NULL_SENDERS = ["", '""', "<>", '"<>"'];
const SRS0 = /^srs0([=+-])([^=]*)=([^=]*)=([^=]*)=(.*)$/is;
const SRS1 = /^srs1[=+-]([^=]*)=([^=]*)=(.*)$/is;
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/s;

/** Local part without quotes, and domain: RFC 5321 section 4.1.2. */
export function readMailbox(address: string): { readonly local: string; readonly domain: string } | undefined {
  const [, quoted, afterQuoted] = /^("(?:[^"\\]|\\.)*")@(.*)$/s.exec(address) ?? [];
  if (quoted !== undefined) return { local: unquote(quoted), domain: afterQuoted ?? "" };
  const [, local, domain] = /^(.*)@([^@]*)$/s.exec(address) ?? [];
  return local === undefined ? undefined : { local, domain: domain ?? "" };
}

/** The address with quotes where a local part needs them. */
export function writeMailbox(local: string, domain: string): string {
  const bare = /^[A-Za-z0-9!#$%&'*+\-./=?^_`{|}~\x80-\xff]+$/.test(local);
  return `${bare ? local : `"${local.replace(/["\\]/g, "\\$&")}"`}@${domain}`;
}

/** The quoting normal form: two addresses are the same mailbox if this is the same. */
export function normalForm(address: string): string {
  const mailbox = readMailbox(address);
  return mailbox === undefined ? address : writeMailbox(mailbox.local, mailbox.domain);
}

/** The first characters of base64(HMAC-SHA1(secret, fields)), fields lower-cased in ASCII. */
function modelHash(secret: Uint8Array, fields: string, options: SrsOptions): string {
  const text = fields.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const encoding = options.hashAlphabet === "standard" ? "base64" : "base64url";
  return createHmac("sha1", secret).update(text, "latin1").digest(encoding).slice(0, options.hashLength);
}

/** The stamp of a moment. */
export function modelStamp(nowMs: number): string {
  const day = Math.floor(nowMs / 86_400_000) % 1024;
  return BASE32.charAt(day >> 5) + BASE32.charAt(day % 32);
}

/** Whether the domain of a sender is own. */
export function isOwn(domain: string, options: SrsOptions): boolean {
  const name = domain.replace(/\.$/, "").toLowerCase();
  return [options.srsDomain, ...options.ownDomains].some((entry) => {
    const own = entry.toLowerCase();
    return own !== "" && (name === own || (own.startsWith(".") && name.endsWith(own)));
  });
}

/** What the forward map should answer; `undefined` for not found. Without a store. */
export function modelForward(key: string, options: SrsOptions): string | undefined {
  const sender = readMailbox(key);
  if (NULL_SENDERS.includes(key) || sender === undefined) return undefined;
  if (!options.alwaysRewrite && isOwn(sender.domain, options)) return undefined;
  if (modelReverse(key, options) !== undefined) return undefined;
  const local = rewriteLocal(sender, options);
  if (local === undefined || cannotBeCarried(sender.domain) || sender.local.includes("\0")) return undefined;
  const address = writeMailbox(local, options.srsDomain);
  return address.length > 1023 ? undefined : address;
}

function rewriteLocal(sender: { local: string; domain: string }, options: SrsOptions): string | undefined {
  const [secret = new Uint8Array()] = options.secrets;
  const { separator } = options;
  const srs1 = (host: string, opaque: string): string =>
    `SRS1${separator}${modelHash(secret, host + opaque, options)}=${host}=${opaque}`;
  if (/^srs0([=+-]|$)/i.test(sender.local)) return srs1(sender.domain, sender.local.slice(4));
  if (/^srs1([=+-]|$)/i.test(sender.local)) {
    const [, , host = "", opaque = ""] = SRS1.exec(sender.local) ?? [];
    return host === "" || cannotBeCarried(host) || !/^[=+-]/.test(opaque) ? undefined : srs1(host, opaque);
  }
  const stamp = modelStamp(options.nowMs);
  const hash = modelHash(secret, stamp + sender.domain + sender.local, options);
  return `SRS0${separator}${hash}=${stamp}=${sender.domain}=${sender.local}`;
}

/** What the reverse map should answer; `undefined` for not found. Without a store. */
export function modelReverse(key: string, options: SrsOptions): string | undefined {
  if (key.length > 1023) return undefined;
  const isQuoted = key.startsWith('"');
  const read = reverseLocal(readMailbox(key)?.local ?? key, isQuoted, options);
  return read ?? (isQuoted ? undefined : reverseLocal(key.replace(/@.*/s, ""), false, options));
}

function reverseLocal(local: string, isQuoted: boolean, options: SrsOptions): string | undefined {
  const [, , hash0 = "", stamp = "", host0 = "", user = ""] = SRS0.exec(local) ?? [];
  if (SRS0.test(local)) {
    if (!isFresh(stamp, options.nowMs) || !isSigned(hash0, stamp + host0 + user, options)) return undefined;
    return !isQuoted && QUOTED.test(user) ? `${user}@${host0}` : joined(user, host0);
  }
  const [, hash1 = "", host1 = "", opaque = ""] = SRS1.exec(local) ?? [];
  if (!SRS1.test(local) || !isSigned(hash1, host1 + opaque, options)) return undefined;
  return joined(`SRS0${opaque}`, host1);
}

/** A host with an @ was cut off too early by postsrsd: the whole is read again. */
function joined(user: string, host: string): string {
  return host.includes("@") ? normalForm(`${user}@${host}`) : writeMailbox(user, host);
}

/** Tomorrow's stamp, today's or one of the 21 days before, in any case. */
function isFresh(stamp: string, nowMs: number): boolean {
  return Array.from({ length: 23 }, (_, age) => modelStamp(nowMs + (1025 - age) * 86_400_000)).includes(
    stamp.toUpperCase(),
  );
}

function isSigned(hash: string, fields: string, options: SrsOptions): boolean {
  const fold = (text: string): string => text.toLowerCase().replaceAll("-", "+").replaceAll("_", "/");
  const claim = fold(hash.slice(0, options.hashLength));
  if (hash.length < options.hashMinLength || /[^\x21-\x7e]/.test(claim)) return false;
  return options.secrets.some((secret) => fold(modelHash(secret, fields, options)).startsWith(claim));
}

function cannotBeCarried(domain: string): boolean {
  return /[\0-\x20\x7f=@"]/.test(domain);
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/gs, "$1");
}
