/** Fuzzes messages, signatures, key records and bodies. */
import { verify } from "node:crypto";
import { createRequire } from "node:module";
import { BodyHashes } from "../../../src/dkim/body-hash.ts";
import { CANONICALIZATIONS } from "../../../src/dkim/canonical-body.ts";
import { readKeyRecord } from "../../../src/dkim/key-record.ts";
import { isRefusal, readSignature } from "../../../src/dkim/signature.ts";
import { dkimResults } from "../../../src/dkim/verdict.ts";
import { authenticationResults } from "../../../src/mail/authentication-results.ts";
import { headerField, splitMessage } from "../../../src/mail/header-field.ts";
import { ed25519Key, rsaKey, signRaw, zoneOf } from "../../dkim/raw-signer.ts";
import { verifyMessage } from "../../dkim/verifying.ts";
import { readAuthenticationResults } from "../../helpers/header-grammar.ts";
import { hashOf, must, mustBeOneLine, type Target } from "../target.ts";

const require = createRequire(import.meta.url);
const { dkimVerify } = require("mailauth/lib/dkim/verify.js") as {
  dkimVerify(
    message: Buffer,
    options: object,
  ): Promise<{ readonly results: readonly { readonly status: { readonly result: string } }[] }>;
};
const { dkimBody } = require("mailauth/lib/dkim/body/index.js") as {
  dkimBody(
    form: string,
    algorithm: string,
    limit: false,
  ): { update(chunk: Buffer): void; digest(encoding: "base64"): string };
};

const TAG_WORDS = [
  ..."v=1;|a=rsa-sha256;|a=ed25519-sha256;|a=rsa-sha1;|c=relaxed/simple;|c=simple;|d=example.com;|s=sel;|h=from:to;|h=From : from;|i=@a.example.com;|i=a=40b@example.com;|l=0;|l=99;|q=dns/txt;|t=1;|x=9999999999;|bh=|b=|b=AAAA;|;|=|:|@|\r\n\t| |\0|\xc3\xb6|\xff|z=From:a=7Cb;".split(
    "|",
  ),
  " ".repeat(300),
  ";".repeat(300),
  "from:".repeat(301),
];

export const dkimSignatureTarget: Target = {
  name: "dkim-signature",
  modules: ["dkim/signature.ts", "dkim/verdict.ts", "mailauth/dkim.ts"],
  words: TAG_WORDS,
  seeds: [
    " v=1; a=rsa-sha256; d=example.com; s=sel; h=from; i=ann@example.com; l=3; t=1; x=9999999999; bh=AAAA; b=AAAA",
  ],
  maxBytes: 3000,
  run(input) {
    const { shown, read } = readSignature(headerField("DKIM-Signature", input), 1_800_000_000);
    const refusal = isRefusal(read) ? read : { result: "fail" as const, reason: "" };
    const field = authenticationResults(
      "mx.test",
      dkimResults([{ ...shown, ...refusal, isTesting: false, unsignedBytes: 0 }]),
    );
    mustBeOneLine(field, "a field");
    must(readAuthenticationResults(field).results.length === 1, "other results", field);
    if (isRefusal(read)) return `${read.result} ${read.reason}`;
    must(/^[a-z0-9._-]+\._domainkey\.[a-z0-9._-]+$/.test(read.keyName), "a name for DNS", read.keyName);
    must(read.signedNames.includes("from") && read.signedNames.length <= 300, "signed names", read.signedNames.length);
    return `${read.algorithm} ${read.headerForm} ${read.bodyForm} ${read.isOfSubdomain} ${read.bodyLimit === undefined}`;
  },
};

const RSA = rsaKey(1024);
const ED25519 = ed25519Key();

export const dkimKeyTarget: Target = {
  name: "dkim-key",
  modules: ["dkim/key-record.ts"],
  words: [
    ..."v=DKIM1;|k=rsa;|k=ed25519;|h=sha256;|h=sha1:sha256;|s=email;|s=*;|t=y:s;|n=a note;|g=*;|p=|p=;|;|=| |\t|MIG|AQAB".split(
      "|",
    ),
    RSA.encoded,
    ED25519.encoded,
  ],
  seeds: [`v=DKIM1; k=rsa; p=${RSA.encoded}`, `v=DKIM1; k=ed25519; t=y:s; p=${ED25519.encoded}`],
  maxBytes: 1500,
  run(input) {
    const record = readKeyRecord(input);
    if (record.status !== "usable") return `${record.status} ${record.reason}`;
    must(record.algorithm === "ed25519-sha256" || (record.bits ?? 0) > 0, "the length of a key");
    try {
      verify(record.algorithm === "rsa-sha256" ? "sha256" : null, Buffer.from("x"), record.key, Buffer.alloc(128, 1));
    } catch {
      return "a key that OpenSSL cannot use"; // verify.ts takes it for a bad signature.
    }
    return `${record.algorithm} ${record.isTesting} ${record.isForExactDomain}`;
  },
};

