/**
 * A forwarder as thousands are run: postsrsd 1.10 in canonical maps, policyd-spf, OpenDKIM and an OpenDMARC that
 * rejects, all as Debian has them but for their paths and ports.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ServerProcess, startServer } from "../../helpers/server-process.ts";
import { Admin } from "./admin.ts";
import { run } from "./command.ts";
import { fwd, origin } from "./hosts.ts";
import type { Lab } from "./lab.ts";
import type { DnsRecord } from "./nameserver.ts";
import type { MailHost } from "./postfix-files.ts";

/** Programs of the neighbours, beside those that every lab wants. */
export const NEIGHBOURS = ["postsrsd", "opendkim", "opendmarc", "setpriv"] as const;

/** The domain of the mail that is forwarded: it has SPF, no DKIM, and wants what fails DMARC to be refused. */
export const SPF_ONLY: DnsRecord = '_dmarc.origin.test. TXT "v=DMARC1; p=reject"';

/** bob's host, where every address that begins with his name, and what an SRS1 address leads to, is his. */
export function originOfAll(): MailHost {
  return origin({ mainCf: "virtual_alias_maps = regexp:{ {/^(bob|srs0=).*@origin\\.test/ bob@origin.test} }\n" });
}

/** dave has a mailbox, team is dave and alice, hold is alice's address that is put off. */
export function classicHost({ mainCf = "", masterCf = "" }: Pick<MailHost, "mainCf" | "masterCf"> = {}): MailHost {
  return fwd({
    masterCf,
    mainCf: `virtual_mailbox_domains = fwd.test
virtual_mailbox_maps = inline:{ {dave@fwd.test = dave/} }
virtual_alias_maps = inline:{ {team@fwd.test = dave@fwd.test,alice@dest.test} {hold@fwd.test = hold@dest.test} }
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
  check_policy_service unix:private/policyd-spf
smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893
milter_default_action = tempfail
${readFileSync("/usr/share/doc/postsrsd/main.cf.ex", "latin1")}${mainCf}`,
  });
}

const OPENDKIM = `Socket inet:8891@127.0.0.1
Syslog no
`;

const OPENDMARC = `Socket inet:8893@127.0.0.1
AuthservID mail.fwd.test
TrustedAuthservIDs mail.fwd.test
IgnoreHosts /dev/null
RejectFailures true
SPFIgnoreResults false
SPFSelfValidate false
RequiredHeaders false
`;

/**
 * Starts the neighbours on the host `fwd`, and gives the admin who has them and postvouch at hand.
 *
 * @param opendkim what OpenDKIM does, by lines of its file
 */
export async function startClassicHost(lab: Lab, opendkim = "Mode v\n"): Promise<Admin> {
  const admin = new Admin(lab, lab.host("fwd"));
  admin.write("opendkim.conf", OPENDKIM + opendkim);
  admin.write("opendmarc.conf", OPENDMARC);
  const filters = { opendkim: ["-x", 8891], opendmarc: ["-c", 8893] } as const;
  for (const [name, [option, port]] of Object.entries(filters)) {
    const argv = [name, "-f", option, join(admin.etc, `${name}.conf`)];
    admin.addUnit(name, { start: async () => lab.use(await startOn(lab, argv, port)) });
  }
  admin.write("postsrsd.secret", "a secret of postsrsd's postinst");
  const below = (file: string): string => readFileSync(file, "latin1").replaceAll("/etc/", `${admin.etc}/`);
  admin.write("default/postsrsd", below("/etc/default/postsrsd"));
  const spf = "postfix-policyd-spf-python/policyd-spf.conf";
  admin.write(spf, readFileSync(`/etc/${spf}`, "latin1"));
  const launcher = join(admin.etc, "bin/launcher");
  writeFileSync(launcher, below("/usr/share/postsrsd/postsrsd-systemd-launcher"), { mode: 0o755 });
  const env = ["env", `MAIL_CONFIG=${lab.host("fwd").configDir}`];
  admin.addUnit("postsrsd", { start: () => startOn(lab, [...env, launcher], 10_001) });
  let daemon: Awaited<ReturnType<Lab["startPostvouch"]>> | undefined;
  const toml = (): string => readFileSync(join(admin.etc, "postvouch/postvouch.toml"), "utf8");
  admin.addUnit("postvouch", {
    start: async () => {
      const credentials = { CREDENTIALS_DIRECTORY: join(admin.etc, "postvouch") };
      daemon = await lab.startPostvouch("fwd", toml(), { ...credentials, MAIL_CONFIG: lab.host("fwd").configDir });
      return daemon;
    },
    reload: async () => daemon?.reload(toml()),
  });
  await admin.does("systemctl start postsrsd opendkim opendmarc");
  return admin;
}

/** Runs a server on the host until it listens on a port. */
async function startOn(lab: Lab, argv: readonly string[], port: number): Promise<ServerProcess> {
  const [program = "", ...args] = lab.on("fwd", argv);
  const listens = lab.on("fwd", ["ss", "-Hltn", `sport = :${port}`]);
  return startServer(program, args, { isReady: async () => (await run(listens)) !== "" });
}
