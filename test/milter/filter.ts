/**
 * A filter for tests with a real Postfix, run as a program: `node filter.ts LOG ENDPOINT…`. It does what the field `X-Do:`
 * of a message says, in words, and writes one line of JSON about each message and each problem into LOG. The first
 * endpoint is that of a filter which answers every step, the others wait for the end of the message. SIGTERM stops it when
 * the messages under way have ended.
 */
import { createHash } from "node:crypto";
import { appendFileSync } from "node:fs";
import type {
  Application,
  Decision,
  EnvelopeAddress,
  HeaderField,
  MessageHandler,
  SmtpSession,
  StepReply,
  Wants,
} from "../../src/milter/application.ts";
import { createMilterService } from "../../src/milter/service.ts";
import { BufferBudget } from "../../src/net/buffer-budget.ts";
import { parseEndpoint } from "../../src/net/endpoint.ts";
import { Listeners, serveWith } from "../../src/net/listeners.ts";

/** What the filter saw of one message. */
export interface Seen {
  readonly event: "message" | "abort";
  readonly client: string;
  readonly helo: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly fields: readonly (readonly [string, string])[];
  readonly bodyBytes: number;
  readonly bodySha256: string;
  readonly queueId: string | undefined;
  readonly daemonName: string | undefined;
}

const [log = "", ...endpoints] = process.argv.slice(2);

function write(line: object): void {
  appendFileSync(log, `${JSON.stringify(line)}\n`, "latin1");
}

const ALL_STEPS: Wants["answers"] = ["connect", "helo", "mail", "rcpt", "data", "eoh", "body"];

/** How long the word `wait` waits. */
const WAIT_MS = 700;

/** How long the word `wait-long` does: longer than Postfix waits for anything on one of its ports. */
const LONG_MS = 5000;

function application(answers: Wants["answers"]): Application {
  return {
    wants: {
      actions: ["addHeaders", "changeHeaders", "quarantine"],
      answers,
      maxHeaderBytes: 1_048_576,
      onError: "tempfail",
    },
    begin: (smtp, sender) => new Handler(smtp, sender),
  };
}

class Handler implements MessageHandler {
  readonly #smtp: SmtpSession;
  readonly #sender: EnvelopeAddress;
  readonly #recipients: string[] = [];
  readonly #fields: HeaderField[] = [];
  readonly #hash = createHash("sha256");
  #bodyBytes = 0;

  constructor(smtp: SmtpSession, sender: EnvelopeAddress) {
    this.#smtp = smtp;
    this.#sender = sender;
  }

  rcpt({ address }: EnvelopeAddress): StepReply {
    this.#recipients.push(address);
    return address.startsWith("refused@") ? { code: 550, enhancedCode: "5.1.1", text: "100% unwanted" } : "continue";
  }

  header(field: HeaderField): void {
    this.#fields.push(field);
  }

  eoh(): StepReply {
    return this.#does("reject-early") ? "reject" : "continue";
  }

  body(chunk: string): boolean {
    this.#hash.update(chunk, "latin1");
    this.#bodyBytes += chunk.length;
    return !this.#does("skip");
  }

  async eom(): Promise<Decision> {
    this.#write("message");
    if (this.#does("wait-long")) await new Promise((resolve) => setTimeout(resolve, LONG_MS));
    if (this.#does("wait")) await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    if (this.#does("throw")) throw new Error("thrown as told");
    if (this.#does("reply")) return { reply: { code: 550, enhancedCode: "5.7.1", text: "no 100% of\r\n250 this" } };
    for (const reply of ["reject", "tempfail", "discard"] as const)
      if (this.#does(reply)) return { reply, edits: EDITS };
    const edits = this.#does("edit") ? EDITS : {};
    return { reply: "continue", edits, ...(this.#does("quarantine") ? { quarantine: "held as told" } : {}) };
  }

  abort(): void {
    this.#write("abort");
  }

  #does(word: string): boolean {
    return this.#fields.some(({ name, value }) => name === "X-Do" && value.trim().split(" ").includes(word));
  }

  #write(event: Seen["event"]): void {
    const { client, heloName, macros } = this.#smtp;
    const seen: Seen = {
      event,
      client: `${client.hostname} ${client.family} ${client.address}`,
      helo: heloName,
      from: this.#sender.address,
      to: this.#recipients,
      fields: this.#fields.map(({ name, value }) => [name, value]),
      bodyBytes: this.#bodyBytes,
      bodySha256: this.#hash.copy().digest("hex"),
      queueId: macros.get("i"),
      daemonName: macros.get("{daemon_name}"),
    };
    write(seen);
  }
}

/** Edits of a message with three X-Edit: fields. */
const EDITS = {
  change: [{ name: "x-edit", index: 2, value: " changed\r\n folded" }],
  remove: [
    { name: "X-Edit", index: 1 },
    { name: "X-Edit", index: 3 },
  ],
  insert: [
    { position: 0, name: "X-Top", value: " one" },
    { position: 1, name: "X-Below", value: " one" },
    { position: 0, name: "X-Top", value: "two" },
    { position: 1, name: "X-Below", value: "  two\nX-Forged: yes" },
  ],
  append: [{ name: "X-End", value: " one" }],
};

const listeners = new Listeners({ maxConnections: 1000, onRefused: () => {} });
const observer = {
  badPacket: (problem: string, queueId: string) => write({ event: "problem", problem, queueId }),
  failed: (error: unknown, queueId: string) => write({ event: "failed", problem: String(error), queueId }),
};
const hooks = {
  protocolError: (_: string, problem: string) => write({ event: "protocol", problem }),
  internalError: (_: string, error: unknown) => write({ event: "internal", problem: String(error) }),
  dropped: () => write({ event: "dropped" }),
};
const context = { hooks, budget: new BufferBudget(Number.POSITIVE_INFINITY) };
const wanted = endpoints.map((text, index) => {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(`Cannot listen on "${text}"`);
  const filter = application(index === 0 ? ALL_STEPS : []);
  return {
    name: text,
    endpoint,
    accept: serveWith(
      createMilterService(() => filter, observer),
      context,
    ),
  };
});
const prepared = await listeners.prepare(wanted, { socketMode: 0o666, reusePort: false });
prepared.commit();
write({ event: "listening" });
process.on("SIGTERM", () => {
  const stopped = listeners.drain(10_000);
  void stopped.then(() => write({ event: "stopped" }));
});
