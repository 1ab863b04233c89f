/** What the files of several filters mean together. */
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import { planImport } from "../../src/import/plan.ts";
import { namesSocket, readSocket } from "../../src/import/readers/milter-socket.ts";
import { readOpenarc } from "../../src/import/readers/openarc.ts";
import { readOpendkim } from "../../src/import/readers/opendkim.ts";
import { readOpendmarc } from "../../src/import/readers/opendmarc.ts";
import { readPolicydSpf } from "../../src/import/readers/policyd-spf.ts";
import { hostWith } from "./fixtures.ts";

const host = hostWith({ "/etc/ignore": "192.0.2.0/24\n198.51.100.0/24\n" });
const dkim = (text: string) => readOpendkim({ path: "opendkim.conf", text }, host);
const dmarc = (text: string) => readOpendmarc({ path: "opendmarc.conf", text }, host);
const arc = (text: string) => readOpenarc({ path: "openarc.conf", text }, host);

function plan(found: Parameters<typeof planImport>[0], milterPorts: readonly number[] = []) {
  const { toml, notes } = planImport(found, {
    formerDomains: [],
    postfixDomains: { isUsable: false, covered: new Set() },
    secretsFile: "",
    date: "2026-01-01",
    keys: { tables: [], settings: [] },
    milterPorts,
    myhostname: "mail.my.example",
  });
  const { config, problems } = parseConfig(toml, "made");
  expect(problems).toEqual([]);
  return { config, notes: notes.join("\n"), toml };
}

describe("the port of the milter", () => {
  test.each<{ sockets: string[]; named: number[]; port: number }>([
    { sockets: ["local:/run/opendkim/opendkim.sock"], named: [], port: 8891 },
    { sockets: ["inet:8891@localhost"], named: [], port: 8892 },
    { sockets: ["inet:8891", "inet6:8892@[::1]"], named: [8893], port: 8894 },
    { sockets: ["inet:12301@localhost"], named: [], port: 8891 },
    { sockets: ["local:/x"], named: [8891], port: 8892 },
  ])("with $sockets and $named in main.cf it is $port", ({ sockets, named, port }) => {
    const [first = "", second] = sockets;
    const found = [dkim(`Socket ${first}`), ...(second === undefined ? [] : [dmarc(`Socket ${second}`)])];
    const { config, notes } = plan(found, named);
    expect(config["milter.listen"]).toMatchObject([{ host: "127.0.0.1", port }]);
    expect(notes).toContain(`in main.cf inet:127.0.0.1:${port} takes the place of OpenDKIM`);
  });

  test("without a filter there is no milter", () => {
    const { config } = plan([readPolicydSpf({ path: "f", text: "" }, host)], [8891]);
    expect(config["milter.listen"]).toEqual([]);
  });
});

describe("several filters", () => {
  test("DKIM is verified for DMARC, whatever Mode says", () => {
    const { config, notes } = plan([dkim("Mode s"), dmarc("RejectFailures yes")]);
    expect([config["dkim.verify"], config["dmarc.verify"], config["arc.verify"]]).toEqual([true, true, true]);
    expect(notes).toContain("dkim.verify: true, not false of Mode (opendkim.conf:1): DMARC wants the results of DKIM");
    expect(plan([dkim("Mode s")]).config["dkim.verify"]).toBe(false);
  });

  test("a way round DMARC that the filters left open is a line of the file, which says so", () => {
    const { toml } = plan([dmarc("RejectFailures yes")]);
    expect(toml).toMatch(/^# as the filters had it\. .*check-config warns: "reject" is better\nmalformed = "tag"$/m);
    const closed = plan([dkim("RequiredHeaders yes"), dmarc("RejectFailures yes")]);
    expect(closed.config["milter.malformed"]).toBe("reject");
    expect(plan([dmarc("RejectFailures no")]).toml).not.toContain("malformed");
  });

  test("one name stays, and forged results of the others are removed", () => {
    const found = [
      arc("AuthservID a.example\nMode v"),
      dkim("AuthservID d.example\nRemoveARFrom x.example"),
      dmarc("AuthservID m.example"),
    ];
    const { config } = plan(found);
    expect(config["milter.authserv_id"]).toBe("m.example");
    expect(config["milter.remove_authserv_ids"]).toEqual(["x.example", "a.example", "d.example"]);
  });

  test("the name of the filters stays, and not the one of policyd-spf", () => {
    const spf = readPolicydSpf({ path: "f", text: "Header_Type = AR\nAuthserv_Id = spf-1.my.example\n" }, host);
    expect(plan([spf, dkim("Syslog yes")]).config["milter.authserv_id"]).toBe("mail.my.example");
  });

  test("hosts that OpenDMARC ignored and whose mail is ours are signed", () => {
    const found = [
      dkim("InternalHosts 192.0.2.0/25,203.0.113.1\nPeerList 203.0.113.9"),
      dmarc("IgnoreHosts /etc/ignore"),
    ];
    const { toml } = plan(found);
    expect(toml).toContain('internal = ["127.0.0.0/8", "::1", "192.0.2.0/25", "203.0.113.1"]');
    expect(toml).toContain('skip = ["203.0.113.9", "192.0.2.128/25", "198.51.100.0/24"]');
  });

  test("names that are ours are not foreign", () => {
    const found = [
      dkim("AuthservID d.example"),
      dmarc("TrustedAuthservIDs d.example, mail.my.example, HOSTNAME, Gate.example"),
    ];
    const { notes, config } = plan(found);
    expect(config["milter.trusted_authserv_ids"]).toEqual(["gate.example"]);
    expect(notes).toContain("results of gate.example were");
  });
});

describe("sockets", () => {
  test.each([
    ["inet:8891@localhost", "smtpd_milters inet:127.0.0.1:8891", true],
    ["inet:8891", "x inet:[::1]:8891, y", true],
    ["inet6:8891@[::1]", "{ inet:localhost:8891, timeout=3s }", true],
    ["inet:8891@localhost", "inet:127.0.0.1:88910", false],
    ["inet:8891@localhost", "inet:127.0.0.1:8892", false],
    ["local:/var/spool/postfix/opendkim/o.sock", "unix:opendkim/o.sock", true],
    ["local:/var/spool/postfix/opendkim/o.sock", "local:/opendkim/o.sock", true],
    ["/run/o.sock", "unix:/run/o.sock", true],
    ["local:/run/o.sock", "unix:/run/other.sock", false],
    ["local:/run/xo.sock", "unix:o.sock", false],
  ])("%s and %s: %s", (socket, text, expected) => {
    const read = readSocket(socket);
    expect(read !== undefined && namesSocket(text, read)).toBe(expected);
  });

  test("other text is no socket", () => {
    expect(["", "inet:x", "8891", "fifo:/x"].map(readSocket)).toEqual(Array(4).fill(undefined));
  });
});
