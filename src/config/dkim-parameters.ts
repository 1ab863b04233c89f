/** The configuration keys of DKIM: the sections [dkim] and [dkim.sign] of the table. */
import { isDomainName } from "../mail/names.ts";
import { parameter } from "./parameter.ts";
import {
  absolutePath,
  domainPattern,
  durationOrEmpty,
  flag,
  integer,
  kind,
  listOf,
  oneOf,
  tableOf,
  withAll,
} from "./value.ts";

/** The name of a header field (RFC 5322 section 3.6.8). */
const FIELD_NAME = /^[!-9;-~]{1,100}$/;
/** Fields that change on the way (RFC 6376 section 5.4.1), and the results and signatures of others. */
const CHANGING = /^(?:return-path|received|bcc|dkim-signature|authentication-results|arc-.*)$/i;

const fieldName = kind('the name of a header field such as "List-Id", but of none that changes on the way', (value) =>
  typeof value === "string" && FIELD_NAME.test(value) && !CHANGING.test(value) ? value : undefined,
);

const signerDomain = kind('a domain name of several labels such as "example.net"', (value) =>
  typeof value === "string" && isDomainName(value) && value.includes(".") ? value : undefined,
);

export const selector = kind('a selector such as "s2026": labels of letters, digits, "-" and "_"', (value) =>
  typeof value === "string" && isDomainName(`${value}.x`) ? value : undefined,
);

const author = kind('"example.net", ".example.net" for every name below it, or "user@example.net"', (value) => {
  if (typeof value !== "string") return undefined;
  const at = value.lastIndexOf("@");
  if (at === -1) return domainPattern.parse(value).ok ? value : undefined;
  return /^[!-)+-~]+$/.test(value.slice(0, at)) && isDomainName(value.slice(at + 1)) ? value : undefined;
});

const keyFile = kind("the absolute path of a private key in PEM, RSA or ed25519", (value) =>
  typeof value === "string" && /^\/[^\0]+$/.test(value) ? value : undefined,
);

const signingKey = withAll(tableOf({ domain: signerDomain, selector, file: keyFile, from: listOf(author) }), [
  "domain",
  "selector",
  "file",
]);

export const DKIM_PARAMETERS = {
  "dkim.verify": parameter(flag, true, "Verifies the DKIM signatures of mail from outside."),
  "dkim.min_key_bits": parameter(
    integer(1024, 4096),
    1024,
    "Shortest RSA key whose signatures may pass. Keys of over 4096 bits never do.",
  ),
  "dkim.max_signatures": parameter(
    integer(1, 100),
    10,
    "Most signatures of a message that are verified; those of the domain in From come first.",
  ),
  "dkim.body_length": parameter(
    oneOf("policy", "accept"),
    "policy",
    'Result of a good signature whose l= leaves a part of the body unsigned, so that anybody can add to it: "policy", or "accept" to let it pass.',
  ),

  "dkim.sign.canonicalization": parameter(
    oneOf("relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"),
    "relaxed/relaxed",
    "Changes on the way that our signatures survive, in header and body: relaxed is blanks and line breaks, simple is none.",
  ),
  "dkim.sign.headers": parameter(
    listOf(fieldName),
    [],
    "Fields that are signed if they are there. Empty: those that readers see or use, and all of mailing lists.",
  ),
  "dkim.sign.oversign": parameter(
    listOf(fieldName),
    ["from", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type"],
    "Fields of which nobody can add another one without breaking the signature. They are signed too.",
  ),
  "dkim.sign.expire": parameter(
    durationOrEmpty("1h", "1000d"),
    "",
    "Time after which a signature is no longer good. Empty: it has no end.",
  ),
  "dkim.sign.key_directory": parameter(
    absolutePath,
    "",
    "Directory with DOMAIN/SELECTOR.key or DOMAIN/SELECTOR.private for each key: PEM, RSA or ed25519. The newest file of a domain whose record is in DNS signs.",
  ),
  "dkim.sign.on_error": parameter(
    oneOf("accept", "tempfail"),
    "accept",
    'What becomes of mail of ours whose key cannot be used: "accept" lets it go unsigned, and logs it.',
  ),
  "dkim.sign.list_mail": parameter(
    flag,
    true,
    "Signs mail of foreign authors too if its List-Id or envelope sender is in a domain with a key: mailing lists.",
  ),
  "dkim.sign.require_published": parameter(
    flag,
    true,
    "A key signs only once its record was seen in DNS, and until then the one before it does.",
  ),
  "dkim.sign.keys": parameter(
    listOf(signingKey),
    [],
    "Further keys. Each has a domain (d=), a selector, a file, and the senders in From that it signs for (from; default: the domain). Of two for the same senders the later one signs, if they are of one algorithm, and else both.",
  ),
};
