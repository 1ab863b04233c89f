import { describe, expect, test } from "vitest";
import { DEVIATIONS, type DeviationClass, type Divergence } from "./deviations.ts";
import { optionsFor1 } from "./peers.ts";
import { type Found, type Peer, postsrsd1, postsrsd2, replay } from "./replay.ts";

/** The one configuration of the recordings that we do not run with. */
const WITHOUT_SECRET = "no-secret";

describe.each([
  { program: "postsrsd 1.10 over tcp_table", peer: postsrsd1, vectors: 13_349 },
  { program: "postsrsd 2.4.0 over socketmap", peer: postsrsd2, vectors: 14_183 },
])("Answers recorded from $program", async ({ peer, vectors }) => {
  const { asked, divergences } = await replayAll(peer);
  const classes = new Map<DeviationClass | undefined, Found[]>();
  for (const divergence of divergences) {
    const found = classOf(divergence);
    classes.set(found, [...(classes.get(found) ?? []), divergence]);
  }

  test(`are ${vectors}, and all are asked`, () => {
    expect(asked).toBe(vectors);
  });

  test("are given to the byte, or differ on purpose", () => {
    expect((classes.get(undefined) ?? []).map(show)).toEqual([]);
  });

  test.each(DEVIATIONS)("$name: $reason", (deviation) => {
    expect(classes.get(deviation)?.length ?? 0).toBe(deviation.vectors[peer.program - 1]);
  });
});

test("A postsrsd without a secret refuses everything and breaks bounces; we refuse to start", () => {
  const config = postsrsd1.recording.configs[WITHOUT_SECRET];
  expect(config?.secret_file).toBe("\n");
  expect(() => postsrsd1.service(optionsFor1(config ?? { secret_file: "x", time: 0 }), "forward")).toThrow(
    "Cannot sign addresses: want at least one secret",
  );
});

test("No class of deviations is without a recorded answer", () => {
  expect(DEVIATIONS.filter(({ vectors: [first, second] }) => first + second === 0).map(({ name }) => name)).toEqual([]);
});

async function replayAll(peer: Peer): Promise<{ asked: number; divergences: Found[] }> {
  const total = { asked: 0, divergences: [] as Found[] };
  for (const config of Object.keys(peer.recording.vectors).filter((name) => name !== WITHOUT_SECRET)) {
    const { asked, divergences } = await replay(peer, config);
    total.asked += asked;
    total.divergences.push(...divergences);
  }
  return total;
}

function classOf(divergence: Divergence): DeviationClass | undefined {
  return DEVIATIONS.find((deviation) => deviation.has(divergence));
}

function show({ config, map, key, recorded, answered }: Found): string {
  return `${config}: ${map} ${JSON.stringify(key)}: recorded ${recorded}, answered ${answered}`;
}
