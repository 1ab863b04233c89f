/** Tests a real OpenDMARC behind our policy service: it uses SPF from our header and no other. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer } from "../helpers/server-process.ts";
import { run } from "./lab/command.ts";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { blocks } from "./lab/pages.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("opendmarc");

/** origin rejects what fails; nospf has no SPF record, so that a planted result could be the only one. */
const RECORDS = [
  '_dmarc.origin.test. TXT "v=DMARC1; p=reject"',
  '_dmarc.fwd.test. TXT "v=DMARC1; p=none"',
  '_dmarc.nospf.test. TXT "v=DMARC1; p=none"',
  "nospf.test. A 10.77.0.99",
];

/** What Debian has beside the page's lines. */
const AROUND = `Socket inet:8893@127.0.0.1
IgnoreHosts /dev/null
RejectFailures false
RequiredHeaders false
`;

const NAMES = { "mail.example.org": "mail.dest.test", "mail\\.example\\.org": "mail\\.dest\\.test" };

const [MAIN_CF = "", HEADER_CHECKS = "", OPENDMARC = ""] = blocks("opendmarc.md", "# With OpenDMARC", "", NAMES);
const [TOML = ""] = blocks("opendmarc.md", "# With OpenDMARC", "toml", NAMES);
const OURS = "spf-4711.mail.dest.test";

describe.skipIf(missing !== undefined)(`OpenDMARC behind postvouch ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let postvouch: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), fwd(), dest()], RECORDS);
    const config = join(lab.directory, "opendmarc.conf");
    writeFileSync(config, AROUND + OPENDMARC);
    const [program = "", ...args] = lab.on("dest", ["opendmarc", "-f", "-c", config]);
    const listens = lab.on("dest", ["ss", "-Hltn", "sport = :8893"]);
    lab.use(await startServer(program, args, { isReady: async () => (await run(listens)) !== "" }));
    postvouch = await lab.startPostvouch("dest", 'hostname = "mail.dest.test"\n');
    const milter = "smtpd_milters = inet:127.0.0.1:8893\nmilter_default_action = tempfail\n";
    const host = lab.host("dest");
    host.write("header_checks", HEADER_CHECKS);
    const mainCf = MAIN_CF.replace("/etc/postfix", host.configDir);
    await host.configure({ mainCf: snippet("policy.main.cf") + mainCf + milter });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** What OpenDMARC added on top of our header. */
  async function dmarcOf(user: string, tag: string): Promise<string | undefined> {
    const message = await lab.host("dest").arrived(user, tag);
    return message.headers("Authentication-Results").find((header) => header.includes("dmarc="));
  }

  const FAKE_SPF =
    "\nReceived-SPF: pass (x) client-ip=10.77.0.10; helo=x; envelope-from=eve@nospf.test; identity=mailfrom; receiver=mail.dest.test";
  const fakeResults = (id: string): string => `\nAuthentication-Results: ${id}; spf=pass smtp.mailfrom=nospf.test`;

  describe("with the lines of docs/opendmarc.md", () => {
    beforeAll(() => postvouch.reload(`hostname = "mail.dest.test"\n${TOML}`));

    test.each([
      { what: "a plain address", from: "bob@origin.test" },
      { what: "VERP", from: "bounces+1234567-1a2b-user.name=dest.test@origin.test" },
      { what: "BATV", from: "prvs=1234abcdef=bob@origin.test" },
      { what: "SRS0", from: "SRS0=abcd=JP=third.test=bob@origin.test" },
      { what: "SRS1", from: "SRS1=abcd=third.test==abcd=JP=x.test=bob@origin.test" },
      { what: "a blank in quotes", from: '"a b"@origin.test' },
    ])("an aligned pass of a sender with $what gives dmarc=pass", async ({ from }) => {
      const tag = await lab.host("origin").send({ from, headerFrom: "<bob@origin.test>", to: "alice@dest.test" });
      expect(await dmarcOf("alice", tag)).toMatch(/^mail\.dest\.test; dmarc=pass .*header\.from=origin\.test/);
      const message = await lab.host("dest").arrived("alice", tag);
      const results = message.headers("Authentication-Results").filter((header) => header.startsWith(OURS));
      expect([results.length, message.headers("Received-SPF").length]).toEqual([1, 1]);
    });

    test("a pass of another domain than From: does not", async () => {
      const message = { from: "eve@fwd.test", headerFrom: "<bob@origin.test>", to: "alice@dest.test" };
      const tag = await lab.host("fwd").send(message);
      expect(await dmarcOf("alice", tag)).toMatch(/dmarc=fail .*header\.from=origin\.test/);
    });

    test.each([
      { what: "no result", planted: "" },
      { what: "a Received-SPF", planted: FAKE_SPF },
      { what: "results in this host's name", planted: fakeResults("mail.dest.test") },
      { what: "both", planted: FAKE_SPF + fakeResults("mail.dest.test") },
    ])("a sender without SPF who brings along $what fails", async ({ planted }) => {
      const message = { from: "eve@nospf.test", headerFrom: `<eve@nospf.test>${planted}`, to: "alice@dest.test" };
      const tag = await lab.host("origin").send(message);
      expect(await dmarcOf("alice", tag)).toMatch(/dmarc=fail .*header\.from=nospf\.test/);
    });
  });

  describe("what the page warns of", () => {
    test("with Received-SPF alone, an aligned pass of a VERP sender fails", async () => {
      await postvouch.reload('hostname = "mail.dest.test"\n[policy]\nheaders = ["received-spf"]\n');
      const from = "bounces+1234567-1a2b-user.name=dest.test@origin.test";
      const tag = await lab.host("origin").send({ from, headerFrom: "<bob@origin.test>", to: "alice@dest.test" });
      expect(await dmarcOf("alice", tag)).toMatch(/dmarc=fail .*header\.from=origin\.test/);
    });

    test("who knows the name in authserv_id is believed", async () => {
      await postvouch.reload(`hostname = "mail.dest.test"\n${TOML}`);
      const message = {
        from: "eve@nospf.test",
        headerFrom: `<eve@nospf.test>${fakeResults(OURS)}`,
        to: "alice@dest.test",
      };
      expect(await dmarcOf("alice", await lab.host("origin").send(message))).toMatch(/dmarc=pass/);
    });
  });
});
