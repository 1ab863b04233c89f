/** setup's part milter on a main.cf and a master.cf that have other milters, content filters and services of their own. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Traces } from "../../src/connect/host/filters.ts";
import { snippet } from "../e2e/lab/snippets.ts";
import { postfixConfig, settleConfig, temporaryDirectory } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { apply, everything, isChange, put, putInAndOut, readBack, undo } from "./planning.ts";

const missing = requirePrograms("postconf");

/** Beside 8891, so that that is OpenDKIM's. */
const TOML = '[milter]\nlisten = ["127.0.0.1:8895"]\n';
const KEYS = `${TOML}[dkim.sign]\nkey_directory = "/var/lib/postvouch/dkim"\n`;
const OURS = "{ inet:127.0.0.1:8895, connect_timeout=5s, default_action=tempfail }";
const ONE_WORD = "{inet:127.0.0.1:8895,connect_timeout=5s,default_action=tempfail}";

const SUBMISSION = "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n";

const inAndOut = (mainCf: string, masterCf = "", toml = TOML, traces?: Traces) =>
  putInAndOut(["milter"], mainCf, masterCf, toml, traces);

/** Files below a directory that stands for /etc. */
function filesIn(etc: string, files: Readonly<Record<string, string>>): Traces {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(etc, name)), { recursive: true });
    writeFileSync(join(etc, name), text);
  }
  return { etc, ownerOf: () => undefined };
}

