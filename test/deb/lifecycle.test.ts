/**
 * Installs, upgrades, uses, removes and purges the Debian package on a clean Debian with its own systemd and Postfix:
 * `npm run test:deb`.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildDeb } from "../../scripts/deb.ts";
import { DebianRoot, Machine, missingMachine } from "./machine.ts";

const isAsked = process.env.POSTVOUCH_TEST_DEB === "1";
const missing = isAsked ? missingMachine() : "npm run test:deb";

const MINUTES = 60_000;
const CONFIG = `hostname = "mx.home.test"
[srs]
domain = "srs.home.test"
[srs.own_domains]
postfix_classes = true
[dns]
servers = ["127.0.0.1:9"]
[policy.mail_from]
temperror = "tag"
`;

/** Classic canonical maps, the policy service, and a client that may say that it is another one. */
const MAIN_CF = `myhostname = mx.home.test
mydestination = home.test, localhost
inet_interfaces = loopback-only
sender_canonical_maps = socketmap:inet:127.0.0.1:10003:forward
sender_canonical_classes = envelope_sender
recipient_canonical_maps = socketmap:inet:127.0.0.1:10003:reverse
recipient_canonical_classes = envelope_recipient, header_recipient
virtual_alias_domains = srs.home.test
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
    check_policy_service { inet:127.0.0.1:10030, timeout=30s }
`;

/** Says an SMTP dialogue to Postfix, as the client 192.0.2.1, and prints the replies. */
const SEND = `exec 3<>/dev/tcp/127.0.0.1/25
say() { printf '%s\\r\\n' "$1" >&3; }
read -r line <&3; echo "$line"
for word in 'EHLO x' 'XCLIENT ADDR=192.0.2.1 NAME=mx.elsewhere.test' 'HELO mx.elsewhere.test' 'MAIL FROM:<someone@elsewhere.test>' \
  "RCPT TO:<$1>" DATA; do
  say "$word"
  while read -r line <&3; do echo "$line"; case "$line" in ???-*) ;; *) break ;; esac; done
done
say 'Subject: test'; say ''; say 'Hello'; say .
read -r line <&3; echo "$line"
say QUIT
`;

