/** Measures the time from the start of the process to its first answer, for which a restart delays mail. */
import { connect } from "node:net";
import { median } from "../measurements.ts";
import type { PartResult } from "../results.ts";
import { startEchos } from "../servers/echo.ts";
import { POSTSRSD_1, startPostsrsd1 } from "../servers/postsrsd.ts";
import { POSTVOUCH, startPostvouch } from "../servers/postvouch.ts";
import type { Bench, Subject } from "../subjects.ts";

type Start = (stack: AsyncDisposableStack, name: string) => Promise<Subject | undefined>;

export async function startPart(bench: Bench): Promise<PartResult> {
  const ownDomains = ["own.example.org"];
  const daemon = { daemon: bench.built.daemon, ownDomains, dnsPort: 53 };
  const starts: Readonly<Record<string, Start>> = {
    "Node echo": async (stack) => (await startEchos(bench, stack, ["tcp"])).at(-1),
    [POSTSRSD_1]: async (stack, name) => (await startPostsrsd1(bench, stack, name, ownDomains))[0],
    [POSTVOUCH]: async (stack, name) => (await startPostvouch(bench, stack, { ...daemon, name })).tcp,
  };
  const times = new Map<string, number[]>();
  for (let round = 1; round <= bench.effort.rounds * 2; round++) {
    for (const [name, start] of Object.entries(starts)) {
      const ms = await timeStart(start, `${name} ${round}`);
      if (ms !== undefined) times.set(name, [...(times.get(name) ?? []), ms]);
      bench.say(`start: ${name} ${ms?.toFixed(0)} ms`);
    }
  }
  const rows = [...times].map(([name, values]) => [name, (median(values) ?? 0).toFixed(0)]);
  return {
    tables: [{ title: "Start to the first answer, ms", columns: ["", "ms"], rows }],
    goals: [{ what: "start to the first answer", atMost: 400, unit: "ms", got: median(times.get(POSTVOUCH) ?? []) }],
  };
}

async function timeStart(start: Start, name: string): Promise<number | undefined> {
  await using stack = new AsyncDisposableStack();
  const startMs = performance.now();
  const subject = await start(stack, name);
  if (subject === undefined) return undefined;
  await ask(subject.targets.forward ?? "");
  return performance.now() - startMs;
}

/** One lookup over tcp_table. */
function ask(target: string): Promise<void> {
  const [host, port] = target.split(":");
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host);
    socket.write("get user@example.net\n");
    socket.once("error", reject);
    socket.once("data", () => {
      socket.destroy();
      resolve();
    });
  });
}
