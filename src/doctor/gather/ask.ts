/**
 * Asks what listens at an endpoint: the client's half of tcp_table(5), socketmap_table(5), SMTPD_POLICY_README and the
 * greeting of SMTP.
 *
 *     get KEY LF                          200 VALUE LF · 500 REASON LF · 400 REASON LF
 *     LENGTH : MAP SP KEY ,               LENGTH : OK SP VALUE , · NOTFOUND · TEMP · TIMEOUT · PERM SP REASON
 *     request=smtpd_access_policy LF LF   action=ACTION LF LF
 */
import { connect } from "node:net";
import type { Answer, Ask, Place } from "../facts.ts";

/** Longest wait for a connection and an answer, in milliseconds. */
const ANSWER_MS = 3_000;
/** Longest answer that is read. */
const MAX_ANSWER_BYTES = 100_000;

export const askEndpoints: Ask = {
  tcpTable: (place, key) => converse(place, `get ${quote(key)}\n`, readTcpTable),
  socketmap: (place, map, key) => {
    const request = `${map} ${key}`;
    return converse(place, `${Buffer.byteLength(request, "latin1")}:${request},`, readSocketmap);
  },
  // Without a client address no check is made, and nothing is counted against anybody.
  policy: (place) =>
    converse(place, "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=\n\n", readPolicy),
  smtp: (place) => converse(place, "", readSmtp),
  connect: (place) => converse(place, "", () => ({ status: "found", value: "" }), true),
};

/** Reads an answer; `undefined` until it is whole. */
type Reader = (text: string) => Answer | undefined;

/** Sends a request and reads the answer. Never rejects. */
function converse(place: Place, request: string, read: Reader, isEnoughToConnect = false): Promise<Answer> {
  if ("port" in place && place.port > 65_535) {
    return Promise.resolve({ status: "unreachable", reason: "there is no such port" });
  }
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const socket = connect(place);
  let text = "";
  const end = (answer: Answer): void => {
    socket.destroy();
    resolve(answer);
  };
  socket.setTimeout(ANSWER_MS, () => end({ status: "unreachable", reason: `no answer within ${ANSWER_MS} ms` }));
  const timer = setTimeout(() => end({ status: "unreachable", reason: "no whole answer" }), 2 * ANSWER_MS);
  socket.setEncoding("latin1");
  socket.on("connect", () => {
    if (isEnoughToConnect) end({ status: "found", value: "" });
    else socket.write(request, "latin1");
  });
  socket.on("data", (chunk: string) => {
    text += chunk;
    const answer = text.length > MAX_ANSWER_BYTES ? unexpected(text) : read(text);
    if (answer !== undefined) end(answer);
  });
  socket.on("error", (error: NodeJS.ErrnoException) => end({ status: "unreachable", reason: reasonOf(error) }));
  socket.on("close", () => {
    clearTimeout(timer);
    resolve({ status: "unreachable", reason: "the connection was closed without an answer" });
  });
  return promise;
}

function reasonOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "nothing listens there";
    case "ENOENT":
      return "there is no such socket";
    case "EACCES":
      return "no permission to connect";
    default:
      return error.code ?? error.message;
  }
}

function unexpected(text: string): Answer {
  return { status: "unreachable", reason: `it speaks another protocol: "${text.slice(0, 40).trim()}"` };
}

function readTcpTable(text: string): Answer | undefined {
  if (!text.includes("\n")) return undefined;
  const [, code, rest = ""] = /^(\d{3}) (.*)\r?\n/.exec(text) ?? [];
  if (code === "200") return { status: "found", value: unquote(rest) };
  if (code === "500") return { status: "not found" };
  return code === "400" ? { status: "refused", reason: unquote(rest) } : unexpected(text);
}

function readSocketmap(text: string): Answer | undefined {
  const [head, digits] = /^(\d{1,6}):/.exec(text) ?? [];
  if (head === undefined) return text.length > 6 || !/^\d*$/.test(text) ? unexpected(text) : undefined;
  const length = Number(digits);
  if (text.length < head.length + length + 1) return undefined;
  const [, word, rest = ""] = /^(\S+) ?(.*)$/s.exec(text.slice(head.length, head.length + length)) ?? [];
  if (word === "OK") return { status: "found", value: rest };
  if (word === "NOTFOUND") return { status: "not found" };
  return word === "TEMP" || word === "TIMEOUT" || word === "PERM"
    ? { status: "refused", reason: `${word} ${rest}`.trim() }
    : unexpected(text);
}

function readPolicy(text: string): Answer | undefined {
  const [, action] = /(?:^|\n)action=(.*)\n\n/.exec(text) ?? [];
  if (action !== undefined) return { status: "found", value: action };
  return /^(?:action|[a-z_]+=)/.test(text) || text.length < 7 ? undefined : unexpected(text);
}

function readSmtp(text: string): Answer | undefined {
  if (!text.includes("\n")) return undefined;
  return /^[2-5]\d\d[ -]/.test(text)
    ? { status: "found", value: text.split("\n", 1)[0]?.trim() ?? "" }
    : unexpected(text);
}

function quote(key: string): string {
  return key.replace(/[%\s\x7f-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function unquote(text: string): string {
  return text.replace(/%([\da-f]{2})/gi, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
