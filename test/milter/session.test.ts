/** Tests the rules of state: which step is told, which reply goes out, what ends a message. */
import { describe, expect, test } from "vitest";
import type { Application, Decision, MessageHandler, StepReply } from "../../src/milter/application.ts";
import { FIELD_OVERHEAD_BYTES, MAX_FIELDS } from "../../src/milter/message.ts";
import { createMilterService } from "../../src/milter/service.ts";
import { MAX_HELO_BYTES } from "../../src/milter/smtp-session.ts";
import { ProtocolError } from "../../src/net/session.ts";
import { bufferBytes, heapBytes } from "../helpers/kept-memory.ts";
import { fed, recordingApplication, recordingObserver, SILENT_WANTS, talk } from "./applications.ts";
import { LOCKSTEP_OFFER, mta, POSTFIX_OFFER, packet, replies } from "./mta.ts";

const BEGIN = [mta.connect(), mta.helo(), mta.mail("<a@b.example>"), mta.rcpt("<c@d.example>")];
const CONTENT = [mta.field("From", " a"), mta.eoh(), mta.body("hi\r\n"), mta.eom()];
const MESSAGE = [...BEGIN, mta.data(), ...CONTENT];
const TOLD = ["mail a@b.example", "rcpt c@d.example", "data", "field From: a", "eoh", "body hi\r\n", "eom NOQUEUE"];
const SESSION = ["connect client.example inet 192.0.2.1 25000", "helo helo.example"];

/** What an application does at each step, to the whole message or not. */
const fail = (): never => {
  throw new Error("ours");
};
const failLater = async (): Promise<never> => fail();

interface Case {
  readonly name: string;
  readonly packets: readonly string[];
  /** The replies to each packet, joined; "" for none. */
  readonly said: string;
  readonly events?: readonly string[];
  readonly problems?: readonly string[];
}

