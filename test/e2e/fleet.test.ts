/** Tests two forwarders as in docs/fleet.md: each leads back addresses that the other has rewritten. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../helpers/requires.ts";
import { startServer } from "../helpers/server-process.ts";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("redis-server", "redis-cli");

/** Rewritten, its local part would have 75 bytes. */
const LONG = `${"a-long-mailbox-name.".repeat(2)}1234567890@origin.test`;

const SENDERS = `virtual_mailbox_maps = inline:{ {bob@origin.test = bob/} {${LONG} = bob/} }\n`;

const ALIASES = `virtual_alias_domains = fwd.test
virtual_alias_maps = inline:{ {alice@fwd.test = alice@dest.test} {late@fwd.test = late@dest.test} }
`;

/** Bounces come back to the second host only. */
const RECORDS = [
  "srs.fleet.test. MX 10 mail.fwd2.test.",
  'srs.fleet.test. TXT "v=spf1 ip4:10.77.0.20 ip4:10.77.0.40 -all"',
];

describe.skipIf(missing !== undefined)(
  `two forwarders with one secret and one store ${missing ?? ""}`,
  LAB_TEST,
  () => {
    let lab: Lab;
    const daemons: Postvouch[] = [];

    beforeAll(async () => {
      const maps = snippet("canonical-socketmap.main.cf");
      const fwd2 = { name: "fwd2", address: "10.77.0.40", mainCf: `virtual_alias_domains = srs.fleet.test\n${maps}` };
      lab = await Lab.start([origin({ mainCf: SENDERS }), fwd({ mainCf: ALIASES + maps }), fwd2, dest()], RECORDS);
      const socket = join(lab.directory, "redis.sock");
      const options = [
        "--port",
        "0",
        "--unixsocket",
        socket,
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        lab.directory,
      ];
      lab.use(await startServer("redis-server", options, { isReady: () => answers(socket) }));
      writeFileSync(join(lab.directory, "fleet.secrets"), "shared by both\n", { mode: 0o600 });
      for (const host of ["fwd", "fwd2"]) {
        const toml = `hostname = "mail.${host}.test"
[srs]
domain = "srs.fleet.test"
secrets_file = "${lab.directory}/fleet.secrets"
[srs.own_domains]
domains = ["fwd.test"]
[srs.store]
url = "redis+unix:${socket}"
`;
        daemons.push(await lab.startPostvouch(host, toml));
      }
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());

    test("a bounce that comes back to the other host finds the sender", async () => {
      const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "late@fwd.test" });
      const bounce = await lab.host("origin").arrived("bob", tag, "bounce");
      expect(bounce.text).toContain("no such user any more");
      expect(await daemons[1]?.logged(/ srs map=reverse .*to=bob@origin\.test$/)).toBeDefined();
      expect(daemons[0]?.logLines(/ srs map=reverse /)).toEqual([]);
    });

    test("so does that of a long address, out of the store that both share", async () => {
      const tag = await lab.host("origin").send({ from: LONG, to: "alice@fwd.test" });
      const forwarded = await lab.host("dest").arrived("alice", tag);
      expect(forwarded.returnPath).toMatch(/^SRS0=[\w-]{4}=[A-Z2-7]{2}=1=[0-9A-V]{32}@srs\.fleet\.test$/);
      const late = await lab.host("origin").send({ from: LONG, to: "late@fwd.test" });
      const bounce = await lab.host("origin").arrived("bob", late, "bounce");
      expect(bounce.headers("X-Original-To")).toEqual([LONG]);
    });
  },
);

function answers(socket: string): boolean {
  try {
    return runProgram("redis-cli", ["-s", socket, "PING"]).includes("PONG");
  } catch {
    return false;
  }
}
