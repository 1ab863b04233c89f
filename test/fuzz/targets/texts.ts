/** Fuzzes texts: header fields, log lines, configuration, secrets, store URLs. */
import { RelayedResults } from "../../../src/authentication/relay.ts";
import { explainBounce } from "../../../src/bounce/explain.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { authenticationResults, foldedResults } from "../../../src/mail/authentication-results.ts";
import { headerField } from "../../../src/mail/header-field.ts";
import { asciiHeaderValue, comment, headerValue } from "../../../src/mail/header-text.ts";
import { readAuthenticationResults as readRelayedField } from "../../../src/mail/read-authentication-results.ts";
import { asciiLine, safeLine, shorten } from "../../../src/mail/text.ts";
import { receivedSpf, receivedSpfUnchecked } from "../../../src/policy/received-spf.ts";
import { replyText } from "../../../src/policy/reply-text.ts";
import { formatLine } from "../../../src/process/log.ts";
import { SPF_RESULTS } from "../../../src/spf/verdict.ts";
import { parseSecrets } from "../../../src/srs/secrets.ts";
import { parseStoreUrl } from "../../../src/store/url.ts";
import { readAuthenticationResults, readReceivedSpf } from "../../helpers/header-grammar.ts";
import { transaction, verdict } from "../../policy/fixtures.ts";
import { fieldsOf, hashOf, must, mustBeOneLine, type Target } from "../target.ts";

const HEADER_WORDS = [
  ...'; |; identity=mailfrom|spf=pass|smtp.mailfrom=bank.test|(|)|\\|"|=|<|>|,|\xc3\xb6|\xe2\x80\xa8|\xc2\x85|\xc3|\x1f|\r\n |=?utf-8?q?x?='.split(
    "|",
  ),
  "a".repeat(260),
  '"'.repeat(500),
];

export const headerTarget: Target = {
  name: "header",
  modules: ["mail/header-text.ts", "mail/text.ts", "mail/authentication-results.ts", "policy/received-spf.ts"],
  words: HEADER_WORDS,
  seeds: ["helo.example\x1fjoe@sender.test\x1fwhy\x1f-all\x1fproblem\x1fmx.test\x1fsender.test"],
  maxBytes: 3000,
  run(input) {
    const [heloName = "", sender = "", explanation = "", mechanism = "", problem = "", receiver = "", domain = ""] =
      fieldsOf(input, 7);
    const pick = hashOf(input);
    const result = SPF_RESULTS[pick % SPF_RESULTS.length] ?? "none";
    const identity = pick & 64 ? "helo" : "mailfrom";
    const mail = { ...transaction(pick & 32 ? "2001:db8::1" : "192.0.2.1"), heloName, sender };
    const given = verdict(result, {
      identity,
      domain,
      explanation,
      mechanism,
      problem,
      explanationFromDomain: (pick & 16) > 0,
    });
    mustBeOurs(receivedSpf(given, mail), result, identity);
    mustBeOurs(receivedSpfUnchecked(identity, explanation, mail), "none", identity);
    const results = [heloName, sender].map((value) => ({
      method: "spf",
      result,
      comment: explanation,
      properties: [{ ptype: "smtp" as const, property: "mailfrom", value }],
    }));
    const field = authenticationResults(receiver === "" ? "mx.test" : receiver, results);
    mustBeOneLine(field, "a field");
    const read = readAuthenticationResults(field);
    must(read.results !== "none" && read.results.every((one) => one.result === result), "other results", field);
    must(/^[\x20-\x7e]{0,400}$/.test(replyText("{explanation} {sender} {domain}", given, mail)), "a reply text");
    mustBeSafe(input);
    return `${result} ${read.results.length} ${Object.keys(readReceivedSpf(receivedSpf(given, mail)).pairs).length}`;
  },
};

