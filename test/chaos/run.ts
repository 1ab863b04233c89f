/**
 * `npm run chaos [-- OPTIONS]`: faults under a real Postfix, in network namespaces of its own (as root). See docs/trust.md.
 */
import { parseArgs } from "node:util";
import { runCampaign } from "./campaign.ts";
import { SET_UPS } from "./set-up.ts";

const OPTIONS = {
  /** For each set-up. */
  messages: { type: "string", default: "1000" },
  /** How long each fault goes on. */
  seconds: { type: "string", default: "10" },
  /** One of them alone. */
  "set-up": { type: "string" },
} as const;

const { values } = parseArgs({ options: OPTIONS });
const chosen = SET_UPS.filter((name) => values["set-up"] === undefined || values["set-up"] === name);
if (chosen.length === 0) {
  console.error(`Cannot run "${values["set-up"]}": want ${SET_UPS.join(" or ")}`);
  process.exit(64);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
for (const setUp of chosen) {
  const startMs = performance.now();
  const result = await runCampaign({
    setUp,
    messages: Number(values.messages),
    secondsEach: Number(values.seconds),
    say: (line) => console.log(line),
  });
  const { messages, delivered, refused, bounced, deferrals, deaths, faults, said } = result;
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
  console.log(
    `${setUp}: ${messages} messages in ${minutes} min: ${delivered} delivered, ${refused} refused, ${bounced} bounced back, ` +
      `${deferrals} deferrals on the way, ${deaths} deaths, ${faults.length} faults`,
  );
  console.log(`  said: ${[...said].map(([what, times]) => `${what} ${times}`).join(", ")}`);
  for (const fault of faults) console.log(`  ${fault}`);
  if (faults.length > 0 || deaths > 0) process.exitCode = 1;
}
