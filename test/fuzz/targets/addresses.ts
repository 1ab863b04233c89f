/** Fuzzes addresses: SRS in both directions, lists, IP addresses. */
import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { formatServer, parseServer } from "../../../src/dns/server-address.ts";
import { parseDomainFile } from "../../../src/domains/entries.ts";
import { lookupName } from "../../../src/domains/name.ts";
import { readAddress } from "../../../src/mail/address-groups.ts";
import { AddressSet, parseAddress, parseCidr, reverseName } from "../../../src/mail/ip.ts";
import { formatMailbox, parseMailbox } from "../../../src/mail/mailbox.ts";
import { DomainList, isDomainName } from "../../../src/mail/names.ts";
import { formatEndpoint, parseEndpoint } from "../../../src/net/endpoint.ts";
import type { LookupResult } from "../../../src/net/lookup.ts";
import { parseMatchLine, parseMatchList } from "../../../src/postfix/match-list.ts";
import { encodeReply as encodeNetstringReply } from "../../../src/socketmap/protocol.ts";
import { MAX_ADDRESS_BYTES } from "../../../src/srs/rewriter.ts";
import { forwardTable, reverseTable } from "../../../src/srs/table.ts";
import { encodeReply as encodeTcpTableReply } from "../../../src/tcptable/protocol.ts";
import { modelForward, modelReverse, normalForm, readMailbox, writeMailbox } from "../../srs/model.ts";
import { DEFAULTS, memoryStore, type SrsOptions, srsTables } from "../../srs/tables.ts";
import { readNetstring, readTcpTableReply } from "../replies.ts";
import { hashOf, must, mustAddNoControl, mustBeOneLine, type Target } from "../target.ts";

export const ADDRESS_WORDS = [
  ...'SRS0= SRS1= srs0+ SRS1- SRS0 = + - @ . "" " \\ 2W 2V 1 alice example.org example.com own.example [192.0.2.1]'.split(
    " ",
  ),
  "SRS0=Hc6U=2W=example.org=alice@example.com",
  '"john doe"@example.org',
  "\xc3\xb6@b\xc3\xbccher.example",
];

const CHANGES: readonly Partial<SrsOptions>[] = [
  {},
  { separator: "+", hashLength: 20, hashMinLength: 4 },
  { separator: "-", hashAlphabet: "standard", ownDomains: ["own.example", ".below.example"] },
  { alwaysRewrite: true },
];

export const srsTarget: Target = {
  name: "srs",
  modules: ["srs", "mail/mailbox.ts"],
  words: ADDRESS_WORDS,
  seeds: [
    "alice@example.org",
    '"a b"@example.org',
    "SRS0=Hc6U=2W=example.org=alice@example.com",
    "SRS1=xxxx=h.example==y@z",
  ],
  maxBytes: 1100,
  run(key) {
    const options = { ...DEFAULTS, ...CHANGES[hashOf(key) % CHANGES.length], storeMode: "long" as const };
    const tables = srsTables(options);
    const there = forwardTable(tables).get(key);
    const back = reverseTable(tables).get(key);
    if (there instanceof Promise || back instanceof Promise) throw new Error("a promise without a store");
    for (const result of [there, back]) mustBeLegal(key, result);
    if (key.length > MAX_ADDRESS_BYTES) {
      must(there.status === "notFound" && back.status === "notFound", "an answer to too long a key");
      return "too long";
    }
    must(foundIn(there) === modelForward(key, options), "not as the model", there);
    must(foundIn(back) === modelReverse(key, options), "not as the model", back);
    if (there.status === "found") mustComeBack(key, there.value, options);
    return `${there.outcome} ${back.outcome}`;
  },
};

function foundIn(result: LookupResult): string | undefined {
  return result.status === "found" ? result.value : undefined;
}

/** The reply says the same over both protocols, and holds nothing that the key does not. */
function mustBeLegal(key: string, result: LookupResult): void {
  const { text } = readTcpTableReply(encodeTcpTableReply(result));
  const payload = readNetstring(encodeNetstringReply(result));
  must(payload.slice(payload.indexOf(" ") + 1) === text, "another answer over the other protocol", [text, payload]);
  mustAddNoControl(key, text);
}

/** reverse(forward(x)) = x; of an SRS address of others, that of the first forwarder. */
function mustComeBack(key: string, rewritten: string, options: SrsOptions): void {
  const result = reverseTable(srsTables(options)).get(rewritten);
  if (result instanceof Promise || result.status !== "found") throw new Error(`does not come back: ${rewritten}`);
  const { local, domain } = readMailbox(key) ?? { local: "", domain: "" };
  const [, host, opaque] = /^srs1[=+-][^=]*=([^=]*)=(.*)$/is.exec(local) ?? [];
  const isSrs0 = /^srs0([=+-]|$)/i.test(local);
  const wanted = isSrs0 ? writeMailbox(`SRS0${local.slice(4)}`, domain) : writeMailbox(local, domain);
  const expected = host === undefined ? wanted : writeMailbox(`SRS0${opaque}`, host);
  must(normalForm(result.value) === expected, "comes back as another", [expected, result.value]);
}

/** Whatever a store gives out, the reply is legal. */
export const storedTarget: Target = {
  name: "stored-address",
  modules: ["srs/table.ts"],
  words: ADDRESS_WORDS,
  seeds: ["alice@example.org", "@x.example", "a\r\nb@x.example", ""],
  maxBytes: 6000,
  async run(value) {
    const options: Partial<SrsOptions> = { store: { ...memoryStore(), get: () => value }, storeMode: "all" };
    const tables = srsTables(options);
    const alias = await forwardTable(tables).get("someone@example.org");
    must(alias.status === "found", "an address was not stored");
    const result = await reverseTable(tables).get(alias.status === "found" ? alias.value : "");
    mustBeLegal("", result);
    const stored = await forwardTable(srsTables({ ...options, store: memoryStore() })).get(value);
    mustBeLegal(value, stored);
    return `${result.outcome} ${stored.outcome}`;
  },
};