describe.skipIf(missing !== undefined)(`setup of the milter ${missing ?? ""}`, { timeout: 30_000 }, () => {
  test("writes what docs/milter.md shows", async () => {
    using files = postfixConfig("");
    using ours = postfixConfig("");
    files.write("master.cf", `${SUBMISSION}${snippet("milter.master.cf")}`);
    ours.write("master.cf", SUBMISSION);
    appendFileSync(join(files.path, "main.cf"), snippet("milter.main.cf"));
    settleConfig(files.path);
    await put(apply(ours.path, ["milter"], '[milter]\nlisten = ["127.0.0.1:8891"]\n'));
    expect(readBack(ours.path)).toEqual(readBack(files.path));
  });

  describe("other milters", () => {
    test.each([
      ["nothing", "", OURS],
      ["OpenDKIM and OpenDMARC at their usual ports", "inet:localhost:8891, inet:127.0.0.1:8893", OURS],
      ["sockets with their names", "unix:opendkim/opendkim.sock local:/run/opendmarc/opendmarc.sock", OURS],
      ["settings of their own", "{ inet:[127.0.0.1]:12301, default_action=accept }, inet:[::1]:54321", OURS],
      [
        "a spam filter between them",
        "inet:127.0.0.1:8891, inet:127.0.0.1:11332, inet:127.0.0.1:8893",
        `${OURS}, inet:127.0.0.1:11332`,
      ],
      ["ours already, behind another", "inet:127.0.0.1:11332, inet:localhost:8895", `${OURS}, inet:127.0.0.1:11332`],
      ["the port of OpenDKIM at another host", "inet:filter.test:8891", `${OURS}, inet:filter.test:8891`],
    ])("go or stay behind ours, where main.cf has %s", async (_, list, wanted) => {
      const { mainCf, said } = await inAndOut(`smtpd_milters = ${list}\nnon_smtpd_milters = ${list}\n`, "", KEYS);
      expect([mainCf.get("smtpd_milters"), mainCf.get("non_smtpd_milters")]).toEqual([wanted, wanted]);
      const others = wanted.slice(OURS.length + 2);
      expect(said.includes(`smtpd_milters: ours in front of ${others}`)).toBe(others !== "");
    });

    test("are told of by name", async () => {
      const { said } = await inAndOut("smtpd_milters = inet:127.0.0.1:8891, unix:opendmarc/opendmarc.sock\n");
      expect(said).toContain("smtpd_milters: takes out inet:127.0.0.1:8891 (OpenDKIM), in whose place ours comes");
      expect(said).toContain("takes out unix:opendmarc/opendmarc.sock (OpenDMARC), in whose place ours comes");
      expect(said).toContain("[dkim.sign] has no key: your own mail leaves unsigned");
      expect((await inAndOut("", "", KEYS)).said).not.toContain("[dkim.sign]");
    });

    test("are found behind a name, which stays for others", async () => {
      const dkim = await inAndOut(
        "dkim = inet:127.0.0.1:8891\nsmtpd_milters = $dkim\nnon_smtpd_milters = $smtpd_milters\n",
      );
      expect(dkim.mainCf.get("smtpd_milters")).toBe(OURS);
      expect(dkim.mainCf.get("non_smtpd_milters")).toBe("$smtpd_milters");
      const spam = await inAndOut("spam = inet:127.0.0.1:11332\nsmtpd_milters = $spam, inet:127.0.0.1:8891\n");
      expect(spam.mainCf.get("smtpd_milters")).toBe(`${OURS}, $spam`);
      const both = await inAndOut("non_smtpd_milters = $(smtpd_milters) inet:127.0.0.1:8891 inet:127.0.0.1:11332\n");
      expect(both.mainCf.get("non_smtpd_milters")).toBe("$(smtpd_milters), inet:127.0.0.1:11332");
    });

    test.each([
      { what: "Socket", file: "opendkim.conf", text: "Socket  inet:9001@localhost\n", program: "OpenDKIM" },
      {
        what: "Socket without a host",
        file: "opendmarc.conf",
        text: "# x\n  Socket inet:9001\n",
        program: "OpenDMARC",
      },
      { what: "Socket over IPv6", file: "openarc.conf", text: "Socket inet6:9001@[::1]\n", program: "OpenARC" },
      {
        what: "the defaults",
        file: "default/opendkim",
        text: 'SOCKET="inet:9001@127.0.0.1" # x\nSOCKET=inet:9001@127.0.0.1\n',
        program: "OpenDKIM",
      },
      { what: "a folder", file: "openarc/openarc.conf", text: "Socket inet:9001@127.0.0.1\n", program: "OpenARC" },
    ])("are known by $what in $file", async ({ file, text, program }) => {
      using etc = temporaryDirectory();
      const traces = filesIn(etc.path, { [file]: text });
      const { mainCf, said } = await inAndOut("smtpd_milters = inet:127.0.0.1:9001\n", "", KEYS, traces);
      expect(mainCf.get("smtpd_milters")).toBe(OURS);
      expect(said).toContain(`takes out inet:127.0.0.1:9001 (${program})`);
    });

    test.each([
      ["unix:dkim/socket", "Socket local:/var/spool/postfix/dkim/socket\n", ""],
      ["unix:/dkim/socket", "Socket local:/var/spool/postfix/dkim/socket\n", ""],
      ["unix:/run/dkim/socket", "", "RUNDIR=/run/dkim\nSOCKET=local:$RUNDIR/socket\n"],
    ])("are known by a path of theirs: %s", async (address, options, defaults) => {
      using etc = temporaryDirectory();
      const traces = filesIn(etc.path, { "opendkim.conf": options, "default/opendkim": defaults });
      const mainCf = `queue_directory = /var/spool/postfix\nsmtpd_milters = ${address}\n`;
      expect((await inAndOut(mainCf, "", KEYS, traces)).mainCf.get("smtpd_milters")).toBe(OURS);
    });

    test("are known by the process that listens, before anything else", async () => {
      const owners: Record<number, string> = { 8891: "rspamd, pid 7", 9001: "opendmarc, pid 8" };
      const traces: Traces = {
        etc: "/nosuch",
        ownerOf: (endpoint) => (endpoint.type === "inet" ? owners[endpoint.port] : undefined),
      };
      const { mainCf } = await inAndOut("smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:9001\n", "", KEYS, traces);
      expect(mainCf.get("smtpd_milters")).toBe(`${OURS}, inet:127.0.0.1:8891`);
    });

    test("stay while ours does not do their work, and it is said why", async () => {
      using etc = temporaryDirectory();
      const traces = filesIn(etc.path, { "opendkim.conf": "KeyTable /etc/opendkim/KeyTable\n" });
      const list = "smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893\n";
      const { mainCf, said } = await inAndOut(list, "", `${TOML}[dmarc]\nverify = false\n`, traces);
      expect(mainCf.get("smtpd_milters")).toBe(`${OURS}, inet:127.0.0.1:8891, inet:127.0.0.1:8893`);
      expect(said).toContain("inet:127.0.0.1:8891 (OpenDKIM) stays: it signs, and [dkim.sign] has no key");
      expect(said).toContain("inet:127.0.0.1:8893 (OpenDMARC) stays: dmarc.verify is off");
      expect(said).not.toContain("leaves unsigned");
      expect((await inAndOut(list, "", KEYS, traces)).mainCf.get("smtpd_milters")).toBe(OURS);
      const verifying = filesIn(etc.path, { "opendkim.conf": "KeyTable /etc/opendkim/KeyTable\nMode v\n" });
      expect((await inAndOut(list, "", TOML, verifying)).mainCf.get("smtpd_milters")).toBe(OURS);
    });

    test("that refused, or wrote reports, are told of", async () => {
      using etc = temporaryDirectory();
      const traces = filesIn(etc.path, { "opendmarc.conf": "RejectFailures true\nHistoryFile /run/opendmarc/dat\n" });
      const { said } = await inAndOut("smtpd_milters = inet:127.0.0.1:8893\n", "", TOML, traces);
      expect(said).toContain("dmarc.reject: OpenDMARC refuses what fails p=reject (RejectFailures)");
      expect(said).toContain("/run/opendmarc/dat: OpenDMARC writes no more results");
      const rejecting = await inAndOut(
        "smtpd_milters = inet:127.0.0.1:8893\n",
        "",
        `${TOML}[dmarc]\nreject = true\n`,
        traces,
      );
      expect(rejecting.said).not.toContain("dmarc.reject");
    });
  });

  describe("settings of main.cf", () => {
    test("that ours cannot live with are its own", async () => {
      const { mainCf, said } = await inAndOut(
        "milter_protocol = 2\nmilter_content_timeout = 20s\nmilter_default_action = accept\nsmtpd_milters = inet:127.0.0.1:11332\n",
      );
      const ours = OURS.replace(" }", ", protocol=6, content_timeout=30s }");
      expect(mainCf.get("smtpd_milters")).toBe(`${ours}, inet:127.0.0.1:11332`);
      expect(mainCf.get("milter_protocol")).toBe("2");
      expect(said).toContain("milter_protocol: 2 is too old for ours");
      expect(said).toContain("milter_content_timeout: 20s is shorter than milter.time_limit");
      expect(said).toContain("milter_default_action: accept stays for other milters");
    });

    test.each(["300s", "5m", "1h", "40"])("of enough time are left: %s", async (time) => {
      expect((await inAndOut(`milter_content_timeout = ${time}\n`)).mainCf.get("smtpd_milters")).toBe(OURS);
    });

    test("have no settings for single milters before Postfix 3.0", async () => {
      const { mainCf } = await inAndOut("mail_version = 2.11.3\n");
      expect(mainCf.get("smtpd_milters")).toBe("inet:127.0.0.1:8895");
    });

    test("get the macros back that roles and log lines need", async () => {
      const { mainCf, said } = await inAndOut(
        "milter_mail_macros = {mail_addr}\nmilter_rcpt_macros =\nmilter_data_macros =\nmilter_end_of_header_macros =\nmilter_end_of_data_macros =\n",
      );
      expect(mainCf.get("milter_mail_macros")).toBe("{mail_addr} {auth_type}");
      expect(mainCf.get("milter_data_macros")).toBe("i");
      expect(said).toContain("milter_mail_macros: adds {auth_type}, which tells mail of your own users");
      const one = await inAndOut("milter_data_macros = x\nmilter_mail_macros = {auth_type}\n");
      expect([one.mainCf.get("milter_data_macros"), one.mainCf.get("milter_mail_macros")]).toEqual([
        "x",
        "{auth_type}",
      ]);
    });

    test("have no name of a service for all of them", async () => {
      const { mainCf, said } = await inAndOut("milter_macro_daemon_name = ORIGINATING\n");
      expect(mainCf.has("milter_macro_daemon_name")).toBe(false);
      expect(said).toContain("milter_macro_daemon_name: takes out ORIGINATING");
      const other = await inAndOut("milter_macro_daemon_name = mx1\n");
      expect(other.mainCf.get("milter_macro_daemon_name")).toBe("mx1");
    });

    test.each([
      [
        "smtpd_milter_maps = cidr:{ {192.0.2.0/24 DISABLE} }\n",
        "smtpd_milter_maps: cidr:{ {192.0.2.0/24 DISABLE} } can switch",
      ],
      ["milter_header_checks = regexp:/x\n", "milter_header_checks: regexp:/x sees the fields that ours adds"],
      ["milter_macro_defaults = auth_type=x\n", "milter_macro_defaults: with auth_type in it all mail looks like"],
    ])("that take mail past it are told of: %s", async (mainCf, told) => {
      expect((await inAndOut(mainCf)).said).toContain(told);
    });

    test.each([
      ["", "bounce", false],
      ["internal_mail_filter_classes = notify\n", "notify, bounce", false],
      ["internal_mail_filter_classes = bounce, notify\n", "bounce, notify", false],
      ["header_checks = pcre:/x\n", "bounce", true],
      ["non_smtpd_milters = inet:127.0.0.1:11332\n", "bounce", true],
    ])("have bounces signed: %s", async (mainCf, wanted, isTold) => {
      const result = await inAndOut(mainCf);
      expect(result.mainCf.get("internal_mail_filter_classes")).toBe(wanted);
      expect(result.said.includes("begins to see them too")).toBe(isTold);
    });
  });

  describe("master.cf", () => {
    const nameOf = async (id: string, masterCf: string, mainCf = "", toml = TOML) => {
      const { overrides, said } = await inAndOut(mainCf, masterCf, toml);
      return [overrides.get(`${id}/milter_macro_daemon_name`), said] as const;
    };

    test.each(["submission", "submissions", "smtps", "192.0.2.1:587"])("names submission: %s", async (name) => {
      const [given, said] = await nameOf(`${name}/inet`, `${name} inet n - y - - smtpd\n`);
      expect(given).toBe("ORIGINATING");
      expect(said).toContain(`master.cf: ${name}/inet gets milter_macro_daemon_name = ORIGINATING`);
    });

    test("names no service that takes mail from outside", async () => {
      expect((await nameOf("smtp/inet", "smtp inet n - y - - smtpd\n"))[0]).toBeUndefined();
    });

    test("leaves a name that is there, and tells of one that we do not know", async () => {
      const named = (name: string): string => `${SUBMISSION}  -o milter_macro_daemon_name=${name}\n`;
      const [known, quiet] = await nameOf("submission/inet", named("ORIGINATING"));
      expect([known, quiet]).toEqual(["ORIGINATING", expect.not.stringContaining("milter_macro_daemon_name")]);
      const [other, said] = await nameOf("submission/inet", named("MSA"));
      expect([other, said]).toEqual(["MSA", expect.stringContaining("Put it into milter.submission_daemons")]);
    });

    test("takes the names of postvouch.toml", async () => {
      const toml = `${TOML}submission_daemons = ["MSA"]\nskip_daemons = []\n`;
      const masterCf = `${SUBMISSION}127.0.0.1:10025 inet n - y - - smtpd\n  -o content_filter=\n`;
      const { overrides, said } = await inAndOut("content_filter = amavis:x\n", masterCf, toml);
      expect(overrides.get("submission/inet/milter_macro_daemon_name")).toBe("MSA");
      expect(said).toContain("milter.skip_daemons: it is empty, so mail at 127.0.0.1:10025/inet");
    });

    const AMAVIS = "127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=\n";
    const FILTER = "content_filter = smtp-amavis:[127.0.0.1]:10024\n";

    test("names what takes mail back from a content filter", async () => {
      const [given, said] = await nameOf("127.0.0.1:10025/inet", AMAVIS, FILTER);
      expect(given).toBe("REINJECT");
      expect(said).toContain("its mail was handled before the content filter");
      const ofService = `smtp inet n - y - - smtpd\n  -o content_filter=smtp-amavis:[127.0.0.1]:10024\n${AMAVIS}`;
      expect((await nameOf("127.0.0.1:10025/inet", ofService))[0]).toBe("REINJECT");
    });

    test.each([
      ["with no_milters", `${AMAVIS}  -o receive_override_options=no_header_body_checks,no_milters\n`, FILTER],
      ["without milters", `${AMAVIS}  -o smtpd_milters=\n`, FILTER],
    ])("leaves what takes mail back %s", async (_, masterCf, mainCf) => {
      const { overrides, said } = await inAndOut(mainCf, masterCf);
      expect([...overrides.keys()].filter((key) => key.endsWith("milter_macro_daemon_name"))).toEqual([]);
      expect(said).not.toContain("10025");
    });

    const BACK = "127.0.0.1:10025 inet n - n - - smtpd\n";
    const ONLY_MYNETWORKS = "  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n";
    const ACTION = "smtpd_client_restrictions = check_client_access static:{FILTER smtp-amavis:[127.0.0.1]:10024}\n";

    test.each([
      ["a FILTER action of main.cf", BACK, ACTION],
      [
        "a FILTER action behind a name",
        BACK,
        `${ACTION.replace("smtpd_client", "my")}smtpd_client_restrictions = $my\n`,
      ],
      ["a login of main.cf", BACK, `smtpd_sasl_auth_enable = yes\n${ACTION}`],
      ["nothing that tells", BACK, ""],
      ["a filter of its own, the next", `${BACK}  -o content_filter=scan:[127.0.0.1]:10026\n`, FILTER],
      ["another address of loopback", BACK.replace("127.0.0.1", "127.0.0.2"), ""],
      ["IPv6", BACK.replace("127.0.0.1", "[::1]"), ""],
      ["a name of loopback", BACK.replace("127.0.0.1", "localhost"), ""],
      ["an address in brackets", BACK.replace("127.0.0.1", "[127.0.0.1]"), ""],
      ["every address for mynetworks", `10025 inet n - n - - smtpd\n${ONLY_MYNETWORKS}`, ACTION],
      ["every address without a filter", `10025 inet n - n - - smtpd\n  -o content_filter=\n${ONLY_MYNETWORKS}`, ""],
      [
        "another host's filter",
        `192.0.2.1:10025 inet n - n - - smtpd\n  -o content_filter=\n${ONLY_MYNETWORKS}`,
        FILTER,
      ],
    ])("names what takes mail back from a filter, with %s", async (_, masterCf, mainCf) => {
      const [given, said] = await nameOf(`${masterCf.replace(/ .*/s, "")}/inet`, masterCf, mainCf);
      expect(given).toBe("REINJECT");
      expect(said).toContain("If programs of yours submit there, give it ORIGINATING instead");
      expect(said).not.toContain("may take mail back");
    });

    test.each(["hash", "regexp", "cidr"])("finds FILTER actions in a table of type %s", async (type) => {
      using directory = temporaryDirectory();
      const table = directory.write("access", "# FILTER no:x\n192.0.2.0/24   FILTER scan:[127.0.0.1]:10024\n");
      const masterCf = `10025 inet n - n - - smtpd\n${ONLY_MYNETWORKS}`;
      const mainCf = `smtpd_restriction_classes = scanned\nscanned = check_client_access ${type}:${table}\n`;
      expect((await nameOf("10025/inet", masterCf, mainCf))[0]).toBe("REINJECT");
      directory.write("access", "# FILTER no:x\n192.0.2.0/24   OK\n");
      expect((await nameOf("10025/inet", masterCf, mainCf))[0]).toBeUndefined();
    });

    test.each([
      ["a login of its own", `${BACK}  -o smtpd_sasl_auth_enable=yes\n`, ""],
      ["port 25", BACK.replace("10025", "smtp"), ""],
      ["the name of submission", `${BACK}  -o milter_macro_daemon_name=ORIGINATING\n`, ""],
      ["an address of the net, open to all", BACK.replace("127.0.0.1", "192.0.2.1"), FILTER],
    ])("names nothing else REINJECT: %s", async (_, masterCf, mainCf) => {
      const { overrides, said } = await inAndOut(mainCf, masterCf);
      expect([...overrides].filter(([key, value]) => key.endsWith("daemon_name") && value === "REINJECT")).toEqual([]);
      expect(said).not.toContain("/inet");
    });

    test.each([
      ["for mynetworks only", `10025 inet n - n - - smtpd\n${ONLY_MYNETWORKS}`, ""],
      ["with the filter of main.cf", `10025 inet n - n - - smtpd\n${ONLY_MYNETWORKS}`, FILTER],
      ["without a filter, open to all", "10025 inet n - n - - smtpd\n  -o content_filter=\n", FILTER],
      ["on port 25 of loopback", BACK.replace("10025", "25"), ACTION],
    ])("tells of a service that may take mail back: %s", async (_, masterCf, mainCf) => {
      const id = `${masterCf.replace(/ .*/s, "")}/inet`;
      const [given, said] = await nameOf(id, masterCf, mainCf);
      expect(given).toBeUndefined();
      expect(said).toContain(
        `master.cf: ${id} may take mail back from a content filter. If it does, give it "-o milter_macro_daemon_name=REINJECT"`,
      );
      const named = await nameOf(id, `${masterCf}  -o milter_macro_daemon_name=REINJECT\n`, mainCf);
      expect(named).toEqual(["REINJECT", expect.not.stringContaining("may take")]);
    });

    test("leaves milters behind a content filter, and tells of them", async () => {
      const { overrides, said } = await inAndOut(FILTER, `${AMAVIS}  -o smtpd_milters=inet:127.0.0.1:8891\n`, KEYS);
      expect(overrides.get("127.0.0.1:10025/inet/smtpd_milters")).toBe("inet:127.0.0.1:8891");
      expect(said).toContain(
        "10025/inet has smtpd_milters = inet:127.0.0.1:8891, which stays. What comes back from a content",
      );
      const [name, told] = await nameOf(
        "127.0.0.1:10025/inet",
        `${AMAVIS}  -o milter_macro_daemon_name=ORIGINATING\n`,
        FILTER,
      );
      expect([name, told]).toEqual([
        "ORIGINATING",
        expect.stringContaining("what comes from the content filter is signed"),
      ]);
    });

    test("leaves sendmail(1) alone where a content filter hands mail back by it", async () => {
      const masterCf = "spamassassin unix - n n - - pipe\n  user=x argv=/usr/bin/spamc -e /usr/sbin/sendmail -oi\n";
      const pipe = `${masterCf}smtp inet n - y - - smtpd\n  -o content_filter=spamassassin\n`;
      const { mainCf, said } = await inAndOut("", pipe);
      expect([mainCf.has("non_smtpd_milters"), mainCf.has("internal_mail_filter_classes")]).toEqual([false, false]);
      expect(said).toContain(
        "non_smtpd_milters: without ours, because the content filter spamassassin hands mail back",
      );
      const action = "smtpd_sender_restrictions = check_sender_access regexp:{{/./ FILTER spamassassin:dummy}}\n";
      expect((await inAndOut(action, masterCf)).mainCf.has("non_smtpd_milters")).toBe(false);
      expect((await inAndOut("", masterCf)).mainCf.get("non_smtpd_milters")).toBe(OURS);
      const same = "smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:11332\nnon_smtpd_milters = $smtpd_milters\n";
      expect((await inAndOut(same, pipe)).mainCf.get("non_smtpd_milters")).toBe("inet:127.0.0.1:11332");
      const spam = "smtpd_milters = inet:127.0.0.1:11332\nnon_smtpd_milters = $smtpd_milters\n";
      expect((await inAndOut(spam, pipe)).mainCf.get("non_smtpd_milters")).toBe("inet:127.0.0.1:11332");
      const alone = "non_smtpd_milters = inet:127.0.0.1:8891\n";
      expect((await inAndOut(alone, pipe)).mainCf.has("non_smtpd_milters")).toBe(false);
    });

    test.each([
      ["OpenDKIM in it", "inet:127.0.0.1:8891,inet:127.0.0.1:11332", `${ONE_WORD},inet:127.0.0.1:11332`, true],
      ["ours in it", "inet:127.0.0.1:8895", ONE_WORD, true],
      ["others in it", "inet:127.0.0.1:11332", "inet:127.0.0.1:11332", false],
      ["nothing in it", "", "", false],
      ["a name in it", "$other", "$other", false],
    ])("exchanges milters of a service with a list of its own, with %s", async (_, list, wanted, isOurs) => {
      const { overrides, said } = await inAndOut("", `${SUBMISSION}  -o smtpd_milters=${list}\n`, KEYS);
      expect(overrides.get("submission/inet/smtpd_milters")).toBe(wanted);
      expect(overrides.has("submission/inet/milter_macro_daemon_name")).toBe(isOurs);
      expect(said.includes(`has smtpd_milters = ${list}, which stays: its mail is not signed by ours`)).toBe(!isOurs);
    });

    test("finds milters of a service behind names, as in main.cf", async () => {
      const dkim = "dkim_milter = inet:localhost:8891\nspam_milter = inet:127.0.0.1:11332\nboth = $dkim_milter\n";
      const listed = async (list: string) => {
        const { overrides, said } = await inAndOut(
          `${dkim}smtpd_milters = $spam_milter\n`,
          `smtps inet n - y - - smtpd\n  -o smtpd_milters=${list}\n`,
          KEYS,
        );
        const of = (name: string) => overrides.get(`smtps/inet/${name}`);
        return [of("smtpd_milters"), of("milter_macro_daemon_name"), said] as const;
      };
      const [list, name, said] = await listed("$dkim_milter");
      expect([list, name]).toEqual([ONE_WORD, "ORIGINATING"]);
      expect(said).toContain(
        "smtps/inet has smtpd_milters of its own: takes out inet:localhost:8891 (OpenDKIM), in whose place ours comes",
      );
      expect((await listed("$both,$spam_milter"))[0]).toBe(`${ONE_WORD},inet:127.0.0.1:11332`);
      expect((await listed("inet:127.0.0.1:8891,$spam_milter"))[0]).toBe(`${ONE_WORD},$spam_milter`);
      const [others, , stays] = await listed("$spam_milter");
      expect([others, stays]).toEqual([
        "$spam_milter",
        expect.stringContaining("smtps/inet has smtpd_milters = $spam_milter, which stays"),
      ]);
    });

    test("reads options behind names", async () => {
      const { overrides, said } = await inAndOut(
        "quiet = no_milters\nname = ORIGINATING\n",
        `${SUBMISSION}  -o milter_macro_daemon_name=$name\nsmtp inet n - y - - smtpd\n  -o receive_override_options=$quiet\n`,
      );
      expect(overrides.get("submission/inet/milter_macro_daemon_name")).toBe("$name");
      expect(said).not.toContain("submission/inet");
      expect(said).toContain("smtp/inet has no_milters in receive_override_options, which stays");
    });

    test.each([
      ["smtp inet n - y - - smtpd\n  -o receive_override_options=no_milters\n", "", "smtp/inet"],
      ["smtpd pass - - n - - smtpd\n", "receive_override_options = no_milters\n", "smtpd/pass"],
    ])("tells of mail from outside that no milter sees: %s", async (masterCf, mainCf, id) => {
      const { said } = await inAndOut(mainCf, masterCf);
      expect(said).toContain(
        `master.cf: ${id} has no_milters in receive_override_options, which stays: its mail is not checked by ours`,
      );
    });
  });

  describe("a filter before the queue", () => {
    const PROXY = "  -o smtpd_proxy_filter=127.0.0.1:10024\n";
    const SMTP = `smtp inet n - y - - smtpd\n${PROXY}`;
    const BEHIND = "127.0.0.1:10025 inet n - y - - smtpd\n  -o smtpd_proxy_filter=\n";
    const MAIN = "smtpd_proxy_filter = 127.0.0.1:10024\n";

    test.each([
      ["an option of master.cf", SMTP + BEHIND, "", "master.cf: smtp/inet has smtpd_proxy_filter = 127.0.0.1:10024"],
      [
        "an option behind a name",
        SMTP.replace("127.0.0.1:10024", "$f") + BEHIND,
        "f = 127.0.0.1:10024\n",
        "10024: mail",
      ],
      ["postscreen", SMTP.replace("smtp inet", "smtpd pass") + BEHIND, "", "master.cf: smtpd/pass has smtpd_proxy_"],
      ["submission", `${SUBMISSION}${PROXY}${BEHIND}`, "", "master.cf: submission/inet has smtpd_proxy_filter"],
      ["main.cf", `smtp inet n - y - - smtpd\n${BEHIND}`, MAIN, "smtpd_proxy_filter = 127.0.0.1:10024: mail goes"],
      ["another port", SMTP + BEHIND.replace("127.0.0.1:", ""), "", "looks like mail of this host"],
    ])(
      "is a problem where ours would take what comes back for mail of this host: %s",
      async (_, masterCf, mainCf, says) => {
        using files = postfixConfig(mainCf);
        files.write("master.cf", masterCf);
        const before = everything(files.path);
        const said = await apply(files.path, ["milter"], TOML).then(
          () => "",
          (error: Error) => error.message,
        );
        expect(said).toContain(says);
        expect(said).toMatch(
          /What comes back to (?:127\.0\.0\.1:)?10025\/inet of master\.cf looks like mail of this host/,
        );
        expect(said).toContain('see "Filters before the queue" in docs/milter.md');
        expect(everything(files.path)).toEqual(before);
      },
    );

    test("may hand the client on by XCLIENT", async () => {
      const masterCf = `${SMTP}${BEHIND}  -o smtpd_authorized_xclient_hosts=127.0.0.0/8\n`;
      const { overrides, said } = await inAndOut("", masterCf);
      expect(overrides.has("127.0.0.1:10025/inet/milter_macro_daemon_name")).toBe(false);
      expect(said).toContain("At 127.0.0.1:10025/inet ours checks and signs, if the filter hands on each client");
    });

    test.each([
      ["has no milters", "  -o receive_override_options=no_milters\n"],
      ["has an empty list", "  -o smtpd_milters=\n"],
      ["has milters of its own", "  -o smtpd_milters=inet:127.0.0.1:11332\n"],
      ["is REINJECT", "  -o milter_macro_daemon_name=REINJECT\n"],
    ])("is told of where what comes back %s", async (_, option) => {
      const { said } = await inAndOut("", `${SMTP}${BEHIND}${option}`);
      expect(said).toContain(
        "smtp/inet has smtpd_proxy_filter = 127.0.0.1:10024: mail goes there before milters see its text, so that ours neither checks nor signs it",
      );
    });

    test("is told of where nothing of this host takes mail back", async () => {
      expect((await inAndOut(MAIN, "smtp inet n - y - - smtpd\n")).said).toContain("neither checks nor signs it");
    });
  });

  describe("the second pass", () => {
    const SEALING = snippet("milter-second-pass.master.cf", { "inet:127.0.0.1:8891": "inet:127.0.0.1:8895" });
    const master = (directory: string): string => readFileSync(join(directory, "master.cf"), "utf8");

    /** The recipe with milters, as the two files of deploy/postfix make it. */
    const sealing = snippet("forward-only.master.cf").replace(/^#.*\n.*,no_milters\n/m, SEALING);

    test("has the milter with both parts, in any order, and none without it", async () => {
      using files = postfixConfig("");
      const before = everything(files.path);
      await put(apply(files.path, ["forward-only"], TOML));
      const alone = everything(files.path);
      expect(master(files.path)).toBe(snippet("forward-only.master.cf"));
      const { parts } = await put(apply(files.path, ["milter"], TOML));
      expect([parts, master(files.path)]).toEqual([["forward-only", "milter"], sealing]);
      await put(undo(files.path, ["milter"], TOML));
      expect(everything(files.path)).toEqual(alone);
      await put(undo(files.path));
      await put(apply(files.path, ["milter", "forward-only", "policy"], TOML));
      expect(master(files.path)).toBe(sealing);
      await put(undo(files.path, ["forward-only"], TOML));
      expect([master(files.path), readBack(files.path).mainCf.get("smtpd_milters")]).toEqual(["", OURS]);
      await put(undo(files.path));
      expect(everything(files.path)).toEqual(before);
    });

    test.each([
      ['[arc]\nseal = "no"\n', false],
      ['[arc]\nseal = "no"\n[dmarc]\nforward_failed = "hold"\n', true],
      ['[arc]\nseal = "all"\n', true],
      ["forward_daemons = []\n", false],
    ])("has the milter where it has something to do there: %s", async (more, hasIt) => {
      const { overrides } = await putInAndOut(["forward-only", "milter"], "", "", TOML + more);
      expect(overrides.get("127.0.0.1:12526/inet/milter_macro_daemon_name")).toBe(hasIt ? "FORWARD" : undefined);
      expect(overrides.get("127.0.0.1:12526/inet/receive_override_options")?.includes("no_milters")).toBe(!hasIt);
    });

    test("takes endpoint, settings and name from postvouch.toml and main.cf", async () => {
      const toml = `${TOML}forward_daemons = ["SECOND"]\n`;
      const { overrides } = await putInAndOut(["forward-only", "milter"], "milter_protocol = 4\n", "", toml);
      expect(overrides.get("127.0.0.1:12526/inet/milter_macro_daemon_name")).toBe("SECOND");
      expect(overrides.get("127.0.0.1:12526/inet/smtpd_milters")).toBe(ONE_WORD.replace("}", ",protocol=6}"));
    });

    test.each([
      ["as docs/milter.md shows them", SEALING],
      [
        "without settings",
        "  -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks\n  -o smtpd_milters=inet:127.0.0.1:8895\n  -o milter_macro_daemon_name=FORWARD\n",
      ],
    ])("may have the lines of the milter pasted, %s: setup goes on from there, and back", async (_, lines) => {
      using files = postfixConfig("");
      const before = everything(files.path);
      await put(apply(files.path, ["forward-only"], TOML));
      files.write("master.cf", master(files.path).replace(/^ {2}-o receive_override_options=.*\n/m, lines));
      await put(apply(files.path, ["milter"], TOML));
      expect(master(files.path)).toBe(sealing);
      files.write(
        "master.cf",
        master(files.path).replace(/^ {2}-o smtpd_milters=.*$/m, "  -o smtpd_milters=inet:127.0.0.1:1"),
      );
      await put(undo(files.path));
      expect(everything(files.path)).toEqual(before);
    });

    test("keeps the milter that main.cf has from other hands", async () => {
      using files = postfixConfig("smtpd_milters = inet:127.0.0.1:8895\n");
      await put(apply(files.path, ["forward-only"], TOML));
      expect(master(files.path)).toBe(sealing);
    });

    test("that was pasted gets the milter too", async () => {
      const { overrides, said } = await inAndOut("smtpd_milter_maps = cidr:/x\n", snippet("forward-only.master.cf"));
      const of = (name: string) => overrides.get(`127.0.0.1:12526/inet/${name}`);
      expect(of("receive_override_options")).toBe("no_unknown_recipient_checks,no_header_body_checks");
      expect([of("smtpd_milters"), of("smtpd_milter_maps"), of("milter_macro_daemon_name")]).toEqual([
        ONE_WORD,
        "",
        "FORWARD",
      ]);
      expect(said).toContain("master.cf: 127.0.0.1:12526/inet gets ours: what is forwarded is sealed there");
      expect((await inAndOut("", sealing)).said).not.toContain("gets ours");
    });

    test("that was pasted and is replaced gets it by the part that replaces it", async () => {
      const both = await putInAndOut(["forward-only", "milter"], "", snippet("forward-only.master.cf"), TOML);
      expect(both.overrides.get("127.0.0.1:12526/inet/smtpd_milters")).toBe(ONE_WORD);
      expect(both.said).not.toContain("gets ours");
    });

    test("is not there in the classic set-up, which is told", async () => {
      const { said } = await putInAndOut(["classic", "milter"], "", "", TOML);
      expect(said).toContain('arc.seal: with "forwarded" nothing is sealed in the classic set-up');
      const all = await putInAndOut(["classic", "milter"], "", "", `${TOML}[arc]\nseal = "all"\n`);
      expect(all.said).not.toContain("arc.seal");
    });
  });

  test("tells what the policy service adds beside it", async () => {
    const { said } = await putInAndOut(["policy", "milter"], "", "", TOML);
    expect(said).toContain("policy.headers: the policy service adds received-spf");
    const none = await putInAndOut(["policy", "milter"], "", "", `${TOML}[policy]\nheaders = []\n`);
    expect(none.said).not.toContain("policy.headers");
  });

  test("keeps what was added since to its lists, and gives back what it took out", async () => {
    using files = postfixConfig("smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893\n");
    await put(apply(files.path, ["milter"], KEYS));
    const main = join(files.path, "main.cf");
    const edited = readFileSync(main, "utf8")
      .replace(`smtpd_milters = ${OURS}`, `smtpd_milters = ${OURS}, inet:127.0.0.1:11332`)
      .replace("internal_mail_filter_classes = bounce", "internal_mail_filter_classes = bounce, notify");
    files.write("main.cf", edited);
    expect(isChange(await put(apply(files.path, [], KEYS)))).toBe(true);
    await put(undo(files.path));
    expect(readFileSync(main, "utf8")).toBe(
      "compatibility_level = 3.6\nsmtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893, inet:127.0.0.1:11332\ninternal_mail_filter_classes = notify\n",
    );
  });

  test("leaves a list from which ours was taken out as it is", async () => {
    using files = postfixConfig("smtpd_milters = inet:127.0.0.1:8891\nnon_smtpd_milters = inet:127.0.0.1:8891\n");
    await put(apply(files.path, ["milter"], KEYS));
    const main = join(files.path, "main.cf");
    const edited = readFileSync(main, "utf8")
      .replace(/^smtpd_milters = .*$/m, "smtpd_milters = inet:127.0.0.1:11332")
      .replace(/^non_smtpd_milters = .*$/m, "non_smtpd_milters =");
    files.write("main.cf", edited);
    await put(undo(files.path));
    expect(readFileSync(main, "utf8")).toBe(
      "compatibility_level = 3.6\nsmtpd_milters = inet:127.0.0.1:11332\nnon_smtpd_milters =\n",
    );
  });

  test("names a setting of ours that was edited", async () => {
    using files = postfixConfig("");
    await put(apply(files.path, ["milter"], TOML));
    const edited = readFileSync(join(files.path, "main.cf"), "utf8").replace(
      "connect_timeout=5s",
      "connect_timeout=9s",
    );
    files.write("main.cf", edited);
    await expect(undo(files.path)).rejects.toThrow(/smtpd_milters was edited since/);
  });

  test("is suggested where milter.listen is on, and refused where it is off", async () => {
    using files = postfixConfig("");
    expect((await apply(files.path, [], TOML)).parts).toEqual(["forward-only", "policy", "milter"]);
    await expect(apply(files.path, ["milter"])).rejects.toThrow(
      "milter.listen: it is off; want an endpoint for setup milter",
    );
  });

  describe("sockets", () => {
    const socket = (path: string): string => `[milter]\nlisten = ["unix:${path}"]\n`;

    test("below the queue directory are named relative to it", async () => {
      const { mainCf } = await inAndOut(
        "queue_directory = /var/spool/postfix\n",
        "smtp inet n - y - - smtpd\n",
        socket("/var/spool/postfix/postvouch/milter"),
      );
      expect(mainCf.get("smtpd_milters")).toContain("{ unix:postvouch/milter, connect_timeout=5s");
    });

    test.each(["smtp inet n - y - - smtpd\n", "cleanup unix n - y - 0 cleanup\n"])(
      "elsewhere are no use in a chroot: %s",
      async (masterCf) => {
        using files = postfixConfig("");
        files.write("master.cf", masterCf);
        await expect(apply(files.path, ["milter"], socket("/run/postvouch/milter"))).rejects.toThrow(
          /milter\.listen: Cannot connect Postfix to "unix:\/run\/postvouch\/milter": .* runs in a chroot/,
        );
      },
    );
  });
});
