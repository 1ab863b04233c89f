/** Fuzzes the decoders of the three protocols with any input in any pieces. */
import { isDeepStrictEqual } from "node:util";
import { MAPS } from "../../../src/net/lookup.ts";
import type { Decoder, RequestService } from "../../../src/net/session.ts";
import { MAX_REQUEST_BYTES } from "../../../src/policy/protocol.ts";
import { createPolicyService } from "../../../src/policy/service.ts";
import { HEADER_TYPES } from "../../../src/policy/settings.ts";
import { MAX_QUERY_BYTES } from "../../../src/socketmap/protocol.ts";
import { socketmapService } from "../../../src/socketmap/service.ts";
import { SPF_RESULTS } from "../../../src/spf/verdict.ts";
import { forwardTable, forwardTransportTable, reverseTable } from "../../../src/srs/table.ts";
import { MAX_LINE_BYTES } from "../../../src/tcptable/protocol.ts";
import { tcpTableService } from "../../../src/tcptable/service.ts";
import { BROKEN, decode } from "../../net/decode.ts";
import { recorder, settings, sources, verdict } from "../../policy/fixtures.ts";
import { SILENT, srsTables } from "../../srs/tables.ts";
import { readNetstring, readPolicyReply, readTcpTableReply } from "../replies.ts";
import { hashOf, must, mustAddNoControl, type Target } from "../target.ts";
import { ADDRESS_WORDS } from "./addresses.ts";

const srs = srsTables({ ownDomains: ["own.example"] });
const tables = [forwardTable(srs), reverseTable(srs), forwardTransportTable(srs)];
const tcpTable = tcpTableService(forwardTable(srs), SILENT);
const socketmap = socketmapService(tables, SILENT);

/** Longer inputs are fed byte by byte once in a while only: that is the slowest part of a run. */
const MAX_BYTEWISE = 200;

/** A decoder that never holds more than it may, at any time that it waits for more bytes. */
function bounded<Request>(inner: Decoder<Request>, maxHeldBytes: number): Decoder<Request> {
  return {
    feed: (chunk) => inner.feed(chunk),
    next() {
      const request = inner.next();
      if (request === undefined) must(inner.heldBytes <= maxHeldBytes, "holds too many bytes", inner.heldBytes);
      return request;
    },
    get heldBytes() {
      return inner.heldBytes;
    },
    end: () => inner.end(),
  };
}

/**
 * What a decoder makes of an input, which must not depend on how it was cut.
 *
 * @param joined makes requests comparable that do depend on it
 */
export function decodeEveryWay<Request>(
  { createDecoder }: Pick<RequestService<Request>, "createDecoder">,
  input: string,
  maxHeldBytes: number,
  joined: (requests: (Request | typeof BROKEN)[]) => (Request | typeof BROKEN)[] = (requests) => requests,
): (Request | typeof BROKEN)[] {
  const decodeCut = (cuts: Iterable<number>) => joined(decode(bounded(createDecoder(), maxHeldBytes), input, cuts));
  const whole = decodeCut([]);
  const hash = hashOf(input);
  const cut = hash % (input.length + 1);
  must(isDeepStrictEqual(decodeCut([cut]), whole), "another result when cut", cut);
  const isBytewise = input.length <= MAX_BYTEWISE || hash % 64 === 0;
  if (isBytewise) must(isDeepStrictEqual(decodeCut(input.split("").keys()), whole), "another result byte by byte");
  return whole;
}

function isRequest<Request>(one: Request | typeof BROKEN): one is Request {
  return one !== BROKEN;
}

async function repliesTo<Request>(service: RequestService<Request>, requests: readonly Request[]): Promise<string[]> {
  const replies: string[] = [];
  for (const request of requests) {
    const reply = service.answer(request);
    replies.push(typeof reply === "string" ? reply : await reply);
  }
  return replies;
}

