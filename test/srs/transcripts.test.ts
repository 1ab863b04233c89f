import { describe, expect, test } from "vitest";
import { converse } from "../net/converse.ts";
import type { Transcript } from "./recorded.ts";
import { type Peer, postsrsd1, postsrsd2 } from "./replay.ts";
import { TRANSCRIPT_DEVIATIONS } from "./transcripts.ts";

describe.each([
  { program: "postsrsd 1.10", peer: postsrsd1, split: (text: string) => text.match(/.*\n/g) ?? [] },
  { program: "postsrsd 2.4.0", peer: postsrsd2, split: splitNetstrings },
])("A recorded conversation with $program", ({ peer, split }) => {
  test.each(peer.recording.wire.filter(({ name }) => !(name in TRANSCRIPT_DEVIATIONS)))(
    "is held alike: $name",
    async (transcript) => {
      expect(await hold(peer, transcript)).toEqual({
        replies: split(transcript.recv).map((reply) => essence(peer, reply)),
        isClosed: transcript.eof !== false,
      });
    },
  );

  test.each(peer.recording.wire.filter(({ name }) => name in TRANSCRIPT_DEVIATIONS))(
    "is held otherwise on purpose: $name",
    async (transcript) => {
      const { replies, isClosed } = TRANSCRIPT_DEVIATIONS[transcript.name] ?? {};
      expect(await hold(peer, transcript)).toEqual({ replies, isClosed });
    },
  );
});

test("Every conversation held otherwise was recorded, and is otherwise", () => {
  const recorded = [...postsrsd1.recording.wire, ...postsrsd2.recording.wire].map(({ name }) => name);
  expect(Object.keys(TRANSCRIPT_DEVIATIONS).filter((name) => !recorded.includes(name))).toEqual([]);
});

async function hold(peer: Peer, transcript: Transcript): Promise<{ replies: string[]; isClosed: boolean }> {
  const config = peer.recording.configs[transcript.config.replace(/\+.*/, "")];
  if (config === undefined) throw new RangeError(`Cannot hold "${transcript.name}": no such configuration`);
  const service = peer.service(peer.options(config), transcript.map ?? "forward");
  const halfCloses = transcript.half_close ?? transcript.name.includes("half close");
  const { replies, isClosed } = await converse(service, transcript.send, halfCloses);
  return { replies: replies.map((reply) => essence(peer, reply)), isClosed };
}

/** An answer to the byte; of what is no answer the status, because its text is for the eyes. */
function essence(peer: Peer, reply: string): string {
  const payload = peer.payload(reply);
  return peer.parse(payload).status === "found" ? payload : payload.replace(/ .*/s, "");
}

function splitNetstrings(text: string): string[] {
  const replies: string[] = [];
  for (let rest = text; rest !== ""; rest = rest.slice(replies.at(-1)?.length)) {
    const colon = rest.indexOf(":");
    replies.push(rest.slice(0, colon + 2 + Number(rest.slice(0, colon))));
  }
  return replies;
}
