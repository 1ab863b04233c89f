/** Waits until a condition holds. */
import { setTimeout as sleep } from "node:timers/promises";

const TIMEOUT_MS = 30_000;
const STEP_MS = 40;

/**
 * Asks again and again until there is an answer. A limit for what never comes, not a measure of speed.
 *
 * @param state for the error: what there was instead
 * @throws {Error} when 30 s have passed without one
 */
export async function eventually<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  state: () => string = () => "",
): Promise<T> {
  const endMs = Date.now() + TIMEOUT_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > endMs) throw new Error(`Cannot see ${what}: none in ${TIMEOUT_MS / 1000} s\n${state()}`);
    await sleep(STEP_MS);
  }
}
