/** Fuzzes the milter protocol: packets in any bytes, and sessions of any packets. */
import type { Application, MessageHandler, StepReply, Wants } from "../../../src/milter/application.ts";
import { MilterDecoder } from "../../../src/milter/decoder.ts";
import { MACRO_OVERHEAD_BYTES } from "../../../src/milter/macros.ts";
import { FIELD_OVERHEAD_BYTES } from "../../../src/milter/message.ts";
import type { Packet } from "../../../src/milter/packet.ts";
import { createMilterService } from "../../../src/milter/service.ts";
import { MAX_PACKET_BYTES } from "../../../src/milter/wire.ts";
import { ProtocolError } from "../../../src/net/session.ts";
import { joinChunks } from "../../milter/chunks.ts";
import { type FilterPacket, mta, POSTFIX_OFFER, packet, readPackets } from "../../milter/mta.ts";
import { BROKEN } from "../../net/decode.ts";
import { hashOf, must, type Target } from "../target.ts";
import { decodeEveryWay } from "./decoders.ts";

const OPTIONS = mta.options(...POSTFIX_OFFER);

const MESSAGE = [
  ...[OPTIONS, mta.macros("C", { j: "mx.example" }), mta.connect(), mta.helo(), mta.mail("<a@b.example>", "SIZE=1")],
  ...[mta.rcpt("<c@d.example>"), mta.data(), mta.field("From", " a"), mta.eoh(), mta.body("hi\r\n"), mta.eom()],
];

export const milterTarget: Target = {
  name: "milter",
  modules: ["milter/decoder.ts", "milter/packet.ts"],
  words: [...MESSAGE, mta.abort(), mta.quitNc(), mta.eom("x"), mta.connect("a", "", "U"), "\0\0\0", "\0\x10\0\x01L"],
  seeds: [MESSAGE.join(""), mta.field("A", " b\n c") + mta.abort() + mta.quit()],
  maxBytes: 4000,
  run(input) {
    const createDecoder = () => new MilterDecoder();
    const packets = decodeEveryWay<Packet>({ createDecoder }, input, MAX_PACKET_BYTES, joinChunks<typeof BROKEN>);
    const names = packets.map((one) => (one === BROKEN ? "!" : typeof one === "symbol" ? "?" : one.command.charAt(0)));
    return [...new Set(names)].sort().join("");
  },
};

/** The steps by their bytes, and the bit by which a reply to each is waived. */
const NO_REPLY: Readonly<Record<string, number>> = {
  C: 0x1000,
  H: 0x2000,
  M: 0x4000,
  R: 0x8000,
  T: 0x10000,
  U: 0x20000,
  L: 0x80,
  N: 0x40000,
  B: 0x80000,
  E: 0,
};

const REPLIES: readonly StepReply[] = [
  ...(["continue", "continue", "accept", "reject", "tempfail", "discard"] as const),
  { code: 550, enhancedCode: "5.7.1", text: "no\r\n250 %" },
  { code: 250, text: "wrong" },
];

const MAX_HEADER_BYTES = 100;

/** A header of the smallest fields. The sender is shorter than what macros of as many bytes would cost. */
const MOST_FIELD_BYTES = MAX_HEADER_BYTES + (MAX_HEADER_BYTES / ":\r\n".length) * FIELD_OVERHEAD_BYTES;

/** An application that does, at every step, what the hash of the input says: also throw, and reject. */
class AnyApplication implements Application {
  readonly wants: Wants;
  #pick: number;
  /** Handlers that were told the end of their message, and how. */
  readonly told: string[] = [];

  constructor(pick: number) {
    this.#pick = pick;
    this.wants = {
      actions: pick & 1 ? ["addHeaders", "changeHeaders", "quarantine"] : ["addHeaders"],
      answers: pick & 2 ? [] : ["connect", "helo", "mail", "rcpt", "data", "eoh", "body"],
      ignores: pick & 4 ? ["data"] : [],
      maxHeaderBytes: MAX_HEADER_BYTES,
      onError: pick & 8 ? "accept" : "tempfail",
    };
  }

  connect(): StepReply & ("continue" | "reject") {
    this.#mayThrow();
    return this.#below(8) === 0 ? "reject" : "continue";
  }

