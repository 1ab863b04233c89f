/** The messages of the milter's parts, as files for milterload, and what DNS has to say of them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519Key, rsaKey, signRaw, type TestKey } from "../test/dkim/raw-signer.ts";

/** The author, the envelope sender and the signer: `ann@example.com`. */
export const DOMAIN = "example.com";

export const SELECTORS = { rsa: "sel", ed25519: "ed" } as const;

export const KEYS: Readonly<Record<keyof typeof SELECTORS, TestKey>> = { rsa: rsaKey(2048), ed25519: ed25519Key() };

/** TXT records by name. */
export const RECORDS: Readonly<Record<string, string>> = {
  [DOMAIN]: "v=spf1 ip4:192.0.2.0/24 -all",
  [`mail.${DOMAIN}`]: "v=spf1 ip4:192.0.2.0/24 -all",
  [`_dmarc.${DOMAIN}`]: "v=DMARC1; p=none",
  [`${SELECTORS.rsa}._domainkey.${DOMAIN}`]: `v=DKIM1; k=rsa; p=${KEYS.rsa.encoded}`,
  [`${SELECTORS.ed25519}._domainkey.${DOMAIN}`]: `v=DKIM1; k=ed25519; p=${KEYS.ed25519.encoded}`,
};

/** Fields as mail has them that two hosts have passed on. */
const HEADER =
  `Received: from mx.example.net (mx.example.net [192.0.2.7]) by mail.example.com with ESMTPS id 4gXyZw1BcDz9; Thu, 26 Nov 2026 10:00:02 +0000 (UTC)
Received: from [10.1.2.3] (host.example.net [198.51.100.9]) by mx.example.net with ESMTPSA id 4gXyZv9AbCz8; Thu, 26 Nov 2026 10:00:01 +0000 (UTC)
Date: Thu, 26 Nov 2026 10:00:00 +0000
From: Ann Example <ann@example.com>
To: Bob Example <bob@example.org>
Cc: Carol Example <carol@example.org>, Dave Example <dave@example.org>
Subject: The minutes of yesterday, and two questions about the next meeting
Message-ID: <0123456789.abcdef.20261126100000@mail.example.com>
In-Reply-To: <9876543210.fedcba.20261125090000@mail.example.org>
References: <9876543210.fedcba.20261125090000@mail.example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit
User-Agent: Example Mail 1.0
`.replaceAll("\n", "\r\n");

/** Lines as of an attachment. */
const LINE = `${"QUJD".repeat(19)}\r\n`;

export const SIZES = { "5 kB": 5_000, "100 kB": 100_000, "10 MB": 10_000_000 } as const;

export type Size = keyof typeof SIZES;

const SIGNED_NAMES = "from:to:cc:subject:date:message-id:in-reply-to:references:mime-version:content-type";

/** Writes a message of about that size, and says where. */
export function writeMessage(directory: string, size: Size, isSigned: boolean): string {
  const body = LINE.repeat(SIZES[size] / LINE.length);
  const text = isSigned
    ? signRaw({ key: KEYS.rsa, tags: { h: SIGNED_NAMES }, header: HEADER, body })
    : `${HEADER}\r\n${body}`;
  const file = join(directory, `${size.replace(" ", "")}-${isSigned ? "signed" : "plain"}.eml`);
  writeFileSync(file, text, "latin1");
  return file;
}
