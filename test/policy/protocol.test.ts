import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProtocolError } from "../../src/net/session.ts";
import { encodeAction, MAX_REQUEST_BYTES, PolicyDecoder, type PolicyRequest } from "../../src/policy/protocol.ts";
import { keptMemory } from "../helpers/kept-memory.ts";
import { charactersLookedAt } from "../helpers/work.ts";

const EMPTY: PolicyRequest = {
  protocol_state: "",
  client_address: "",
  client_port: "",
  helo_name: "",
  sender: "",
  recipient: "",
  instance: "",
  queue_id: "",
  sasl_username: "",
};

/** As Postfix 3.7.11 sends it. */
const POSTFIX_37 = `request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address=192.0.2.10
client_name=mail.sender.test
client_port=40000
reverse_client_name=mail.sender.test
server_address=192.0.2.25
server_port=25
helo_name=mail.sender.test
sender=joe@sender.test
recipient=bob@rcpt.test
recipient_count=0
queue_id=
instance=1001.68f0.1.0
size=1234
etrn_domain=
stress=
sasl_method=
sasl_username=
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=

`;

const SEEN_37: PolicyRequest = {
  ...EMPTY,
  protocol_state: "RCPT",
  client_address: "192.0.2.10",
  client_port: "40000",
  helo_name: "mail.sender.test",
  sender: "joe@sender.test",
  recipient: "bob@rcpt.test",
  instance: "1001.68f0.1.0",
};

const GOOD: readonly { name: string; bytes: string; requests: readonly PolicyRequest[] }[] = [
  { name: "a request of Postfix 3.7", bytes: POSTFIX_37, requests: [SEEN_37] },
  { name: "two requests in one packet", bytes: POSTFIX_37 + POSTFIX_37, requests: [SEEN_37, SEEN_37] },
  { name: "an empty request", bytes: "\n", requests: [EMPTY] },
  { name: "an empty request behind another", bytes: "sender=a\n\n\n", requests: [{ ...EMPTY, sender: "a" }, EMPTY] },
  {
    name: "attributes in any order",
    bytes: "sender=a\nhelo_name=h\n\n",
    requests: [{ ...EMPTY, sender: "a", helo_name: "h" }],
  },
  { name: "a value with '=' in it", bytes: "sender=SRS0=x=y@z\n\n", requests: [{ ...EMPTY, sender: "SRS0=x=y@z" }] },
  { name: "the last of two values", bytes: "sender=a\nsender=b\n\n", requests: [{ ...EMPTY, sender: "b" }] },
  {
    name: "CRLF line ends",
    bytes: "sender=a\r\nhelo_name=h\r\n\r\n",
    requests: [{ ...EMPTY, sender: "a", helo_name: "h" }],
  },
  {
    name: "bytes beyond ASCII",
    bytes: "sender=j\xc3\xb6@a\xff\n\n",
    requests: [{ ...EMPTY, sender: "j\xc3\xb6@a\xff" }],
  },
  {
    name: "a request that names its type last",
    bytes: "sender=a\nrequest=smtpd_access_policy\n\n",
    requests: [{ ...EMPTY, sender: "a" }],
  },
  {
    name: "CRLF behind the type",
    bytes: "request=smtpd_access_policy\r\nsender=a\r\n\r\n",
    requests: [{ ...EMPTY, sender: "a" }],
  },
  { name: "lines of blanks as an empty request", bytes: " \n\t\n\n", requests: [EMPTY] },
  { name: "blanks of a value", bytes: "helo_name= h \n\n", requests: [{ ...EMPTY, helo_name: " h " }] },
  {
    name: "lines that are no attributes",
    bytes: "sender\n=x\nfoo\nsender=a\n\n",
    requests: [{ ...EMPTY, sender: "a" }],
  },
  {
    name: "no attribute whose name only begins like a wanted one",
    bytes: "sender_x=1\nsend=2\nsasl_sender=3\nrecipient_count=4\nclient_name=5\n\n",
    requests: [EMPTY],
  },
  { name: "no request that has not ended", bytes: "sender=a\nhelo_name=h", requests: [] },
];

