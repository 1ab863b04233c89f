/** Takes connections at a pace, so that many that come at once do not delay everything else. */

/** Most pauses that a connection waits for. One that would wait longer is closed. */
const MAX_PAUSES = 512;

/**
 * Connections that are taken at once, and the pause in milliseconds before as many more; 0: the next turn of the event loop.
 * libuv accepts all that wait, and a hundred would delay everything else by ten milliseconds.
 */
export interface Pace {
  readonly atOnce: number;
  readonly pauseMs: number;
}

/** What becomes of connections. */
export interface Paced<Client> {
  pace(): Pace;
  /** Tells if there is room for one more beside so many that wait. If not, it is closed, which costs a tenth of what a socket costs. */
  hasRoom(waiting: number): boolean;
  take(client: Client): void;
}

/** Returns what gets each connection: the first few are taken at once, and as many of the others after each pause. */
export function atPace<Client extends { close(): void }>(host: Paced<Client>): (client: Client) => void {
  const waiting: Client[] = [];
  let taken = 0;
  const take = (client: Client): void => {
    taken++;
    host.take(client);
  };
  const pause = (pauseMs: number): void => {
    if (pauseMs > 0) setTimeout(takeNext, pauseMs);
    else setImmediate(takeNext);
  };
  const takeNext = (): void => {
    const { atOnce, pauseMs } = host.pace();
    taken = 0;
    const next = waiting.splice(0, atOnce);
    if (next.length > 0) pause(pauseMs);
    for (const client of next) {
      if (host.hasRoom(0)) take(client);
      else client.close();
    }
  };
  return (client) => {
    const { atOnce, pauseMs } = host.pace();
    if (taken === 0) pause(pauseMs);
    if (waiting.length >= atOnce * MAX_PAUSES || !host.hasRoom(waiting.length)) client.close();
    else if (taken >= atOnce) waiting.push(client);
    else take(client);
  };
}
