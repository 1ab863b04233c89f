/** Collects what the status page shows. */

import { METHOD_RESULTS, METHODS } from "../authentication/report.ts";
import { LISTENER_KEYS, LISTENERS } from "../config/listeners.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { LastTime } from "../metrics/plain.ts";
import { MAPS } from "../net/lookup.ts";
import type { Setup } from "../setup/setup.ts";
import type { Activity } from "../status/activity.ts";
import type { KeyView, MilterView, StatusView } from "../status/view.ts";
import { parseStoreUrl } from "../store/url.ts";
import type { Generation, Lasting } from "./generation.ts";
import type { MailAuthentication } from "./mail-authentication.ts";
import type { SampledGroup } from "./traffic.ts";

/** What the daemon itself knows. */
interface Known {
  readonly version: string;
  readonly traffic: readonly SampledGroup[];
  readonly notReady: string | undefined;
  readonly secretsSinceMs: number;
  readonly dns: Omit<StatusView["dns"], "servers">;
}

export function statusView(
  { setup, resolver, storeUp, authentication }: Generation,
  { metrics, activity, ownDomains, listeners }: Lasting,
  { version, traffic, notReady, secretsSinceMs, dns }: Known,
): StatusView {
  const { config } = setup;
  const served = new Set(LISTENER_KEYS.filter((key) => config[key].length > 0).map((key) => LISTENERS[key].service));
  const last = (time: LastTime): number | undefined => {
    const seconds = time.unixSeconds();
    return seconds === 0 ? undefined : seconds * 1000;
  };
  const reload = metrics.lastReload();
  const lastSuccess = ownDomains.lastSuccess();
  return {
    hostname: setup.hostname,
    version,
    node: process.versions.node,
    nowMs: Date.now(),
    clockMs: performance.now(),
    startedMs: performance.timeOrigin,
    notReady,
    asked: [
      { name: "policy service", lastMs: served.has("policy") ? last(metrics.policyLastRequest) : "off" },
      ...MAPS.map((map) => {
        const isServed = served.has("socketmap") || (map !== "forward-transport" && served.has(map));
        return { name: `map ${map}`, lastMs: isServed ? last(activity.asked[map]) : ("off" as const) };
      }),
      ...(authentication === undefined ? [] : [{ name: "milter", lastMs: last(activity.handled) }]),
    ],
    config: { file: setup.configFile, readMs: reload.unixSeconds * 1000, isCurrent: reload.successful },
    srsDomain: setup.srsDomain,
    secrets: { count: setup.secrets.length, sinceMs: secretsSinceMs },
    // The kind alone: the rest of the URL may be a password.
    store: storeUp === undefined ? undefined : { kind: parseStoreUrl(config["srs.store.url"]).kind, isUp: storeUp },
    connections: listeners.connections(),
    traffic: traffic.filter(({ isMilter }) => !isMilter || authentication !== undefined),
    milter: authentication === undefined ? undefined : milterView(setup, authentication, metrics, activity),
    refusedMails: activity.mails.newest(),
    refusedLookups: activity.lookups.newest(),
    dns: { servers: resolver.servers(), ...dns },
    ownDomains: [...ownDomains.counts()].map(([source, count]) => {
      const seconds = lastSuccess.get(source);
      // The configuration itself is always read.
      return { source, count, lastMs: source === "domains" || seconds === undefined ? undefined : seconds * 1000 };
    }),
  };
}

/** Keys on the page. A host may have thousands. */
const MAX_KEYS = 50;

/** What needs a look comes first. */
const KEY_ORDER: readonly KeyView["state"][] = ["waiting", "signing", "spare"];

function milterView(
  { config }: Setup,
  authentication: MailAuthentication,
  { milterResults }: Metrics,
  activity: Activity,
): MilterView {
  const { keys, problems } = authentication.keys();
  const inOrder = keys.toSorted((one, other) => KEY_ORDER.indexOf(one.state) - KEY_ORDER.indexOf(other.state));
  return {
    isReport: config["milter.mode"] === "report",
    results: METHODS.map((method) => ({
      method,
      counts: METHOD_RESULTS.map((result) => ({
        result,
        count: milterResults.count(milterResults.slot(method, result)),
      })).filter(({ count }) => count > 0),
    })),
    keys: inOrder.slice(0, MAX_KEYS).map(({ domain, selector, privateKey, state }) => {
      const bits = privateKey.asymmetricKeyDetails?.modulusLength;
      return { domain, selector, type: bits === undefined ? "ed25519" : `RSA, ${bits} bits`, state };
    }),
    moreKeys: Math.max(0, keys.length - MAX_KEYS),
    brokenKeys: problems.slice(0, MAX_KEYS),
    messages: activity.messages.newest(),
  };
}