export const resultsFieldTarget: Target = {
  name: "results-field",
  modules: ["mail/read-authentication-results.ts", "authentication/relay.ts"],
  words: [
    ...';|=|/|.|(|)|"|\\| |\r\n\t|none|spf=|dkim=|pass|fail|smtp.|mailfrom=|helo=|header.d=|reason=|a.example|@|1'.split(
      "|",
    ),
    "\0",
    "\xff",
  ],
  seeds: [
    ' a.example 1; spf=pass (c) smtp.mailfrom=ann@b.example; dkim=pass reason="x" header.d=b.example header.s=s; iprev=pass policy.iprev=1.2.3.4',
    ' (x) "a.example"; none',
  ],
  maxBytes: 2000,
  run(input) {
    const read = readRelayedField(input);
    if (read === undefined) return "unreadable";
    must(/[^\s]/.test(read.authservId) && !/[A-Z]/.test(read.authservId), "a name", read.authservId);
    for (const { method, result } of read.results) {
      must(/^[a-z0-9_-]+$/.test(method) && /^[a-z0-9_-]+$/.test(result), "a keyword", [method, result]);
    }
    // A comment is none of the meaning.
    const commented = readRelayedField(`(; x=y)${input}(; spf=pass)`);
    must(JSON.stringify(commented) === JSON.stringify(read), "a comment changes the meaning", commented);
    const fields = [headerField("Authentication-Results", input), headerField("Received", " x")];
    const relayed = new RelayedResults(fields, ["a.example"]);
    const results = ["dkim", "arc", "dmarc", "iprev"].flatMap((method) => relayed.methodResults(method));
    if (results.length > 0) {
      // Folded at LF HTAB, which is a blank to a reader.
      const value = foldedResults("mx.test", results).replaceAll("\n\t", " ");
      const again = readAuthenticationResults(`Authentication-Results:${value}`);
      must(again.results !== "none" && again.results.length === results.length, "other results", value);
    }
    const spf = relayed.spf("mailfrom", { heloName: "h.example", sender: "ann@b.example" });
    must(spf !== undefined && spf.domain === "b.example", "a result for another sender", spf);
    return `${read.results.length} ${results.length} ${spf?.result}`;
  },
};

function mustBeOurs(line: string, result: string, identity: string): void {
  mustBeOneLine(line, "a field");
  must(line.length <= 998, "a field over 998 bytes", line.length);
  const read = readReceivedSpf(line);
  must(read.result === result && read.pairs.identity === identity, "not what we say", line);
  must(read.pairs.receiver === "mx.test", "not our name", line);
}

function mustBeSafe(input: string): void {
  for (const text of [headerValue(input), asciiHeaderValue(input), comment(input), asciiLine(input), safeLine(input)]) {
    mustBeOneLine(text, "a text");
    new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(text, "latin1"));
  }
  must(shorten(input, 40).length <= 40, "not short");
}

export const logLineTarget: Target = {
  name: "log-line",
  modules: ["process/log.ts"],
  words: [
    "\n",
    '"',
    "\\",
    "=",
    " ",
    "\x1b[31m",
    "\xc2\x85",
    "\xe2\x80\xa8",
    "\xe2\x80\xae",
    "\xef\xbb\xbf",
    "\xc3",
    "info srs from=root",
    "\x1f",
  ],
  seeds: ["a@b\x1fSRS0=x", "\xe2\x80\xa8\x1fb"],
  maxBytes: 600,
  run(input) {
    const [from = "", to = ""] = fieldsOf(input, 2);
    const line = formatLine("info", "srs", { from, to, ms: 1 });
    must(!/[\p{Cc}\p{Zl}\p{Zp}\p{Cf}]/u.test(line), "a line breaks out", line);
    const fields = [...line.matchAll(/ (\w+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)/gu)];
    must(`info srs${fields.map(([field]) => field).join("")}` === line, "no fields", line);
    must(fields.map(([, key]) => key).join() === "from,to,ms", "other fields", line);
    return fields.map(([, , value = ""]) => (value.startsWith('"') ? "quoted" : "plain")).join();
  },
};

export const configTarget: Target = {
  name: "config",
  modules: ["config", "net/endpoint.ts"],
  words: [
    ...'[srs]\n|[policy.helo]\n|[[policy.override]]\n|domain = |hash_length = |servers = [|"|\'|"""|]|true|"20s"|"1d"|= |\n|#'.split(
      "|",
    ),
    ...'\\u001b|\\n|srs.store.url = "redis://u:p@h/0"\n|listen = ["127.0.0.1:10001"]\n|{ fail = "reject" }|fail = "action:OK"\n|9'.split(
      "|",
    ),
    ..."HELO_reject = Fail\n|SRS_DOMAIN=x\n|srs-domain = x\n|1979-05-27T07:32:00Z|0x1f|nan|__proto__|constructor".split(
      "|",
    ),
  ],
  seeds: [
    'hostname = "a.example"\n[srs]\ndomain = "b.example"\nhash_length = 5\n',
    '"a\\u001b[31mb" = 1\n',
    "[policy]\nhelo = 1",
  ],
  maxBytes: 2000,
  run(input) {
    const { problems, config } = parseConfig(Buffer.from(input, "latin1").toString(), "f.toml");
    for (const problem of problems) must(/^(?:f\.toml:| {2})/.test(problem), "a problem that names no file", problem);
    must(Object.isFrozen(config) && Object.getPrototypeOf(config) === Object.prototype, "a strange configuration");
    return problems.length === 0
      ? "ok"
      : (/(?:not valid TOML|unknown key|this is a|want|given)/.exec(problems[0] ?? "")?.[0] ?? "other");
  },
};