export const mailboxTarget: Target = {
  name: "mailbox",
  modules: ["mail/mailbox.ts"],
  words: ADDRESS_WORDS,
  seeds: ["a@b", '"a@b"@c', '"\\"\\\\"@d', '"a'],
  maxBytes: 300,
  run(input) {
    const mailbox = parseMailbox(input);
    if (mailbox === undefined) {
      must(!input.includes("@"), "no mailbox, but there is an @", input);
      return "none";
    }
    if (mailbox.domain.includes("@")) return "odd domain";
    const written = formatMailbox(mailbox.local, mailbox.domain);
    must(isDeepStrictEqual(parseMailbox(written), mailbox), "written and read it is another", written);
    return written === input ? "same" : "normalized";
  },
};

export const domainListTarget: Target = {
  name: "domain-list",
  modules: ["domains/entries.ts", "domains/name.ts", "mail/names.ts"],
  words: [
    "example.org",
    ".example.org",
    "#",
    ",",
    "\n",
    "xn--bcher-kva",
    "b\xc3\xbccher",
    "OK",
    "1",
    "*.x",
    "a@b",
    "\xef\xbb\xbf",
    "\xe3\x80\x82",
  ],
  seeds: ["example.org\n.b.test # c\n", "b\xc3\xbccher.example, xn--bcher-kva.example", "a@b\n*.x\n"],
  maxBytes: 2000,
  run(input) {
    const entries: string[] = [];
    let problems = 0;
    for (const item of parseDomainFile(Buffer.from(input, "latin1").toString(), "list")) {
      if ("entry" in item) entries.push(item.entry);
      else problems++;
      if ("problem" in item)
        must(!/[\p{Cc}\u2028\u2029]/u.test(item.problem), "a problem of several lines", item.problem);
    }
    const list = new DomainList(entries);
    for (const entry of entries) {
      const name = entry.replace(/^\./, "");
      must(isDomainName(name), "no domain name", entry);
      must(list.has(entry.startsWith(".") ? `x${entry}` : entry.toUpperCase()), "an entry is not found", entry);
      // xn-- labels that mean nothing have no Unicode form.
      must(lookupName(name)?.ascii === name, "a sender's domain is read another way", entry);
    }
    return `${Math.min(entries.length, 2)} ${Math.min(problems, 2)}`;
  },
};

export const ipTarget: Target = {
  name: "ip",
  modules: ["mail/ip.ts", "mail/address-groups.ts", "net/endpoint.ts", "dns/server-address.ts"],
  words: [
    "192.0.2.1",
    "::1",
    "::ffff:",
    "2001:db8::",
    "/24",
    "/128",
    "%eth0",
    "[",
    "]",
    ":53",
    ":",
    ".",
    "unix:/run/x",
    "0",
    "255",
  ],
  seeds: [
    "192.0.2.1",
    "2001:DB8::1",
    "::ffff:192.0.2.1",
    "fe80::1%eth0",
    "192.0.2.0/24",
    "[::1]:53",
    "127.0.0.1:25",
    "unix:/a",
  ],
  maxBytes: 120,
  run(input) {
    const address = parseAddress(input);
    // What a zone may be called is not looked at.
    const isAddress = isIP(input) === 4 || isIP(input.replace(/%.*$/s, "")) === 6;
    must((address !== undefined) === isAddress, "not as node:net", input);
    if (!input.includes("%"))
      must((readAddress(input) !== undefined) === (isIP(input) !== 0), "groups not as node:net");
    if (address !== undefined) {
      must(isDeepStrictEqual(parseAddress(address.text), address), "its own text is another", address);
      must(isDomainName(reverseName(address)), "its reverse name is none", address);
      must(
        new AddressSet([{ ...address, address: address.text, prefixBits: 9 }]).has(address),
        "not in its own network",
      );
    }
    const cidr = parseCidr(input);
    if (cidr !== undefined)
      must(isDeepStrictEqual(parseCidr(`${cidr.address}/${cidr.prefixBits}`), cidr), "another network", cidr);
    const endpoint = parseEndpoint(input);
    if (endpoint !== undefined)
      must(isDeepStrictEqual(parseEndpoint(formatEndpoint(endpoint)), endpoint), "another endpoint");
    const server = parseServer(input);
    if (server !== undefined)
      must(isDeepStrictEqual(parseServer(formatServer(server)), server), "another server", server);
    return [address?.family, cidr?.family, endpoint?.type, server && "server"].join(" ");
  },
};

/** What postconf says, whatever Postfix's files hold. */
export const matchListTarget: Target = {
  name: "match-list",
  modules: ["postfix/match-list.ts"],
  words: ["!", "{", "}", "hash:/etc/x", "/etc/list", ", ", "example.org", "$", "#", "inline:{ {a=b} }", "[::1]"],
  seeds: ["example.org, !a.test hash:/etc/x", "inline:{ {a = b} } c", "{ {"],
  maxBytes: 500,
  run(input) {
    const items = [...parseMatchList(input), ...parseMatchLine(input)];
    for (const { kind, text } of items) {
      must(text !== "" && !text.startsWith("!"), "an empty item", items);
      mustBeOneLine(
        kind === "name" && !text.includes("{") ? text.replace(/[\x00-\x1f\x7f]/g, (c) => (/\s/.test(c) ? c : "")) : "",
        "a name",
      );
    }
    return String([...new Set(items.map(({ kind, negated }) => `${kind}${negated ? "!" : ""}`))].sort());
  },
};