describe("In a session with an MTA that waits for every reply", () => {
  const cases: readonly Case[] = [
    { name: "a message", packets: MESSAGE, said: "c c c c c c c c c", events: [...SESSION, ...TOLD] },
    {
      name: "several messages, with and without ABORT between them",
      packets: [
        ...MESSAGE,
        mta.abort(),
        ...MESSAGE.slice(2),
        ...MESSAGE.slice(2),
        mta.abort(),
        mta.abort(),
        mta.quit(),
      ],
      said: "c c c c c c c c c  c c c c c c c c c c c c c c   ",
      events: [...SESSION, ...TOLD, ...TOLD, ...TOLD],
    },
    {
      name: "HELO twice, before and after an ABORT",
      packets: [
        mta.connect(),
        mta.helo("first"),
        mta.helo("second"),
        mta.abort(),
        mta.helo("third"),
        ...BEGIN.slice(2),
      ],
      said: "c c c  c c c",
      events: [SESSION[0] ?? "", "helo first", "helo second", "helo third", ...TOLD.slice(0, 2)],
    },
    {
      name: "ABORT at any time, with nothing to abort",
      packets: [mta.abort(), mta.connect(), mta.abort(), mta.abort(), ...BEGIN.slice(2), mta.abort(), mta.abort()],
      said: " c   c c  ",
      events: [SESSION[0] ?? "", ...TOLD.slice(0, 2), "abort"],
    },
    {
      name: "ABORT amid a body",
      packets: [...MESSAGE.slice(0, -1), mta.abort(), ...MESSAGE.slice(2)],
      said: "c c c c c c c c  c c c c c c c",
      events: [...SESSION, ...TOLD.slice(0, 5), "abort", ...TOLD],
    },
    {
      name: "RCPT and DATA again, as after a refusal at DATA",
      packets: [...BEGIN, mta.data(), mta.rcpt("<e@f.example>"), mta.data(), ...CONTENT],
      said: "c c c c c c c c c c c",
      events: [...SESSION, ...TOLD.slice(0, 3), "rcpt e@f.example", ...TOLD.slice(2)],
    },
    {
      name: "a message without header, body, DATA, or anything but an end",
      packets: [...BEGIN, mta.eoh(), mta.eom(), ...BEGIN.slice(2), mta.eom()],
      said: "c c c c c c c c c",
      events: [...SESSION, ...TOLD.slice(0, 2), "eoh", "eom NOQUEUE", ...TOLD.slice(0, 2), "eom NOQUEUE"],
    },
    {
      name: "a body in BODYEOB",
      packets: [...BEGIN, mta.eoh(), mta.body("one "), mta.eom("two")],
      said: "c c c c c c c",
      events: [...SESSION, ...TOLD.slice(0, 2), "eoh", "body one two", "eom NOQUEUE"],
    },
    {
      name: "an empty body chunk",
      packets: [...BEGIN, mta.eoh(), mta.body(""), mta.eom()],
      said: "c c c c c c c",
      events: [...SESSION, ...TOLD.slice(0, 2), "eoh", "eom NOQUEUE"],
    },
    {
      name: "macros anywhere, for steps that do not follow, and for unknown ones",
      packets: [mta.macros("E", { i: "Q1" }), mta.connect(), mta.macros("Z", { a: "b" }), mta.macros("H"), mta.helo()],
      said: " c   c",
      events: SESSION,
    },
    {
      name: "UNKNOWN",
      packets: [mta.connect(), mta.unknown("XFOO bar"), ...BEGIN.slice(2), mta.unknown("X"), mta.abort()],
      said: "c c c c c ",
      events: [SESSION[0] ?? "", ...TOLD.slice(0, 2), "abort"],
    },
    {
      name: "the next SMTP session on the connection",
      packets: [...MESSAGE, mta.quitNc(), mta.connect("[192.0.2.9]", "192.0.2.9"), ...MESSAGE.slice(1)],
      said: "c c c c c c c c c  c c c c c c c c c",
      events: [...SESSION, ...TOLD, "connect [192.0.2.9] inet 192.0.2.9 25000", SESSION[1] ?? "", ...TOLD],
    },
    {
      name: "QUIT amid a message",
      packets: [...BEGIN, mta.quit()],
      said: "c c c c ",
      events: [...SESSION, ...TOLD.slice(0, 2), "abort"],
    },
    {
      name: "another message without an end of the first",
      packets: [...BEGIN, ...MESSAGE.slice(2)],
      said: "c c c c c c c c c c c",
      events: [...SESSION, ...TOLD.slice(0, 2), "abort", ...TOLD],
      problems: ["NOQUEUE: MAIL within a message"],
    },
    {
      name: "steps outside of a message",
      packets: [mta.connect(), mta.rcpt("<a@b.example>"), mta.data(), ...CONTENT, ...BEGIN.slice(2), mta.eom()],
      said: "c t t t t t t c c c",
      events: [SESSION[0] ?? "", ...TOLD.slice(0, 2), "eom NOQUEUE"],
      problems: ["RCPT", "DATA", "HEADER", "EOH", "BODY", "BODYEOB"].map(
        (step) => `NOQUEUE: ${step} outside of a message`,
      ),
    },
    {
      name: "MAIL without CONNECT",
      packets: [mta.helo(), ...BEGIN.slice(2), mta.eoh(), mta.eom(), ...MESSAGE],
      said: "c t t t t c c c c c c c c c",
      events: [SESSION[1] ?? "", ...SESSION, ...TOLD],
      problems: ["NOQUEUE: MAIL without CONNECT"],
    },
    {
      name: "an SMTP session without CONNECT after QUIT_NC",
      packets: [mta.connect(), mta.quitNc(), mta.mail("<a@b.example>")],
      said: "c  t",
      events: [SESSION[0] ?? ""],
      problems: ["NOQUEUE: MAIL without CONNECT"],
    },
    {
      name: "RCPT after the header has begun",
      packets: [
        ...BEGIN,
        mta.field("From", " a"),
        mta.rcpt("<e@f.example>"),
        mta.field("To", " b"),
        mta.eoh(),
        mta.eom(),
      ],
      said: "c c c c c t t t t",
      events: [...SESSION, ...TOLD.slice(0, 2), "field From: a", "abort"],
      problems: ["NOQUEUE: RCPT out of order"],
    },
    {
      name: "a field after the header",
      packets: [...BEGIN, mta.eoh(), mta.field("From", " a"), mta.body("x"), mta.eom(), ...BEGIN.slice(2), mta.eom()],
      said: "c c c c c t t t c c c",
      events: [...SESSION, ...TOLD.slice(0, 2), "eoh", "abort", ...TOLD.slice(0, 2), "eom NOQUEUE"],
      problems: ["NOQUEUE: HEADER out of order"],
    },
    {
      name: "two ends of a header",
      packets: [...BEGIN, mta.macros("N", { i: "4XQ" }), mta.eoh(), mta.eoh(), mta.eom()],
      said: "c c c c  c t t",
      events: [...SESSION, ...TOLD.slice(0, 2), "eoh", "abort"],
      problems: ["4XQ: EOH out of order"],
    },
    {
      name: "a header that is too large: the rest of it is marked",
      packets: [...BEGIN, ...["a", "b", "c"].map((name) => mta.field(name, `${name}`.repeat(480))), mta.eom()],
      said: "c c c c c c c c",
      events: [
        ...[...SESSION, ...TOLD.slice(0, 2)],
        ...[`field a:${"a".repeat(480)}`, `field b:${"b".repeat(480)}`, `excess c:${"c".repeat(480)}`, "eom NOQUEUE"],
      ],
      problems: ["NOQUEUE: header over 1000 bytes"],
    },
    {
      name: "a header with a field that is too large: the next one is marked too",
      packets: [...BEGIN, mta.field("a", "x".repeat(2000)), mta.field("b", "c"), mta.eom()],
      said: "c c c c c c c",
      events: [...SESSION, ...TOLD.slice(0, 2), `excess a:${"x".repeat(2000)}`, "excess b:c", "eom NOQUEUE"],
      problems: ["NOQUEUE: header over 1000 bytes"],
    },
    {
      name: "a broken CONNECT: no message of the session can be judged",
      packets: [packet("C", "client.example\0" + "9"), ...MESSAGE.slice(1), ...BEGIN],
      said: "t c t t t t t t t c c c c",
      events: [SESSION[1] ?? "", ...SESSION, ...TOLD.slice(0, 2)],
      problems: ["NOQUEUE: CONNECT: want hostname, family, port and address", "NOQUEUE: MAIL without CONNECT"],
    },
    {
      name: "a broken HELO, and a good one",
      packets: [mta.connect(), packet("H", "x"), ...BEGIN.slice(2), mta.abort(), ...BEGIN.slice(1)],
      said: "c t t t  c c c",
      events: [...SESSION, ...TOLD.slice(0, 2)],
      problems: ["NOQUEUE: HELO: want one string", "NOQUEUE: MAIL without HELO"],
    },
    {
      name: "a broken MAIL",
      packets: [...BEGIN.slice(0, 2), packet("M", "<a@b>"), ...MESSAGE.slice(3), ...BEGIN.slice(2)],
      said: "c c t t t t t t t c c",
      events: [...SESSION, ...TOLD.slice(0, 2)],
      problems: ["NOQUEUE: MAIL: want strings that end with NUL"],
    },
    {
      name: "a broken RCPT",
      packets: [...BEGIN, packet("R"), mta.rcpt("<e@f.example>"), mta.data(), mta.abort(), ...BEGIN.slice(2)],
      said: "c c c c t t t  c c",
      events: [...SESSION, ...TOLD.slice(0, 2), "abort", ...TOLD.slice(0, 2)],
      problems: ["NOQUEUE: RCPT: want strings that end with NUL"],
    },
    {
      name: "a field with NUL in its value",
      packets: [...BEGIN, packet("L", "From\0 a\0b\0"), mta.field("To", " b"), mta.eom()],
      said: "c c c c t t t",
      events: [...SESSION, ...TOLD.slice(0, 2), "abort"],
      problems: ["NOQUEUE: HEADER: want name and value"],
    },
    {
      name: "broken packets outside of a message",
      packets: [
        mta.connect(),
        packet("R"),
        packet("L"),
        packet("D"),
        packet("D", "Ci\0"),
        packet("U"),
        ...BEGIN.slice(2),
      ],
      said: "c t t   c t t",
      events: [SESSION[0] ?? ""],
      problems: [
        "NOQUEUE: RCPT: want strings that end with NUL",
        "NOQUEUE: HEADER: want name and value",
        "NOQUEUE: MACRO: want a step, names and values",
        "NOQUEUE: MACRO: want a step, names and values",
        "NOQUEUE: UNKNOWN: want one string",
        "NOQUEUE: MAIL without macros that can be read",
      ],
    },
  ];

  test.each(cases)("$name", async ({ packets, said, events, problems = [] }) => {
    const talked = await talk(packets);
    expect(talked.said.map((one) => one.join("+")).join(" ")).toBe(said);
    expect(talked.events).toEqual(events);
    expect(talked.problems).toEqual(problems);
  });

  test.each(cases)("one reply to each step and none to anything else: $name", async ({ packets }) => {
    const { said } = await talk(packets);
    expect(said.map(({ length }) => length)).toEqual(
      packets.map((one) => ("CHMRTULNBE".includes(one.charAt(4)) ? 1 : 0)),
    );
  });

  test.each(cases)("only the end of a message is answered if so agreed: $name", async ({ packets }) => {
    const { said } = await talk(packets, SILENT_WANTS);
    expect(said.map(({ length }) => length)).toEqual(packets.map((one) => (one.charAt(4) === "E" ? 1 : 0)));
  });
});