describe.skipIf(missing !== undefined)(`the Debian package on a Debian of its own (${missing ?? "booted"})`, () => {
  const folder = mkdtempSync(join(tmpdir(), "postvouch-debs-"));
  let root: DebianRoot;
  let machine: Machine;
  const debs: string[] = [];

  beforeAll(async () => {
    for (const version of ["0.0.9", undefined]) debs.push(buildDeb(folder, { version, quick: true }));
    root = new DebianRoot();
    for (const deb of debs) copyFileSync(deb, join(root.path, "root", basename(deb)));
    root.write("root/send.sh", SEND);
    machine = await Machine.boot(root);
  }, 10 * MINUTES);

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    root?.[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const deb = (at: number) => `/root/${basename(debs[at] ?? "")}`;
  const stateOf = (unit: string) =>
    machine.sh(`systemctl is-enabled ${unit}; systemctl is-active ${unit}`).stdout.trim().split("\n");
  const map = (name: string, address: string) =>
    machine.sh(`postmap -q '${address}' socketmap:inet:127.0.0.1:10003:${name}`).stdout.trim();

  test("is installed beside a postsrsd that runs, and leaves it alone", { timeout: 3 * MINUTES }, async () => {
    await machine.until("systemctl is-active postsrsd");
    const { status, stderr } = machine.sh(`dpkg -i ${deb(0)}`);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining("postvouch: not started, because postsrsd is installed and has the same ports"),
    });
    expect(stateOf("postsrsd")).toEqual(["enabled", "active"]);
    expect(stateOf("postvouch")).toEqual(["disabled", "inactive"]);
    expect(machine.sh("stat -c '%U %a' /var/lib/postvouch; id -un postvouch").stdout).toBe(
      "postvouch 700\npostvouch\n",
    );
  });

  test("takes over with the command that it names, and Postfix uses it", { timeout: 3 * MINUTES }, async () => {
    machine.write("etc/postvouch/postvouch.toml", CONFIG);
    machine.write("etc/postfix/main.cf", MAIN_CF);
    machine.write("etc/aliases", "postmaster: root\n");
    machine.sh(
      "newaliases; systemctl disable --now postsrsd; systemctl enable --now postvouch; systemctl restart postfix",
    );
    await machine.until("systemctl is-active postvouch && journalctl -u postvouch | grep 'info listening'");
    expect(stateOf("postsrsd")).toEqual(["disabled", "inactive"]);
    const rewritten = map("forward", "someone@elsewhere.test");
    expect(rewritten).toMatch(/^SRS0=.*@srs\.home\.test$/);
    expect(map("reverse", rewritten)).toBe("someone@elsewhere.test");
    await machine.until("bash -c ': </dev/tcp/127.0.0.1/25'");
    expect(machine.sh("bash /root/send.sh root@home.test").stdout).toMatch(/^250 2\.0\.0 Ok: queued/m);
    const mail = await machine.until("grep -A99 '^From ' /var/mail/root");
    expect(mail).toMatch(/^Return-Path: <SRS0=.*@srs\.home\.test>$/m);
    expect(mail).toMatch(/^Received-SPF: .*client-ip=192\.0\.2\.1/ms);
  });

  test("runs as its user, with nothing that systemd could still take away", async () => {
    const pid = machine.sh("systemctl show -p MainPID --value postvouch").stdout.trim();
    const status = machine.sh(`cat /proc/${pid}/status`).stdout;
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(machine.sh(`stat -c %U /proc/${pid}`).stdout).toBe("postvouch\n");
    const state = machine.sh("stat -c '%U %a' /var/lib/postvouch /var/lib/postvouch/srs.secrets").stdout;
    expect(state).toBe("postvouch 700\npostvouch 600\n");
    expect(machine.sh("systemd-analyze security --threshold=13 postvouch.service").status).toBe(0);
    expect(machine.sh("journalctl -u postvouch -o short").stdout).toMatch(
      / postvouch\[\d+\]: info spf client=192\.0\.2\.1 /,
    );
  });

  test("has its commands, pages and completions", () => {
    expect(machine.sh("postvouch --version").stdout).toBe("0.0.9\n");
    expect(machine.sh("runuser -u postvouch -- postvouch check-config").stdout).toContain("ok");
    const files = machine.sh("dpkg -L postvouch").stdout;
    for (const path of [
      "man8/postvouch.8.gz",
      "completions/postvouch",
      "_postvouch",
      "postvouch.fish",
      "postvouch.cdx.json",
    ])
      expect(files).toContain(path);
  });

  test("is upgraded: the configuration, the secret and the service stay", { timeout: 3 * MINUTES }, async () => {
    const before = map("forward", "someone@elsewhere.test");
    const pid = machine.sh("systemctl show -p MainPID --value postvouch").stdout;
    const { status, stdout, stderr } = machine.sh(`dpkg -i ${deb(1)}`);
    expect({ status, stderr, stdout }).toMatchObject({ status: 0, stderr: "" });
    await machine.until(
      "journalctl -u postvouch | grep 'version=0.1.0' && postmap -q a@x.test socketmap:inet:127.0.0.1:10003:forward",
    );
    expect(machine.sh("systemctl show -p MainPID --value postvouch").stdout).not.toBe(pid);
    expect(stateOf("postvouch")).toEqual(["enabled", "active"]);
    expect(machine.sh("cat /etc/postvouch/postvouch.toml").stdout).toBe(CONFIG);
    expect(map("reverse", before)).toBe("someone@elsewhere.test");
  });

  test("has its sockets in the queue directory, for Postfix's group", { timeout: 3 * MINUTES }, async () => {
    machine.write(
      "etc/postvouch/postvouch.toml",
      `${CONFIG}[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = ["fd:maps"]\n[policy]\nlisten = ["fd:policy"]\n`.replace(
        /\[policy\.mail_from\]\n.*\n/,
        "",
      ),
    );
    machine.sh(
      "systemctl stop postvouch; systemctl enable --now postvouch-maps.socket postvouch-policy.socket postvouch.service",
    );
    const asked = "cd /var/spool/postfix && postmap -q someone@elsewhere.test socketmap:unix:postvouch/maps:forward";
    expect(await machine.until(asked)).toMatch(/^SRS0=/);
    expect(machine.sh("stat -c '%U %G %a' /var/spool/postfix/postvouch/maps").stdout).toBe("root postfix 660\n");
    machine.write("etc/postvouch/postvouch.toml", CONFIG);
    machine.sh("systemctl disable --now postvouch-maps.socket postvouch-policy.socket; systemctl restart postvouch");
    await machine.until("postmap -q a@x.test socketmap:inet:127.0.0.1:10003:forward");
  });

  test("reads its secret from a credential of systemd", { timeout: 3 * MINUTES }, async () => {
    const dropIn = "/etc/systemd/system/postvouch.service.d";
    machine.sh(`umask 077; postvouch srs secret >/etc/postvouch/srs.secrets; umask 022; mkdir -p ${dropIn}
printf '[Service]\\nLoadCredential=srs.secrets:/etc/postvouch/srs.secrets\\n' >${dropIn}/secrets.conf
systemctl daemon-reload; systemctl restart postvouch`);
    const rewritten = await machine.until("postmap -q a@x.test socketmap:inet:127.0.0.1:10003:forward");
    const reverse = `CREDENTIALS_DIRECTORY=/etc/postvouch postvouch srs reverse '${rewritten.trim()}'`;
    expect(machine.sh(reverse)).toEqual({ status: 0, stdout: "a@x.test\n", stderr: "" });
    expect(machine.sh("stat -c '%U %a' /etc/postvouch/srs.secrets").stdout).toBe("root 600\n");
  });

  test("is removed: it warns that Postfix asks it, and keeps secrets and configuration", {
    timeout: 3 * MINUTES,
  }, () => {
    const { status, stderr } = machine.sh("dpkg -r postvouch");
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(
        /Postfix still asks postvouch.*\n\/etc\/postfix\/main\.cf:\d+:sender_canonical_maps = /,
      ),
    });
    expect(machine.sh("systemctl is-active postvouch").stdout).toBe("inactive\n");
    expect(machine.sh("cat /etc/postfix/main.cf").stdout).toBe(MAIN_CF);
    expect(machine.sh("cat /etc/postvouch/postvouch.toml").stdout).toBe(CONFIG);
    expect(machine.sh("cat /var/lib/postvouch/srs.secrets").status).toBe(0);
    expect(machine.sh("ls /usr/lib/postvouch /usr/bin/postvouch").status).not.toBe(0);
  });

  test("comes back where it was, and is purged without touching Postfix", { timeout: 3 * MINUTES }, async () => {
    expect(machine.sh(`dpkg -i ${deb(1)}`)).toMatchObject({ status: 0, stderr: "" });
    await machine.until("postmap -q a@x.test socketmap:inet:127.0.0.1:10003:forward");
    const { status, stderr } = machine.sh("dpkg -P postvouch");
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining("/etc/postfix still names postvouch, so Postfix defers mail"),
    });
    expect(machine.sh("cat /etc/postfix/main.cf").stdout).toBe(MAIN_CF);
    expect(machine.sh("ls -d /etc/postvouch /var/lib/postvouch /etc/fail2ban/filter.d/postvouch.conf").stdout).toBe("");
    expect(
      machine.sh("find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name 'postvouch*' -not -path '*.d*'")
        .stdout,
    ).toBe("");
  });

  test("starts at once on a host without a rival, with the state of an installation by hand", {
    timeout: 3 * MINUTES,
  }, async () => {
    // What DynamicUser= leaves.
    machine.sh(`rm -rf /etc/systemd/system/postvouch.service.d; dpkg -P postsrsd
mkdir -p -m 700 /var/lib/private; mkdir /var/lib/private/postvouch; ln -s private/postvouch /var/lib/postvouch
umask 077; echo tops3cr3t >/var/lib/private/postvouch/srs.secrets; chown -R 65000:65000 /var/lib/private/postvouch`);
    expect(machine.sh(`dpkg -i ${deb(1)}`)).toMatchObject({ status: 0 });
    expect(stateOf("postvouch")).toEqual(["enabled", "active"]);
    await machine.until("journalctl -u postvouch -n 20 | grep 'info listening'");
    const state =
      "stat -c '%F %U %a' /var/lib/postvouch /var/lib/postvouch/srs.secrets; cat /var/lib/postvouch/srs.secrets";
    expect(machine.sh(state).stdout).toBe("directory postvouch 700\nregular file postvouch 600\ntops3cr3t\n");
  });

  test("is not started where another program has one of the ports", { timeout: 3 * MINUTES }, async () => {
    machine.sh(
      "dpkg -P postvouch; systemd-run --unit=other /usr/bin/systemd-socket-activate -l 127.0.0.1:9797 /bin/true",
    );
    await machine.until("grep -q ':2645 .* 0A ' /proc/net/tcp");
    expect(machine.sh(`dpkg -i ${deb(1)}`)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("postvouch: not started, because another program has port 9797. When it is free"),
    });
    expect(stateOf("postvouch")).toEqual(["disabled", "inactive"]);
    machine.sh("systemctl stop other; systemctl enable --now postvouch");
    await machine.until("journalctl -u postvouch -n 20 | grep 'info listening'");
    expect(machine.sh(`dpkg -i ${deb(1)}`)).toMatchObject({ status: 0, stderr: "" });
    expect(stateOf("postvouch")).toEqual(["enabled", "active"]);
  });
});
