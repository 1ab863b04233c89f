import { describe, expect, test } from "vitest";
import { readPostfixNames } from "../../src/setup/postfix-names.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";

const missing = requirePrograms("postconf");

/** Reads the names of a Postfix with these lines in main.cf. */
async function namesOf(mainCf: string, mailname = ""): ReturnType<typeof readPostfixNames> {
  using config = postfixConfig(
    `myhostname = mail.hoster.test\n${mainCf.replace("FILE", "$config_directory/mailname")}\n`,
  );
  if (mailname !== "") config.write("mailname", mailname);
  process.env.MAIL_CONFIG = config.path;
  try {
    return await readPostfixNames();
  } finally {
    delete process.env.MAIL_CONFIG;
  }
}

describe.skipIf(missing !== undefined)(`Postfix's own names ${missing ?? ""}`, () => {
  test.each([
    { mainCf: "", origin: "mail.hoster.test" },
    { mainCf: "myorigin = web01.hoster.test", origin: "web01.hoster.test" },
    { mainCf: "myorigin = $mydomain", origin: "hoster.test" },
    { mainCf: "myorigin = FILE", mailname: "web01.hoster.test\n", origin: "web01.hoster.test" },
    { mainCf: "myorigin = /no/such/file", origin: "" },
  ])('with "$mainCf" myorigin is "$origin"', async ({ mainCf, mailname, origin }) => {
    expect((await namesOf(mainCf, mailname)).origin).toBe(origin);
  });

  test.each([
    { mainCf: "", sender: "Double-Bounce@mail.hoster.test", own: true },
    { mainCf: "", sender: "double-bouncex@mail.hoster.test", own: false },
    { mainCf: "myorigin = a.test", sender: "double-bounce@a.test", own: true },
    { mainCf: "double_bounce_sender = nobody", sender: "nobody@mail.hoster.test", own: true },
    { mainCf: "address_verify_sender = probe@else.test", sender: "probe@else.test", own: true },
    { mainCf: "address_verify_sender = probe@else.test", sender: "probe7@else.test", own: false },
    {
      mainCf: "address_verify_sender = probe@else.test\naddress_verify_sender_ttl = 1d",
      sender: "probe7B@else.test",
      own: true,
    },
    {
      mainCf: "address_verify_sender = probe@else.test\naddress_verify_sender_ttl = 1d",
      sender: "probe.x@else.test",
      own: false,
    },
    { mainCf: "address_verify_sender = <>", sender: "<>", own: true },
    { mainCf: "address_verify_sender =", sender: "x@", own: false },
  ])('with "$mainCf", $sender is its own sender: $own', async ({ mainCf, sender, own }) => {
    expect((await namesOf(mainCf)).isOwnSender(sender)).toBe(own);
  });
});

test("where there is no Postfix, there are no names", async () => {
  process.env.MAIL_CONFIG = "/no/such/directory";
  const { hostname, domain, origin } = await readPostfixNames().finally(() => delete process.env.MAIL_CONFIG);
  expect({ hostname, domain, origin }).toEqual({ hostname: "", domain: "", origin: "" });
});
