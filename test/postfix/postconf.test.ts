import { describe, expect, test } from "vitest";
import { readParameters } from "../../src/postfix/postconf.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";

const missing = requirePrograms("postconf");

describe.skipIf(missing !== undefined)(`readParameters, with Postfix's own postconf ${missing ?? ""}`, () => {
  test("expands names, joins continued lines and knows defaults", async () => {
    using config = postfixConfig(
      "mydomain = a.test\nmyhostname = mx.a.test\nmydestination = $myhostname,\n    localhost.$mydomain\nrelay_domains =\n",
    );
    const values = await readParameters(["mydestination", "relay_domains", "virtual_alias_domains", "no_such_thing"], {
      configDir: config.path,
    });
    expect(Object.fromEntries(values)).toEqual({
      mydestination: "mx.a.test, localhost.a.test",
      relay_domains: "",
      virtual_alias_domains: "",
    });
  });

  test("says what Postfix says when there is no main.cf", async () => {
    const reading = readParameters(["mydestination"], { configDir: "/proc/nonexistent" });
    await expect(reading).rejects.toThrow(/^Cannot read main\.cf: \S*postconf: fatal: .*No such file or directory$/);
  });
});
