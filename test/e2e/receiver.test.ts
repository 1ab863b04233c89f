import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "./lab/command.ts";
import { dest, fwd, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("promtool");

const DEST = "10.77.0.30";

const TOML = 'hostname = "mail.dest.test"\n';

describe.skipIf(missing !== undefined)(`the policy service of a real Postfix ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let postvouch: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), fwd(), dest()]);
    postvouch = await lab.startPostvouch("dest", TOML);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  describe.each([
    { service: "policyd-spf", mainCf: "" },
    { service: "postvouch", mainCf: snippet("policy.main.cf") },
  ])("$service", ({ service, mainCf }) => {
    beforeAll(() => lab.host("dest").configure({ mainCf }));

    test("lets in what passes, with one Received-SPF for two recipients", async () => {
      const to = ["alice@dest.test", "carol@dest.test"];
      const tag = await lab.host("origin").send({ from: "bob@origin.test", to });
      for (const user of ["alice", "carol"]) {
        const [header, ...others] = (await lab.host("dest").arrived(user, tag)).headers("Received-SPF");
        expect(header).toMatch(/^pass .*\bclient-ip=10\.77\.0\.10;/i);
        expect(header).toMatch(
          /\benvelope-from="?bob@origin\.test"?;.* identity=mailfrom\b|\bidentity=mailfrom;.* envelope-from="?bob@origin\.test\b/,
        );
        expect(others).toEqual([]);
      }
    });

    test("speaks about HELO for the null sender", async () => {
      const tag = await lab.host("origin").send({ from: "", to: "alice@dest.test" });
      const [header, ...others] = (await lab.host("dest").arrived("alice", tag)).headers("Received-SPF");
      expect(header).toMatch(/^pass .*helo=mail\.origin\.test/i);
      expect(others).toEqual([]);
    });

    test.each([
      { what: "a sender whose domain does not name the client", helo: "mail.fwd.test", sender: "bob@origin.test" },
      { what: "a HELO whose name does not name the client", helo: "mail.origin.test", sender: "alice@fwd.test" },
      { what: "a forged HELO of a null sender", helo: "mail.origin.test", sender: "" },
    ])("refuses $what with 550 5.7.23, at each recipient", async ({ helo, sender }) => {
      const recipients = ["RCPT TO:<alice@dest.test>", "RCPT TO:<carol@dest.test>"];
      const session = [`EHLO ${helo}`, `MAIL FROM:<${sender}>`, ...recipients, "QUIT"];
      const [, , , ...answers] = await lab.host("fwd").smtp(DEST, 25, ...session);
      expect(answers.slice(0, 2)).toEqual([
        expect.stringMatching(/^550 5\.7\.23 <alice@dest\.test>: Recipient address rejected: .*SPF fail/),
        expect.stringMatching(/^550 5\.7\.23 <carol@dest\.test>: Recipient address rejected: .*SPF fail/),
      ]);
    });

    test("lets in a sender whose domain says nothing", async () => {
      const session = ["EHLO mail.fwd.test", "MAIL FROM:<dan@silent.test>", "RCPT TO:<alice@dest.test>", "QUIT"];
      const replies = await lab.host("fwd").smtp(DEST, 25, ...session);
      expect(replies[3], service).toMatch(/^250 /);
    });
  });

  test("named at DATA too, the service gives both headers, each once for two recipients", async () => {
    await postvouch.reload(`${TOML}[policy]\nheaders = ["received-spf", "authentication-results"]\n`);
    const again = "smtpd_data_restrictions = check_policy_service inet:127.0.0.1:10030\n";
    await lab.host("dest").configure({ mainCf: snippet("policy.main.cf") + again });
    const to = ["alice@dest.test", "carol@dest.test"];
    const message = await lab
      .host("dest")
      .arrived("carol", await lab.host("origin").send({ from: "bob@origin.test", to }));
    expect(message.headers("Received-SPF")).toEqual([expect.stringMatching(/^pass /)]);
    expect(message.headers("Authentication-Results")).toEqual([expect.stringMatching(/^mail\.dest\.test; spf=pass /)]);
  });

  test("with the service down, the documented lines defer mail, also that which would be refused", async () => {
    await lab.host("dest").configure({ mainCf: snippet("policy.main.cf", { "127.0.0.1:10030": "127.0.0.1:10031" }) });
    for (const sender of ["bob@origin.test", "alice@fwd.test"]) {
      const session = ["EHLO mail.origin.test", `MAIL FROM:<${sender}>`, "RCPT TO:<alice@dest.test>", "QUIT"];
      const replies = await lab.host("origin").smtp(DEST, 25, ...session);
      expect(replies[3]).toMatch(/^451 4\.3\.5 <alice@dest\.test>: Recipient address rejected: /);
    }
  });

  test("promtool finds nothing wrong with the scrape", async () => {
    const scrape = await postvouch.scrape();
    expect(await run(["promtool", "check", "metrics"], { input: scrape })).toBe("");
    expect(await postvouch.metric('postvouch_policy_requests_total{action="reject"}')).toBe(6);
  });
});
