/** Keeps mail flowing while something is changed. */
import { setTimeout as sleep } from "node:timers/promises";

/** Time between two messages, in milliseconds. */
const BETWEEN_MS = 200;

/**
 * Sends messages until `work` is done, and one more.
 *
 * @param send hands one in, and gives its tag
 * @param arrives waits for it, and rejects when it is lost, or comes twice
 * @throws {Error} when fewer than two were sent: then nothing was proved
 */
export async function whileMailFlows(
  work: () => Promise<unknown>,
  send: () => Promise<string>,
  arrives: (tag: string) => Promise<void>,
): Promise<void> {
  let isDone = false;
  const working = work().finally(() => {
    isDone = true;
  });
  // What fails is told by the wait for it below.
  working.catch(() => {});
  const tags: string[] = [];
  while (!isDone) {
    tags.push(await send());
    await sleep(BETWEEN_MS);
  }
  await working;
  tags.push(await send());
  for (const tag of tags) await arrives(tag);
  if (tags.length < 2) throw new Error(`Cannot tell how mail flowed: ${tags.length} messages were sent`);
}
