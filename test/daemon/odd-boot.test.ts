/** Tests a start before its sources of own domains are there, as on a host that boots in an odd order. */
import { describe, expect, test } from "vitest";
import { postvouch, scratch } from "../helpers/daemon.ts";

const TEMPFAIL = 75;
const CONFIG = 78;

describe("a start ends with the code that systemd", () => {
  test.each([
    { what: "a list that is not there", own: 'files = ["ABSENT"]', effect: "tries again after", status: TEMPFAIL },
    {
      what: "a table whose file is not there",
      own: 'postfix_tables = ["texthash:ABSENT"]',
      effect: "tries again after",
      status: TEMPFAIL,
    },
    { what: "a list with a wrong entry", own: 'files = ["WRONG"]', effect: "does not try again after", status: CONFIG },
    {
      what: "a list that is not there beside a wrong one",
      own: 'files = ["ABSENT", "WRONG"]',
      effect: "does not try again after",
      status: CONFIG,
    },
    { what: "a table that is none", own: 'postfix_tables = ["x"]', effect: "does not try again after", status: CONFIG },
  ])("$effect: $what", ({ own, status }) => {
    using dir = scratch();
    const wrong = dir.write("wrong", "not a domain!\n");
    const listeners =
      "[tcptable]\nforward = []\nreverse = []\n[socketmap]\nlisten = []\n[policy]\nlisten = []\n[metrics]\nlisten = []\n";
    const sources = own.replace("ABSENT", `${dir.path}/absent`).replace("WRONG", wrong);
    const config = dir.write(
      "p.toml",
      `hostname = "mx.test"\nstate_dir = "${dir.path}"\n${listeners}[srs]\ndomain = "srs.test"\n[srs.own_domains]\n${sources}\n`,
    );
    const ran = postvouch(["serve", "--config", config]);
    expect(ran).toMatchObject({ status, stderr: expect.stringContaining("own_domains") });
    expect(postvouch(["check-config", "--config", config]).status).toBe(CONFIG);
  });
});
