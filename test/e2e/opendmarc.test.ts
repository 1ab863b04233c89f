/** A real OpenDMARC behind our policy service: it takes SPF from our header, and from no other. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer } from "../helpers/server-process.ts";
import { run } from "./lab/command.ts";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("opendmarc");

const RECORDS = ['_dmarc.origin.test. TXT "v=DMARC1; p=none"', '_dmarc.fwd.test. TXT "v=DMARC1; p=none"'];

const CONFIGURATION = `Socket inet:8893@127.0.0.1
AuthservID mail.dest.test
TrustedAuthservIDs mail.dest.test
IgnoreHosts /dev/null
RejectFailures false
SPFIgnoreResults false
SPFSelfValidate false
RequiredHeaders false
`;

describe.skipIf(missing !== undefined)(`OpenDMARC behind postvouch ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let postvouch: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), fwd(), dest()], RECORDS);
    const config = join(lab.directory, "opendmarc.conf");
    writeFileSync(config, CONFIGURATION);
    const [program = "", ...args] = lab.on("dest", ["opendmarc", "-f", "-c", config]);
    const listens = lab.on("dest", ["ss", "-Hltn", "sport = :8893"]);
    lab.use(await startServer(program, args, { isReady: async () => (await run(listens)) !== "" }));
    postvouch = await lab.startPostvouch("dest", 'hostname = "mail.dest.test"\n');
    const milter = "smtpd_milters = inet:127.0.0.1:8893\nmilter_default_action = tempfail\n";
    await lab.host("dest").configure({ mainCf: snippet("policy.main.cf") + milter });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  /** What OpenDMARC added on top of our header. */
  async function dmarcOf(user: string, tag: string): Promise<string | undefined> {
    const message = await lab.host("dest").arrived(user, tag);
    return message.headers("Authentication-Results").find((header) => header.includes("dmarc="));
  }

  describe.each([
    { header: "received-spf", name: "Received-SPF" },
    { header: "authentication-results", name: "Authentication-Results" },
  ])("with $name", ({ header, name }) => {
    beforeAll(() => postvouch.reload(`hostname = "mail.dest.test"\n[policy]\nheaders = ["${header}"]\n`));

    test("an aligned pass gives dmarc=pass", async () => {
      const tag = await lab.host("origin").send({ from: "bob@origin.test", to: "alice@dest.test" });
      expect(await dmarcOf("alice", tag)).toMatch(/^mail\.dest\.test; dmarc=pass .*header\.from=origin\.test/);
      const message = await lab.host("dest").arrived("alice", tag);
      expect(message.headers(name).filter((value) => /pass/.test(value)).length).toBeGreaterThan(0);
    });

    test("a pass of another domain than From: does not", async () => {
      const message = { from: "eve@fwd.test", headerFrom: "<bob@origin.test>", to: "alice@dest.test" };
      const tag = await lab.host("fwd").send(message);
      expect(await dmarcOf("alice", tag)).toMatch(/dmarc=fail .*header\.from=origin\.test/);
    });
  });
});
