/** Mail flows through a forwarder while one thing after the other goes wrong with postvouch; then all is accounted for. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../e2e/lab/lab.ts";
import { faultsOf } from "./faults.ts";
import { type Account, account, type ChaosMessage, chaosMessage, submission } from "./messages.ts";
import { type SetUp, startChaos } from "./set-up.ts";

export interface CampaignResult extends Account {
  readonly messages: number;
  /** Times that the daemon ended by itself. */
  readonly deaths: number;
  /** Deliveries that were put off and tried again. */
  readonly deferrals: number;
  /** What shows that the faults were felt: how often the daemon said what. */
  readonly said: ReadonlyMap<string, number>;
}

export interface CampaignOptions {
  readonly setUp: SetUp;
  readonly messages: number;
  /** How long each fault goes on. */
  readonly secondsEach: number;
  say(line: string): void;
}

/** Faults take longer than they are told to: messages must flow until the last one. */
const SLOWER = 1.3;

/** Messages that are handed over in one session. */
const BATCH = 5;

/** Longest wait for the queues to empty when everything is well again. */
const DRAIN_MS = 180_000;

export async function runCampaign({ setUp, messages, secondsEach, say }: CampaignOptions): Promise<CampaignResult> {
  await using stack = new AsyncDisposableStack();
  const chaos = await startChaos(setUp, stack);
  const faults = faultsOf(chaos);
  const sent: ChaosMessage[] = [];
  const sending = sendAll(chaos.lab, sent, messages, (SLOWER * 1000 * secondsEach * faults.length) / messages);
  for (const fault of faults) {
    say(`${setUp}: ${fault.name} (${sent.length} sent)`);
    await fault.happen(chaos, secondsEach);
  }
  await sending;
  await drain(chaos.lab, say);
  const ends = {
    delivered: chaos.lab.host("dest").mailbox("alice"),
    bounces: chaos.lab.host("origin").mailbox("bob"),
    refusals: chaos.lab.host("origin").mailbox("eve"),
  };
  const deferrals = ["origin", "fwd", "dest"].map((host) => chaos.lab.host(host).logLines(/status=deferred/).length);
  const { deaths, said } = chaos.daemon;
  return {
    ...account(sent, ends),
    messages: sent.length,
    deaths,
    deferrals: deferrals.reduce((sum, one) => sum + one),
    said,
  };
}

/** Hands the messages to the sending host's own Postfix, which has to get them through; spread over the time. */
async function sendAll(lab: Lab, sent: ChaosMessage[], count: number, msEach: number): Promise<void> {
  const startMs = performance.now();
  while (sent.length < count) {
    const size = Math.min(BATCH, count - sent.length);
    const batch = Array.from({ length: size }, (_, i) => chaosMessage(sent.length + i));
    const replies = await lab.host("origin").smtp("127.0.0.1", 25, ...submission(batch));
    const accepted = replies.filter((reply) => /^250 .*queued/.test(reply)).length;
    if (accepted !== size) throw new Error(`Cannot send: ${replies.join(" | ")}`);
    sent.push(...batch);
    await sleep(Math.max(0, startMs + sent.length * msEach - performance.now()));
  }
}

/** Waits until nothing is queued anywhere; what is still there then shows in the account. */
async function drain(lab: Lab, say: (line: string) => void): Promise<void> {
  const endMs = performance.now() + DRAIN_MS;
  const hosts = ["origin", "fwd", "dest"].map((name) => lab.host(name));
  for (let quiet = 0; quiet < 3 && performance.now() < endMs; ) {
    await Promise.all(hosts.map((host) => host.flush()));
    await sleep(1000);
    const queued = (await Promise.all(hosts.map((host) => host.queue()))).flat();
    quiet = queued.length === 0 ? quiet + 1 : 0;
    if (queued.length > 0) say(`waiting for ${queued.length} queued messages`);
  }
}