describe.each([{ step: Number.POSITIVE_INFINITY }, { step: 1 }, { step: 7 }])(
  "PolicyDecoder, fed $step bytes at a time",
  ({ step }) => {
    test.each(GOOD)("reads $name", ({ bytes, requests }) => {
      expect(decodeAll(bytes, step)).toEqual(requests);
    });

    test("reads a last request that lacks only its empty line when the peer ends", () => {
      expect(decodeAll("sender=a\n", step, true)).toEqual([{ ...EMPTY, sender: "a" }]);
    });

    test("drops a last request that is cut in the middle of a line", () => {
      expect(decodeAll("sender=a\nrecipient=b", step, true)).toEqual([]);
    });

    test("refuses a request that does not end", () => {
      expect(() => decodeAll("x=y\n".repeat(MAX_REQUEST_BYTES / 4 + 1), step)).toThrow(ProtocolError);
    });

    test("refuses a request that ends too late", () => {
      const long = `sender=${"a".repeat(MAX_REQUEST_BYTES)}\n\n`;
      expect(() => decodeAll(long, step)).toThrow("Cannot read policy request: over 65536 bytes");
    });

    test("reads the longest request", () => {
      const value = "a".repeat(MAX_REQUEST_BYTES - "sender=\n\n".length);
      expect(decodeAll(`sender=${value}\n\n`, step)).toEqual([{ ...EMPTY, sender: value }]);
    });
  },
);

test("PolicyDecoder keeps the order of packets that come before it is asked for a request", () => {
  const decoder = new PolicyDecoder();
  const senders: string[] = [];
  const take = () => senders.push(decoder.next()?.sender ?? "none");
  decoder.feed("sender=a\n\n");
  decoder.feed("sender=b\n\n");
  take();
  decoder.feed("sender=c\n\n");
  take();
  take();
  take();
  expect(senders).toEqual(["a", "b", "c", "none"]);
});

const NO_REQUESTS: readonly { name: string; bytes: string }[] = [
  { name: "HTTP", bytes: "GET / HTTP/1.1\r\nHost: x\r\n\r\n" },
  { name: "another type of request", bytes: "request=junk_policy\nsender=a@b\n\n" },
  { name: "another type of request behind attributes", bytes: "sender=a@b\nrequest=junk_policy\n\n" },
  { name: "lines without an attribute", bytes: "\x16\x03\x01\n\n" },
];

test.each(NO_REQUESTS)("PolicyDecoder refuses $name and says what is wanted", ({ bytes }) => {
  expect(() => decodeAll(bytes, 1, false)).toThrow(ProtocolError);
  expect(() => decodeAll(bytes, 1, false)).toThrow("want attributes with request=smtpd_access_policy");
});

