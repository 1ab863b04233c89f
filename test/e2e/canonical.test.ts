import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { Message } from "./lab/mail.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("postmap");

/** bob's address, as the forwarder writes it. */
const SRS_OF_BOB = /^SRS0=[\w-]{4}=[A-Z2-7]{2}=origin\.test=bob@fwd\.test$/;

const ALIASES = `virtual_alias_domains = fwd.test
virtual_alias_maps = inline:{ {alice@fwd.test = alice@dest.test} {late@fwd.test = late@dest.test} }
`;

const TOML = `hostname = "mail.fwd.test"
[srs]
domain = "fwd.test"
[socketmap]
listen = ["127.0.0.1:10003", "unix:DIRECTORY/srs.sock"]
`;

describe.skipIf(missing !== undefined)(`canonical maps in a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let postvouch: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), fwd({ mainCf: ALIASES }), dest()]);
    postvouch = await lab.startPostvouch("fwd", TOML.replace("DIRECTORY", lab.directory));
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  test("without rewriting, the strict receiver refuses forwarded mail", async () => {
    const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "alice@fwd.test" });
    const bounce = await lab.host("origin").arrived("bob", tag, "bounce");
    expect(bounce.text).toMatch(/said: 550\s+5\.7\.23 <alice@dest\.test>/);
    expect(bounce.returnPath).toBe("");
  });

  describe.each([
    { protocol: "tcp_table", file: "canonical-tcp.main.cf", maps: ["tcp:127.0.0.1:10001", "tcp:127.0.0.1:10002"] },
    {
      protocol: "socketmap",
      file: "canonical-socketmap.main.cf",
      maps: ["socketmap:inet:127.0.0.1:10003:forward", "socketmap:inet:127.0.0.1:10003:reverse"],
    },
    {
      protocol: "socketmap over a unix socket",
      file: "canonical-socketmap.main.cf",
      maps: ["socketmap:unix:DIRECTORY/srs.sock:forward", "socketmap:unix:DIRECTORY/srs.sock:reverse"],
    },
  ])("over $protocol", ({ file, maps }) => {
    const map = (index: number): string => (maps[index] ?? "").replace("DIRECTORY", lab.directory);

    beforeAll(async () => {
      const isUnix = map(0).includes("unix:");
      const endpoint = isUnix ? { "inet:127.0.0.1:10003": `unix:${lab.directory}/srs.sock` } : {};
      await lab.host("fwd").configure({ mainCf: snippet(file, endpoint) });
    });

    test("forwarded mail arrives from an address of the forwarder, its From: as it was", async () => {
      const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "alice@fwd.test" });
      const message = await lab.host("dest").arrived("alice", tag);
      expect(message.returnPath).toMatch(SRS_OF_BOB);
      expect(message.headers("From")).toEqual(["<bob@origin.test>"]);
      expect(message.headers("Received-SPF")).toEqual([expect.stringMatching(/^Pass .*envelope-from=srs0=/i)]);
    });

    test("a bounce that the receiver sends later finds the sender", async () => {
      const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "late@fwd.test" });
      const bounce = await lab.host("origin").arrived("bob", tag, "bounce");
      expect(bounce.headers("Received").join("\n")).toMatch(/from mail\.fwd\.test .*from mail\.dest\.test /s);
      expect(bounce.text).toContain("no such user any more");
      expect(bounce.headers("X-Original-To")).toEqual(["bob@origin.test"]);
    });

    test("a forged address of ours is refused at RCPT", async () => {
      const forged = "SRS0=AAAA=AA=origin.test=bob@fwd.test";
      const session = ["EHLO mail.origin.test", "MAIL FROM:<>", `RCPT TO:<${forged}>`, "QUIT"];
      const replies = await lab.host("origin").smtp("10.77.0.20", 25, ...session);
      expect(replies[3]).toMatch(/^550 5\.1\.1 <SRS0=AAAA=AA=origin\.test=bob@fwd\.test>: .*User unknown/);
    });

    test("senders of own domains stay as they are", async () => {
      const tag = await lab.host("fwd").send({ from: "alice@fwd.test", to: ["carol@dest.test", "alice@fwd.test"] });
      expect((await lab.host("dest").arrived("carol", tag)).returnPath).toBe("alice@fwd.test");
      expect((await lab.host("dest").arrived("alice", tag)).returnPath).toBe("alice@fwd.test");
    });

    test.each([
      { way: "sendmail", send: (message: Message) => lab.host("fwd").send(message) },
      { way: "SMTP on loopback", send: (message: Message) => lab.host("fwd").submit("127.0.0.1", 25, message) },
    ])("the From: of mail that comes in by $way is not rewritten", async ({ send }) => {
      const tag = await send({ from: "bob@origin.test", to: "alice@dest.test" });
      const message = await lab.host("dest").arrived("alice", tag);
      expect(message.returnPath).toMatch(SRS_OF_BOB);
      expect(message.headers("From")).toEqual(["<bob@origin.test>"]);
    });

    test("postmap -q gets the way there and the way back", async () => {
      const there = (await lab.host("fwd").command("postmap", "-q", "bob@origin.test", map(0))).trim();
      expect(there).toMatch(SRS_OF_BOB);
      const back = await lab.host("fwd").command("postmap", "-q", there.toLowerCase(), map(1));
      expect(back).toBe("bob@origin.test\n");
      await expect(lab.host("fwd").command("postmap", "-q", "alice@fwd.test", map(0))).rejects.toThrow("exit code 1");
    });
  });

  test("the scrape counts what was asked, by protocol", async () => {
    for (const protocol of ["tcp_table", "socketmap"]) {
      const sample = `postvouch_srs_lookups_total{map="forward",protocol="${protocol}",outcome="rewritten"}`;
      expect(await postvouch.metric(sample)).toBeGreaterThan(0);
    }
  });
});
