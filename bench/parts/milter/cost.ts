/** CPU time of a message: verified and signed, beside OpenDKIM and the floors. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Measurements } from "../../measurements.ts";
import { DOMAIN, RECORDS, SELECTORS, SIZES, type Size, writeMessage } from "../../milter-messages.ts";
import { type Goal, metricTable, type PartResult, ratioTable } from "../../results.ts";
import { startDns } from "../../servers/dns.ts";
import {
  C_ECHO,
  type Milter,
  NODE_ECHO,
  NODE_FLOOR,
  OPENDKIM,
  startEchoMilters,
  startOpendkim,
  writeKey,
} from "../../servers/milters.ts";
import { POSTVOUCH, type Postvouch, startPostvouch } from "../../servers/postvouch.ts";
import type { Bench } from "../../subjects.ts";
import { type MilterWorkload, measureMilters } from "./rounds.ts";

/** The same daemon as OpenDKIM is: neither ARC nor DMARC. SPF cannot be left out. */
const DKIM_ALONE = `${POSTVOUCH}, DKIM alone`;
const ED25519 = `${POSTVOUCH}, ed25519`;

const BASES = [OPENDKIM, C_ECHO, NODE_ECHO, NODE_FLOOR];

const SIGN = `sign, 5 kB`;

const verifyName = (size: Size): string => `verify, ${size}`;

export async function verifyCost(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const start = await starter(bench, stack);
  const milters = [
    ...(await startEchoMilters(bench, stack, "verify")),
    ...present(await startOpendkim(bench, stack, "verify")),
    (await start(POSTVOUCH, "")).milter,
    (await start(DKIM_ALONE, "[dmarc]\nverify = false\n[arc]\nverify = false\n")).milter,
  ];
  for (const [name, daemon] of bench.also) milters.push((await start(name, "", daemon)).milter);
  const workloads = (Object.keys(SIZES) as Size[]).map((size): MilterWorkload => {
    const message = writeMessage(bench.directory, size, true);
    return { name: verifyName(size), message, expect: "dkim=pass", options: [] };
  });
  const measurements = new Measurements();
  await measureMilters(bench, measurements, workloads, milters);
  const goal = (size: Size, atLeast: number): Goal => ({
    what: `CPU time to verify, ${size}, OpenDKIM against all our checks`,
    atLeast,
    unit: "x",
    got: measurements.ratio(verifyName(size), OPENDKIM, POSTVOUCH, "cpuUs"),
  });
  return result(measurements, [goal("5 kB", 3), goal("100 kB", 1.5), goal("10 MB", 1)]);
}

export async function signCost(bench: Bench): Promise<PartResult> {
  await using stack = new AsyncDisposableStack();
  const start = await starter(bench, stack);
  const keys = join(bench.directory, "keys");
  mkdirSync(keys, { recursive: true });
  const signsWith = (type: keyof typeof SELECTORS): string =>
    `[dkim.sign]\nrequire_published = false\n[[dkim.sign.keys]]\ndomain = "${DOMAIN}"\nselector = "${SELECTORS[type]}"\nfile = "${writeKey(keys, type)}"\n`;
  const milters = [
    ...(await startEchoMilters(bench, stack, "sign")),
    ...present(await startOpendkim(bench, stack, "sign")),
    (await start(POSTVOUCH, signsWith("rsa"))).milter,
    (await start(ED25519, signsWith("ed25519"))).milter,
  ];
  const message = writeMessage(bench.directory, "5 kB", false);
  const workload: MilterWorkload = {
    name: SIGN,
    message,
    expect: "bh=",
    options: ["--client", "127.0.0.1", "--helo", "localhost"],
  };
  const measurements = new Measurements();
  await measureMilters(bench, measurements, [workload], milters);
  return result(measurements, [
    {
      what: "CPU time to sign, RSA-2048, 5 kB, OpenDKIM against us",
      atLeast: 1.5,
      unit: "x",
      got: measurements.ratio(SIGN, OPENDKIM, POSTVOUCH, "cpuUs"),
    },
    {
      what: "CPU time to sign, 5 kB, our RSA-2048 against our ed25519",
      atLeast: 4,
      unit: "x",
      got: measurements.ratio(SIGN, POSTVOUCH, ED25519, "cpuUs"),
    },
  ]);
}

async function starter(
  bench: Bench,
  stack: AsyncDisposableStack,
): Promise<(name: string, milterToml: string, daemon?: string) => Promise<Postvouch>> {
  const dnsPort = await startDns(bench, stack, RECORDS);
  return (name, milterToml, daemon = bench.built.daemon) =>
    startPostvouch(bench, stack, { name, daemon, ownDomains: [], dnsPort, milterToml });
}

function present(milter: Milter | undefined): Milter[] {
  return milter === undefined ? [] : [milter];
}

function result(measurements: Measurements, goals: readonly Goal[]): PartResult {
  return {
    tables: [
      metricTable("CPU time of a message, us", measurements, "cpuUs", (us) => us.toFixed(0)),
      ratioTable("CPU time of ours against theirs", measurements, POSTVOUCH, BASES, "cpuUs"),
      metricTable("Memory, MiB PSS", measurements, "pssMiB", (mib) => mib.toFixed(0)),
    ],
    goals,
  };
}
