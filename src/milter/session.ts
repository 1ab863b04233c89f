/**
 * The state of one connection with an MTA. All rules of state are here:
 *
 * - OPTNEG comes first, and once. Anything else ends the connection.
 * - MACRO, ABORT, QUIT and QUIT_NC are never answered, and a step only if its reply was not waived in OPTNEG. One reply too
 *   many would shift all later ones, and the edits of one message would be made in the next.
 * - CONNECT comes before MAIL. CONNECT and HELO may come again, and the last one counts.
 * - MAIL begins a message. RCPT and DATA follow in any order, and again: an MTA that was refused at DATA may go on with the
 *   same message. Then come fields, EOH, body, BODYEOB. ABORT may come at any time. BODYEOB and ABORT end the message.
 * - While the end of a message is pending, PROGRESS may be sent any number of times.
 * - A reply that is about the whole message ends it too. What still comes of it gets the same reply.
 * - A message fails if a part of it or its macros are missing, broken or out of order, or were dropped to save memory. It
 *   is answered `tempfail` at each step from then on. After an error of the application the answer is what the application
 *   wants, but a message whose header the handler does not know is never let through.
 */
import { attempt, chain, type Eventual } from "../collections/eventual.ts";
import { ProtocolError, type Session } from "../net/session.ts";
import type { Application, Decision, MessageHandler, SessionReply, StepReply } from "./application.ts";
import { encodeDecision, encodeStepReply, isEnd } from "./decision.ts";
import { MilterDecoder } from "./decoder.ts";
import { encodeReply } from "./encoder.ts";
import { Message } from "./message.ts";
import { type Agreement, negotiate } from "./negotiation.ts";
import type { MilterObserver } from "./observer.ts";
import type { BrokenPacket, Packet } from "./packet.ts";
import { clientOf, envelopeAddress, KnownSession, MAX_HELO_BYTES } from "./smtp-session.ts";
import { COMMANDS, PROTOCOL, STEPS, type StepByte } from "./wire.ts";

/** The steps within a message: the last phase in which each may come, and the phase that it leads to. */
const PHASES = {
  R: { last: 0, next: 0 },
  T: { last: 0, next: 0 },
  L: { last: 1, next: 1 },
  N: { last: 2, next: 3 },
  B: { last: 3, next: 3 },
} as const;

type StepCall = (handler: MessageHandler) => Eventual<StepReply> | undefined;

/** The session of one connection. */
export class MilterSession implements Session<Packet> {
  readonly decoder = new MilterDecoder();
  readonly takesTurns = true;
  /** Gives the application in force, which may change between two messages. */
  readonly #application: () => Application;
  readonly #observe: MilterObserver;
  readonly #smtp = new KnownSession();
  #agreement: Agreement | undefined;
  #message: Message | undefined;
  /** True while the decision about a message is awaited. */
  #isEnding = false;
  /** Steps of the SMTP session without which no message can be handled. */
  readonly #missing = new Set<"C" | "H">(["C"]);

  constructor(application: () => Application, observe: MilterObserver) {
    this.#application = application;
    this.#observe = observe;
  }

