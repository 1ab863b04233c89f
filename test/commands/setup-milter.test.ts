/** `postvouch setup milter`: what it asks before Postfix depends on the milter, and on those that come back. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePorts, postvouch, postvouchAsync, type Ran, RunningDaemon, scratch } from "../helpers/daemon.ts";
import { settleConfig } from "../helpers/postfix-config.ts";
import { missingRoot, type PostfixServer, startPostfix } from "../helpers/postfix-server.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const missing = requirePrograms("postfix", "flock") ?? missingRoot();

/** Limit for a run that starts many of Postfix's commands, on a machine with other work. */
const SETUP_MS = 100_000;

const toml = (directory: string, listen: string, more = ""): string => `hostname = "mx.home.test"
state_dir = "${directory}"
${more}
[tcptable]
forward = []
reverse = []
[socketmap]
listen = []
[policy]
listen = []
[milter]
listen = ["${listen}"]
[metrics]
listen = []
`;

/** A server that answers the first bytes of each connection. */
async function answering(reply: string): Promise<Server & { readonly address: () => AddressInfo }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.write(reply, "latin1"));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server as Server & { readonly address: () => AddressInfo };
}

/** A process with the name of OpenDKIM that listens on a socket. */
async function startOpenDkim(socket: string): Promise<{ readonly stop: () => Promise<void> }> {
  rmSync(socket, { force: true });
  const script = `process.title = "opendkim"; require("node:net").createServer().listen(process.argv[1], () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", script, socket], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    stop: async () => {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}

const portOf = (server: { readonly address: () => AddressInfo }): number => server.address().port;

/** OpenDKIM's answer to Postfix's offer: version 6, some edits, no lists of macros. */
const OPENDKIM = "\0\0\0\x0dO\0\0\0\x06\0\0\x01\x11\0\x10\x07\x02";

describe.skipIf(missing !== undefined)(
  `setup of the milter in a running Postfix ${missing ?? ""}`,
  { timeout: 300_000 },
  () => {
    let dir: ReturnType<typeof scratch>;
    let postfix: PostfixServer;
    let servers: Server[] = [];
    let before: string;

    beforeAll(async () => {
      dir = scratch();
      postfix = await startPostfix(() => "mydestination = home.test\nlocal_transport = discard\n");
      before = mainCf();
    });
    afterAll(async () => {
      await postfix?.[Symbol.asyncDispose]();
      dir?.[Symbol.dispose]();
    });
    afterEach(() => {
      for (const server of servers) server.close();
      servers = [];
    });

    const mainCf = (): string => readFileSync(join(postfix.configDir, "main.cf"), "latin1");
    const run = (config: string, ...args: readonly string[]): Promise<Ran> => {
      settleConfig(postfix.configDir);
      return postvouchAsync(["setup", "--config", config, ...args], { MAIL_CONFIG: postfix.configDir });
    };

    test.each([
      { what: "OpenDKIM", reply: OPENDKIM, says: "another milter than ours answers" },
      {
        what: "an SMTP server",
        reply: "220 mail.home.test ESMTP Postfix\r\n",
        says: /it answers nothing that a milter says|no answer/,
      },
    ])("changes nothing where $what has the port", async ({ reply, says }) => {
      const server = await answering(reply);
      servers.push(server);
      const config = dir.write("other.toml", toml(dir.path, `127.0.0.1:${portOf(server)}`));
      const { status, stderr } = await run(config, "milter", "--apply");
      expect(stderr).toMatch(/Cannot use the milter at inet:127\.0\.0\.1:\d+: /);
      expect(stderr).toMatch(says);
      expect({ status, mainCf: mainCf() }).toEqual({ status: 1, mainCf: before });
    });

    /** Starts ours, for a Postfix that asks these milters. */
    async function startOurs(lists: string): Promise<{ readonly config: string; readonly daemon: RunningDaemon }> {
      const [port = 0] = await freePorts(1);
      const config = dir.write("ours.toml", toml(dir.path, `127.0.0.1:${port}`));
      const daemon = new RunningDaemon(["--config", config]);
      await daemon.said("listener=milter.listen");
      appendFileSync(join(postfix.configDir, "main.cf"), lists);
      return { config, daemon };
    }

    function reset(): void {
      writeFileSync(join(postfix.configDir, "main.cf"), before, "latin1");
    }

    test("brings no milter back that is stopped, and names a way round it", async () => {
      const { config, daemon: ours } = await startOurs(
        "dkim = unix:opendkim/opendkim.sock\nsmtpd_milters = $dkim\nnon_smtpd_milters = $smtpd_milters\n",
      );
      await using _ = ours;
      const socket = join(postfix.configDir, "queue/opendkim/opendkim.sock");
      mkdirSync(dirname(socket), { recursive: true });
      const openDkim = await startOpenDkim(socket);
      const withOld = mainCf();
      const applied = await run(config, "milter", "--apply");
      expect(applied).toMatchObject({ status: 0, stderr: expect.not.stringContaining("does not answer") });
      await openDkim.stop();
      const made = mainCf();
      expect(made).toMatch(/^smtpd_milters = \{[^}]*default_action=tempfail \}$/m);
      // A later run, which finds it stopped, does not take it for one that was never there.
      expect(await run(config, "milter", "--apply")).toMatchObject({ status: 0 });
      const refused = await run(config, "--undo");
      expect(refused.stderr).toMatch(
        /Cannot bring back the milter unix:opendkim\/opendkim\.sock, .*: .*(?:ENOENT|ECONNREFUSED).*; start it first; if it is gone for good, .*"postconf -e 'smtpd_milters ='"/,
      );
      expect({ status: refused.status, mainCf: mainCf() }).toEqual({ status: 1, mainCf: made });
      const again = await startOpenDkim(socket);
      expect(await run(config, "--undo")).toMatchObject({ status: 0 });
      expect(mainCf()).toBe(withOld);

      // Gone for good: the command of the message, and the way is open.
      expect(await run(config, "milter", "--apply")).toMatchObject({ status: 0 });
      await again.stop();
      const [, command = ""] = /"(postconf -e '[^"]*)"/.exec((await run(config, "--undo")).stderr) ?? [];
      runProgram("sh", ["-c", `MAIL_CONFIG=$1 ${command}`, "sh", postfix.configDir]);
      expect(await run(config, "--undo")).toMatchObject({ status: 0 });
      expect(mainCf()).toMatch(/^smtpd_milters =\s*$/m);
      expect(mainCf()).not.toContain("default_action=tempfail");
      reset();
    });

    test("brings back a milter that did not answer before us either, and says so", async () => {
      const [dead = 0] = await freePorts(1);
      const { config, daemon: ours } = await startOurs(
        `smtpd_milters = inet:localhost:${dead}, unix:opendkim/dead.sock\nnon_smtpd_milters = $smtpd_milters\n`,
      );
      await using _ = ours;
      const withOld = mainCf();
      const applied = await run(config, "milter", "--apply");
      expect(applied.status).toBe(0);
      expect(applied.stderr).toContain(
        "the milter unix:opendkim/dead.sock, which is taken out, does not answer now: --undo will not wait for it either",
      );
      expect(mainCf()).not.toContain("dead.sock");
      expect(await run(config, "milter", "--apply")).toMatchObject({ status: 0 });
      const undone = await run(config, "--undo");
      expect(undone.stderr).toMatch(
        /the milter unix:opendkim\/dead\.sock is asked again, and does not answer, as before us: .*ENOENT.*; start it, or take it out/,
      );
      expect({ status: undone.status, mainCf: mainCf() }).toEqual({ status: 0, mainCf: withOld });
      reset();
    });

    test("asks a socket as the user of Postfix's daemons, in their chroot", async () => {
      await using chrooted = await startPostfix(() => "mydestination = home.test\nlocal_transport = discard\n", {
        chroot: true,
      });
      const queue = join(chrooted.configDir, "queue");
      mkdirSync(join(queue, "postvouch"));
      const config = (name: string, mode: string): string =>
        dir.write(name, toml(dir.path, `unix:${queue}/postvouch/milter`, `socket_mode = "${mode}"`));
      const apply = (file: string): Ran =>
        postvouch(["setup", "milter", "--apply", "--config", file], {
          env: { MAIL_CONFIG: chrooted.configDir },
          timeoutMs: SETUP_MS,
        });
      const closed = config("closed.toml", "0600");
      {
        await using daemon = new RunningDaemon(["--config", closed]);
        await daemon.said("listener=milter.listen");
        const { status, stderr } = apply(closed);
        expect(stderr).toMatch(/Cannot use the milter at unix:postvouch\/milter: the user of .* may not write/);
        expect(status).toBe(1);
      }
      const open = config("open.toml", "0666");
      await using daemon = new RunningDaemon(["--config", open]);
      await daemon.said("listener=milter.listen");
      expect(apply(open)).toMatchObject({ status: 0 });
      expect(await chrooted.rcptReplies(["user@home.test"])).toEqual([expect.stringMatching(/^250 /)]);
      // cleanup opens the socket of non_smtpd_milters itself.
      const message = "From: <user@home.test>\nSubject: hello\n\nhello\n";
      runProgram("sh", [
        "-c",
        `printf '%s' "$1" | sendmail -C "$2" -f user@home.test user@home.test`,
        "sh",
        message,
        chrooted.configDir,
      ]);
      await daemon.said("role=submitted client=127.0.0.1");
    });
  },
);
