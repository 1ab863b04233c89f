/** What goes wrong while mail flows, one thing after the other. Each puts right again what it broke. */
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { NODE } from "../e2e/lab/runtime.ts";
import { canStepClock } from "./daemon.ts";
import { type Chaos, DNS } from "./set-up.ts";

export interface Fault {
  readonly name: string;
  /** The store that it happens to. Default: it happens whatever the store is. */
  readonly store?: "SQLite" | "Redis";
  /** Goes on for about so many seconds. */
  happen(chaos: Chaos, seconds: number): Promise<void>;
}

/** Lookups with a log line for each: more than the daemon keeps for a reader. It ends well when all are answered. */
const MANY_LOOKUPS = `const socket = require("node:net").connect(10001, "127.0.0.1");
let answers = 0;
socket.write("get someone@elsewhere.example\\n".repeat(100_000));
socket.on("data", (bytes) => {
  answers += bytes.filter((byte) => byte === 10).length;
  if (answers === 100_000) process.exit(0);
});
setTimeout(() => process.exit(1), 25_000);`;

/** Writes until the disk is full: others write to it too. */
function fill(file: string): void {
  for (let bytes = 65_536; bytes >= 1; ) {
    try {
      appendFileSync(file, Buffer.alloc(bytes));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
      bytes >>= 4;
    }
  }
}

const FAULTS: readonly Fault[] = [
  { name: "nothing", happen: (_, seconds) => sleep(1000 * seconds) },
  {
    name: "kill -9, and a start by systemd",
    async happen({ daemon }, seconds) {
      for (let times = Math.max(1, Math.floor(seconds / 2)); times > 0; times--) {
        await daemon.end("SIGKILL");
        await sleep(300);
        await daemon.start();
        await sleep(500);
      }
    },
  },
  {
    name: "SIGHUP every second, each other with a broken file",
    async happen({ daemon, configure }, seconds) {
      for (let second = 0; second < seconds; second++) {
        if (second % 2 === 0) writeFileSync(daemon.configFile, '[srs]\ndomain = "fwd');
        else configure(DNS.alive);
        daemon.signal("SIGHUP");
        await sleep(1000);
      }
      configure(DNS.alive);
      daemon.signal("SIGHUP");
    },
  },
  {
    name: "a resolver that is dead",
    async happen({ daemon, configure }, seconds) {
      configure(DNS.dead);
      daemon.signal("SIGHUP");
      await sleep(1000 * seconds);
      configure(DNS.alive);
      daemon.signal("SIGHUP");
    },
  },
  {
    name: "SQLite's file removed",
    store: "SQLite",
    async happen({ storeDir }, seconds) {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(join(storeDir, `addresses.db${suffix}`), { force: true });
      await sleep(1000 * seconds);
    },
  },
  {
    name: "SQLite locked by another process",
    store: "SQLite",
    async happen({ storeDir }, seconds) {
      using other = new DatabaseSync(join(storeDir, "addresses.db"));
      other.exec("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE");
      await sleep(1000 * seconds);
      other.exec("ROLLBACK");
    },
  },
  {
    name: "Redis takes requests and answers none",
    store: "Redis",
    async happen({ redis }, seconds) {
      redis?.freeze(true);
      await sleep(1000 * seconds);
      redis?.freeze(false);
    },
  },
  {
    name: "Redis killed, and started again",
    store: "Redis",
    async happen({ redis }, seconds) {
      await redis?.kill();
      await sleep(1000 * seconds);
      await redis?.start();
    },
  },
  {
    name: "a full disk under the store",
    async happen({ storeDir, redis }, seconds) {
      const filler = join(storeDir, "filler");
      fill(filler);
      await sleep(1000 * seconds);
      rmSync(filler);
      // Redis ends when it cannot keep what it has acknowledged.
      await redis?.kill();
      await redis?.start();
    },
  },
  {
    name: "a log that nobody reads",
    async happen({ daemon, lab }, seconds) {
      daemon.blockLog(true);
      await lab.host("fwd").run([NODE, "-e", MANY_LOOKUPS]);
      await sleep(1000 * seconds);
      daemon.blockLog(false);
    },
  },
  {
    name: canStepClock ? "a clock that steps an hour and a day" : "a clock that steps (skipped: no libfaketime)",
    async happen({ daemon, lab }, seconds) {
      const stamps = new Set<string>();
      for (const offset of ["+1h", "-1h", "+1d", "-1d", "+0"]) {
        daemon.stepClock(offset);
        const key = ["postmap", "-q", "someone@elsewhere.example", "tcp:127.0.0.1:10001"] as const;
        const address = await lab.host("fwd").command(...key);
        stamps.add(/^SRS0=[^=]*=([^=]*)=/.exec(address)?.[1] ?? "");
        await sleep((1000 * seconds) / 5);
      }
      if (canStepClock && stamps.size < 3) throw new Error(`Cannot step the clock: signed on ${[...stamps]} alone`);
    },
  },
];

/** What goes wrong in a set-up. */
export function faultsOf({ redis }: Chaos): readonly Fault[] {
  const used = redis === undefined ? "SQLite" : "Redis";
  return FAULTS.filter(({ store = used }) => store === used);
}
