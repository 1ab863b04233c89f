/**
 * Watches the event loop of the program that it is loaded into (`node --import turn-probe.ts`), and answers on the port of
 * TURN_PROBE_PORT with the longest turn since it was asked before: `CPU-MS WALL-MS`.
 *
 * CPU time is that of the main thread, so that other programs on the machine, which may keep it from running, do not count.
 * A timer that is due fires once in each turn; what is measured is at most its interval more than the turn.
 */
import { createServer } from "node:net";

const INTERVAL_MS = 1;

/** Milliseconds of CPU time of this thread. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

const longest = { cpu: 0, wall: 0 };
let last = { cpu: cpuMs(), wall: performance.now() };

function tick(): void {
  const now = { cpu: cpuMs(), wall: performance.now() };
  longest.cpu = Math.max(longest.cpu, now.cpu - last.cpu);
  longest.wall = Math.max(longest.wall, now.wall - last.wall);
  last = now;
}

setInterval(tick, INTERVAL_MS).unref();

createServer((socket) => {
  tick();
  socket.end(`${longest.cpu} ${longest.wall}`);
  longest.cpu = 0;
  longest.wall = 0;
})
  .listen(Number(process.env.TURN_PROBE_PORT), "127.0.0.1")
  .unref();