export const tcpTableTarget: Target = {
  name: "tcp-table",
  modules: ["tcptable"],
  words: ["get ", "put ", "\n", "\r\n", "%", "%0a", "%00", "%40", "get a@b.example\n", ...ADDRESS_WORDS],
  seeds: ["get alice@example.org\n", "get a%20b@example.org\r\nget x\n", "put a b\nget %zz\nget \n"],
  maxBytes: 5000,
  async run(input) {
    const requests = decodeEveryWay(tcpTable, input, MAX_LINE_BYTES);
    const codes = new Set<string>();
    for (const [index, bytes] of (await repliesTo(tcpTable, requests.filter(isRequest))).entries()) {
      const { code, text } = readTcpTableReply(bytes);
      const request = requests[index];
      mustAddNoControl(typeof request === "string" ? request : "", text);
      codes.add(code);
    }
    must(!requests.includes(BROKEN), "a line broke the protocol");
    return String([...codes].sort());
  },
};

export const socketmapTarget: Target = {
  name: "socketmap",
  modules: ["socketmap"],
  words: ["0:,", ":", ",", "10000:", "10001:", "9999999999:", "18446744073709551616:", ...MAPS, ...ADDRESS_WORDS],
  seeds: ["25:forward alice@example.org,", "0:,9:forward x,", "3:a b,10001:xx", "7:forward,00011:reverse a@b,", "1:a;"],
  maxBytes: 12_000,
  async run(input) {
    const requests = decodeEveryWay(socketmap, input, MAX_QUERY_BYTES + 12);
    const codes = new Set<string>();
    for (const [index, bytes] of (await repliesTo(socketmap, requests.filter(isRequest))).entries()) {
      const [, code, text] = /^(OK|NOTFOUND|TEMP|PERM) (.*)$/s.exec(readNetstring(bytes)) ?? [];
      if (code === undefined || text === undefined) throw new Error(`a bad reply: ${bytes}`);
      const request = requests[index];
      mustAddNoControl(typeof request === "object" ? request.key : "", text);
      codes.add(code);
    }
    if (requests.includes(BROKEN)) codes.add("broken");
    return String([...codes].sort());
  },
};

const policy = HEADER_TYPES.map((header) =>
  createPolicyService({
    ...sources({}),
    settings: settings({ headers: [header], rejectMessage: "{explanation} {sender} {helo_name} {domain}" }),
    checkHost: ({ identity, heloName, sender }) => {
      const pick = hashOf(heloName + sender);
      const result = SPF_RESULTS[pick % SPF_RESULTS.length] ?? "none";
      const words = { domain: sender || heloName, explanation: sender, explanationFromDomain: pick % 2 === 0 };
      return verdict(result, { identity, ...words, mechanism: heloName, problem: sender });
    },
    observe: { ...recorder(), decided: () => {} },
  }),
);

export const policyTarget: Target = {
  name: "policy",
  modules: ["policy"],
  words: [
    ..."request=smtpd_access_policy\n|client_address=192.0.2.1\n|client_address=2001:db8::1\n|protocol_state=RCPT\n".split(
      "|",
    ),
    ..."protocol_state=DATA\n|helo_name=|sender=|recipient=|instance=|queue_id=|sasl_username=|\n\n|\r\n\r\n|request=junk\n".split(
      "|",
    ),
    ..."spf=pass; |identity=mailfrom|(|)|\\|\xc3\xb6|\xe2\x80\xa8|client_port=1\n".split("|"),
    "=".repeat(300),
  ],
  seeds: [
    "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nhelo_name=a.example\nsender=b@c.example\n\n",
    "client_address=192.0.2.1\r\nsender=\r\nhelo_name=x\r\n\r\n\n\nrequest=other\n\n",
  ],
  maxBytes: MAX_REQUEST_BYTES + 4096,
  async run(input) {
    const header = HEADER_TYPES[hashOf(input) % HEADER_TYPES.length] ?? "received-spf";
    const service = policy[HEADER_TYPES.indexOf(header)];
    if (service === undefined) throw new Error("no service");
    const requests = decodeEveryWay(service, input, MAX_REQUEST_BYTES);
    const kinds = new Set<string>();
    for (const request of requests.filter(isRequest)) kinds.add(readPolicyReply(await service.answer(request)));
    if (requests.includes(BROKEN)) kinds.add("broken");
    const [kind = "nothing"] = kinds;
    return kinds.size > 1 ? "several" : kind;
  },
};
