/** The parts of mail authentication that check, for the daemon and for `postvouch mail verify`. */
import { createRelays } from "../authentication/relay.ts";
import type { CheckParts } from "../authentication/settings.ts";
import { authenticationSettings, dkimPolicy } from "../config/settings.ts";
import { KeyRecords } from "../dkim/key-record.ts";
import { createDisposer } from "../dmarc/disposition.ts";
import type { Setup } from "./setup.ts";

export function createCheckParts(
  setup: Setup,
  { resolver, checker, timeMs }: Pick<CheckParts, "resolver" | "checker"> & { readonly timeMs: () => number },
): CheckParts {
  const settings = authenticationSettings(setup.config, setup);
  return {
    settings,
    checker,
    dkim: { ...dkimPolicy(setup.config), resolver, keys: new KeyRecords(), timeMs },
    disposer: createDisposer(settings.dmarc),
    relays: createRelays(settings),
    resolver,
    clockMs: () => performance.now(),
  };
}