test.each([
  {
    name: "a message that failed at a step without a reply",
    packets: [...BEGIN, packet("L", "x"), mta.eoh(), mta.eom()],
  },
  { name: "a field out of order", packets: [...BEGIN, mta.eoh(), mta.field("a", "b"), mta.body("x"), mta.eom()] },
  { name: "a broken MAIL", packets: [mta.connect(), packet("M"), ...MESSAGE.slice(3)] },
  { name: "steps outside of a message", packets: [mta.connect(), ...CONTENT] },
])("$name is answered at the next step that has a reply, once", async ({ packets }) => {
  const { said } = await talk(packets, { wants: { answers: ["eoh"] }, offer: POSTFIX_OFFER });
  const answered = said.flat();
  expect(answered.slice(-1)).toEqual(["t"]);
});

describe("Before OPTNEG and after QUIT", () => {
  test.each([
    ["MAIL", mta.mail("<a@b.example>")],
    ["ABORT", mta.abort()],
    ["MACRO", packet("D")],
    ["BODYEOB", mta.eom()],
  ])("%s ends the connection", async (name, bytes) => {
    const { session } = await talk([mta.quit()]);
    await expect(fed(session, bytes)).rejects.toThrow(new ProtocolError(`Cannot serve ${name}: want OPTNEG first`));
  });

  test("another OPTNEG ends it too, and after QUIT it begins anew", async () => {
    const { session, send } = await talk([]);
    const options = mta.options(...LOCKSTEP_OFFER);
    await expect(fed(session, options)).rejects.toThrow(new ProtocolError("Cannot serve a second OPTNEG"));
    const again = await talk([mta.quit(), options, ...MESSAGE]);
    expect(again.said.map((one) => one.length)).toEqual([0, 1, ...MESSAGE.map(() => 1)]);
    await expect(send(packet("M"))).resolves.toEqual(["t"]);
  });
});

