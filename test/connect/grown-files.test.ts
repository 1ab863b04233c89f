/** setup on a main.cf and a master.cf that have grown for years: what is in its way goes, or is told of. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { unitSockets } from "../../src/connect/host/unit-sockets.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { apply, everything, put, putInAndOut, readBack, undo } from "./planning.ts";

const missing = requirePrograms("postconf", "postmap");

const PIPE = /^pipemap:\{regexp:\S+\/srs-recipients\.regexp, socketmap:inet:127\.0\.0\.1:10003:reverse\}$/;

describe.skipIf(missing !== undefined)(`setup in files that have grown ${missing ?? ""}`, { timeout: 30_000 }, () => {
  describe("forward-only", () => {
    const inAndOut = (mainCf: string, masterCf = "", toml = "") =>
      putInAndOut(["forward-only"], mainCf, masterCf, toml);

    test.each([
      ["behind a name", "srs = tcp:localhost:10001\nsender_canonical_maps = $srs\n", undefined],
      [
        "behind two names",
        "a = $b\nb = socketmap:unix:srs:forward\nsender_canonical_maps = regexp:{{/^x$$/ y}},\n# old\n  $a\n",
        "regexp:{{/^x$$/ y}}",
      ],
      ["beside a name", "a = inline:{x=y}\nsender_canonical_maps = $a, tcp:localhost:10001\n", "$a"],
      [
        "behind proxymap",
        "sender_canonical_maps = proxy:tcp:127.0.0.1:10001 proxy:socketmap:unix:srs:forward\n",
        undefined,
      ],
    ])("takes a classic sender map out %s", async (_, mainCf, left) => {
      expect((await inAndOut(mainCf)).mainCf.get("sender_canonical_maps")).toBe(left);
    });

    test("takes the class of a classic sender map with it, where nothing else needs it", async () => {
      const alone = "sender_canonical_maps = tcp:127.0.0.1:10001\nsender_canonical_classes = envelope_sender\n";
      expect((await inAndOut(alone)).mainCf.has("sender_canonical_classes")).toBe(false);
      const beside = alone.replace("= tcp", "= inline:{x=y}, tcp");
      expect((await inAndOut(beside)).mainCf.get("sender_canonical_classes")).toBe("envelope_sender");
    });

    test("tells of a map that it cannot take apart", async () => {
      const map = "unionmap:{inline:{x=y}, tcp:127.0.0.1:10001}";
      const { said, mainCf } = await inAndOut(`sender_canonical_maps = ${map}\n`);
      expect(mainCf.get("sender_canonical_maps")).toBe(map);
      expect(said).toContain(`sender_canonical_maps: ${map} stays. If there is an SRS map in it, take it out`);
    });

    test("tells of each recipient map that it takes out", async () => {
      const { said, mainCf } = await inAndOut(
        "recipient_canonical_maps = inline:{x=y}, socketmap:unix:other:reverse, tcp:localhost:10002\n",
      );
      expect(said).toContain("recipient_canonical_maps: takes out socketmap:unix:other:reverse");
      expect(said).toContain("recipient_canonical_maps: takes out tcp:localhost:10002");
      expect(said).not.toContain("takes out inline:");
      expect(mainCf.get("recipient_canonical_maps")).toMatch(/^inline:\{x=y\}, pipemap:/);
    });

    test.each(["12526", "localhost:12526", "[127.0.0.1]:12526", "[::1]:12526", "127.0.0.1:12526"])(
      "leaves no other service on the port of the second pass: %s",
      async (name) => {
        const { said, services } = await inAndOut("", `${name} inet n - y - - smtpd\n  -o content_filter=\n`);
        expect(services).toEqual(["srs", "127.0.0.1:12526", "srs-cleanup"]);
        expect(said).toContain(`master.cf: replaces ${name}/inet`);
      },
    );

    test("leaves the same port of another address alone", async () => {
      const { services } = await inAndOut("", "192.0.2.1:12526 inet n - y - - smtpd\n");
      expect(services).toEqual(["192.0.2.1:12526", "srs", "127.0.0.1:12526", "srs-cleanup"]);
    });

    test.each([
      ["regexp:{ {/.+@/ slow:} }", true],
      ["inline:{ {*=slow:} }", true],
      ["regexp:{ {/@elsewhere\\.example$$/ slow:} }", false],
      ["inline:{ {elsewhere.example=slow:} }", false],
    ])("tells of a transport map that takes all mail past the second pass: %s", async (map, isTold) => {
      const { said } = await inAndOut(`transport_maps = ${map}\n`);
      expect(said.includes("which goes past the second pass")).toBe(isTold);
    });

    test.each([
      ["inline:{ {big.example=slow:} {me@other.example=smtp:[x.test]} }", "big.example, me@other.example"],
      ["regexp:{ {/@gmail\\.com$$/ slow:} }", "gmail.com"],
      ["inline:{ {big.example=:} {*=:} {mx=slow:} }", undefined],
      ["inline:{ {one.test=lmtp:} {a@two.test=slow:} {.sub.parent.test=slow:} {own.test=slow:} }", undefined],
    ])("tells of the outside domains that a transport map takes past the second pass: %s", async (map, told) => {
      const classes =
        "virtual_mailbox_domains = inline:{two.test=OK}, own.test\nrelay_domains = inline:{parent.test=x}\n";
      const { said } = await inAndOut(`mydestination = !no.test, one.test\n${classes}transport_maps = ${map}\n`);
      const [, keys] =
        /^transport_maps: .* has (.*), so forwards there go past the second pass, unrewritten/m.exec(said) ?? [];
      expect(keys).toBe(told);
      expect(said).not.toContain('has "*"');
    });

    test("tells of no domain where a list of own domains cannot be asked", async () => {
      const { said } = await inAndOut("relay_domains = texthash:/nowhere\ntransport_maps = inline:{own.test=slow:}\n");
      expect(said).not.toContain("transport_maps");
    });

    test("tells of a service with a sender map of its own", async () => {
      const { said } = await inAndOut("", "cleanup2 unix n - n - 0 cleanup -o sender_canonical_maps=tcp:1.2.3.4:5\n");
      expect(said).toContain("master.cf: cleanup2/unix has sender_canonical_maps = tcp:1.2.3.4:5, which stays");
    });

    test.each([
      ["mydestination", "one.test, SRS.example.org"],
      ["virtual_mailbox_domains", "inline:{srs.example.org=OK}"],
      ["relay_domains", "example.org"],
    ])("does not route a domain that %s has", async (name, value) => {
      const { mainCf } = await inAndOut(`${name} = ${value}\n`);
      expect(mainCf.has("virtual_alias_domains")).toBe(false);
    });

    test("lets bounces to every domain that signed come back", async () => {
      const toml = '[srs]\nformer_domains = ["example.org", "old.example"]\n';
      const { mainCf } = await inAndOut("virtual_mailbox_domains = example.org\n", "", toml);
      expect(mainCf.get("virtual_alias_domains")).toBe("$virtual_alias_maps, srs.example.org, old.example");
    });

    test("lets bounces come back that another program has signed until now, and says so", async () => {
      const server = createServer((socket) => {
        socket.on("data", () => socket.write("200 SRS0=AAAA=BB=postvouch.invalid=probe@Old.example\n"));
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      const { port } = server.address() as AddressInfo;
      const maps = `sender_canonical_maps = tcp:127.0.0.1:${port}\n`;
      const { mainCf, said } = await inAndOut(maps);
      expect(mainCf.has("sender_canonical_maps")).toBe(false);
      expect(mainCf.get("virtual_alias_domains")).toBe("$virtual_alias_maps, srs.example.org, old.example");
      expect(said).toContain("srs.former_domains: old.example signed mail until now");
      const routed = await inAndOut(`${maps}virtual_mailbox_domains = old.example\n`);
      expect(routed.mainCf.get("virtual_alias_domains")).toBe("$virtual_alias_maps, srs.example.org");
      server.close();
    });

    test("adds the envelope to classes that lack it, and leaves the default alone", async () => {
      const { said, mainCf } = await inAndOut("recipient_canonical_classes = header_recipient\n");
      expect(mainCf.get("recipient_canonical_classes")).toBe("header_recipient, envelope_recipient");
      expect(said).toContain("your own maps begin to rewrite envelopes");
      expect((await inAndOut("")).mainCf.has("recipient_canonical_classes")).toBe(false);
    });

    test("uses the endpoints, the port and the transport that are configured", async () => {
      const toml = `[srs]
forward_transport = "again:[127.0.0.1]:2626"
[socketmap]
listen = ["0.0.0.0:20003"]
`;
      const { mainCf, services, overrides } = await inAndOut("", "", toml);
      expect(services).toEqual(["again", "127.0.0.1:2626", "srs-cleanup"]);
      expect(mainCf.get("sender_dependent_default_transport_maps")).toBe(
        "socketmap:inet:127.0.0.1:20003:forward-transport",
      );
      expect([...mainCf.keys()].filter((name) => name.startsWith("srs_"))).toEqual([]);
      expect(mainCf.get("again_destination_recipient_limit")).toBe("1000");
      expect(overrides.get("srs-cleanup/unix/sender_canonical_maps")).toBe("socketmap:inet:127.0.0.1:20003:forward");
    });

    test("writes IPv6 addresses where only IPv6 is spoken", async () => {
      const toml =
        '[srs]\nforward_transport = "srs:[::1]:12526"\n[socketmap]\nlisten = ["127.0.0.1:10003", "[::1]:10003"]\n';
      const { services, overrides } = await inAndOut("inet_protocols = ipv6\n", "", toml);
      expect(services).toEqual(["srs", "[::1]:12526", "srs-cleanup"]);
      expect(overrides.get("srs/unix/smtp_bind_address6")).toBe("::1");
      expect(overrides.get("[::1]:12526/inet/mynetworks")).toBe("[::1]/128");
    });

    test.each([
      ["inet_protocols = ipv6\n", "", /socketmap\.listen: .* inet_protocols = ipv6; listen on \[::1\]/],
      [
        "inet_protocols = ipv6\n",
        '[socketmap]\nlisten = ["[::1]:10003"]\n',
        /srs\.forward_transport: .*"srs:\[::1\]:12526"/,
      ],
      ["", '[srs]\nforward_transport = "smtp:[relay.example]"\n', /srs\.forward_transport: got "smtp:/],
      ["", "[socketmap]\nlisten = []\n", /socketmap\.listen: it is off; want an endpoint for setup forward-only/],
      ["", '[socketmap]\nlisten = ["fd:nosuch"]\n', /no postvouch\*\.socket unit .* FileDescriptorName=nosuch/],
    ])("refuses %j with %j", async (mainCf, toml, says) => {
      using files = postfixConfig(mainCf);
      await expect(apply(files.path, ["forward-only"], toml)).rejects.toThrow(says);
    });
  });

  describe("classic", () => {
    test("takes postsrsd's place, with the maps that are there", async () => {
      const { mainCf, said } = await putInAndOut(
        ["classic"],
        `sender_canonical_maps = inline:{a=b}, tcp:localhost:10001
sender_canonical_classes = envelope_sender
recipient_canonical_maps = tcp:localhost:10002
recipient_canonical_classes= envelope_recipient,header_recipient
`,
      );
      expect(mainCf.get("sender_canonical_maps")).toBe("inline:{a=b}, socketmap:inet:127.0.0.1:10003:forward");
      expect(mainCf.get("recipient_canonical_maps")).toBe("socketmap:inet:127.0.0.1:10003:reverse");
      expect(mainCf.get("virtual_alias_domains")).toBe("$virtual_alias_maps, srs.example.org");
      expect(said).toContain("sender_canonical_maps: takes out tcp:localhost:10001, in whose place ours comes");
    });

    test("mends the how-to that has no classes, no blank and localhost", async () => {
      const { mainCf } = await putInAndOut(
        ["classic"],
        "sender_canonical_maps = hash:/etc/postfix/sender_canonical,tcp:localhost:10001\nrecipient_canonical_maps = tcp:localhost:10002\n",
      );
      expect(mainCf.get("sender_canonical_maps")).toBe(
        "hash:/etc/postfix/sender_canonical, socketmap:inet:127.0.0.1:10003:forward",
      );
      expect(mainCf.get("sender_canonical_classes")).toBe("envelope_sender");
    });

    test("says what its class means for maps that rewrote headers", async () => {
      const { said, mainCf } = await putInAndOut(["classic"], "sender_canonical_maps = inline:{a=b}\n");
      expect(mainCf.get("sender_canonical_classes")).toBe("envelope_sender");
      expect(said).toContain("sender_canonical_classes: inline:{a=b} no longer rewrites headers, only envelopes");
    });

    test("uses tcp_table(5) where socketmap is off", async () => {
      const { mainCf } = await putInAndOut(["classic"], "", "", "[socketmap]\nlisten = []\n");
      expect(mainCf.get("sender_canonical_maps")).toBe("tcp:127.0.0.1:10001");
      expect(mainCf.get("recipient_canonical_maps")).toBe("tcp:127.0.0.1:10002");
    });

    test("takes the place of forward-only, and forward-only of it", async () => {
      using files = postfixConfig("relayhost = x.test\n");
      const before = everything(files.path);
      await put(apply(files.path, ["forward-only"]));
      const first = everything(files.path);
      await put(apply(files.path, ["classic", "policy"]));
      expect(readBack(files.path).services).toEqual([]);
      expect(readBack(files.path).mainCf.get("sender_canonical_maps")).toContain(":forward");
      await put(apply(files.path, ["forward-only"]));
      expect(readBack(files.path).mainCf.get("smtpd_recipient_restrictions")).toContain("10030");
      await put(undo(files.path, ["policy"]));
      expect(everything(files.path)).toEqual(first);
      await put(undo(files.path));
      expect(everything(files.path)).toEqual(before);
    });
  });

  describe("bounces-only", () => {
    test("goes back to what was before forward-only, but for the way of bounces", async () => {
      using files = postfixConfig("sender_canonical_maps = socketmap:inet:127.0.0.1:10003:forward\n");
      await put(apply(files.path, ["forward-only"]));
      await put(apply(files.path, ["bounces-only"]));
      const { mainCf, services } = readBack(files.path);
      expect(services).toEqual([]);
      expect(mainCf.get("sender_canonical_maps")).toBe("socketmap:inet:127.0.0.1:10003:forward");
      expect(mainCf.get("recipient_canonical_maps")).toMatch(PIPE);
      expect(mainCf.get("virtual_alias_domains")).toContain("srs.example.org");
    });

    test("leaves a map that leads back already", async () => {
      const { mainCf } = await putInAndOut(["bounces-only"], "recipient_canonical_maps = tcp:localhost:10002\n");
      expect(mainCf.get("recipient_canonical_maps")).toBe("tcp:localhost:10002");
      expect(mainCf.get("virtual_alias_domains")).toContain("srs.example.org");
    });

    test("takes out a second pass that was pasted", async () => {
      const { mainCf, services } = await putInAndOut(
        ["bounces-only"],
        "sender_dependent_default_transport_maps = inline:{x=y}, socketmap:inet:127.0.0.1:10003:forward-transport\nsrs_destination_rate_delay = 0s\n",
        "srs unix - - n - - smtp\n127.0.0.1:12526 inet n - n - - smtpd\nsrs-cleanup unix n - n - 0 cleanup\n",
      );
      expect(services).toEqual([]);
      expect(mainCf.get("sender_dependent_default_transport_maps")).toBe("inline:{x=y}");
      expect(mainCf.has("srs_destination_rate_delay")).toBe(false);
    });
  });

  describe("policy", () => {
    const OURS = "check_policy_service { inet:127.0.0.1:10030, timeout=30s }";
    const CLOSED = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination";
    const list = async (mainCf: string, masterCf = "", toml = "") =>
      (await putInAndOut(["policy"], mainCf, masterCf, toml)).mainCf.get("smtpd_recipient_restrictions");

    const SPAWN = "spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf\n";
    const of = (value: string): string => `smtpd_recipient_restrictions = ${value}\n`;

    test.each([
      ["nothing", "", `${CLOSED}, ${OURS}`],
      [
        "a list that ends relaying",
        of(`${CLOSED}, reject_rbl_client x.test`),
        `${CLOSED}, ${OURS}, reject_rbl_client x.test`,
      ],
      [
        "a list over lines",
        "smtpd_recipient_restrictions =\n  permit_mynetworks\n# remark\n  defer_unauth_destination\n  permit\n",
        `permit_mynetworks, defer_unauth_destination, ${OURS}, permit`,
      ],
      [
        "policyd-spf",
        of(`${CLOSED}, check_policy_service unix:private/policyd-spf, permit`),
        `${CLOSED}, ${OURS}, permit`,
      ],
      [
        "policyd-spf with options, behind others",
        of(
          `${CLOSED}, check_policy_service inet:127.0.0.1:10023, check_policy_service { unix:private/policy-spf, default_action=DUNNO }`,
        ),
        `${CLOSED}, check_policy_service inet:127.0.0.1:10023, ${OURS}`,
      ],
      [
        "policyd-spf in braces without blanks, over lines with a remark",
        of(
          `${CLOSED},\n  check_policy_service\n# SPF\n   {unix:private/policyd-spf} , check_helo_access inline:{{a=b}}`,
        ),
        `${CLOSED}, ${OURS}, check_helo_access inline:{{a=b}}`,
      ],
      [
        "policyd-spf before the end of relaying",
        of(`check_policy_service unix:private/policyd-spf, ${CLOSED}`),
        `${CLOSED}, ${OURS}`,
      ],
      [
        "ours already, with other options",
        of(`${CLOSED}, check_policy_service inet:127.0.0.1:10030`),
        `${CLOSED}, ${OURS}`,
      ],
      [
        "the end of relaying behind a name",
        `a = ${CLOSED}\n${of("$a, reject_invalid_helo_hostname")}`,
        `${CLOSED}, ${OURS}, reject_invalid_helo_hostname`,
      ],
      [
        "a list that leaves relaying to another",
        of("reject_non_fqdn_recipient"),
        `reject_non_fqdn_recipient, ${CLOSED}, ${OURS}`,
      ],
      [
        "another list that lets more relay",
        `smtpd_relay_restrictions = permit_mynetworks, check_client_access inline:{x=y}, reject_unauth_destination\n${of("")}`,
        `permit_mynetworks, check_client_access inline:{x=y}, reject_unauth_destination, ${OURS}`,
      ],
    ])("goes right behind the end of relaying in %s", async (_, mainCf, wanted) => {
      expect(await list(mainCf)).toBe(wanted);
    });

    test("knows policyd-spf by its program, in every list", async () => {
      const { mainCf, said } = await putInAndOut(
        ["policy"],
        `smtpd_sender_restrictions = check_policy_service unix:private/spf, permit\n`,
        SPAWN,
      );
      expect(mainCf.get("smtpd_sender_restrictions")).toBe("permit");
      expect(said).toContain("smtpd_sender_restrictions: takes out check_policy_service unix:private/spf");
    });

    test("waits longer than the service takes", async () => {
      expect(await list("", "", '[policy]\ntime_limit = "40s"\n')).toContain("timeout=45s");
    });

    test.each([
      ["by port", "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n", "submission/inet"],
      ["by number", "192.0.2.1:465 inet n - y - - smtpd\n", "192.0.2.1:465/inet"],
      [
        "by whom it lets in",
        "2525 inet n - y - - smtpd\n  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n",
        "2525/inet",
      ],
    ])("leaves submission as it was, known %s", async (_, masterCf, id) => {
      const { overrides, said } = await putInAndOut(
        ["policy"],
        of(`${CLOSED}, check_client_access inline:{x=y}`),
        masterCf,
      );
      expect(overrides.get(`${id}/smtpd_recipient_restrictions`)).toBe(
        "permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination,check_client_access,inline:{x=y}",
      );
      expect(said).toContain(`master.cf: ${id} keeps smtpd_recipient_restrictions as it was`);
    });

    test("leaves submission as it was where its list does not fit into master.cf", async () => {
      const policy = "check_policy_service { inet:127.0.0.1:10023, timeout=3s }";
      const { overrides, mainCf } = await putInAndOut(
        ["policy"],
        of(`${CLOSED}, ${policy}`),
        "587 inet n - y - - smtpd\n",
      );
      const [name = ""] = [...mainCf.keys()].filter((key) => key.startsWith("postvouch_"));
      expect(mainCf.get(name)).toBe(`${CLOSED}, ${policy}`);
      expect(overrides.get("587/inet/smtpd_recipient_restrictions")).toBe(`$${name}`);
    });

    test("tells of what stays in the way", async () => {
      const { said } = await putInAndOut(
        ["policy"],
        "smtpd_restriction_classes = strict\nstrict = check_policy_service unix:private/policyd-spf\n",
        "smtp inet n - y - - smtpd\n  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n",
      );
      expect(said).toContain("strict: check_policy_service unix:private/policyd-spf stays. Take it out");
      expect(said).toContain("master.cf: smtp/inet has a smtpd_recipient_restrictions of its own, which stays");
    });

    test("does not touch a submission with a list of its own", async () => {
      const own =
        "submission inet n - y - - smtpd\n  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n";
      const { overrides } = await putInAndOut(["policy"], "", own);
      expect(overrides.get("submission/inet/smtpd_recipient_restrictions")).toBe("permit_sasl_authenticated,reject");
    });
  });

  test("finds the sockets of systemd's units by name", () => {
    using directory = postfixConfig("");
    directory.write("postvouch-maps.socket", "[Socket]\nListenStream=/run/first\nFileDescriptorName=maps\n");
    directory.write("other.socket", "[Socket]\nListenStream=/run/other\nFileDescriptorName=other\n");
    const units = join(import.meta.dirname, "../../deploy/systemd");
    expect([...unitSockets([directory.path, units, "/nosuch"])]).toEqual([
      ["maps", { type: "unix", path: "/run/first" }],
      ["policy", { type: "unix", path: "/var/spool/postfix/postvouch/policy" }],
    ]);
  });

  describe("sockets", () => {
    const toml = (path: string): string =>
      `[socketmap]\nlisten = ["unix:${path}"]\n[policy]\nlisten = ["unix:${path}p"]\n`;

    test("below the queue directory are named relative to it, for chroots", async () => {
      const { mainCf } = await putInAndOut(
        ["classic", "policy"],
        "queue_directory = /var/spool/postfix\n",
        "smtp inet n - y - - smtpd\n",
        toml("/var/spool/postfix/postvouch/maps"),
      );
      expect(mainCf.get("sender_canonical_maps")).toBe("socketmap:unix:postvouch/maps:forward");
      expect(mainCf.get("smtpd_recipient_restrictions")).toContain("{ unix:postvouch/mapsp, timeout=30s }");
    });

    test("elsewhere are no use in a chroot", async () => {
      using files = postfixConfig("");
      files.write("master.cf", "cleanup unix n - y - 0 cleanup\n");
      const socket = toml("/run/postvouch/maps");
      await expect(apply(files.path, ["forward-only"], socket)).rejects.toThrow(
        /cleanup\/unix of master\.cf runs in a chroot; listen on 127\.0\.0\.1, or on a path below/,
      );
      // Another endpoint that does is taken instead.
      expect((await apply(files.path, ["classic"], socket)).made["main.cf"]).toContain("= tcp:127.0.0.1:10001");
      files.write("master.cf", "cleanup unix n - n - 0 cleanup\n");
      expect((await apply(files.path, ["classic"], socket)).made["main.cf"]).toContain(
        "socketmap:unix:/run/postvouch/maps:",
      );
    });
  });

  test.each([
    ["nothing of SRS", "", "", ["forward-only", "policy"]],
    ["postsrsd", "sender_canonical_maps = tcp:localhost:10001\n", "", ["classic", "policy"]],
    ["a host without socketmap", "", "[socketmap]\nlisten = []\n", ["classic", "policy"]],
    [
      "a host that only checks SPF",
      "",
      "[socketmap]\nlisten = []\n[tcptable]\nforward = []\nreverse = []\n",
      ["policy"],
    ],
    ["a host without SPF", "", "[policy]\nlisten = []\n", ["forward-only"]],
  ] as const)("suggests parts for %s", async (_, mainCf, toml, parts) => {
    using files = postfixConfig(mainCf);
    expect((await apply(files.path, [], toml)).parts).toEqual(parts);
  });
});
