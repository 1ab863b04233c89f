/**
 * Watches files by polling their state several times a second.
 *
 * inotify watches an inode or a directory. So it misses a link that is replaced higher up in the path (Kubernetes), a
 * file that is mounted alone (Docker), and network file systems. A stat follows the same path as opening the file, and
 * takes microseconds.
 */
import { fileSignature } from "./text-file.ts";

/** Polling interval. A change must be seen twice, so it takes effect within three intervals. */
const POLL_MS = 250;

interface Watched {
  /** The state at the last reading, successful or not. */
  signature: string;
  /** A newer state that was seen once. The file may be half written. */
  seen: string | undefined;
}

/** Calls `onChange` with the path of each watched file that has changed and then stayed the same. */
export class FileWatch {
  readonly #onChange: (path: string) => void;
  #files = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(onChange: (path: string) => void) {
    this.#onChange = onChange;
  }

  /**
   * Watches these files instead of the earlier ones.
   *
   * @param signatures the state that the caller has read, by path
   */
  watch(signatures: ReadonlyMap<string, string>): void {
    this.#files = new Map([...signatures].map(([path, signature]) => [path, { signature, seen: undefined }]));
    if (this.#timer === undefined && signatures.size > 0) this.#schedule();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look(), POLL_MS);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const files = this.#files;
    for (const [path, watched] of files) {
      const signature = await fileSignature(path);
      if (files === this.#files && !this.#closed && hasSettled(watched, signature)) this.#onChange(path);
    }
    if (this.#files.size > 0) this.#schedule();
    else this.#timer = undefined;
  }
}

function hasSettled(watched: Watched, signature: string): boolean {
  const settled = signature !== watched.signature && signature === watched.seen;
  if (settled) watched.signature = signature;
  watched.seen = signature === watched.signature ? undefined : signature;
  return settled;
}
