/** `postvouch setup milter`: what it asks before Postfix depends on the milter, and on those that come back. */
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePorts, postvouch, postvouchAsync, type Ran, RunningDaemon, scratch } from "../helpers/daemon.ts";
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
    const run = (config: string, ...args: readonly string[]): Promise<Ran> =>
      postvouchAsync(["setup", "--config", config, ...args], { MAIL_CONFIG: postfix.configDir });

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

    test("brings no milter back that is stopped", async () => {
      const [port = 0] = await freePorts(1);
      const config = dir.write("ours.toml", toml(dir.path, `127.0.0.1:${port}`));
      await using daemon = new RunningDaemon(["--config", config]);
      await daemon.said("listener=milter.listen");
      const socket = join(postfix.configDir, "queue/opendkim/opendkim.sock");
      mkdirSync(dirname(socket));
      runProgram("postconf", ["-c", postfix.configDir, "-e", "smtpd_milters = unix:opendkim/opendkim.sock"]);
      const withOld = mainCf();
      expect(await run(config, "milter", "--apply")).toMatchObject({ status: 0 });
      const ours = mainCf();
      expect(ours).not.toContain("opendkim");
      const refused = await run(config, "--undo");
      expect(refused.stderr).toMatch(
        /Cannot bring back the milter unix:opendkim\/opendkim\.sock, .*: .*ENOENT.*; start it first/,
      );
      expect({ status: refused.status, mainCf: mainCf() }).toEqual({ status: 1, mainCf: ours });
      servers.push(createServer().listen(socket));
      expect(await run(config, "--undo")).toMatchObject({ status: 0 });
      expect(mainCf()).toBe(withOld);
      runProgram("postconf", ["-c", postfix.configDir, "-X", "smtpd_milters"]);
      expect(mainCf()).toBe(before);
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
