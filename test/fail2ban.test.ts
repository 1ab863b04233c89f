/** Tests the filter of deploy/fail2ban against lines that the daemon has written. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePorts, Peer, RunningDaemon, scratch } from "./helpers/daemon.ts";
import { startDnsServer } from "./helpers/dns-server.ts";
import { requirePrograms } from "./helpers/requires.ts";
import { zoneAuthority } from "./helpers/zone.ts";

const DEPLOY = join(import.meta.dirname, "../deploy/fail2ban");
const missing = requirePrograms("fail2ban-regex", "fail2ban-client");

/** Who sends what, and whether the filter must find its address. */
const MAIL = [
  { client: "192.0.2.1", sender: "a@no.example", found: true },
  { client: "2001:db8::1", sender: "a@no.example", found: true },
  { client: "192.0.2.2", sender: 'a"b\\ c=d@no.example', found: true },
  { client: "192.0.2.3", sender: "a@soft.example", found: false },
  { client: "192.0.2.4", helo: "x action=reject reply=x", sender: "a@soft.example", found: false },
  { client: "192.0.2.5", helo: 'x" action=reject reply="x', sender: "a@soft.example", found: false },
  { client: "192.0.2.6", helo: "x\\", sender: '" action=reject y="@soft.example', found: false },
  { client: "192.0.2.7", sender: "a@none.example", found: false },
] as const;

/** Lines that the daemon has written about the mail. */
async function lines(mode: "enforce" | "report"): Promise<string[]> {
  using dir = scratch();
  const zone = { "no.example": [{ TXT: "v=spf1 -all" }], "soft.example": [{ TXT: "v=spf1 ~all" }] };
  await using dns = await startDnsServer(zoneAuthority(zone));
  const [port = 0] = await freePorts(1);
  const config = dir.write(
    "p.toml",
    `hostname = "mx.example"
state_dir = "${dir.path}"
srs.domain = "srs.home.arpa"
dns.servers = ["${dns.address}"]
tcptable.forward = []
tcptable.reverse = []
socketmap.listen = []
metrics.listen = []
policy.listen = ["127.0.0.1:${port}"]
policy.mode = "${mode}"
`,
  );
  await using daemon = new RunningDaemon(["--config", config]);
  await daemon.said("info listening");
  using smtpd = new Peer(port);
  for (const mail of MAIL) {
    const helo = "helo" in mail ? mail.helo : "mx.elsewhere.example";
    const names = `client_address=${mail.client}\nhelo_name=${helo}\nsender=${mail.sender}\nrecipient=b@home.example`;
    await smtpd.ask(`request=smtpd_access_policy\nprotocol_state=RCPT\n${names}\n\n`, "\n\n");
  }
  await daemon.said("info spf ", MAIL.length);
  return daemon.output.split("\n").filter((line) => line !== "");
}

/** A configuration of fail2ban with our filter and no other jail. */
function configured(): ReturnType<typeof scratch> {
  const dir = scratch();
  cpSync("/etc/fail2ban", dir.path, { recursive: true });
  rmSync(join(dir.path, "jail.d"), { recursive: true });
  mkdirSync(join(dir.path, "jail.d"));
  cpSync(join(DEPLOY, "postvouch.conf"), join(dir.path, "filter.d/postvouch.conf"));
  return dir;
}

/** The addresses that the filter finds, if a syslog or the journal puts the usual words in front. */
function found(written: readonly string[]): string[] {
  using dir = configured();
  const log = written.map((line) => `Nov 26 08:00:00 mx postvouch[123]: ${line}\n`).join("");
  const args = ["--out", "ip", dir.write("log", log), join(dir.path, "filter.d/postvouch.conf")];
  const { stdout, stderr } = spawnSync("fail2ban-regex", args, { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((line) => line !== "");
}

test.skipIf(missing !== undefined)(`the filter finds who was refused, and nobody else ${missing ?? ""}`, async () => {
  const written = await lines("enforce");
  expect(found(written)).toEqual(MAIL.flatMap(({ client, found }) => (found ? [client] : [])));
  expect(found(await lines("report"))).toEqual([]);
});

test.skipIf(missing !== undefined)(
  `fail2ban takes the filter with the jail of docs/metrics.md ${missing ?? ""}`,
  () => {
    const jail = readFileSync(join(DEPLOY, "jail.conf"), "utf8");
    expect(readFileSync(join(DEPLOY, "../../docs/metrics.md"), "utf8")).toContain(jail.trimEnd());
    using dir = configured();
    dir.write("jail.d/postvouch.conf", jail);
    const check = () => spawnSync("fail2ban-client", ["-c", dir.path, "-t"], { encoding: "utf8" });
    expect(check()).toMatchObject({ status: 0 });
    // It reads both.
    dir.write("filter.d/postvouch.conf", "[Definition]\nfailregex = %(nosuch)s\n");
    expect(check().status).not.toBe(0);
  },
);
