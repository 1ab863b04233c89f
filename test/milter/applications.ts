/** Applications for tests, and the ways to let an MTA talk to them. */
import type {
  Application,
  Decision,
  HeaderField,
  MessageHandler,
  SmtpSession,
  Wants,
} from "../../src/milter/application.ts";
import type { MilterObserver } from "../../src/milter/observer.ts";
import type { Packet } from "../../src/milter/packet.ts";
import { createMilterService } from "../../src/milter/service.ts";
import type { Session } from "../../src/net/session.ts";
import { LOCKSTEP_OFFER, mta, POSTFIX_OFFER, replies } from "./mta.ts";

export const WANTS: Wants = {
  actions: ["addHeaders", "changeHeaders", "quarantine"],
  answers: ["connect", "helo", "mail", "rcpt", "data", "eoh", "body"],
  maxHeaderBytes: 1000,
  onError: "tempfail",
};

/** An observer that writes down what it is told. */
export function recordingObserver(): { readonly observer: MilterObserver; readonly problems: string[] } {
  const problems: string[] = [];
  const observer: MilterObserver = {
    badPacket: (problem, queueId) => problems.push(`${queueId}: ${problem}`),
    failed: (error, queueId) => problems.push(`${queueId}: failed: ${error instanceof Error ? error.message : error}`),
  };
  return { observer, problems };
}

/** What an application is told of the message, in words. */
export type Events = string[];

/** An application that writes down what it is told, and replies with `continue` where `handler` says nothing else. */
export function recordingApplication(
  events: Events,
  wants: Partial<Wants> = {},
  handler: Partial<MessageHandler> = {},
): Application {
  return {
    wants: { ...WANTS, ...wants },
    connect({ client }) {
      events.push(`connect ${client.hostname} ${client.family} ${client.address} ${client.port}`);
      return "continue";
    },
    helo({ heloName }) {
      events.push(`helo ${heloName}`);
      return "continue";
    },
    begin(smtp, sender) {
      events.push(["mail", sender.address, ...sender.parameters].join(" "));
      return { ...recordingHandler(events, smtp), ...handler };
    },
  };
}

function recordingHandler(events: Events, { macros }: SmtpSession): MessageHandler {
  let body = "";
  return {
    rcpt({ address, parameters }) {
      events.push(["rcpt", address, ...parameters].join(" "));
      return "continue";
    },
    data() {
      events.push("data");
      return "continue";
    },
    header({ name, value }: HeaderField, isExcess) {
      events.push(`${isExcess ? "excess" : "field"} ${name}:${value}`);
    },
    eoh() {
      events.push("eoh");
      return "continue";
    },
    body(chunk) {
      body += chunk;
      return true;
    },
    eom(): Decision {
      if (body !== "") events.push(`body ${body}`);
      events.push(`eom ${macros.get("i") ?? "NOQUEUE"}`);
      return { reply: "continue" };
    },
    abort: () => void events.push("abort"),
  };
}

/** Gives bytes to a session, as net/connection.ts does. @returns what it sends */
export async function fed(session: Session<Packet>, bytes: string): Promise<string> {
  session.decoder.feed(bytes);
  let out = "";
  for (let next = session.decoder.next(); next !== undefined; next = session.decoder.next()) {
    out += await session.answer(next);
  }
  return out;
}

export interface Talk {
  /** The replies to each packet after OPTNEG, in short. */
  readonly said: readonly (readonly string[])[];
  readonly events: readonly string[];
  readonly problems: readonly string[];
  readonly session: Session<Packet>;
  send(packet: string): Promise<string[]>;
}

export interface TalkOptions {
  readonly wants?: Partial<Wants>;
  readonly handler?: Partial<MessageHandler>;
  /** Methods in place of the recording ones; asked for each message. */
  readonly application?: Partial<Application>;
  readonly offer?: readonly [number, number, number];
}

/** Lets an MTA that waits for every reply, or another one, talk to a recording application. */
export async function talk(packets: readonly string[], options: TalkOptions = {}): Promise<Talk> {
  const events: Events = [];
  const { observer, problems } = recordingObserver();
  const application = { ...recordingApplication(events, options.wants, options.handler), ...options.application };
  const session = createMilterService(() => application, observer).open();
  const send = async (packet: string): Promise<string[]> => replies(await fed(session, packet));
  await send(mta.options(...(options.offer ?? LOCKSTEP_OFFER)));
  const said: string[][] = [];
  for (const packet of packets) said.push(await send(packet));
  return { said, events, problems, session, send };
}

/** Options for an application whose only replies are those to the end of the message. */
export const SILENT_WANTS = { wants: { answers: [] }, offer: POSTFIX_OFFER } as const;