  answer(packet: Packet): Eventual<string> {
    if (this.#agreement === undefined && packet.command !== "O") {
      const command = packet.command === "broken" ? packet.of : packet.command;
      throw new ProtocolError(`Cannot serve ${COMMANDS[command].name}: want OPTNEG first`);
    }
    switch (packet.command) {
      case "O":
        return this.#negotiate(packet);
      case "D":
        this.#smtp.macros.set(packet.step, packet.macros);
        return "";
      case "C":
        this.#smtp.client = clientOf(packet);
        return this.#sessionStep("C", (application) => application.connect?.(this.#smtp));
      case "H":
        if (this.#smtp.greet(packet.value)) this.#problem(`HELO: name over ${MAX_HELO_BYTES} bytes`);
        return this.#sessionStep("H", (application) => application.helo?.(this.#smtp));
      case "U":
        return this.#reply("U", "continue");
      case "M":
        this.#begin((application) => application.begin(this.#smtp, envelopeAddress(packet.strings)));
        this.#message?.addSender(packet.strings);
        return this.#answerStep("M", (handler) => handler.mail?.());
      case "R":
        return this.#step("R", (handler) => handler.rcpt?.(envelopeAddress(packet.strings)));
      case "T":
        return this.#step("T", (handler) => handler.data?.());
      case "L":
        return this.#takeField(packet.name, packet.value);
      case "N":
        return this.#step("N", (handler) => handler.eoh?.());
      case "B":
        return this.#takeBody(packet.bytes, packet.ends);
      case "E":
        return this.#end();
      case "A":
        this.#abort();
        this.#smtp.macros.endMessage();
        return "";
      case "K":
        this.#endSession();
        return "";
      case "Q":
        this.#endSession();
        this.#agreement = undefined;
        return "";
      case "broken":
        return this.#takeBroken(packet);
    }
  }

  /** While the end of a message is pending, PROGRESS has the MTA wait anew. At any other step it would be an error. */
  whileAwaited(): string {
    return this.#isEnding ? encodeReply({ reply: "progress" }) : "";
  }

  isIdle(): boolean {
    return this.#message === undefined || this.#message.isTold;
  }

  get heldBytes(): number {
    return this.decoder.heldBytes + this.#smtp.heldBytes + (this.#message?.heldBytes ?? 0);
  }

  shed(): boolean {
    this.decoder.shed();
    if (this.#message !== undefined) this.#fail(this.#message, "tempfail");
    this.#smtp.shed();
    return true;
  }

  close(): void {
    this.#abort();
  }

  #negotiate(offer: Packet & { readonly command: "O" }): string {
    if (this.#agreement !== undefined) throw new ProtocolError("Cannot serve a second OPTNEG");
    const agreement = negotiate(offer, this.#application().wants);
    this.#agreement = agreement;
    for (const action of agreement.refused) this.#problem(`the MTA does not offer ${action}`);
    return agreement.reply;
  }

  #endSession(): void {
    this.#abort();
    this.#smtp.reset();
    this.#missing.add("C");
  }

  #sessionStep(
    step: "C" | "H",
    call: (application: Application) => Eventual<SessionReply> | undefined,
  ): Eventual<string> {
    const application = this.#application();
    this.#missing.delete(step);
    return attempt(
      () => chain(call(application) ?? "continue", (reply) => this.#reply(step, reply)),
      (error) => {
        this.#failed(error);
        if (application.wants.onError === "accept") return this.#reply(step, "continue");
        return this.#lack(step);
      },
    );
  }

  /** Remembers that a step could not be handled. */
  #lack(step: "C" | "H"): string {
    this.#missing.add(step);
    return this.#reply(step, "tempfail");
  }

  /** Begins a message. */
  #begin(open: (application: Application) => MessageHandler): void {
    if (!this.isIdle()) this.#problem("MAIL within a message");
    this.#abort();
    if (this.#smtp.isShed) this.#missing.add("C");
    for (const step of this.#missing) this.#problem(`MAIL without ${STEPS[step].name}`);
    const { isIncomplete } = this.#smtp.macros;
    if (isIncomplete) this.#problem("MAIL without macros that can be read");
    if (this.#missing.size > 0 || isIncomplete) {
      this.#message = new Message(undefined, "tempfail");
      return;
    }
    try {
      this.#message = new Message(open(this.#application()));
    } catch (error) {
      this.#failed(error);
      this.#message = new Message(undefined, "tempfail");
    }
  }

  #step(step: keyof typeof PHASES, call: StepCall): Eventual<string> {
    return this.#enter(step) ? this.#answerStep(step, call) : this.#reply(step, "tempfail");
  }

  /**
   * Checks that a step comes in order.
   *
   * @returns false without a message
   */
  #enter(step: keyof typeof PHASES): boolean {
    const message = this.#message;
    if (message === undefined) {
      this.#problem(`${STEPS[step].name} outside of a message`);
      return false;
    }
    if (message.isOpen && message.phase > PHASES[step].last) {
      this.#problem(`${STEPS[step].name} out of order`);
      this.#fail(message, "tempfail");
    }
    message.phase = PHASES[step].next;
    return true;
  }

  #answerStep(step: StepByte, call: StepCall): Eventual<string> {
    const message = this.#message;
    if (message?.handler === undefined || message.reply !== undefined) return this.#replyAgain(step, message);
    const { handler } = message;
    return attempt(
      () => chain(call(handler) ?? "continue", (reply) => this.#settle(step, message, reply)),
      (error) => {
        this.#crash(message, error);
        return this.#replyAgain(step, message);
      },
    );
  }