export const dkimBodyTarget: Target = {
  name: "dkim-body",
  modules: ["dkim/canonical-body.ts", "dkim/body-hash.ts"],
  words: ["\r\n", "\r\n\r\n", " ", "\t", " \r\n", "\r", "\n", "a", "  ", "\r\r\n", "x".repeat(60), "\r\n".repeat(40)],
  maxBytes: 2000,
  run(input) {
    const seed = hashOf(input);
    return CANONICALIZATIONS.map((form) => {
      const whole = hash(form, input, input.length + 1);
      must(whole.digest === hash(form, input, 1 + (seed % 7)).digest, "another hash of other chunks", form);
      const oracle = dkimBody(form, "sha256", false);
      oracle.update(Buffer.from(form === "simple" ? input.replace(/(?<!\r)\n/g, "\r\n") : input, "latin1"));
      must(whole.digest === oracle.digest("base64"), "another hash than mailauth's", form);
      return Math.min(9, whole.canonicalBytes);
    }).join(" ");
  },
};

function hash(form: (typeof CANONICALIZATIONS)[number], body: string, step: number) {
  const hashes = new BodyHashes();
  const ask = hashes.ask(form);
  const bytes = Buffer.from(body, "latin1");
  for (let at = 0; at < bytes.length; at += step) hashes.update(bytes.subarray(at, at + step));
  hashes.end();
  return ask();
}

const MESSAGE = signRaw({ key: RSA, tags: { l: "5" } });
const ZONE = { ...zoneOf(RSA), ...zoneOf(ED25519, "", "ed._domainkey.example.com") };
const SEEDS = [
  signRaw({ key: RSA }),
  MESSAGE,
  signRaw({ key: ED25519, tags: { s: "ed" } }),
  signRaw({ key: RSA, header: "From: a@example.com\r\nX:  a\r\n\tb \r\nX: c\r\n", tags: { h: "from:x:x:x" } }),
];

/** The time at which nothing has expired. */
const NOW_SECONDS = 1_700_000_000;

export const dkimMessageTarget: Target = {
  name: "dkim-message",
  modules: [
    "dkim/verify.ts",
    "dkim/choose.ts",
    "dkim/signed-fields.ts",
    "dkim/canonical-header.ts",
    "mail/header-field.ts",
  ],
  words: [
    "\r\n",
    "\n",
    "\r\n\t",
    "From: b@evil.example\r\n",
    "to:",
    "X:",
    "\r\n\r\n",
    " ",
    "  ",
    "DKIM-Signature:",
    ...TAG_WORDS.slice(0, 20),
  ],
  seeds: SEEDS,
  maxBytes: 3000,
  async run(input) {
    const bytes = Buffer.from(input, "latin1");
    const { fields, body } = splitMessage(bytes);
    const header = fields.map(({ line }) => `${line}\r\n`).join("");
    const before = bytes.toString("latin1", 0, bytes.length - body.length).replace(/\r?\n/g, "\r\n");
    must(
      before.startsWith("From ") || `${before}\r\n`.startsWith(header),
      "fields that are not in the message",
      header,
    );
    const verdicts = await verifyMessage(bytes, ZONE, { nowSeconds: NOW_SECONDS, bodyLength: "accept" });
    const passed = verdicts.filter(({ result }) => result === "pass").length;
    if (passed > 0) {
      const theirs = await bare(Buffer.concat([Buffer.from(`${header}\r\n`, "latin1"), body]));
      must(theirs >= passed, "a signature passes that mailauth refuses", { passed, theirs });
    }
    return `${fields.length} ${verdicts.map(({ result, reason }) => `${result} ${reason}`).join()}`;
  },
};

/** The number of signatures that pass with mailauth in its lenient mode. */
async function bare(message: Buffer): Promise<number> {
  const { results } = await dkimVerify(message, {
    curTime: new Date(NOW_SECONDS * 1000),
    resolver: async (name: string) => {
      const record = (ZONE as Readonly<Record<string, readonly string[]>>)[name.toLowerCase()];
      if (record === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
      return [record];
    },
  });
  return results.filter(({ status }) => status.result === "pass").length;
}
