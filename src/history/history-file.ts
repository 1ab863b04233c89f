/** Appends to OpenDMARC's HistoryFile. It is opened for each batch, so that it may be moved away to be imported. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { historyBlock } from "../dmarc/history.ts";
import { fileTrouble } from "../process/exit.ts";
import { refuseForeignLink } from "./foreign-link.ts";
import type { History, HistoryHooks } from "./history.ts";
import { WriteBehind } from "./write-behind.ts";

/** Size from which on nothing is added: nobody imports the file. */
const MAX_BYTES = 1024 ** 3;

/** For its owner and group alone: domains that write to each other are nobody else's business. */
const MODE = 0o640;

export function openHistoryFile(path: string, hooks: HistoryHooks): History {
  const blocks = new WriteBehind<string>(
    (batch) => append(path, batch.join("")),
    hooks,
    (block) => block.length,
  );
  return {
    record(message) {
      const block = historyBlock(message);
      if (block !== undefined) blocks.add(block);
    },
    close: () => blocks.close(),
  };
}

/** @throws {Error} if not all of it could be written; then nothing of it stays */
async function append(path: string, text: string): Promise<void> {
  try {
    refuseForeignLink(path);
    // Without O_NONBLOCK, a FIFO that nobody reads would keep a thread for good.
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
    await using file = await open(path, flags, MODE);
    const before = await file.stat();
    if (!before.isFile()) throw new Error("not a regular file");
    if (before.size > MAX_BYTES) throw new Error(`over ${MAX_BYTES} bytes: nobody imports it`);
    try {
      await file.appendFile(text, "latin1");
    } catch (error) {
      // Half a block would be read as a whole one.
      await file.truncate(before.size);
      throw error;
    }
  } catch (error) {
    throw new Error(`Cannot write "${path}": ${fileTrouble(error)}`, { cause: error });
  }
}