  /** Gives a handler's reply to a step. */
  #settle(step: StepByte, message: Message, reply: StepReply): string {
    if (message.reply !== undefined) return this.#replyAgain(step, message);
    const sent = this.#reply(step, reply);
    if (sent === "" || !isEnd(step, reply)) return sent;
    message.reply = reply;
    message.release();
    message.isTold = true;
    return sent;
  }

  /** Gives the reply of a message that has failed or is decided. */
  #replyAgain(step: StepByte, message: Message | undefined): string {
    const reply = message?.reply ?? "tempfail";
    const sent = this.#reply(step, reply);
    if (message !== undefined && sent !== "" && isEnd(step, reply)) message.isTold = true;
    return sent;
  }

  #takeField(name: string, rest: string): string {
    const message = this.#message;
    if (!this.#enter("L") || message === undefined) return this.#reply("L", "tempfail");
    if (message.isOpen) {
      try {
        this.#tellField(message, name, rest);
      } catch (error) {
        // Whatever the application wants: the handler does not know the whole header, which its last edits are about.
        this.#failed(error);
        this.#fail(message, "tempfail", true);
      }
    }
    return message.reply === undefined ? this.#reply("L", "continue") : this.#replyAgain("L", message);
  }

  #tellField(message: Message, name: string, rest: string): void {
    // Otherwise the MTA has taken away the blank that most fields have.
    const isWhole = this.#has(PROTOCOL.leadingSpace) || /^[\t\n]/.test(rest);
    const value = isWhole ? rest : ` ${rest}`;
    const bytes = name.length + value.length + ":\r\n".length;
    const problem = message.addField(bytes, this.#application().wants.maxHeaderBytes);
    if (problem !== undefined) this.#problem(problem);
    message.handler?.header?.({ name, value }, message.isExcess);
  }

  #takeBody(bytes: string, ends: boolean): string {
    const message = this.#message;
    // A chunk outside of a message is a problem once, at its end.
    if (message === undefined && !ends) return "";
    if (!this.#enter("B") || message === undefined) return this.#reply("B", "tempfail");
    if (message.reply === undefined && message.wantsBody && bytes !== "") {
      try {
        message.wantsBody = message.handler?.body?.(bytes) ?? false;
      } catch (error) {
        this.#crash(message, error);
      }
    }
    if (!ends) return "";
    if (message.reply !== undefined) return this.#replyAgain("B", message);
    const skips = !message.wantsBody && this.#has(PROTOCOL.skip) && this.#isAnswered("B");
    return skips ? encodeReply({ reply: "skip" }) : this.#reply("B", "continue");
  }

  #end(): Eventual<string> {
    const message = this.#message;
    if (message === undefined) {
      this.#problem(`${STEPS.E.name} outside of a message`);
      return this.#reply("E", "tempfail");
    }
    const { handler } = message;
    if (handler === undefined || message.reply !== undefined) return this.#last(this.#failure(message));
    this.#isEnding = true;
    return attempt(
      () => chain(handler.eom(), (decision) => this.#last(this.#decided(message, decision))),
      (error) => {
        this.#crash(message, error);
        return this.#last(this.#failure(message));
      },
    );
  }

  /** Ends the message with its last reply. */
  #last(reply: string): string {
    this.#isEnding = false;
    this.#message = undefined;
    this.#smtp.macros.endMessage();
    return reply;
  }

  /** @throws {TypeError} for edits that cannot be made */
  #decided(message: Message, decision: Decision): string {
    if (this.#agreement === undefined || message.reply !== undefined) return this.#failure(message);
    return encodeDecision(decision, this.#agreement);
  }

  #failure({ handler, isRescued, reply = "tempfail" }: Message): string {
    if (!isRescued || this.#agreement === undefined) return encodeStepReply(reply);
    try {
      return encodeDecision({ reply, edits: handler?.rescue?.() ?? {} }, this.#agreement);
    } catch (error) {
      this.#failed(error);
      return encodeStepReply("tempfail");
    }
  }

  #takeBroken({ of, problem, step }: BrokenPacket): string {
    this.#problem(`${COMMANDS[of].name}: ${problem}`);
    switch (of) {
      case "D":
        // They tell whose mail it is: nobody may guess it, least of all by those of an earlier step.
        this.#smtp.macros.lose(step);
        if (this.#message !== undefined) this.#fail(this.#message, "tempfail");
        return "";
      case "U":
        return this.#reply("U", "continue");
      case "C":
      case "H":
        return this.#lack(of);
      case "M":
        this.#abort();
        this.#message = new Message(undefined, "tempfail");
        return this.#replyAgain("M", this.#message);
      case "R":
      case "L":
        if (this.#message === undefined) return this.#reply(of, "tempfail");
        this.#fail(this.#message, "tempfail");
        return this.#replyAgain(of, this.#message);
    }
  }

  #crash(message: Message, error: unknown): void {
    this.#failed(error);
    this.#fail(message, this.#application().wants.onError, true);
  }

  #fail(message: Message, answer: "tempfail" | "accept", hasFailed = false): void {
    if (!message.isOpen) return;
    const isFirst = message.reply === undefined;
    message.isRescued = answer === "accept";
    message.reply = message.isRescued ? "continue" : "tempfail";
    if (isFirst) message.abort(hasFailed, this.#failed);
    if (!message.isRescued) message.release();
  }

  /** Ends the message, if there is one, without a reply. */
  #abort(): void {
    const message = this.#message;
    this.#message = undefined;
    if (message !== undefined && message.reply === undefined) message.abort(false, this.#failed);
  }

  /** The reply to a step, or nothing if the MTA does not wait for one. */
  #reply(step: StepByte, reply: StepReply): string {
    return this.#isAnswered(step) ? encodeStepReply(reply) : "";
  }

  #isAnswered(step: StepByte): boolean {
    return !this.#has(STEPS[step].noReply);
  }

  #has(bit: number): boolean {
    return ((this.#agreement?.protocol ?? 0) & bit) !== 0;
  }

  #problem(problem: string): void {
    this.#observe.badPacket(problem, this.#queueId());
  }

  readonly #failed = (error: unknown): void => this.#observe.failed(error, this.#queueId());

  #queueId(): string {
    return this.#smtp.macros.get("i") ?? "NOQUEUE";
  }
}
