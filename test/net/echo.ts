/** A service with a simple line protocol, for tests of connections. */
import type { Socket } from "node:net";
import { BufferBudget } from "../../src/net/buffer-budget.ts";
import { Connection, type ServeHooks } from "../../src/net/connection.ts";
import type { Listeners, Wanted } from "../../src/net/listeners.ts";
import { type Decoder, ProtocolError, type RequestService, type Service, stateless } from "../../src/net/session.ts";

/** One request for each line; a line `!…` breaks the protocol. */
export class LineDecoder implements Decoder<string> {
  #text = "";

  feed(chunk: string): void {
    this.#text += chunk;
  }

  next(): string | undefined {
    const end = this.#text.indexOf("\n");
    if (end === -1) return undefined;
    if (this.#text.startsWith("!")) throw new ProtocolError("Cannot read line: it begins with !", "bye\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  get heldBytes(): number {
    return this.#text.length;
  }

  end(): void {}
}

/** A service that answers each line by what `answer` makes of it. */
function lineService(answer: Answer): Service<string> {
  return stateless({ protocol: "policy", createDecoder: () => new LineDecoder(), answer });
}

export type Answer = RequestService<string>["answer"];

/** Serves lines, and keeps what a test wants to look at. */
export class LineServer {
  /** Server's ends of the connections, in the order in which they came. */
  readonly sockets: Socket[] = [];
  readonly problems: string[] = [];
  readonly budget = new BufferBudget(Number.POSITIVE_INFINITY);
  readonly #service: Service;

  constructor(answer: Answer | Service) {
    this.#service = typeof answer === "function" ? lineService(answer) : answer;
  }

  readonly accept = (socket: Socket): Connection => {
    this.sockets.push(socket);
    const hooks: ServeHooks = {
      protocolError: (protocol, message) => this.problems.push(`${protocol}: ${message}`),
      internalError: (protocol, error) => this.problems.push(`${protocol}: ${String(error)}`),
      dropped: (protocol) => this.problems.push(`${protocol}: dropped`),
    };
    return new Connection(socket, this.#service, { hooks, budget: this.budget });
  };
}

/** Waits until something is so. @throws {Error} when it is not after ten seconds */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Cannot go on: never ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Opens these endpoints in place of those before. @returns those that were opened */
export async function apply(listeners: Listeners, wanted: readonly Wanted[]): Promise<readonly Wanted[]> {
  const prepared = await listeners.prepare(wanted, { socketMode: 0o600, reusePort: false });
  return prepared.commit();
}

/** For listeners without a bound. */
export const UNLIMITED = { maxConnections: Number.POSITIVE_INFINITY, onRefused: () => {} };

/** Counts what happens in a turn of the event loop. */
export class TurnCounter {
  /** The most in one turn that has ended. */
  most = 0;
  #inTurn = 0;

  /** False while something was counted whose turn has not ended. */
  get isQuiet(): boolean {
    return this.#inTurn === 0;
  }

  count(): void {
    if (this.#inTurn++ > 0) return;
    setImmediate(() => {
      this.most = Math.max(this.most, this.#inTurn);
      this.#inTurn = 0;
    });
  }
}