export const secretsTarget: Target = {
  name: "secrets",
  modules: ["srs/secrets.ts"],
  words: ["secret", "\n", "\r\n", "\r", "\0", "#", " ", "x".repeat(1023), "y".repeat(1024)],
  seeds: ["one\ntwo\n", "\r\n\0x\n", "a\rb"],
  maxBytes: 5000,
  run(input) {
    const { secrets, cutLines } = parseSecrets(Buffer.from(input, "latin1"));
    for (const secret of secrets) {
      must(secret.length >= 1 && secret.length <= 1023, "a secret's length", secret.length);
      must(![0, 10, 13].some((byte) => secret.includes(byte)), "a secret with NUL, CR or LF");
      must(input.includes(Buffer.from(secret).toString("latin1")), "a secret that is not in the file");
    }
    const lines = input.split("\n").length;
    must(
      cutLines.every((line) => line >= 1 && line <= lines),
      "a line that is not there",
      cutLines,
    );
    return `${Math.min(secrets.length, 3)} ${Math.min(cutLines.length, 1)}`;
  },
};

export const storeUrlTarget: Target = {
  name: "store-url",
  modules: ["store/url.ts"],
  words: [
    "sqlite:",
    "redis://",
    "rediss://",
    "redis+unix:",
    "/run/x",
    "user:pass@",
    "%41",
    "%zz",
    "?db=0",
    ":6379",
    "/0",
    "[::1]",
    "localhost",
    "//",
  ],
  seeds: ["sqlite:/a", "redis://u:p@h:1/2", "redis+unix://:p@/run/x?db=3", "rediss://[::1]"],
  maxBytes: 200,
  run(input) {
    try {
      const address = parseStoreUrl(input);
      if (address.kind === "sqlite") must(!address.path.includes("\0") && address.path !== "", "a bad path", address);
      else must(Number.isInteger(address.database), "a bad database", address);
      return address.kind === "redis" && "path" in address.server ? "unix" : address.kind;
    } catch (error) {
      if (!(error instanceof TypeError) || !error.message.startsWith("Cannot use store")) throw error;
      return "refused";
    }
  },
};

export const bounceTarget: Target = {
  name: "bounce",
  modules: ["bounce"],
  words: [
    ..."550 5.7.26 |550-5.7.26 |451-4.7.650 |421 |\n|\r\n|\n\n|> |=\n|to=<bob@x.example>, |relay=|dsn=5.0.0, |Remote-MTA: dns; ".split(
      "|",
    ),
    ..."host gmail-smtp-in.l.google.com[192.0.2.1] said: |mx.outlook.com|mta5.am0.yahoodns.net|mx01.mail.icloud.com".split(
      "|",
    ),
    ..."Nov 26 08:00:00 mx postfix/smtp[1]: |Content-Type: message/rfc822\n|unauthenticated |SPF [x.example] with ip: [192.0.2.1]".split(
      "|",
    ),
    ..."DMARC policy |PTR record |<SRS0=a=b=c=d@x>: Relay access denied|outcome=bad_hash |warn srs map=reverse ".split(
      "|",
    ),
  ],
  seeds: [
    "550 5.7.25 x",
    "host x[1] said: 550-5.1.1 a 550 5.1.1 b",
    "Remote-MTA: dns; x\nDiagnostic-Code: smtp; 552 5.2.2 c",
  ],
  maxBytes: 3000,
  run(input) {
    const { explanations, unknown } = explainBounce(input);
    must(explanations.length === 0 || unknown.length === 0, "known and unknown at once");
    must(new Set(unknown).size === unknown.length, "a thing said twice", unknown);
    for (const { means, todo, code, id } of explanations) {
      must(!/\{\w+:|undefined/.test(means + todo), "a place that was not filled", id);
      mustBeOneLine(means + todo, "a sentence");
      must(/^(?:[245]\d\d)?(?:(?:^| )[245]\.\d{1,3}\.\d{1,3})?$/.test(code), "no code", code);
    }
    return explanations.map(({ id }) => id).join() || `${unknown.length > 0}`;
  },
};
