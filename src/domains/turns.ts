/** How many items are worked on before waiting lookups get their turn: about a millisecond of work. */
const ITEMS_PER_TURN = 500;

/** Visits every item without holding up the event loop for long, so that lookups go on while a long list is read. */
export async function eachInTurns<T>(items: Iterable<T>, visit: (item: T) => undefined | Promise<void>): Promise<void> {
  let count = 0;
  for (const item of items) {
    const visited = visit(item);
    if (visited !== undefined) await visited;
    count += 1;
    if (count % ITEMS_PER_TURN === 0) await new Promise((resume) => setImmediate(resume));
  }
}