describe("A reply", () => {
  const replied = (step: "mail" | "rcpt" | "data" | "eoh", reply: StepReply, packets: readonly string[]) =>
    talk(packets, { handler: { [step]: () => reply } });

  test.each<{ step: "mail" | "rcpt" | "data" | "eoh"; reply: StepReply; said: string; isIdle: boolean }>([
    // The replies to MAIL, RCPT, DATA, field, EOH, BODY, BODYEOB, if all of them came.
    { step: "mail", reply: "reject", said: "r r r r r r r", isIdle: true },
    { step: "mail", reply: "accept", said: "a a a a a a a", isIdle: true },
    { step: "rcpt", reply: "accept", said: "c a a a a a a", isIdle: true },
    { step: "rcpt", reply: "discard", said: "c d d d d d d", isIdle: true },
    { step: "rcpt", reply: "reject", said: "c r c c c c c", isIdle: false },
    { step: "rcpt", reply: { code: 450, text: "later" }, said: "c y 450 later c c c c c", isIdle: false },
    { step: "data", reply: "tempfail", said: "c c t c c c c", isIdle: false },
    { step: "data", reply: "discard", said: "c c d d d d d", isIdle: true },
    { step: "eoh", reply: "tempfail", said: "c c c c t t t", isIdle: true },
    { step: "eoh", reply: "accept", said: "c c c c a a a", isIdle: true },
    {
      step: "eoh",
      reply: { code: 550, enhancedCode: "5.7.1", text: "100% no\r\n250 ok" },
      said: "c c c c y 550 5.7.1 100%% no??250 ok y 550 5.7.1 100%% no??250 ok y 550 5.7.1 100%% no??250 ok",
      isIdle: true,
    },
  ])("$reply to $step ends the message, or only what it is about", async ({ step, reply, said, isIdle }) => {
    const { said: all, session, events, problems, send } = await replied(step, reply, MESSAGE.slice(0, -1));
    expect(session.isIdle()).toBe(isIdle);
    expect([...all.slice(2), await send(mta.eom())].flat().join(" ")).toBe(said);
    expect(events.includes("eom NOQUEUE")).toBe(!isIdle);
    expect(problems).toEqual([]);
    expect(session.isIdle()).toBe(true);
  });

  test("to DATA that refuses keeps the message: more recipients and another DATA follow without ABORT", async () => {
    let refusals = 1;
    const data = (): StepReply => (refusals-- > 0 ? "reject" : "continue");
    const packets = [...BEGIN, mta.data(), mta.rcpt("<e@f.example>"), mta.data(), ...CONTENT];
    const { said, events } = await talk(packets, { handler: { data } });
    expect(said.flat().join(" ")).toBe("c c c c r c c c c c c");
    expect(events).toEqual([...SESSION, ...TOLD.slice(0, 2), "rcpt e@f.example", ...TOLD.slice(3)]);
  });

  test("that was waived is not sent, whatever the handler says", async () => {
    const handler: Partial<MessageHandler> = {
      rcpt: () => "reject",
      data: () => Promise.resolve("tempfail"),
      eoh: () => "accept",
    };
    const { said, events } = await talk(MESSAGE, { ...SILENT_WANTS, handler });
    expect(said.flat()).toEqual(["c"]);
    expect(events.at(-1)).toBe("eom NOQUEUE");
  });

  test("to CONNECT or HELO is the application's", async () => {
    const application: Partial<Application> = {
      connect: () => "accept",
      helo: async () => ({ code: 550, text: "go" }),
    };
    const { said } = await talk([mta.connect(), mta.helo()], { application });
    expect(said.flat()).toEqual(["a", "y 550 go"]);
  });

  test("that comes late is waited for", async () => {
    const { promise, resolve } = Promise.withResolvers<StepReply>();
    const { send } = await talk(BEGIN, { handler: { eoh: () => promise } });
    const sent = send(mta.eoh() + mta.eom());
    resolve("continue");
    expect(await sent).toEqual(["c", "c"]);
  });
});

describe("A body", () => {
  test("that is not needed is skipped, where each chunk is answered", async () => {
    const chunks: string[] = [];
    const body = (chunk: string): boolean => chunks.push(chunk) < 2;
    const packets = [...BEGIN, mta.eoh(), ...["a", "b", "c"].map(mta.body), mta.eom()];
    const skipping = await talk(packets, { handler: { body }, offer: [6, 0x1ff, 0x1fffff] });
    expect(skipping.said.flat().join(" ")).toBe("c c c c c c s s c");
    expect(chunks).toEqual(["a", "b"]);
    chunks.length = 0;
    const old = await talk(packets, { handler: { body } });
    expect(old.said.flat().join(" ")).toBe("c c c c c c c c c");
    expect(chunks).toEqual(["a", "b"]);
  });

  test("is not kept: a session holds its header, and nothing of a body of 50 MB", async () => {
    let bytes = 0;
    const { session, send } = await talk([...BEGIN, mta.field("a", "x".repeat(90))], {
      ...SILENT_WANTS,
      handler: { body: (chunk) => (bytes += chunk.length) > 0 },
    });
    const chunk = "y".repeat(65_535);
    const most: number[] = [];
    for (let i = 0; i < 800; i++) {
      const whole = mta.body(chunk);
      for (const part of [whole.slice(0, 30_000), whole.slice(30_000)]) {
        await send(part);
        most.push(session.heldBytes);
      }
    }
    expect(bytes).toBe(800 * chunk.length);
    expect(Math.max(...most)).toBe("<a@b.example>".length + 94 + FIELD_OVERHEAD_BYTES);
    expect(await send(mta.eom())).toEqual(["c"]);
    expect(session.heldBytes).toBe(0);
  });
});

test("A session amid a message costs little memory beside its header, whatever the size of the body", async () => {
  const kept: unknown[] = [];
  const sessions = [];
  const fields = Array.from(
    { length: 20 },
    (_, at) => mta.macros("L", { i: "4XQ" }) + mta.field(`X-${at}`, "v".repeat(200)),
  );
  const before = heapBytes() + bufferBytes();
  for (let i = 0; i < 20; i++) {
    const handler = { header: (field: unknown) => void kept.push(field), body: () => true };
    const { session, send } = await talk([...BEGIN, ...fields, mta.eoh()], { ...SILENT_WANTS, handler });
    for (let chunks = 0; chunks < 40; chunks++) await send(mta.body("y".repeat(65_535)));
    await send(mta.body("y".repeat(65_535)).slice(0, -1));
    sessions.push(session);
  }
  const headerBytes = kept.length * 200;
  expect((heapBytes() + bufferBytes() - before - headerBytes) / sessions.length).toBeLessThan(64 * 1024);
  expect(kept).toHaveLength(400);
});

