/** The forwarder as docs/postfix.md has it, in both ways, between a host that sends and one that receives. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOrLeave } from "../e2e/lab/command.ts";
import { forwarder, forwardOnly } from "../e2e/lab/forwarder.ts";
import { dest, origin } from "../e2e/lab/hosts.ts";
import { Lab } from "../e2e/lab/lab.ts";
import { snippet } from "../e2e/lab/snippets.ts";
import { ChaosDaemon } from "./daemon.ts";
import { ChaosRedis } from "./redis.ts";

export const SET_UPS = ["classic", "forward-only", "forward-only with Redis"] as const;

export type SetUp = (typeof SET_UPS)[number];

/** The address of the lab's DNS server, and one where nobody is. */
export const DNS = { alive: "10.77.0.1", dead: "10.77.0.99" } as const;

export interface Chaos {
  readonly lab: Lab;
  readonly daemon: ChaosDaemon;
  /** The folder of the store alone, on a file system of 16 MB. */
  readonly storeDir: string;
  /** The store, in the set-up that has it in place of SQLite. */
  readonly redis: ChaosRedis | undefined;
  /** Writes the configuration; it counts from the next start or SIGHUP on. */
  configure(dnsServer: string): void;
}

/** eve's domain names no host that may send for it. */
const STRICT = 'strict.test. TXT "v=spf1 -all"';

const SENDERS = `virtual_mailbox_domains = origin.test, strict.test
virtual_mailbox_maps = inline:{ {bob@origin.test = bob/} {eve@strict.test = eve/} }
recipient_delimiter = +
`;

/** Starts everything. It ends with `stack`. */
export async function startChaos(setUp: SetUp, stack: AsyncDisposableStack): Promise<Chaos> {
  const lab = stack.use(await Lab.start([origin({ mainCf: SENDERS }), forwarder(), dest()], [STRICT]));
  // The judge would be most of the work; that what arrives is rewritten is seen by its envelope.
  await lab.host("dest").set("smtpd_recipient_restrictions =");
  const policy = snippet("policy.main.cf");
  if (setUp === "classic") {
    await lab.host("fwd").configure({ mainCf: snippet("canonical-tcp.main.cf") + policy });
  } else {
    const { mainCf, masterCf } = forwardOnly(lab, "fwd.test");
    await lab.host("fwd").configure({ mainCf: mainCf + policy, masterCf });
  }
  const directory = mkdtempSync(join(lab.directory, "chaos-"));
  const storeDir = join(directory, "store");
  mkdirSync(storeDir);
  runOrLeave(["mount", "-t", "tmpfs", "-o", "size=16m", "postvouch-chaos", storeDir]);
  const daemon = stack.use(new ChaosDaemon(lab, directory));
  // Also when the run is interrupted.
  const unmount = (): void => {
    daemon.signal("SIGKILL");
    runOrLeave(["umount", "--lazy", storeDir]);
  };
  process.once("exit", unmount);
  stack.defer(() => {
    process.off("exit", unmount);
    unmount();
  });
  const redis = setUp === "forward-only with Redis" ? stack.use(new ChaosRedis(storeDir)) : undefined;
  await redis?.start();
  const store = redis?.url ?? `sqlite:${storeDir}/addresses.db`;
  const configure = (dnsServer: string): void =>
    writeFileSync(daemon.configFile, configuration(setUp, directory, store, dnsServer));
  configure(DNS.alive);
  await daemon.start();
  return { lab, daemon, storeDir, redis, configure };
}

function configuration(setUp: SetUp, directory: string, store: string, dnsServer: string): string {
  const recipe =
    setUp === "classic"
      ? 'hostname = "mail.fwd.test"\n[srs]\ndomain = "fwd.test"\n'
      : snippet("forward-only.toml", { "srs.example.org": "fwd.test" });
  return `state_dir = "${directory}"
${recipe}
[srs.store]
url = "${store}"
[dns]
servers = ["${dnsServer}"]
timeout = "500ms"
`;
}
