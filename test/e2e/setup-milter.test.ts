/** Tests setup's part milter on a host with a content filter behind the queue: who sees mail the first time, and the second. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder } from "./lab/forwarder.ts";
import { origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { StoredMessage } from "./lab/mail.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { setup } from "./lab/setup.ts";

const missing = requireLab();

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PUBLIC = publicKey.export({ type: "spki", format: "der" }).toString("base64");

const RECORDS = [
  `m1._domainkey.fwd.test. TXT "v=DKIM1; k=rsa; p=${PUBLIC.slice(0, 200)}" "${PUBLIC.slice(200)}"`,
  '_dmarc.fwd.test. TXT "v=DMARC1; p=reject"',
];

/** All mail goes to a filter, which hands it back as it is: here Postfix's own transport stands for it. */
const MASTER_CF = `scan unix - - n - - smtp -o smtp_bind_address=127.0.0.1
submission inet n - n - - smtpd
  -o mynetworks=10.77.0.0/24
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
127.0.0.1:10025 inet n - n - - smtpd
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
`;

/** The ways in which mail goes there. The last line of main.cf and of master.cf has no end. */
const FILTERS = [
  {
    way: "content_filter",
    mainCf: "content_filter = scan:[127.0.0.1]:10025\nmilter_macro_daemon_name = ORIGINATING\n# end",
    masterCf: `${MASTER_CF}  -o content_filter=\n# end`,
  },
  {
    way: "a FILTER action",
    mainCf:
      "smtpd_client_restrictions = check_client_access static:{FILTER scan:[127.0.0.1]:10025}\nmilter_macro_daemon_name = ORIGINATING\n# end",
    masterCf: `${MASTER_CF}  -o smtpd_client_restrictions=\n# end`,
  },
];

const FWD = "10.77.0.20";

describe.skipIf(missing !== undefined).each(FILTERS)(
  `setup of the milter before $way ${missing ?? ""}`,
  LAB_TEST,
  (filter) => {
    let lab: Lab;
    let daemon: Postvouch;

    beforeAll(async () => {
      lab = await Lab.start([origin(), forwarder(filter)], RECORDS);
      const key = join(lab.directory, "keys/fwd.test/m1.key");
      mkdirSync(join(lab.directory, "keys/fwd.test"), { recursive: true });
      writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      const toml = `hostname = "mail.fwd.test"\n[milter]\nlisten = ["127.0.0.1:8891"]\n[dkim.sign]\nkey_directory = "${lab.directory}/keys"\n`;
      daemon = await lab.startPostvouch("fwd", toml);
      await daemon.logged(/dkim_key domain=fwd\.test selector=m1 state="published, may sign"/);
      const said = await setup(lab.host("fwd"), daemon.configFile, "milter", "--apply");
      expect(said).toContain("127.0.0.1:10025/inet gets milter_macro_daemon_name = REINJECT");
      expect(said).toContain("submission/inet gets milter_macro_daemon_name = ORIGINATING");
      expect(said).toContain("milter_macro_daemon_name: takes out ORIGINATING");
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());

    async function deliver(port: number, from: string): Promise<StoredMessage> {
      const message = { from: "bob@origin.test", headerFrom: `<${from}>`, to: "dave@fwd.test" };
      const tag = await lab.host("origin").submit(FWD, port, message);
      return lab.host("fwd").arrived("dave", tag);
    }

    test("mail from outside is checked once, and keeps the result", async () => {
      const message = await deliver(25, "bob@origin.test");
      expect(message.headers("Received").filter((field) => field.includes("localhost"))).toHaveLength(1);
      expect(message.headers("Authentication-Results")).toEqual([
        expect.stringMatching(/^mail\.fwd\.test; spf=pass .*; iprev=/),
      ]);
      await daemon.logged(/^info milter .*role=skip client=127\.0\.0\.1 /m);
    });

    test("what a stranger writes in our name is not signed behind the filter", async () => {
      const message = await deliver(25, "dave@fwd.test");
      expect(message.headers("Authentication-Results")).toEqual([expect.stringContaining("dmarc=fail (p=reject")]);
      expect(message.headers("DKIM-Signature")).toEqual([]);
    });

    test("what is submitted is signed once", async () => {
      const message = await deliver(587, "dave@fwd.test");
      expect(message.headers("DKIM-Signature")).toEqual([expect.stringMatching(/d=fwd\.test; s=m1;/)]);
      expect(message.headers("Received").filter((field) => field.includes("localhost"))).toHaveLength(1);
    });
  },
);