describe("The end of a message", () => {
  test("is answered with all edits and the reply in one piece", async () => {
    const eom = () => ({
      reply: "continue" as const,
      quarantine: "why",
      edits: {
        insert: [{ position: 0, name: "A", value: " top" }],
        remove: [
          { name: "B", index: 1 },
          { name: "b", index: 3 },
        ],
      },
    });
    const { said } = await talk(MESSAGE, { ...SILENT_WANTS, handler: { eom } });
    expect(said.at(-1)).toEqual(["m 3 b|", "m 1 B|", "i 0 A| top", "q why", "c"]);
  });

  test.each(["reject", "tempfail", "discard"] as const)("has no edits with %s", async (reply) => {
    const edits = { insert: [{ position: 0, name: "A", value: " top" }] };
    const { said } = await talk(MESSAGE, { handler: { eom: async () => ({ reply, edits, quarantine: "why" }) } });
    expect(said.at(-1)).toEqual([reply.charAt(0)]);
  });

  test.each([
    { name: "edits that were not agreed", actions: ["quarantine"], reply: "continue" },
    { name: "a reply that Postfix would not take", actions: ["addHeaders"], reply: { code: 250, text: "fine" } },
  ] as const)("with $name is an error of ours", async ({ actions, reply }) => {
    const eom = () => ({ reply, edits: { append: [{ name: "A", value: "b" }] } });
    const { said, problems } = await talk([...MESSAGE, ...BEGIN], { wants: { actions }, handler: { eom } });
    expect(said.at(MESSAGE.length - 1)).toEqual(["t"]);
    expect(said.slice(MESSAGE.length).flat()).toEqual(["c", "c", "c", "c"]);
    expect(problems).toEqual([
      expect.stringMatching(/^NOQUEUE: failed: Cannot (?:send addHeader: the MTA|reply "250")/),
    ]);
  });

  test("forgets the macros of the message and keeps those of the session", async () => {
    const seen: unknown[] = [];
    const { said } = await talk(
      [
        mta.macros("C", { j: "mx.example", "{daemon_name}": "smtp" }),
        mta.connect(),
        mta.macros("M", { "{auth_type}": "PLAIN", i: "Q1" }),
        ...[mta.mail("<a>"), mta.macros("R", { i: "Q2" }), mta.rcpt("<b>"), mta.eom(), mta.mail("<c>"), mta.eom()],
      ],
      {
        application: {
          begin: ({ macros }) => ({
            eom() {
              seen.push(["j", "{daemon_name}", "auth_type", "i"].map((name) => macros.get(name)));
              return { reply: "continue" };
            },
          }),
        },
      },
    );
    expect(said.flat()).toEqual(["c", "c", "c", "c", "c", "c"]);
    expect(seen).toEqual([
      ["mx.example", "smtp", "PLAIN", "Q2"],
      ["mx.example", "smtp", undefined, undefined],
    ]);
  });
});

describe("An error of the application", () => {
  const steps = ["mail", "rcpt", "data", "header", "eoh", "body", "eom"] as const;

  const failures = steps.flatMap((step) => {
    const isSync = step === "header" || step === "body";
    return [{ step, how: "at once", bad: fail }, ...(isSync ? [] : [{ step, how: "later", bad: failLater }])];
  });

  test.each(failures)("at $step, $how, is one `t`, and the next message is served", async ({ step, bad }) => {
    let isBad = true;
    const events: string[] = [];
    const { observer, problems } = recordingObserver();
    const application = (): Application =>
      recordingApplication(events, SILENT_WANTS.wants, isBad ? { [step]: bad } : {});
    const session = createMilterService(application, observer).open();
    await fed(session, mta.options(...POSTFIX_OFFER));
    expect(replies(await fed(session, MESSAGE.join("")))).toEqual(["t"]);
    isBad = false;
    expect(replies(await fed(session, mta.abort() + MESSAGE.slice(2).join("")))).toEqual(["c"]);
    expect(problems).toEqual(["NOQUEUE: failed: ours"]);
    expect(events.filter((event) => event === "abort")).toHaveLength(1);
    expect(events.slice(-TOLD.length)).toEqual(TOLD);
  });

  test.each(steps)("at %s is answered there and then if every step is", async (step) => {
    const { said } = await talk(MESSAGE, { handler: { [step]: fail } });
    const at = { mail: 2, rcpt: 3, data: 4, header: 5, eoh: 6, body: 7, eom: 8 }[step];
    expect(said.flat().join(" ")).toBe(MESSAGE.map((_, i) => (i < at ? "c" : "t")).join(" "));
  });

  const rescue = () => ({ remove: [{ name: "X", index: 1 }] });
  const rescued = steps.filter((step) => step !== "header");

  test.each(rescued)("at %s lets the message through if so wanted, with the edits that must be", async (step) => {
    const handler = { [step]: fail, rescue };
    const { said, problems, events } = await talk(MESSAGE, { handler, wants: { onError: "accept" } });
    expect(said.slice(0, -1).flat().join(" ")).toBe("c c c c c c c c");
    expect(said.at(-1)).toEqual(["m 1 X|", "c"]);
    expect(problems).toEqual(["NOQUEUE: failed: ours"]);
    // Those edits may be about any field.
    expect(events.filter((event) => event === "abort" || event.startsWith("field")).sort()).toEqual(["abort", TOLD[3]]);
  });

  test.each([
    { name: "another field fails", packets: MESSAGE, header: fail },
    { name: "a field is broken", packets: [...BEGIN, packet("L", "x"), mta.eom()], header: () => {} },
    {
      name: "a field is out of order",
      packets: [...BEGIN, mta.eoh(), mta.field("X", " "), mta.eom()],
      header: () => {},
    },
  ])("does not let a message through whose header is not known: $name", async ({ packets, header }) => {
    const handler = { rcpt: fail, rescue, header };
    const { said, events } = await talk(packets, { handler, wants: { onError: "accept" } });
    expect(said.at(-1)).toEqual(["t"]);
    expect(events.filter((event) => event === "abort")).toHaveLength(1);
  });

  test("lets a message through without edits if the handler has none", async () => {
    const { said } = await talk(MESSAGE, { handler: { eoh: fail }, wants: { onError: "accept" } });
    expect(said.flat().join(" ")).toBe("c c c c c c c c c");
  });

  test("is `t` after all if those edits fail too", async () => {
    const { said } = await talk(MESSAGE, { handler: { eom: fail, rescue: fail }, wants: { onError: "accept" } });
    expect(said.at(-1)).toEqual(["t"]);
  });

  test.each([
    { onError: "tempfail", said: "t c t t" },
    { onError: "accept", said: "c c c c" },
  ] as const)("at CONNECT: $onError", async ({ onError, said }) => {
    const talked = await talk(BEGIN, { application: { connect: failLater }, wants: { onError } });
    expect(talked.said.flat().join(" ")).toBe(said);
  });

  test.each([
    { onError: "tempfail", said: "c c t t t" },
    { onError: "accept", said: "c c t t t" },
  ] as const)("when a message begins is `t`: $onError", async ({ onError, said }) => {
    const packets = [...BEGIN, mta.eom()];
    const talked = await talk(packets, { application: { begin: fail }, wants: { onError } });
    expect(talked.said.flat().join(" ")).toBe(said);
    expect(talked.problems).toEqual(["NOQUEUE: failed: ours"]);
  });

  test("at ABORT is logged, and nothing else", async () => {
    const { said, problems } = await talk([...BEGIN, mta.abort(), ...MESSAGE.slice(2)], { handler: { abort: fail } });
    expect(said.flat().join(" ")).toBe("c c c c c c c c c c c");
    expect(problems).toEqual(["NOQUEUE: failed: ours"]);
  });
});