/** The requests, or the words of the error that ended them. */
function outcome(bytes: string, step: number): unknown {
  try {
    return decodeAll(bytes, step, true);
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

test("PolicyDecoder reads the same however random bytes are split, and throws nothing but ProtocolError", () => {
  const pieces = fc.constantFrom(
    "sender=",
    "helo_name=",
    "a",
    "=",
    "\n",
    "\r\n",
    "\n\n",
    "\xff",
    "client_address=1.2.3.4",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (parts, step) => {
      const bytes = parts.join("");
      expect(outcome(bytes, step)).toEqual(outcome(bytes, Number.POSITIVE_INFINITY));
    }),
  );
});

const LOADS: readonly { name: string; bytes: (size: number) => string; step: number }[] = [
  { name: "requests in one packet", bytes: (size) => repeated("a=\n\n", size), step: Number.POSITIVE_INFINITY },
  {
    name: "CRLF requests in one packet, and the beginning of one more",
    bytes: (size) => `${repeated("a=\r\n\r\n", size)}a`,
    step: Number.POSITIVE_INFINITY,
  },
  { name: "empty requests in one packet", bytes: (size) => repeated("\n", size), step: Number.POSITIVE_INFINITY },
  { name: "a request that never ends, byte by byte", bytes: (size) => repeated("x", size), step: 1 },
  { name: "one value byte by byte", bytes: (size) => `sender=${repeated("x", size)}\n\n`, step: 1 },
  { name: "lines byte by byte", bytes: (size) => `${repeated("a=\r\n", size)}\r\n`, step: 1 },
  { name: "lines by packets of 50 bytes", bytes: (size) => `${repeated("sender=a\n", size)}\n`, step: 50 },
];

/** The work for a request is the same however many went before and however its bytes come. */
test.each(LOADS)("PolicyDecoder does twice the work for twice the bytes: $name", ({ bytes, step }) => {
  const work = (size: number) => charactersLookedAt(() => decodeAll(bytes(size), step));
  for (const size of [2_000, 4_000, 8_000]) expect(work(2 * size) / work(size)).toBeLessThan(2.2);
});

test("PolicyDecoder does linear work when packets come faster than requests are taken", () => {
  const work = (count: number) =>
    charactersLookedAt(() => {
      const decoder = new PolicyDecoder();
      decoder.feed("sender=a\n\n".repeat(count));
      for (let i = 0; i < count; i++) {
        decoder.feed("s");
        decoder.next();
      }
    });
  expect(work(2000) / work(1000)).toBeLessThan(2.2);
});

test.each([
  { name: "one byte a packet", packets: Array<string>(30_000).fill("x") },
  { name: "two bytes a packet", packets: Array<string>(15_000).fill("=x") },
  { name: "a value behind whole requests", packets: [`${"a=\n\n".repeat(15_000)}sender=${"s".repeat(90)}`] },
  { name: "lines behind whole requests", packets: [`${"a=\n\n".repeat(15_000)}sender=${"s".repeat(90)}\nhelo`] },
  { name: "nothing behind whole requests", packets: ["a=\n\n".repeat(15_000)] },
])("PolicyDecoder keeps no more memory than it says: $name", ({ packets }) => {
  const { keptBytes, heldBytes } = keptMemory(() => new PolicyDecoder(), packets);
  expect(keptBytes).toBeLessThan(3 * heldBytes + 10_000);
});

function repeated(piece: string, size: number): string {
  return piece.repeat(Math.floor(size / piece.length));
}

const ACTIONS: readonly { name: string; action: string; reply: string }[] = [
  { name: "an action as it is", action: "PREPEND X: y", reply: "action=PREPEND X: y\n\n" },
  { name: "line ends as question marks", action: "550 a\nb\r\n\nc", reply: "action=550 a?b???c\n\n" },
  { name: "UTF-8 as it is", action: "PREPEND X: \xc3\xb6", reply: "action=PREPEND X: \xc3\xb6\n\n" },
  { name: "UTF-8 that ends in 0xa0", action: "550 \xc3\xa0", reply: "action=550 \xc3\xa0\n\n" },
  { name: "bytes that are not UTF-8 as question marks", action: "PREPEND X: \xf6", reply: "action=PREPEND X: ?\n\n" },
  { name: "UTF-8 control characters as question marks", action: "550 a\xc2\x85b", reply: "action=550 a?b\n\n" },
  { name: "an empty action, which would permit, as DUNNO", action: "", reply: "action=DUNNO\n\n" },
  { name: "a blank action as DUNNO", action: "  ", reply: "action=DUNNO\n\n" },
];

test.each(ACTIONS)("encodeAction writes $name", ({ action, reply }) => {
  expect(encodeAction(action)).toBe(reply);
});

test("encodeAction writes one short line of UTF-8 whatever it is given", () => {
  const bytes = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 3000 });
  fc.assert(
    fc.property(bytes, (codes) => {
      const reply = encodeAction(Buffer.from(codes).toString("latin1"));
      expect(reply).toMatch(/^action=[^\x00-\x1f\x7f]+\n\n$/);
      expect(reply.length).toBeLessThanOrEqual(2048 + "action=\n\n".length);
      expect(() => new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(reply, "latin1"))).not.toThrow();
    }),
  );
});

function decodeAll(bytes: string, step: number, ends = false): PolicyRequest[] {
  const decoder = new PolicyDecoder();
  const requests: PolicyRequest[] = [];
  const drain = () => {
    for (let request = decoder.next(); request !== undefined; request = decoder.next()) requests.push(request);
  };
  for (let at = 0; at < bytes.length; at += step) {
    decoder.feed(bytes.slice(at, at + step));
    drain();
  }
  if (ends) {
    decoder.end();
    drain();
  }
  return requests;
}
