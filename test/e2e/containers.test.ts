/** Tests postvouch as in docs/containers.md: on its own host, as nobody, with Postfix on another host. */
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import { forwarder, forwardOnly, srsDomainRecords } from "./lab/forwarder.ts";
import { dest, origin } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { blocks } from "./lab/pages.ts";
import type { Postvouch } from "./lab/postvouch.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { snippet } from "./lab/snippets.ts";

const missing = requireLab("setpriv");

const VOUCH = "10.77.0.40";
const NOBODY = 65_534;

/** The lines of main.cf and master.cf that name us, but for the name. */
function elsewhere(text: string): string {
  return text.replaceAll(/127\.0\.0\.1:(10003|10030)/g, `${VOUCH}:$1`);
}

describe.skipIf(missing !== undefined)(`postvouch in a container of its own ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let postvouch: Postvouch;

  beforeAll(async () => {
    lab = await Lab.start([origin(), forwarder(), dest(), { name: "vouch", address: VOUCH }], srsDomainRecords());
    const mounts = join(lab.directory, "mounts");
    mkdirSync(mounts);
    writeFileSync(join(mounts, "srs.secrets"), "the same for every replica\n", { mode: 0o400 });
    chownSync(join(mounts, "srs.secrets"), NOBODY, NOBODY);
    writeFileSync(join(mounts, "domains"), "fwd.test\n");
    const [toml = ""] = blocks("containers.md", "## The process", "toml", {
      "mail.example.org": "mail.fwd.test",
      "srs.example.org": "srs.fwd.test",
      "/run/secrets": mounts,
      "/etc/postvouch": mounts,
    });
    postvouch = await lab.startPostvouch("vouch", toml, {}, NOBODY);
    const { mainCf, masterCf } = forwardOnly(lab, "srs.fwd.test");
    const policy = elsewhere(snippet("policy.main.cf"));
    await lab.host("fwd").configure({ mainCf: elsewhere(mainCf) + policy, masterCf: elsewhere(masterCf) });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  test("mail is checked, delivered, forwarded with an SRS sender, and its bounce comes back", async () => {
    const tag = await lab.host("origin").send({ from: "bob@origin.test", to: ["team@fwd.test", "late@fwd.test"] });
    const local = await lab.host("fwd").arrived("dave", tag);
    expect(local.returnPath).toBe("bob@origin.test");
    expect(local.headers("Received-SPF")[0]).toMatch(/^pass .*receiver=mail\.fwd\.test$/);
    expect((await lab.host("dest").arrived("alice", tag)).returnPath).toMatch(/^SRS0=.*@srs\.fwd\.test$/);
    await lab.host("origin").arrived("bob", tag, "bounce");
  });

  test("the secret is the mounted one: none was made", () => {
    expect(postvouch.logLines(/with a new secret/)).toEqual([]);
  });
});

test("every block of docs/containers.md is a configuration", () => {
  const toml = blocks("containers.md", "## The process", "toml").join("\n");
  expect(parseConfig(toml, "containers.md").problems).toEqual([]);
});
