/** Counts what is allocated, also what is garbage soon. */
import { type HeapProfiler, Session } from "node:inspector";

/** Bytes of the heap that are allocated while `run` goes on, as V8 estimates them from samples. */
export function allocatedBytes(run: () => void): number {
  using stack = new DisposableStack();
  const session = stack.adopt(new Session(), (open) => open.disconnect());
  session.connect();
  session.post("HeapProfiler.startSampling", {
    samplingInterval: 16_384,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  run();
  let bytes = 0;
  // A session in the same thread answers before `post` returns.
  session.post("HeapProfiler.stopSampling", (error, { profile }) => {
    if (error === null) bytes = sum(profile.head);
  });
  return bytes;
}

function sum({ selfSize, children }: HeapProfiler.SamplingHeapProfileNode): number {
  return children.reduce((bytes, child) => bytes + sum(child), selfSize);
}
