/** The bytes that setup writes: those of deploy/postfix, the same when it runs again, and none after --undo. */
import { appendFileSync, lstatSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { PartName } from "../../src/connect/parts.ts";
import { snippet } from "../e2e/lab/snippets.ts";
import { postfixConfig, settleConfig } from "../helpers/postfix-config.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";
import { apply, everything, isChange, put, readBack, undo } from "./planning.ts";

const missing = requirePrograms("postconf");

const MAPS = "sender_dependent_default_transport_maps = inline:{ {a@b.test = x:y, z} }, hash:/z\n";

/** An earlier version of the second pass. */
const EARLIER = snippet("forward-only.master.cf").replace("  -o smtp_generic_maps=\n", "");

const text = (directory: string, name: string): string => readFileSync(join(directory, name), "utf8");

function edit(directory: string, ...settings: readonly string[]): void {
  runProgram("postconf", ["-c", directory, "-e", ...settings]);
  settleConfig(directory);
}

describe.skipIf(missing !== undefined)(`setup's bytes ${missing ?? ""}`, { timeout: 30_000 }, () => {
  test.each([
    { parts: ["forward-only"], before: "", mainCf: ["forward-only.main.cf"], domains: "$virtual_alias_maps" },
    {
      parts: ["forward-only"],
      before: "virtual_alias_domains = one.test, two.test\n",
      mainCf: ["forward-only.main.cf"],
      domains: "one.test, two.test",
    },
    {
      parts: ["classic"],
      before: "",
      mainCf: ["canonical-socketmap.main.cf", "canonical-srs-domain.main.cf"],
      domains: "$virtual_alias_maps",
    },
    {
      parts: ["classic", "policy"],
      toml: "[socketmap]\nlisten = []\n",
      before: "",
      mainCf: ["canonical-tcp.main.cf", "canonical-srs-domain.main.cf", "policy.main.cf"],
      domains: "$virtual_alias_maps",
    },
  ] as const)("of $parts are those that the page shows, with main.cf: $before", async (row) => {
    using files = postfixConfig(row.before);
    using ours = postfixConfig(row.before);
    const shown = row.mainCf
      .map((name) => snippet(name))
      .join("")
      .replaceAll("$virtual_alias_maps", row.domains)
      .replaceAll("/etc/postfix", ours.path);
    appendFileSync(join(files.path, "main.cf"), shown);
    const isForwardOnly = (row.parts as readonly PartName[]).includes("forward-only");
    if (isForwardOnly) appendFileSync(join(files.path, "master.cf"), snippet("forward-only.master.cf"));
    settleConfig(files.path);
    await put(apply(ours.path, row.parts, "toml" in row ? row.toml : ""));
    expect(readBack(ours.path)).toEqual(readBack(files.path));
    if (!isForwardOnly) return;
    expect(text(ours.path, "master.cf")).toBe(snippet("forward-only.master.cf"));
    expect(text(ours.path, "srs-recipients.regexp")).toBe(
      snippet("srs-recipients.regexp", { "/etc/postfix": ours.path }),
    );
  });

  test.each([
    { what: "nothing", mainCf: "", masterCf: "" },
    { what: "maps of its own", mainCf: `${MAPS}recipient_canonical_maps = hash:/x, hash:/y`, masterCf: "" },
    {
      what: "a list over several lines",
      mainCf: "virtual_alias_domains =\n  one.test,\n# a remark\n\ttwo.test\n",
      masterCf: "smtp inet n - y - - smtpd\n# a remark\n  -o smtpd_banner=x",
    },
    { what: "the SRS domain in it", mainCf: "virtual_alias_domains = SRS.example.org\n", masterCf: "" },
    { what: "an earlier recipe, pasted", mainCf: snippet("forward-only.main.cf"), masterCf: EARLIER },
    { what: "the same set-up, pasted", mainCf: snippet("canonical-socketmap.main.cf"), masterCf: "" },
    {
      what: "a parameter twice",
      mainCf: "relayhost = a\nrelayhost = b\nrecipient_canonical_maps = hash:/x\n",
      masterCf: "",
    },
    { what: "bytes that are no text", mainCf: "# \xff\xfe \xe4\n", masterCf: "# \xff\n" },
  ])("are the same after a second run, and gone after undo, where main.cf has $what", async (row) => {
    using files = postfixConfig("");
    appendFileSync(join(files.path, "main.cf"), row.mainCf, "latin1");
    appendFileSync(join(files.path, "master.cf"), row.masterCf, "latin1");
    settleConfig(files.path);
    const before = everything(files.path);
    await put(apply(files.path, ["classic", "policy"]));
    await put(apply(files.path, ["forward-only"]));
    const once = everything(files.path);
    expect(once).not.toEqual(before);
    const again = await put(apply(files.path, []));
    expect({ isChange: isChange(again), parts: again.parts }).toEqual({
      isChange: false,
      parts: ["forward-only", "policy"],
    });
    expect(everything(files.path)).toEqual(once);
    expect(text(files.path, "main.cf").match(/srs\.example\.org/gi)).toHaveLength(1);
    await put(undo(files.path));
    expect(everything(files.path)).toEqual(before);
  });

  test("stay where main.cf is a symbolic link", async () => {
    using real = postfixConfig("relayhost = x.test\n");
    using files = postfixConfig("");
    runProgram("rm", [join(files.path, "main.cf")]);
    symlinkSync(join(real.path, "main.cf"), join(files.path, "main.cf"));
    const before = text(real.path, "main.cf");
    await put(apply(files.path, ["classic"]));
    expect(lstatSync(join(files.path, "main.cf")).isSymbolicLink()).toBe(true);
    expect(text(real.path, "main.cf")).toContain("socketmap:");
    await put(undo(files.path));
    expect(text(real.path, "main.cf")).toBe(before);
  });

  test("of others stay when ours go", async () => {
    using files = postfixConfig(
      "relayhost = one.test\nmyhostname = mail.one.test\nrecipient_canonical_maps = hash:/mine\n",
    );
    files.write("master.cf", "smtp inet n - y - - smtpd\n");
    appendFileSync(join(files.path, "main.cf"), "virtual_mailbox_domains =\n# mine\n  one.test\n");
    await put(apply(files.path, ["forward-only", "policy"]));
    edit(
      files.path,
      "relayhost = two.test",
      "smtpd_banner = hello",
      "virtual_alias_domains = $virtual_alias_maps, srs.example.org, added.test",
    );
    edit(
      files.path,
      `recipient_canonical_maps = ${readBack(files.path).mainCf.get("recipient_canonical_maps")}, hash:/late`,
    );
    appendFileSync(join(files.path, "master.cf"), "mine unix - - n - - smtp\n");
    const list = readBack(files.path).mainCf.get("smtpd_recipient_restrictions") ?? "";
    edit(files.path, `smtpd_recipient_restrictions = ${list}, reject_rbl_client rbl.test`);
    await put(apply(files.path, ["classic"], '[srs]\nformer_domains = ["old.example"]\n'));
    await put(undo(files.path));
    expect(text(files.path, "main.cf")).toBe(`compatibility_level = 3.6
relayhost = two.test
myhostname = mail.one.test
recipient_canonical_maps = hash:/mine, hash:/late
virtual_mailbox_domains =
# mine
  one.test
virtual_alias_domains = $virtual_alias_maps, added.test
smtpd_recipient_restrictions = reject_rbl_client rbl.test
smtpd_banner = hello
`);
    expect(text(files.path, "master.cf")).toBe("smtp inet n - y - - smtpd\nmine unix - - n - - smtp\n");
  });

  test("with remarks inside come back among later edits", async () => {
    const list = "smtpd_recipient_restrictions =\n\tpermit_mynetworks,\n# a remark\n\treject_unauth_destination\n";
    using files = postfixConfig(`# above\n${list}# below\nrelayhost = one.test\n`);
    await put(apply(files.path, ["policy"]));
    edit(files.path, "relayhost = two.test");
    appendFileSync(join(files.path, "main.cf"), "# the end\n");
    await put(undo(files.path));
    expect(text(files.path, "main.cf")).toBe(
      `compatibility_level = 3.6\n# above\n${list}# below\nrelayhost = two.test\n# the end\n`,
    );
  });

  test("come back to a list that somebody has changed meanwhile", async () => {
    using files = postfixConfig("sender_canonical_maps = hash:/a, tcp:127.0.0.1:10001, hash:/b\n");
    await put(apply(files.path, ["forward-only"]));
    expect(readBack(files.path).mainCf.get("sender_canonical_maps")).toBe("hash:/a, hash:/b");
    edit(files.path, "sender_canonical_maps = hash:/new, hash:/a");
    await put(undo(files.path));
    expect(readBack(files.path).mainCf.get("sender_canonical_maps")).toBe("hash:/new, hash:/a, tcp:127.0.0.1:10001");
  });

  test.each([
    {
      what: "a setting of ours",
      edits: ["srs_destination_concurrency_limit = 7"],
      says: /srs_destination_concurrency_limit was edited/,
    },
    {
      what: "our entry in a list",
      edits: ["recipient_canonical_maps = socketmap:inet:127.0.0.1:10003:reverse"],
      says: /main\.cf": recipient_canonical_maps was edited since/,
    },
    {
      what: "two settings",
      edits: ["srs_destination_rate_delay = 1s", "virtual_alias_domains = x.test"],
      says: /srs_destination_rate_delay was edited since.*\n.*virtual_alias_domains was edited/,
    },
  ])("are left where $what was edited", async ({ edits, says }) => {
    using files = postfixConfig("");
    await put(apply(files.path, ["forward-only"]));
    edit(files.path, ...edits);
    const before = everything(files.path);
    await expect(undo(files.path)).rejects.toThrow(says);
    await expect(apply(files.path, ["classic"])).rejects.toThrow(says);
    expect(everything(files.path)).toEqual(before);
  });

  test("are left where what was before us names a service that has gone", async () => {
    using files = postfixConfig(
      "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service unix:private/policyd-spf\n",
    );
    files.write("master.cf", "policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf\n");
    await put(apply(files.path, ["policy"]));
    runProgram("postconf", ["-c", files.path, "-MX", "policyd-spf/unix"]);
    settleConfig(files.path);
    await expect(undo(files.path)).rejects.toThrow(
      "would name unix:private/policyd-spf again, and master.cf has no such",
    );
  });

  test("are left where a service or the table of ours was edited", async () => {
    using files = postfixConfig("");
    await put(apply(files.path, ["forward-only"]));
    const edited = text(files.path, "master.cf").replace("-o smtpd_recipient_limit=1000", "-o smtpd_recipient_limit=1");
    files.write("master.cf", edited);
    await expect(undo(files.path)).rejects.toThrow(/127\.0\.0\.1:12526\/inet was edited since/);
    appendFileSync(join(files.path, "srs-recipients.regexp"), "/x/ y\n");
    await expect(undo(files.path)).rejects.toThrow(/srs-recipients\.regexp": it was edited/);
  });

  test.each([
    { parts: [], says: "nothing in" },
    { parts: ["policy"], says: "nothing in" },
  ] as const)("cannot be taken out of files that have none: $parts", async ({ parts, says }) => {
    using files = postfixConfig("");
    await expect(undo(files.path, parts)).rejects.toThrow(says);
  });

  test("of a part that is not in place cannot be taken out", async () => {
    using files = postfixConfig("");
    await put(apply(files.path, ["classic"]));
    await expect(undo(files.path, ["policy"])).rejects.toThrow("Cannot undo policy: in place are classic");
  });
});