test.each([
  { why: "its step fails", handler: { eoh: fail }, packets: MESSAGE, told: [true] },
  { why: "it fails at a field", handler: { header: fail }, packets: MESSAGE, told: [true] },
  { why: "its last step fails later", handler: { eom: failLater }, packets: MESSAGE, told: [true] },
  { why: "the MTA gives up", handler: {}, packets: [...BEGIN, mta.abort()], told: [false] },
  {
    why: "the MTA breaks the protocol",
    handler: {},
    packets: [...BEGIN, mta.eoh(), mta.field("From", " a")],
    told: [false],
  },
])("a handler is told whether it has failed: $why", async ({ handler, packets, told }) => {
  const calls: boolean[] = [];
  const begin = (): MessageHandler => ({
    eom: () => ({ reply: "continue" }),
    ...handler,
    abort: (hasFailed) => void calls.push(hasFailed),
  });
  await talk([...packets], { application: { begin } });
  expect(calls).toEqual(told);
});

describe("A session whose bytes are given up", () => {
  test("answers `t` for its message at the next reply, and serves the next message", async () => {
    const { session, send, events } = await talk([...BEGIN, mta.field("From", " a")], SILENT_WANTS);
    const field = mta.field("X", "y".repeat(50_000));
    await send(field.slice(0, 20_000));
    expect(session.heldBytes).toBe("<a@b.example>".length + 20_000 - 5 + 9 + FIELD_OVERHEAD_BYTES);
    expect(session.shed()).toBe(true);
    expect(session.heldBytes).toBe(0);
    expect(session.isIdle()).toBe(false);
    expect(await send(field.slice(20_000) + CONTENT.join(""))).toEqual(["t"]);
    expect(events.slice(-2)).toEqual(["field From: a", "abort"]);
    expect(await send(MESSAGE.slice(2).join(""))).toEqual(["c"]);
    expect(events.slice(-TOLD.length)).toEqual(TOLD);
  });

  test("calls nothing more of a handler that it has let go of, and frees its fields", async () => {
    const sessions = [];
    const field = mta.field("X", "y".repeat(50_000));
    const before = heapBytes() + bufferBytes();
    for (let i = 0; i < 20; i++) {
      const calls: string[] = [];
      const begin = (): MessageHandler => {
        // The handler alone keeps the fields.
        const kept: unknown[] = [];
        return {
          header: (one) => void calls.push(`field ${kept.push(one)}`),
          eoh: fail,
          body: fail,
          eom: fail,
          abort: () => void calls.push("abort"),
          rescue: fail,
        };
      };
      const talked = await talk([...BEGIN, field, field], {
        wants: { maxHeaderBytes: 200_000 },
        application: { begin },
      });
      expect(talked.session.heldBytes).toBeGreaterThan(100_000);
      talked.session.shed();
      expect(talked.session.heldBytes).toBe(0);
      sessions.push({ ...talked, calls });
    }
    expect((heapBytes() + bufferBytes() - before) / sessions.length).toBeLessThan(30_000);
    for (const { send, calls, problems, session } of sessions) {
      expect(await send([field, ...CONTENT].join(""))).toEqual(["t", "t", "t", "t", "t"]);
      expect([...calls, ...problems]).toEqual(["field 1", "field 2", "abort"]);
      expect(session.heldBytes).toBe(0);
    }
  });

  test("gives up a message that was to be let through after an error, which is aborted once", async () => {
    const rescue = () => ({ remove: [{ name: "X", index: 1 }] });
    const options = { handler: { data: fail, rescue }, wants: { onError: "accept" } } as const;
    const { session, send, events } = await talk([...BEGIN, mta.data(), mta.field("X", " a")], options);
    expect(session.heldBytes).toBe("<a@b.example>X: a\r\n".length + FIELD_OVERHEAD_BYTES);
    session.shed();
    expect(session.heldBytes).toBe(0);
    expect(await send(mta.field("X", " b") + mta.eom())).toEqual(["t", "t"]);
    expect(events.slice(-2)).toEqual(["abort", "field X: a"]);
  });

  const macros = (step: string) => mta.macros(step, { a: "v".repeat(60_000) });

  test.each([
    { name: "its macros", packets: [mta.connect(), mta.helo(), macros("M")] },
    { name: "the macros for CONNECT", packets: [macros("C")] },
    { name: "the name of its client", packets: [mta.connect("h".repeat(60_000))] },
  ])("cannot judge the rest of an SMTP session without $name, and serves the next one", async ({ packets }) => {
    const { session, send, problems } = await talk(packets);
    expect(session.heldBytes).toBeGreaterThan(60_000);
    session.shed();
    expect(session.heldBytes).toBe(0);
    expect(await send(BEGIN.join(""))).toEqual(["c", "c", "t", "t"]);
    expect(problems).toEqual(["NOQUEUE: MAIL without CONNECT"]);
    await send(mta.quitNc());
    expect(await send(MESSAGE.join(""))).toEqual(MESSAGE.map(() => "c"));
  });

  test("skips the rest of a half packet outside of a message, and answers it", async () => {
    const { session, send, problems } = await talk([mta.connect()]);
    const helo = mta.helo("h".repeat(1000));
    await send(helo.slice(0, 500));
    session.shed();
    expect(await send(helo.slice(500) + BEGIN[2])).toEqual(["t", "t"]);
    expect(problems).toEqual([
      "NOQUEUE: HELO: dropped, because half packets hold too much memory",
      "NOQUEUE: MAIL without HELO",
    ]);
  });

  test("answers `t` even if the end of its message is being decided", async () => {
    const { promise, resolve } = Promise.withResolvers<{ reply: "continue" }>();
    const { session, send } = await talk(MESSAGE.slice(0, -1), { handler: { eom: () => promise } });
    const sent = send(mta.eom());
    session.shed();
    resolve({ reply: "continue" });
    expect(await sent).toEqual(["t"]);
  });
});

