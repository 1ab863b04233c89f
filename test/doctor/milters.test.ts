/** The commands of all checks of the milter, run one after the other as the report has them. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import { runChecks } from "../../src/doctor/run.ts";
import { CHECKS } from "../../src/doctor/table.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { factsOf, readFacts, type Situation } from "./facts.ts";
import { testKey, zoneOf } from "./keys.ts";

const missing = requirePrograms("postconf");

const KEY = testKey("example.org", "s1");

const GROWN: Situation = {
  mainCf: `smtpd_milters = unix:clamav/milter.sock, { inet:127.0.0.1:8892, default_action=reject },
  { inet:127.0.0.1:8891, default_action=accept, protocol=3, connect_timeout=5s }
non_smtpd_milters = { inet:127.0.0.1:8891, default_action=accept }, unix:clamav/milter.sock
milter_default_action = quarantine
milter_macro_daemon_name = ORIGINATING
milter_mail_macros = i
`,
  masterCf: `smtp inet n - n - - smtpd
587 inet n - n - - smtpd
  -o smtpd_milters=inet:127.0.0.1:8891,{unix:clamav/milter.sock,default_action=accept}
  -o milter_protocol=4
`,
  toml: '[milter]\nlisten = ["127.0.0.1:8891"]\n',
  keys: [KEY],
  zone: zoneOf(KEY),
  neighbours: { opendkim: "Socket inet:8892@localhost\nAuthservID dkim.example.org\n" },
  answers: Object.fromEntries(
    ["127.0.0.1:8891", "127.0.0.1:8892", "/var/spool/postfix/clamav/milter.sock"].map((where) => [
      where,
      { status: "found", value: "" } as const,
    ]),
  ),
};

const wrongIn = async (facts: Awaited<ReturnType<typeof readFacts>>) => {
  const checks = CHECKS.filter(({ id }) => /^(?:milter|dkim|signed)/.test(id));
  return (await runChecks(checks, facts)).filter(({ status }) => status === "error" || status === "warning");
};

test.skipIf(missing !== undefined)(`no command of the doctor undoes another one ${missing ?? ""}`, async () => {
  const { facts, files } = await factsOf(GROWN);
  using _ = files;
  const found = await wrongIn(facts);
  expect(new Set(found.map(({ id }) => id))).toEqual(
    new Set(["default-action", "protocol", "macros", "bounces", "roles", "twice", "order"].map((id) => `milter-${id}`)),
  );
  for (const { mend } of found) {
    const [, command = ""] = /(postconf -\w+ .*) && postfix reload$/.exec(mend ?? "") ?? [];
    const env = { PATH: `${process.env.PATH}:/usr/sbin`, MAIL_CONFIG: files.path };
    expect(spawnSync("sh", ["-euc", command], { env }).status).toBe(0);
  }
  const after = await readFacts(GROWN, files.path);
  // Only now the service for submission has no name of its own any more.
  expect((await wrongIn(after)).map(({ reason }) => reason)).toEqual([
    expect.stringContaining("587 has neither a login"),
  ]);
  expect("known" in after.postfix && after.postfix.known.value("smtpd_milters")).toBe(
    "{ inet:127.0.0.1:8891, connect_timeout=5s }, unix:clamav/milter.sock",
  );
});

test.skipIf(missing !== undefined)("the endpoint of a milter that is off is one that milter.listen takes", async () => {
  const { facts, files } = await factsOf({ mainCf: "smtpd_milters = unix:postvouch/milter.sock\n" });
  using _ = files;
  const [found] = await runChecks(
    CHECKS.filter(({ id }) => id === "milter-use"),
    facts,
  );
  const [listen = ""] = /\[milter\] listen = .*?\]/.exec(found?.mend ?? "") ?? [];
  const { config, problems } = parseConfig(listen.replace(" ", "\n"), "x");
  expect(problems).toEqual([]);
  expect(config["milter.listen"]).toEqual([{ type: "unix", path: "/var/spool/postfix/postvouch/milter.sock" }]);
});