  begin(): MessageHandler {
    this.#mayThrow();
    let isOver = false;
    const step = (): Promise<StepReply> | StepReply => {
      must(!isOver, "a handler is called after its end");
      this.#mayThrow();
      const reply = this.#below(4) > 0 ? "continue" : (REPLIES[this.#below(REPLIES.length)] ?? "continue");
      return this.#below(4) === 0 ? Promise.resolve(reply) : reply;
    };
    const tell = (): boolean => {
      must(!isOver, "a handler is told more after its end");
      this.#mayThrow();
      return this.#below(4) > 0;
    };
    const header = (): void => {
      must(!isOver || this.wants.onError === "accept", "a handler is told of a field after its end");
      this.#mayThrow();
    };
    const edits = () => ({
      remove: [{ name: "A", index: 1 + this.#below(3) }],
      insert: [{ position: 0, name: "B", value: " c\nd" }],
    });
    return {
      mail: step,
      rcpt: step,
      data: step,
      header,
      eoh: step,
      body: tell,
      eom: async () => ({ reply: await step(), edits: edits(), ...(this.#below(2) ? { quarantine: "why" } : {}) }),
      abort: () => {
        must(!isOver, "a handler is aborted twice");
        isOver = true;
      },
      rescue: () => {
        this.#mayThrow();
        return edits();
      },
    };
  }

  #below(limit: number): number {
    this.#pick = (Math.imul(this.#pick, 1_103_515_245) + 12_345) >>> 0;
    return (this.#pick >>> 16) % limit;
  }

  #mayThrow(): void {
    if (this.#below(16) === 0) throw new Error("any");
  }
}

/** Checks the replies to one packet. @returns them in short */
function checkReplies(command: string, protocol: number, replies: readonly FilterPacket[]): string {
  const noReply = NO_REPLY[command];
  const isAnswered = noReply !== undefined && (protocol & noReply) === 0;
  const edits = replies.slice(0, -1);
  must(replies.length > 0 === isAnswered, `a reply to ${command}, or none`, replies);
  must(edits.length === 0 || command === "E", "an edit before the end", replies);
  must(
    edits.every(({ byte }) => "imhq".includes(byte)),
    "an edit of another kind",
    edits,
  );
  const last = replies.at(-1);
  if (last === undefined) return "";
  must((command === "B" ? "cartdys" : "cartdy").includes(last.byte), "no reply", last);
  must(edits.length === 0 || "ca".includes(last.byte), "edits of a message that does not go on", replies);
  must(last.byte !== "y" || /^[45][\x20-\x7e]{3,1020}\0$/.test(last.data), "a reply in other words", last);
  return last.byte;
}

export const milterSessionTarget: Target = {
  name: "milter-session",
  modules: ["milter"],
  words: [
    ..."C H M R T U L N B E A Q K D O".split(" ").map((byte) => `\x1f${byte}`),
    "\x1fMa\0\x1fR\0",
    "\x1fLA\0 b\0",
    "\0",
  ],
  seeds: [MESSAGE.slice(1), [...MESSAGE.slice(1), mta.abort(), ...MESSAGE.slice(4)]].map((packets) =>
    packets.map((one) => one.slice(4)).join("\x1f"),
  ),
  maxBytes: 2000,
  async run(input) {
    const hash = hashOf(input);
    const problems: string[] = [];
    const observer = { badPacket: (problem: string) => problems.push(problem), failed: mustBeAny };
    const application = new AnyApplication(hash);
    const session = createMilterService(() => application, observer).open();
    let protocol = 0;
    const said: string[] = [];
    try {
      for (const one of [OPTIONS.slice(4), ...input.split("\x1f")]) {
        const bytes = packet(one.charAt(0), one.slice(1));
        const cut = hash % bytes.length;
        let out = "";
        for (const part of [bytes.slice(0, cut), bytes.slice(cut)]) {
          session.decoder.feed(part);
          for (let next = session.decoder.next(); next !== undefined; next = session.decoder.next())
            out += await session.answer(next);
          if (hash % 31 === 0 && said.length === hash % 7) session.shed();
        }
        const replies = readPackets(out);
        if (one.startsWith("O")) protocol = Buffer.from(replies[0]?.data ?? "", "latin1").readUInt32BE(8);
        else said.push(checkReplies(one.charAt(0), protocol, replies));
        const most = MOST_FIELD_BYTES + input.length * MACRO_OVERHEAD_BYTES;
        must(session.heldBytes <= most, "holds more than a header and macros may have", session.heldBytes);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      said.push("!");
    }
    session.close();
    must(session.isIdle(), "a session that is not idle after its end");
    return [...new Set(said)].sort().join("") + (problems.length > 0 ? " problem" : "");
  },
};

function mustBeAny(error: unknown): void {
  const isOurs = error instanceof Error && /^any$|^Cannot (?:reply|send|edit)/.test(error.message);
  if (!isOurs) throw error;
}
