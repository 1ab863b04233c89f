/** Replays what a real Postfix and a raw milter sent to each other. */
import { describe, expect, test } from "vitest";
import { MilterDecoder } from "../../src/milter/decoder.ts";
import { encodeOptions, encodeReply, type Reply } from "../../src/milter/encoder.ts";
import type { Packet } from "../../src/milter/packet.ts";
import { createMilterService } from "../../src/milter/service.ts";
import { MACRO_STAGES, PROTOCOL } from "../../src/milter/wire.ts";
import { decode, FEEDINGS } from "../net/decode.ts";
import { fed, recordingApplication, recordingObserver } from "./applications.ts";
import { joinChunks } from "./chunks.ts";
import { bytesOf, mta, OLD_OFFER, packet, type RecordedPacket, readPackets, readTranscripts } from "./mta.ts";

const transcripts = readTranscripts();
const connections = transcripts.flatMap(({ name, connections: all }) =>
  all.map((packets, index) => ({ name: index === 0 ? name : `${name}, connection ${index + 1}`, packets })),
);

const BYTES: Readonly<Record<string, string>> = {
  SMFIC_CONNECT: "C",
  SMFIC_HELO: "H",
  SMFIC_MAIL: "M",
  SMFIC_RCPT: "R",
  SMFIC_DATA: "T",
  SMFIC_UNKNOWN: "U",
  SMFIC_HEADER: "L",
  SMFIC_EOH: "N",
  SMFIC_BODY: "B",
  SMFIC_BODYEOB: "E",
  SMFIC_ABORT: "A",
  SMFIC_QUIT: "Q",
};

/** The packet that the decoder should make of a recorded one, from the decoded fields. */
function expectedPacket(recorded: RecordedPacket): Packet {
  const { command, value = "", name = "", hostname = "", family = "", port = 0, address = "" } = recorded;
  switch (command) {
    case "SMFIC_OPTNEG": {
      const { version = 0, actions, protocol } = recorded;
      return { command: "O", version, actions: Number(actions), protocol: Number(protocol) };
    }
    case "SMFIC_MACRO":
      return { command: "D", step: BYTES[recorded.for ?? ""] ?? "", macros: recorded.macros ?? [] };
    case "SMFIC_CONNECT":
      return { command: "C", hostname, family, port, address };
    case "SMFIC_HELO":
      return { command: "H", value };
    case "SMFIC_UNKNOWN":
      return { command: "U", value };
    case "SMFIC_MAIL":
      return { command: "M", strings: recorded.arguments ?? [] };
    case "SMFIC_RCPT":
      return { command: "R", strings: recorded.arguments ?? [] };
    case "SMFIC_HEADER":
      return { command: "L", name, value };
    case "SMFIC_BODY":
      return { command: "B", bytes: recorded.body ?? "", ends: true };
    default:
      return { command: BYTES[command] as "T" };
  }
}

/** The same packet, as the MTA of these tests writes it. */
function written(recorded: RecordedPacket): string {
  const expected = expectedPacket(recorded);
  switch (expected.command) {
    case "O":
      return mta.options(expected.version, expected.actions, expected.protocol);
    case "D":
      return mta.macros(expected.step, Object.fromEntries(expected.macros));
    case "C":
      return mta.connect(expected.hostname, expected.address, expected.family, expected.port);
    case "H":
      return mta.helo(expected.value);
    case "U":
      return mta.unknown(expected.value);
    case "M":
      return mta.mail(...expected.strings);
    case "R":
      return mta.rcpt(...expected.strings);
    case "L":
      return mta.field(expected.name, expected.value);
    case "B":
      return mta.body(expected.bytes);
    default:
      return packet(expected.command);
  }
}

/** The recorded packets of the MTA that were kept whole, and their bytes. */
function fromMta(packets: readonly RecordedPacket[]): { recorded: RecordedPacket[]; bytes: string[] } {
  const recorded = packets.filter((one) => one.from === "mta" && one.hex !== undefined);
  return { recorded, bytes: recorded.map((one) => bytesOf(one) ?? "") };
}

