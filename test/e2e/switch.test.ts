/**
 * The day of the change, and the way back: a host as Debian's packages make it goes to postvouch and back by the very
 * commands of the pages, with mail in its queue. After each step a bounce of every address that was ever signed arrives.
 */
import { hash } from "node:crypto";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Admin } from "./lab/admin.ts";
import { classicHost, NEIGHBOURS, originOfAll, SPF_ONLY, startClassicHost } from "./lab/classic-host.ts";
import { eventually } from "./lab/eventually.ts";
import { srsDomainRecords } from "./lab/forwarder.ts";
import { dest } from "./lab/hosts.ts";
import { Lab } from "./lab/lab.ts";
import { whileMailFlows as flow } from "./lab/mail-flow.ts";
import { blocks, type Replacements } from "./lab/pages.ts";
import type { Postfix } from "./lab/postfix.ts";
import { LAB_TEST, requireLab } from "./lab/requires.ts";
import { PACKAGE } from "./lab/runtime.ts";

const missing = requireLab(...NEIGHBOURS);

const POSTSRSD = "from-postsrsd.md";
const POLICYD_SPF = "from-policyd-spf.md";
const back = "## The way back";

const FWD = "10.77.0.20";

describe.skipIf(missing !== undefined)(`the day of the change ${missing ?? ""}`, LAB_TEST, () => {
  let lab: Lab;
  let host: Readonly<Record<"origin" | "fwd" | "dest", Postfix>>;
  let admin: Admin;
  let names: Replacements;
  /** Every address that was signed so far, by what signed it. */
  const signed = new Map<string, string>();
  /** postvouch.toml, as far as it has come. */
  let settings = "";
  /** The mail that waits in fwd's queue since the step before, signed as it was done then. */
  let waiting: string;
  /** Postfix's files before we came. */
  let atFirst: readonly string[];

  beforeAll(async () => {
    lab = await Lab.start([originOfAll(), classicHost(), dest()], [SPF_ONLY, ...srsDomainRecords()]);
    host = { origin: lab.host("origin"), fwd: lab.host("fwd"), dest: lab.host("dest") };
    await host.dest.set(HOLDS);
    admin = await startClassicHost(lab);
    atFirst = checksums();
    names = {
      "/etc/postfix": host.fwd.configDir,
      "/opt/postvouch": PACKAGE,
      "/var/lib/postvouch/": `${admin.etc}/postvouch/`,
      "/etc/": `${admin.etc}/`,
      "/usr/local/bin/postvouch": join(admin.etc, "bin/postvouch"),
      "example.org": "fwd.test",
      "example\\.org": "fwd\\.test",
      get "SRS0=…=…=elsewhere.example=someone@example.org"() {
        return signed.get("postsrsd, SRS0") ?? "";
      },
    };
    waiting = await putOff();
  }, 60_000);
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const checksums = (): string[] =>
    ["main.cf", "master.cf"].map((name) => hash("sha256", readFileSync(join(host.fwd.configDir, name))));

  const page = (name: string, heading: string, language = "sh"): string[] => blocks(name, heading, language, names);

  const ask = async (key: string, map: string): Promise<string> =>
    (await host.fwd.command("postmap", "-q", key, map)).trim();

  /** What our command line makes of an address, with other settings than the host's. */
  async function sign(address: string, domain: string, alphabet: string): Promise<string> {
    const toml = `[srs]\ndomain = "${domain}"\nhash_alphabet = "${alphabet}"\nsecrets_file = "${admin.etc}/postsrsd.secret"\n`;
    writeFileSync(join(admin.etc, "other.toml"), toml);
    const main = `${admin.etc}/bin/postvouch`;
    const line = await host.fwd.run([
      "sh",
      "-c",
      `sed 's#/postvouch/postvouch.toml#/other.toml#' ${main} | sh -s srs forward ${address}`,
    ]);
    return line.trim();
  }

  /** One whose hash has a character that the other alphabet has not. */
  async function signTelling(domain: string, alphabet: "url-safe" | "standard"): Promise<string> {
    const telling = alphabet === "standard" ? /^SRS0=[^=]*[+/]/ : /^SRS0=[^=]*[-_]/;
    const users = Array.from({ length: 120 }, (_, i) => `bob${i}@origin.test`).join(" ");
    const lines = (await sign(users, domain, alphabet)).split("\n");
    return lines.find((line) => telling.test(line)) ?? "";
  }

  /** Has a message wait at fwd, because dest puts it off. */
  async function putOff(): Promise<string> {
    const tag = await host.origin.send({ from: "bob@origin.test", to: "hold@fwd.test" });
    await eventually("the message put off", () => {
      const ids = host.fwd.queueIdsOf(tag);
      return host.fwd.logLines(/status=deferred .*450 4\.2\.0/).find((line) => ids.some((id) => line.includes(id)));
    });
    return tag;
  }

  /** Sends mail to dave and alice until `work` is done. Each message arrives once at either, and nothing bounces. */
  const whileMailFlows = (work: () => Promise<unknown>): Promise<void> =>
    flow(
      work,
      () => host.origin.send({ from: "bob@origin.test", to: "team@fwd.test" }),
      async (tag) => {
        for (const [at, user] of [
          [host.fwd, "dave"],
          [host.dest, "alice"],
        ] as const) {
          await at.arrived(user, tag);
          expect(at.mailbox(user).filter(({ text }) => text.includes(tag))).toHaveLength(1);
        }
        expect(host.origin.mailbox("bob").filter(({ text }) => text.includes(tag))).toEqual([]);
      },
    );

  /** What has to hold after each step. */
  function holds(returnPaths: { readonly local: RegExp; readonly forwarded: RegExp }): void {
    test("mail is forwarded, delivered here, and passes DMARC", async () => {
      const tag = await host.origin.send({ from: "bob@origin.test", to: "team@fwd.test" });
      const [outside, local] = [await host.dest.arrived("alice", tag), await host.fwd.arrived("dave", tag)];
      expect([local.returnPath, outside.returnPath]).toEqual([
        expect.stringMatching(returnPaths.local),
        expect.stringMatching(returnPaths.forwarded),
      ]);
      expect(outside.headers("Received-SPF")[0]).toMatch(/^Pass /);
      expect(local.headers("Authentication-Results").join()).toContain("dmarc=pass");
    });

    test("mail that waited in the queue bounces to its sender", async () => {
      await host.dest.set(HOLDS.replace("450 4.2.0 later", "550 5.2.0 never"));
      await host.fwd.flush();
      expect((await host.origin.arrived("bob", waiting, "bounce")).text).toContain("550 5.2.0");
      await host.dest.set(HOLDS);
      waiting = await putOff();
    });

    test("a bounce of every address that was signed arrives", async () => {
      expect(signed.size).toBeGreaterThan(0);
      const tags = await Promise.all([...signed.values()].map((to) => host.dest.send({ from: "", to })));
      for (const tag of tags) await host.origin.arrived("bob", tag);
    });
  }

  const OLD = /^SRS0=.{4}=..=origin\.test=bob@fwd\.test$/;
  const NEW = /^SRS0=.{4}=..=origin\.test=bob@srs\.fwd\.test$/;
  const SENDER = /^bob@origin\.test$/;

  describe("before it, with postsrsd", () => {
    beforeAll(async () => {
      signed.set("postsrsd, SRS0", await ask("bob@origin.test", "tcp:127.0.0.1:10001"));
      signed.set("postsrsd, SRS1", await ask("SRS0=AAAA=BB=third.test=carl@origin.test", "tcp:127.0.0.1:10001"));
    });
    holds({ local: OLD, forwarded: OLD });
  });

  describe("postsrsd to postvouch", () => {
    const day = "## The day of the change";

    beforeAll(async () => {
      const [imports = "", check = "", change = ""] = page(POSTSRSD, day);
      const printed = await admin.does(imports);
      settings = readFileSync(join(admin.etc, "postvouch/postvouch.toml"), "utf8");
      expect(printed.startsWith(settings)).toBe(true);
      expect(statSync(join(admin.etc, "postvouch/srs.secrets")).mode & 0o777).toBe(0o600);
      expect(await admin.does(check)).toMatch(/: ok\n(.*\n)+bob@origin\.test\n$/);
      expect(await admin.does(change)).toMatch(/^SRS0=.*=someone@fwd\.test\n$/);
      signed.set("ours, old domain, standard", await signTelling("fwd.test", "standard"));
      signed.set("ours, old domain, url-safe", await signTelling("fwd.test", "url-safe"));
      signed.set("ours, SRS1", await ask("SRS0=AAAA=CC=third.test=carl@origin.test", "tcp:127.0.0.1:10001"));
    });
    holds({ local: OLD, forwarded: OLD });

    test("and to forward-only and SPF in one step and back, to the byte, while mail flows", async () => {
      await whileMailFlows(() => admin.does("postvouch setup forward-only policy --apply"));
      const tag = await host.dest.send({ from: "", to: signed.get("postsrsd, SRS0") ?? "" });
      await host.origin.arrived("bob", tag);
      await whileMailFlows(() => admin.does("postvouch setup --undo"));
      expect(checksums()).toEqual(atFirst);
    });

    test("a configuration that only root may read is found by the check as the service's user", async () => {
      chmodSync(join(admin.etc, "postvouch/postvouch.toml"), 0o600);
      await expect(admin.does(page(POSTSRSD, day)[1] ?? "")).rejects.toThrow(/exit code 78: .*no permission/);
      chmodSync(join(admin.etc, "postvouch/postvouch.toml"), 0o644);
    });
  });

  describe("policyd-spf to postvouch, before an OpenDMARC that rejects", () => {
    beforeAll(async () => {
      const [imports = "", change = ""] = page(POLICYD_SPF, "## The change");
      rmSync(join(admin.etc, "postvouch/postvouch.toml"));
      expect(await admin.does(imports)).toContain("has the secrets already");
      await admin.does("systemctl reload postvouch");
      expect(await admin.does(change)).toContain("check_policy_service { inet:127.0.0.1:10030, timeout=30s }");
    });
    holds({ local: OLD, forwarded: OLD });

    const session = ["EHLO mail.origin.test", "MAIL FROM:<bob@origin.test>", "RCPT TO:<dave@fwd.test>", "QUIT"];

    test("mail of an SPF-only sender waits while no DNS server answers", async () => {
      admin.write("postvouch/postvouch.toml", `${settings}[dns]\nservers = ["127.0.0.9"]\ntimeout = "50ms"\n`);
      await admin.does("systemctl reload postvouch");
      expect((await host.origin.smtp(FWD, 25, ...session))[3]).toMatch(/^450 4\.7\.24 /);
      admin.write("postvouch/postvouch.toml", settings);
      await admin.does("systemctl reload postvouch");
    });

    test("and while postvouch is down", async () => {
      await admin.does("systemctl stop postvouch");
      expect((await host.origin.smtp(FWD, 25, ...session))[3]).toMatch(/^451 4\.3\.5 /);
      await admin.does("systemctl start postvouch");
    });
  });

  describe("canonical maps to forward-only, while mail flows", () => {
    const then = "## Then: rewriting only what is forwarded";

    beforeAll(async () => {
      const policy = page(POLICYD_SPF, "## The change", "toml").join("");
      admin.write("postvouch/postvouch.toml", page(POSTSRSD, then, "toml").join("") + policy);
      await admin.does("systemctl reload postvouch");
      await whileMailFlows(() => admin.does(page(POSTSRSD, then).join("")));
      signed.set("ours, new domain, standard", await signTelling("srs.fwd.test", "standard"));
      signed.set("ours, new domain, url-safe", await signTelling("srs.fwd.test", "url-safe"));
    });
    holds({ local: SENDER, forwarded: NEW });
  });

  describe("and back to canonical maps", () => {
    let unrewritten: string;

    beforeAll(async () => {
      await admin.does("systemctl stop postvouch");
      unrewritten = await host.fwd.send({ from: "bob@origin.test", to: "carol@dest.test" });
      await host.fwd.logged(/to=<carol@dest\.test>.* status=deferred \(address resolver failure\)/);
      await admin.does(`postsuper -h ${host.fwd.queueIdsOf(unrewritten).at(-1)}`);
      await admin.does("systemctl start postvouch");
      await whileMailFlows(() => admin.does(page(POSTSRSD, back)[0] ?? ""));
    });

    test("mail that waited for postvouch leaves rewritten when it is queued anew", async () => {
      await admin.does(`postsuper -r ${host.fwd.queueIdsOf(unrewritten).at(-1)}`);
      // pickup looks for it once a minute, and when something else is submitted.
      await host.fwd.send({ from: "", to: "dave@fwd.test" });
      expect((await host.dest.arrived("carol", unrewritten)).returnPath).toMatch(NEW);
    });
    holds({ local: NEW, forwarded: NEW });
  });

  describe("back to policyd-spf", () => {
    beforeAll(async () => {
      await admin.does(page(POLICYD_SPF, "### The way back")[0] ?? "");
    });
    holds({ local: NEW, forwarded: NEW });
  });

  describe("back to postsrsd", () => {
    const unread = ["old", "new"].map((domain) => `ours, ${domain} domain, url-safe`);
    const lost = new Map<string, string>();

    beforeAll(async () => {
      await admin.does(page(POSTSRSD, back)[1] ?? "");
      for (const name of unread) {
        lost.set(name, signed.get(name) ?? "");
        signed.delete(name);
      }
    });
    holds({ local: OLD, forwarded: OLD });

    test("it refuses what has hashes of the url-safe alphabet, as the page warns", async () => {
      for (const address of lost.values()) {
        const session = ["EHLO mail.dest.test", "MAIL FROM:<>", `RCPT TO:<${address}>`, "QUIT"];
        expect((await host.dest.smtp(FWD, 25, ...session))[3]).toMatch(/^550 5\.1\.1 /);
      }
    });

    describe("while postvouch leads back", () => {
      beforeAll(async () => {
        admin.conflicts = [];
        const others = settings.replace(/^\[tcptable\]\n(?:.+\n)*/m, "");
        admin.write("postvouch/postvouch.toml", others + page(POSTSRSD, back, "toml").join(""));
        await admin.does(page(POSTSRSD, back)[2] ?? "");
        for (const [name, address] of lost) signed.set(name, address);
      });
      holds({ local: OLD, forwarded: OLD });
    });

    test("and 22 days later --undo gives back what was before us, to the byte", async () => {
      await admin.does('postconf -e "recipient_canonical_maps = tcp:127.0.0.1:10002"');
      await admin.does("postvouch setup --undo");
      expect(checksums()).toEqual(atFirst);
    });
  });
});

const HOLDS = "smtpd_sender_restrictions = check_recipient_access inline:{ {hold@dest.test = 450 4.2.0 later} }";
