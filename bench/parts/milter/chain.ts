/** A whole incoming message through Postfix: OpenDKIM, OpenDMARC and policyd-spf in a row, against postvouch alone. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpuSeconds, cpuSecondsBelow } from "../../cpu-time.ts";
import { median } from "../../measurements.ts";
import { DOMAIN, RECORDS, writeMessage } from "../../milter-messages.ts";
import type { PartResult } from "../../results.ts";
import { startDns } from "../../servers/dns.ts";
import { OPENDKIM, OPENDMARC, startOpendkim, startOpendmarc } from "../../servers/milters.ts";
import { POLICYD_SPF } from "../../servers/policy-peers.ts";
import { type Postfix, startPostfix } from "../../servers/postfix.ts";
import { POSTVOUCH, startPostvouch } from "../../servers/postvouch.ts";
import { sendMessages } from "../../smtp-load.ts";
import type { Bench } from "../../subjects.ts";

/** smtpd ends after a hundred sessions, and its policyd-spf with it: so several of each are in a figure. */
const MESSAGES_PER_SECOND_OF_EFFORT = 200;
const SESSIONS = 4;

/** Where the mail comes from: no address of this host's own network. */
const CLIENT = "192.0.2.1";

export async function chainCost(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const dnsPort = await startDns(bench, stack, RECORDS);
  const opendkim = await startOpendkim(bench, stack, "verify", "all");
  const opendmarc = await startOpendmarc(bench, stack, "mx.example.org", "all");
  const daemon = { name: POSTVOUCH, daemon: bench.built.daemon, ownDomains: [], dnsPort, cores: "all" as const };
  const ours = await startPostvouch(bench, stack, { ...daemon, milterToml: "" });
  const milters = (...targets: readonly string[]): string =>
    `smtpd_milters = ${targets.map((target) => `inet:${target}`).join(", ")}`;
  const peers = [milters(opendkim?.target ?? "", opendmarc?.target ?? ""), POLICY];
  const postfix = await startPostfix(bench, stack, [{ options: peers }, { options: [milters(ours.milter.target)] }]);
  if (opendkim === undefined || opendmarc === undefined || postfix === undefined) return NOT_MEASURED;
  spawnSync("ip", ["address", "add", `${CLIENT}/32`, "dev", "lo"], { stdio: "inherit" });

  const [ofPeers = 0, ofUs = 0] = postfix.ports;
  const message = readFileSync(writeMessage(bench.directory, "5 kB", true), "latin1");
  const messages = Math.ceil(MESSAGES_PER_SECOND_OF_EFFORT * bench.effort.seconds);
  const send = (port: number): Promise<void> => sendCounted(postfix, { port, message, messages });
  await send(ofPeers);
  await send(ofUs);
  const rounds: Record<string, number>[] = [];
  for (let round = 1; round <= bench.effort.rounds; round++) {
    const times = (): Record<string, number> => ({
      [OPENDKIM]: cpuSeconds(opendkim.pid),
      [OPENDMARC]: cpuSeconds(opendmarc.pid),
      [POLICYD_SPF]: cpuSecondsBelow(postfix.masterPid, "spawn"),
      [POSTVOUCH]: cpuSeconds(ours.child.pid),
    });
    const before = times();
    await send(ofPeers);
    await send(ofUs);
    ours.milter.tidy?.();
    const spent = Object.entries(times()).map(([name, seconds]) => [
      name,
      ((seconds - (before[name] ?? 0)) * 1e6) / messages,
    ]);
    rounds.push(Object.fromEntries(spent) as Record<string, number>);
    bench.say(`${round}/${bench.effort.rounds} through Postfix, us a message: ${JSON.stringify(rounds.at(-1))}`);
  }
  return result(rounds);
}

const POLICY = `smtpd_recipient_restrictions = check_policy_service unix:private/${POLICYD_SPF}`;

const GOAL = { what: "CPU time through Postfix, all three against us alone", atLeast: 2, unit: "x" };

const NOT_MEASURED: PartResult = { tables: [], goals: [{ ...GOAL, got: undefined }] };

/** @throws {Error} if a message is not taken, or has no good result of DMARC */
async function sendCounted(
  postfix: Postfix,
  load: { readonly port: number; readonly message: string; readonly messages: number },
): Promise<void> {
  const before = postfix.passes();
  const envelope = { sender: `ann@${DOMAIN}`, recipient: "bob@example.org", heloName: `mail.${DOMAIN}` };
  await sendMessages({ ...load, ...envelope, localAddress: CLIENT, sessions: SESSIONS });
  const passes = postfix.passes() - before;
  if (passes !== load.messages) {
    throw new Error(`Cannot measure port ${load.port}: dmarc=pass for ${passes} of ${load.messages} messages`);
  }
}

function result(rounds: readonly Readonly<Record<string, number>>[]): PartResult {
  const names = [OPENDKIM, OPENDMARC, POLICYD_SPF];
  const theirs = (round: Readonly<Record<string, number>>): number =>
    names.reduce((sum, name) => sum + (round[name] ?? 0), 0);
  const of = (value: (round: Readonly<Record<string, number>>) => number): string =>
    (median(rounds.map(value)) ?? 0).toFixed(0);
  return {
    tables: [
      {
        title: "CPU time of an incoming message through Postfix, us, Postfix itself not counted",
        columns: ["", ...names, "all three", POSTVOUCH],
        rows: [["5 kB", ...[...names.map((name) => of((round) => round[name] ?? 0)), of(theirs), of(oursOf)]]],
      },
    ],
    goals: [{ ...GOAL, got: median(rounds.map((round) => theirs(round) / oursOf(round))) }],
  };
}

function oursOf(round: Readonly<Record<string, number>>): number {
  return round[POSTVOUCH] ?? Number.NaN;
}
