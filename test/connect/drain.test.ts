/** The time between forward-only and canonical maps, when both are in main.cf. */
import { describe, expect, test } from "vitest";
import { withSecondPass } from "../../src/connect/host/drain.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { apply, put, undo } from "./planning.ts";

const missing = requirePrograms("postconf");

describe.skipIf(missing !== undefined)(`the second pass ${missing ?? ""}`, { timeout: 60_000 }, () => {
  test("stays until the mail on its way is through, where canonical maps come back", async () => {
    using files = postfixConfig("sender_canonical_maps = tcp:127.0.0.1:10001\n");
    await put(apply(files.path, ["forward-only"]));
    for (const change of [await undo(files.path), await apply(files.path, ["classic"])]) {
      const between = await withSecondPass(files.path, change.now, change.made);
      expect(between?.["main.cf"]).toMatch(
        /^sender_canonical_maps = (?:tcp:127\.0\.0\.1:10001|socketmap:.*:forward)$/m,
      );
      expect(between?.["main.cf"]).toMatch(/^sender_dependent_default_transport_maps = .*:forward-transport$/m);
      expect(between?.["main.cf"]).toContain("\nsrs_destination_rate_delay = 0s\n");
      expect(between?.["master.cf"]).toBe(change.now["master.cf"]);
    }
  });

  test("goes at once where nothing rewrites in its place, or it stays", async () => {
    using files = postfixConfig("sender_canonical_maps = inline:{a=b}\n");
    await put(apply(files.path, ["forward-only"]));
    for (const change of [await undo(files.path), await apply(files.path, ["policy"])]) {
      expect(await withSecondPass(files.path, change.now, change.made)).toBeUndefined();
    }
  });
});
