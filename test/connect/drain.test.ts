/** The time between canonical maps and forward-only, when both are in main.cf. */
import { describe, expect, test } from "vitest";
import { filesBetween } from "../../src/connect/host/drain.ts";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { apply, put, undo } from "./planning.ts";

const missing = requirePrograms("postconf");

const SENDERS = /^sender_canonical_maps = (?:tcp:127\.0\.0\.1:10001|socketmap:.*:forward)$/m;
const PASS = /^sender_dependent_default_transport_maps = .*:forward-transport$/m;

describe.skipIf(missing !== undefined)(
  `between canonical maps and the second pass ${missing ?? ""}`,
  { timeout: 60_000 },
  () => {
    test("both rewrite, whichever way it goes", async () => {
      using files = postfixConfig("sender_canonical_maps = tcp:127.0.0.1:10001\n");
      const there = await apply(files.path, ["forward-only"]);
      const coming = await filesBetween(files.path, there.now, there.made);
      expect(coming?.pass).toBe("comes");
      expect(coming?.files["master.cf"]).toBe(there.made["master.cf"]);
      await put(apply(files.path, ["forward-only"]));
      const back = await undo(files.path);
      const going = await filesBetween(files.path, back.now, back.made);
      const classic = await apply(files.path, ["classic"]);
      const toClassic = await filesBetween(files.path, classic.now, classic.made);
      for (const between of [coming, going, toClassic]) {
        expect(between?.files["main.cf"]).toMatch(SENDERS);
        expect(between?.files["main.cf"]).toMatch(PASS);
        expect(between?.files["main.cf"]).toContain("\nsrs_destination_rate_delay = 0s\n");
      }
      for (const between of [going, toClassic]) {
        expect(between).toMatchObject({ pass: "goes", files: { "master.cf": back.now["master.cf"] } });
      }
    });

    test("there is no time where nothing rewrites in its place, or it stays", async () => {
      using files = postfixConfig("sender_canonical_maps = inline:{a=b}\n");
      const first = await apply(files.path, ["forward-only"]);
      expect(await filesBetween(files.path, first.now, first.made)).toBeUndefined();
      await put(apply(files.path, ["forward-only"]));
      for (const change of [await undo(files.path), await apply(files.path, ["policy"])]) {
        expect(await filesBetween(files.path, change.now, change.made)).toBeUndefined();
      }
    });
  },
);