test("the recordings are all there", () => {
  expect(transcripts.length).toBe(108);
  expect(connections.flatMap(({ packets }) => packets).length).toBe(3781);
});

describe.each(FEEDINGS)("The decoder, fed $name", ({ cuts }) => {
  test.each(connections)("reads what Postfix sent: $name", ({ packets }) => {
    const { recorded, bytes } = fromMta(packets);
    const all = bytes.join("");
    expect(joinChunks(decode(new MilterDecoder(), all, cuts(all.length)))).toEqual(recorded.map(expectedPacket));
  });
});

test("the MTA of the tests writes what Postfix wrote", () => {
  for (const { packets } of connections) {
    const { recorded, bytes } = fromMta(packets);
    expect(recorded.map(written)).toEqual(bytes);
  }
});

/** The reply that the encoder should write as it was recorded; `undefined` for those that are no packets of the protocol. */
function recordedReply({ command, name = "", value = "", index = 0, data = "" }: RecordedPacket): Reply | undefined {
  const [text = "", parameters] = data.replace(/\0$/, "").split("\0");
  const address = parameters === undefined ? { address: text } : { address: text, parameters };
  const plain: Readonly<Record<string, Reply>> = {
    SMFIR_CONTINUE: { reply: "continue" },
    SMFIR_ACCEPT: { reply: "accept" },
    SMFIR_REJECT: { reply: "reject" },
    SMFIR_TEMPFAIL: { reply: "tempfail" },
    SMFIR_DISCARD: { reply: "discard" },
    SMFIR_SHUTDOWN: { reply: "shutdown" },
    SMFIR_SKIP: { reply: "skip" },
    SMFIR_PROGRESS: { reply: "progress" },
    SMFIR_REPLYCODE: { reply: "replyCode", text },
    SMFIR_QUARANTINE: { reply: "quarantine", text },
    SMFIR_ADDHEADER: { reply: "addHeader", name, value },
    SMFIR_INSHEADER: { reply: "insertHeader", index, name, value },
    SMFIR_CHGHEADER: { reply: "changeHeader", index, name, value },
    SMFIR_REPLBODY: { reply: "replaceBody", bytes: data },
    SMFIR_CHGFROM: { reply: "changeSender", ...address },
    SMFIR_ADDRCPT: { reply: "addRecipient", ...address },
    SMFIR_ADDRCPT_PAR: { reply: "addRecipientWithParameters", ...address },
    SMFIR_DELRCPT: { reply: "deleteRecipient", ...address },
  };
  return plain[command];
}

test("the encoder writes every reply as it was recorded", () => {
  const counts: Record<string, number> = {};
  for (const recorded of connections.flatMap(({ packets }) => packets.filter(({ from }) => from === "milter"))) {
    const { command, version = 0, actions, protocol, symlists = [] } = recorded;
    const stages = Object.keys(MACRO_STAGES);
    const macros = Object.fromEntries(symlists.map(([stage, names]) => [stages[stage], names.split(" ")]));
    const reply = recordedReply(recorded);
    if (reply === undefined && command !== "SMFIC_OPTNEG") {
      expect(["SMFIR_CONN_FAIL", "?Z", "malformed"]).toContain(command);
      continue;
    }
    counts[command] = (counts[command] ?? 0) + 1;
    const options = { version, actions: Number(actions), protocol: Number(protocol), macros };
    expect(reply === undefined ? encodeOptions(options) : encodeReply(reply)).toBe(bytesOf(recorded));
  }
  expect(Object.keys(counts).length).toBe(19);
});