test("A session whose bytes are given up while a step is being answered says so at once", async () => {
  const { promise, resolve } = Promise.withResolvers<StepReply>();
  const { session, send, events } = await talk(BEGIN, { handler: { eoh: () => promise } });
  const sent = send(mta.eoh());
  session.shed();
  resolve("accept");
  expect(await sent).toEqual(["t"]);
  expect(events.at(-1)).toBe("abort");
});

test("A handler is let go of as soon as a reply has ended its message", async () => {
  const { session } = await talk([...BEGIN, mta.field("X", " a")]);
  const ended = await talk([...BEGIN, mta.field("X", " a"), mta.eoh()], { handler: { eoh: () => "reject" } });
  expect([session.heldBytes > FIELD_OVERHEAD_BYTES, ended.session.heldBytes]).toEqual([true, 0]);
});

describe("What a session holds", () => {
  test("counts tiny fields with what they cost, and only so many are kept", async () => {
    const kept: unknown[] = [];
    const handler = { header: (field: unknown, isExcess: boolean) => void (isExcess || kept.push(field)) };
    const options = { wants: { ...SILENT_WANTS.wants, maxHeaderBytes: 1_048_576 }, offer: POSTFIX_OFFER, handler };
    const { session, send, problems } = await talk(BEGIN, options);
    const before = heapBytes();
    await send(mta.field("X", "").repeat(MAX_FIELDS));
    expect(problems).toEqual([]);
    const { heldBytes } = session;
    expect(heldBytes).toBe("<a@b.example>".length + MAX_FIELDS * ("X:\r\n".length + FIELD_OVERHEAD_BYTES));
    expect(heapBytes() - before).toBeLessThan(2 * heldBytes);
    await send(mta.field("X", "").repeat(10));
    expect(problems).toEqual(["NOQUEUE: header over 10000 fields"]);
    expect([kept.length, session.heldBytes]).toEqual([MAX_FIELDS, heldBytes + 10 * 16]);
  });

  test("is no more than usual with the macros that Postfix sends", async () => {
    const usual = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`{macro_${at}}`, "v".repeat(50)]));
    const { session } = await talk([mta.macros("C", usual), ...BEGIN.slice(0, 2)]);
    expect(session.heldBytes).toBe(0);
  });

  test("counts the sender and its parameters until the message ends", async () => {
    const { session, send } = await talk([...BEGIN.slice(0, 2), mta.mail("s".repeat(60_000), "p".repeat(500_000))]);
    expect(session.heldBytes).toBe(560_000);
    session.shed();
    expect(session.heldBytes).toBe(0);
    await send(mta.abort() + mta.mail("s".repeat(60_000)));
    expect(session.heldBytes).toBe(60_000);
    await send(mta.eom());
    expect(session.heldBytes).toBe(0);
  });

  test("counts macros until the message ends", async () => {
    const { session, send } = await talk([...BEGIN, mta.macros("R", { a: "v".repeat(60_000) })]);
    expect(session.heldBytes).toBeGreaterThan(60_000);
    await send(mta.eom());
    expect(session.heldBytes).toBe(0);
  });

  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`m${at}`, "v"]));

  test.each([
    { name: "65,536 bytes", macros: { m0: "v".repeat(65_536 - "Cm0\0\0".length) }, problems: [] },
    { name: "a byte more", macros: { m0: "v".repeat(65_537 - "Cm0\0\0".length) }, problems: ["over 65536 bytes"] },
    { name: "200 macros", macros: many(200), problems: [] },
    { name: "201 macros", macros: many(201), problems: ["over 200 macros"] },
  ])("has limits for macros: $name", async ({ macros, problems }) => {
    let value: string | undefined;
    const application: Partial<Application> = {
      connect: (smtp) => {
        value = smtp.macros.get("m0");
        return "continue";
      },
    };
    const talked = await talk([mta.macros("C", macros), mta.connect()], { application });
    expect(talked.said).toEqual([[], ["c"]]);
    expect(talked.problems).toEqual(problems.map((problem) => `NOQUEUE: MACRO: ${problem}`));
    expect(value).toBe(problems.length > 0 ? undefined : macros.m0);
  });

  test("has a limit for the name in HELO, which is cut", async () => {
    const { said, problems, events } = await talk([
      mta.connect(),
      mta.helo("h".repeat(MAX_HELO_BYTES)),
      mta.helo("i".repeat(1_000_000)),
    ]);
    expect(said.flat()).toEqual(["c", "c", "c"]);
    expect(problems).toEqual(["NOQUEUE: HELO: name over 4096 bytes"]);
    expect(events.slice(1)).toEqual([`helo ${"h".repeat(MAX_HELO_BYTES)}`, `helo ${"i".repeat(MAX_HELO_BYTES)}`]);
  });

  test("is bounded outside of a message, whatever macros and names came", async () => {
    const sessions = [];
    const before = heapBytes() + bufferBytes();
    const large = () => [..."CHMRTLNBE"].map((step) => mta.macros(step, { a: "v".repeat(1_000_000) }));
    for (let i = 0; i < 10; i++) {
      sessions.push(await talk([mta.connect(), mta.helo("h".repeat(1_000_000)), ...large()]));
    }
    expect((heapBytes() + bufferBytes() - before) / sessions.length).toBeLessThan(50_000);
  });
});

