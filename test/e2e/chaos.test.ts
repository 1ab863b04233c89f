/** The short form of `npm run chaos`: each fault for a moment, each message accounted for. */
import { describe, expect, test } from "vitest";
import { runCampaign } from "../chaos/campaign.ts";
import { SET_UPS } from "../chaos/set-up.ts";
import { requireLab } from "./lab/requires.ts";

const missing = requireLab();

describe.skipIf(missing !== undefined)(`faults under a real Postfix ${missing ?? ""}`, { timeout: 300_000 }, () => {
  test.each(SET_UPS)("%s: every message arrives once, comes back, or is refused for its own reason", async (setUp) => {
    const steps: string[] = [];
    const say = (line: string) => void steps.push(line);
    const result = await runCampaign({ setUp, messages: 100, secondsEach: 2, say });
    expect(result.faults, steps.join("\n")).toEqual([]);
    expect(result).toMatchObject({ deaths: 0, messages: 100, bounced: 10 });
    expect(result.delivered + result.refused).toBe(90);
    // The faults were felt.
    expect([...result.said.keys()]).toEqual(
      expect.arrayContaining(["error reload", "error store", "warn log", "info spf temperror"]),
    );
  });
});