/** What an application should be told of recorded packets, from their decoded fields alone. */
function expectedEvents(recorded: readonly RecordedPacket[], isLeadingSpaceKept: boolean): string[] {
  const events: string[] = [];
  const families: Readonly<Record<string, string>> = { 4: "inet", 6: "inet6", U: "unknown" };
  const bare = ([address = "", ...parameters]: readonly string[]): string =>
    [address.replace(/^<(.*)>$/, "$1"), ...parameters].join(" ");
  let message: { body: string; queueId: string } | undefined;
  let queueId = "NOQUEUE";
  for (const one of recorded) {
    const { command, value = "" } = one;
    if (command === "SMFIC_MACRO") queueId = new Map(one.macros).get("i") ?? queueId;
    if (command === "SMFIC_CONNECT")
      events.push(`connect ${one.hostname} ${families[one.family ?? ""]} ${one.address} ${one.port}`);
    if (command === "SMFIC_HELO") events.push(`helo ${value}`);
    if (command === "SMFIC_MAIL") {
      events.push(`mail ${bare(one.arguments ?? [])}`);
      message = { body: "", queueId: "NOQUEUE" };
    }
    if (command === "SMFIC_ABORT") {
      if (message !== undefined) events.push("abort");
      queueId = "NOQUEUE";
      message = undefined;
    }
    if (message === undefined) continue;
    if (command === "SMFIC_RCPT") events.push(`rcpt ${bare(one.arguments ?? [])}`);
    if (command === "SMFIC_DATA") events.push("data");
    if (command === "SMFIC_HEADER") {
      const blank = isLeadingSpaceKept || /^[\t\n]/.test(value) ? "" : " ";
      events.push(`field ${one.name}:${blank}${value}`);
    }
    if (command === "SMFIC_EOH") events.push("eoh");
    if (command === "SMFIC_BODY") message.body += one.body ?? "";
    if (command === "SMFIC_BODYEOB") {
      if (message.body !== "") events.push(`body ${message.body}`);
      events.push(`eom ${queueId}`);
      message = undefined;
      queueId = "NOQUEUE";
    }
  }
  return events;
}

const STEPS = "CHMRTULNBE";

describe.each([
  { how: "an MTA that waits for every reply", isLockstep: true },
  { how: "an MTA that waits for one reply a message", isLockstep: false },
])("A session with $how", ({ isLockstep }) => {
  describe.each(FEEDINGS)("fed $name", ({ cuts }) => {
    test.each(connections)("tells the application all: $name", async ({ packets }) => {
      const { recorded, bytes } = fromMta(packets);
      const events: string[] = [];
      const { observer, problems } = recordingObserver();
      const wants = { answers: [], maxHeaderBytes: 200_000 };
      const session = createMilterService(() => recordingApplication(events, wants), observer).open();
      const sent = isLockstep ? [mta.options(...OLD_OFFER), ...bytes.slice(1)] : bytes;
      const all = sent.join("");
      let out = "";
      let start = 0;
      for (const end of [...cuts(all.length), all.length]) {
        out += await fed(session, all.slice(start, end));
        start = end;
      }
      const [options, ...answers] = readPackets(out);
      expect(options?.byte).toBe("O");
      const isKept = !isLockstep && (Number(recorded[0]?.protocol) & PROTOCOL.leadingSpace) > 0;
      // One recorded milter asked for no steps before BODYEOB, so that there is no MAIL.
      const isBare = !recorded.some(({ command }) => command === "SMFIC_MAIL");
      const steps = recorded
        .map(({ command }) => BYTES[command] ?? "")
        .filter((byte) => byte !== "" && STEPS.includes(byte));
      const answered = isLockstep ? steps : steps.filter((byte) => byte === "E");
      const isStray = isBare && recorded.some(({ command }) => command === "SMFIC_BODYEOB");
      expect(answers.map(({ byte }) => byte)).toEqual(answered.map(() => (isStray ? "t" : "c")));
      expect(events).toEqual(expectedEvents(recorded, isKept));
      expect(problems).toEqual(isStray ? [expect.stringContaining("BODYEOB outside of a message")] : []);
      session.close();
      expect(session.isIdle()).toBe(true);
    });
  });
});
