/**
 * Compares what we sign after an import with what postsrsd 1.x signs: both from one /etc/default/postsrsd, which the
 * launcher of Debian reads for it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { freePorts, postvouch, scratch } from "../helpers/daemon.ts";
import { requirePrograms } from "../helpers/requires.ts";

const LAUNCHER = "/usr/share/postsrsd/postsrsd-systemd-launcher";

/** Files of settings, without ports. `DIR` is a directory with a list of domains. */
const FILES: Readonly<Record<string, string>> = {
  "Debian's defaults": "SRS_SEPARATOR==\nSRS_HASHLENGTH=4\nSRS_HASHMIN=4\nSRS_LISTEN_ADDR=127.0.0.1\n",
  "a list in a file": 'SRS_DOMAIN=srs.example.org\nSRS_EXCLUDE_DOMAINS="$(cat DIR/list)"\n',
  "other forms": "SRS_DOMAIN='me@Srs.Example.org'\nSRS_SEPARATOR=+x\nSRS_HASHLENGTH=8\nSRS_HASHMIN=8\n",
  "a list without quotes": "SRS_DOMAIN=srs.example.org\nSRS_EXCLUDE_DOMAINS=own.example, two.example\n",
  "options of its own":
    'D=own.example\nSRS_EXTRA_OPTIONS="-Xthree.example -t 60"\nSRS_EXCLUDE_DOMAINS=".sub.$D;$D"\nSRS_SEPARATOR=-\n',
};

const SENDERS = [
  "bob@elsewhere.example",
  "me@own.example",
  "me@x.sub.own.example",
  "me@two.example",
  "me@three.example",
  "Bob.B@ELSEWHERE.example",
  "SRS0=AAAA=BB=third.example=carl@elsewhere.example",
  "SRS1=AAAA=second.example==BB=CC=third.example=carl@elsewhere.example",
];

const missing =
  requirePrograms("postsrsd", "postconf") ?? (process.getuid?.() === 0 ? undefined : "Cannot run: not root");

describe.skipIf(missing !== undefined)(`after an import we sign as postsrsd does ${missing ?? ""}`, () => {
  test.each(Object.entries(FILES))("%s", async (_name, text) => {
    using dir = scratch();
    chmodSync(dir.path, 0o755);
    const [forward = 0, reverse = 0] = await freePorts(2);
    for (const folder of ["etc/default", "etc/postfix", "run"]) mkdirSync(join(dir.path, folder), { recursive: true });
    dir.write("etc/postsrsd.secret", "tops3cr3t\nolder\n");
    dir.write("list", "own.example\n.sub.own.example\n");
    dir.write(
      "etc/postfix/main.cf",
      "compatibility_level = 3.6\nmydomain = example.org\nmyhostname = mail.example.org\nmydestination =\n",
    );
    dir.write("etc/postfix/master.cf", "");
    const places = `SRS_SECRET=${dir.path}/etc/postsrsd.secret\nCHROOT=${dir.path}/run\nRUN_AS=nobody\n`;
    const ports = `SRS_FORWARD_PORT=${forward}\nSRS_REVERSE_PORT=${reverse}\n`;
    dir.write("etc/default/postsrsd", text.replaceAll("DIR", dir.path) + places + ports);
    const config = join(dir.path, "out/postvouch.toml");
    const env = { MAIL_CONFIG: join(dir.path, "etc/postfix") };
    expect(postvouch(["import", "--config", config, join(dir.path, "etc")], { env })).toMatchObject({ status: 0 });
    const theirs = await launched(dir.path, env, () => Promise.all(SENDERS.map((sender) => ask(forward, sender))));
    const { stdout } = postvouch(["srs", "forward", "--json", "--config", config, ...SENDERS], { env });
    const ours = stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { rewritten: string | null }).rewritten);
    expect(ours).toEqual(theirs);
    // And the other way round: what we have signed, postsrsd leads back.
    const signed = ours.filter((address) => address !== null);
    const back = await launched(dir.path, env, () => Promise.all(signed.map((address) => ask(reverse, address))));
    expect(back).not.toContain(null);
  });
});

/** Runs the launcher with postsrsd while `work` goes on. */
async function launched<T>(dir: string, env: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const script = readFileSync(LAUNCHER, "utf8").replaceAll("/etc/default/postsrsd", `${dir}/etc/default/postsrsd`);
  const child = spawn("sh", ["-c", script], {
    stdio: "ignore",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env },
  });
  const ended = once(child, "exit");
  try {
    return await work();
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

/** Asks as Postfix does, again until the port is open. @returns `null` for "not found" */
async function ask(port: number, key: string): Promise<string | null> {
  for (let tries = 0; ; tries++) {
    try {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      socket.end(`get ${key}\n`);
      const [reply] = (await once(socket, "data")) as [Buffer];
      const [, value] = /^200 (.*)\n$/.exec(reply.toString("latin1")) ?? [];
      // 1.x answers an own domain with the same address.
      return value === undefined || value === key ? null : value;
    } catch (error) {
      if (tries > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
