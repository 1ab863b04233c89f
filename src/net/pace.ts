/** Takes connections with a pause between them, so that a flood of them leaves time for everything else. */

/** What becomes of connections. */
export interface Paced<Client> {
  /**
   * Pause before the next connection is taken, in milliseconds. 0: it is taken when it comes. libuv accepts one in each turn of
   * the event loop, so that many at once delay nothing.
   */
  pauseMs(): number;
  /** Tells if there is room for one more beside so many that wait. If not, it is closed, which costs a tenth of what a socket costs. */
  hasRoom(waiting: number): boolean;
  take(client: Client): void;
}

/** Returns what gets each connection. One that comes in a pause waits for its end, and those before it. */
export function atPace<Client extends { close(): void }>(host: Paced<Client>): (client: Client) => void {
  const waiting: Client[] = [];
  let isPausing = false;
  const take = (client: Client): void => {
    const pauseMs = host.pauseMs();
    if (pauseMs > 0) {
      isPausing = true;
      setTimeout(takeNext, pauseMs);
    }
    host.take(client);
  };
  const takeNext = (): void => {
    isPausing = false;
    // A reload may have ended the pauses while many waited.
    while (!isPausing) {
      const client = waiting.shift();
      if (client === undefined) return;
      if (host.hasRoom(0)) take(client);
      else client.close();
    }
  };
  return (client) => {
    if (!host.hasRoom(waiting.length)) client.close();
    else if (isPausing) waiting.push(client);
    else take(client);
  };
}
