/** Tests Postfix's own senders: mail of cron from @$myorigin, and probes of address verification. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forwarder, forwardOnly, srsDomainRecords } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { Postfix } from "./lab/postfix.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";

const missing = requireLab();

/** Nothing but srs.domain: neither postfix_classes nor any other source of own domains. */
const TOML = '[srs]\ndomain = "srs.fwd.test"\n';

function verifying(myorigin: string, more = ""): string {
  return `myorigin = ${myorigin}
smtpd_recipient_restrictions = reject_unauth_destination, reject_unverified_recipient
unverified_recipient_reject_code = 550
address_verify_map =
address_verify_poll_count = 20
address_verify_poll_delay = 1s
${more}`;
}

describe.skipIf(missing !== undefined)(`senders of Postfix itself ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Postfix;
  let postvouch: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest()], srsDomainRecords());
    host = lab.host("fwd");
    await configure(verifying("web01.hoster.test"));
    postvouch = await lab.startPostvouch("fwd", TOML, { MAIL_CONFIG: host.configDir });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  function configure(mainCf: string): Promise<void> {
    const recipe = forwardOnly(lab, "srs.fwd.test");
    return host.configure({ mainCf: mainCf + recipe.mainCf, masterCf: recipe.masterCf });
  }

  async function rcpt(recipient: string): Promise<string> {
    const session = ["EHLO mail.origin.test", "MAIL FROM:<bob@origin.test>", `RCPT TO:<${recipient}>`, "QUIT"];
    return (await lab.host("origin").smtp("10.77.0.20", 25, ...session))[3] ?? "";
  }

  async function returnPathOf(from: string): Promise<string> {
    return (await lab.host("dest").arrived("alice", await host.send({ from, to: "alice@dest.test" }))).returnPath;
  }

  test.each([
    { what: "double-bounce", more: "" },
    { what: "a sender of another domain", more: "address_verify_sender = probe@elsewhere.test\n" },
    {
      what: "a sender with a stamp",
      more: "address_verify_sender = probe@elsewhere.test\naddress_verify_sender_ttl = 1h\n",
    },
  ])("address verification by $what sees who does not exist elsewhere", async ({ more }) => {
    await configure(verifying("web01.hoster.test", more));
    await postvouch.reload(TOML);
    expect(await rcpt("nobody@fwd.test")).toMatch(/^550 5\.1\.1 .*undeliverable address/);
    expect(await rcpt("alice@fwd.test")).toMatch(/^250 /);
  });

  test("what comes from @$myorigin stays as it is, and a new myorigin counts from SIGHUP on", async () => {
    expect(await returnPathOf("root@web01.hoster.test")).toBe("root@web01.hoster.test");
    await configure(verifying("web02.hoster.test"));
    expect(await returnPathOf("root@web02.hoster.test")).toMatch(/^SRS0=/);
    await postvouch.reload(TOML);
    expect(await returnPathOf("cron@web02.hoster.test")).toBe("cron@web02.hoster.test");
    expect(await returnPathOf("root@web01.hoster.test")).toMatch(/^SRS0=/);
  });
});