test("A chunk outside of a message is a problem once, however many parts it comes in", async () => {
  const { send, problems } = await talk([mta.connect()]);
  const chunk = mta.body("abc");
  expect([await send(chunk.slice(0, 6)), await send(chunk.slice(6, 7)), await send(chunk.slice(7))]).toEqual([
    [],
    [],
    ["t"],
  ]);
  expect(problems).toEqual(["NOQUEUE: BODY outside of a message"]);
});

describe("A connection that closes", () => {
  test("aborts its message, also while its end is being decided", async () => {
    const { promise, resolve } = Promise.withResolvers<{ reply: "continue" }>();
    const { session, send, events } = await talk(MESSAGE.slice(0, -1), { handler: { eom: () => promise } });
    const sent = send(mta.eom());
    expect(session.isIdle()).toBe(false);
    session.close();
    expect(events.at(-1)).toBe("abort");
    resolve({ reply: "continue" });
    await sent;
  });

  test("aborts nothing between messages", async () => {
    const { session, events } = await talk([...MESSAGE, mta.abort()]);
    session.close();
    expect(events.at(-1)).toBe("eom NOQUEUE");
  });
});

describe("Macros that cannot be read", () => {
  const AUTHENTICATED = mta.macros("M", { "{auth_type}": "PLAIN" });
  const BROKEN = (step: string) => packet("D", `${step}{auth_type}`);

  test.each([
    { when: "for CONNECT", packets: [BROKEN("C"), mta.connect(), mta.helo(), mta.mail("<a@b.example>"), mta.eom()] },
    { when: "for MAIL", packets: [mta.connect(), mta.helo(), BROKEN("M"), mta.mail("<a@b.example>"), mta.eom()] },
    { when: "for RCPT", packets: [...BEGIN, BROKEN("R"), mta.rcpt("<c@d.example>"), mta.eom()] },
    { when: "for the end", packets: [...BEGIN, BROKEN("E"), mta.eom()] },
    { when: "for nobody knows what", packets: [...BEGIN, packet("D"), mta.eom()] },
  ])("$when fail the message", async ({ packets }) => {
    const { said, events } = await talk(packets);
    expect(said.at(-1)).toEqual(["t"]);
    expect(events.filter((event) => event.startsWith("eom"))).toEqual([]);
  });

  test("do not leave those of an earlier message in force, and the next message is judged by its own", async () => {
    const seen: (string | undefined)[] = [];
    const application: Partial<Application> = {
      begin: (smtp) => {
        seen.push(smtp.macros.get("{auth_type}"));
        return { eom: () => ({ reply: "continue" }) };
      },
    };
    const message = [mta.mail("<a@b.example>"), mta.eom()];
    const { said } = await talk(
      [
        ...[mta.connect(), mta.helo(), AUTHENTICATED, ...message],
        ...[BROKEN("M"), ...message],
        ...[mta.macros("M"), ...message],
      ],
      { application },
    );
    expect(said.flat()).toEqual(["c", "c", ...["c", "c"], ...["t", "t"], ...["c", "c"]]);
    expect(seen).toEqual(["PLAIN", undefined]);
  });
});

describe("While an answer is awaited", () => {
  test("PROGRESS is sent at the end of a message, and at no other time", async () => {
    const end = Promise.withResolvers<Decision>();
    const talked = await talk(BEGIN, { handler: { eom: () => end.promise } });
    const during = (): string[] => replies(talked.session.whileAwaited?.() ?? "none");
    expect(during()).toEqual([]);
    const ended = talked.send(mta.eom());
    expect([during(), during()]).toEqual([["p"], ["p"]]);
    end.resolve({ reply: "continue" });
    expect([await ended, during()]).toEqual([["c"], []]);
  });

  test("none is sent after a message that failed", async () => {
    const end = Promise.withResolvers<Decision>();
    const talked = await talk(BEGIN, { handler: { eom: () => end.promise } });
    const ended = talked.send(mta.eom());
    end.reject(new Error("ours"));
    expect([await ended, talked.session.whileAwaited?.()]).toEqual([["t"], ""]);
  });
});

test("The numbers of fields beyond the limit count as held", async () => {
  const { session, send } = await talk([...BEGIN, mta.field("a", "x".repeat(2000))]);
  const before = session.heldBytes;
  for (let i = 0; i < 100; i++) await send(mta.field("Authentication-Results", " mx"));
  expect(session.heldBytes - before).toBe(1600);
  await send(mta.abort());
  expect(session.heldBytes).toBe(0);
});
