/** Settles what the files of several filters mean together: one milter takes the place of all of them. Does no I/O. */
import { LISTENER_KEYS } from "../config/listeners.ts";
import type { Findings, Key, Setting, TableSetting } from "./readers/finding.ts";
import { readSocket } from "./readers/milter-socket.ts";
import { networkText, readNetwork, without } from "./readers/networks.ts";

/** What is known beside the files of the filters. */
export interface MilterCircumstances {
  /** The keys, in the places where the service reads them. */
  readonly keys: { readonly tables: readonly TableSetting[]; readonly settings: readonly Setting[] };
  /** The ports that main.cf and master.cf name for filters. */
  readonly milterPorts: readonly number[];
  /** Postfix's name of the host; `undefined` if Postfix is not asked. */
  readonly myhostname: string | undefined;
}

type Add = (key: Key, value: Setting["value"], from: string) => void;

interface Settling {
  readonly found: readonly Findings[];
  readonly settings: Map<Key, Setting>;
  readonly add: Add;
  readonly notes: string[];
}

/** The port of OpenDKIM in most how-tos, and the one to begin with here. */
const FIRST_PORT = 8891;

/** Completes the settings of the milter. @returns sentences for the admin; none if no filter is taken over */
export function settleMilter(
  found: readonly Findings[],
  settings: Map<Key, Setting>,
  add: Add,
  circumstances: MilterCircumstances,
): string[] {
  const filters = found.filter(({ parts }) => parts.has("milter"));
  if (filters.length === 0) return [];
  const settling: Settling = { found: filters, settings, add, notes: [] };
  for (const { key, value, from } of circumstances.keys.settings) add(key, value, from);
  verifyForDmarc(settling);
  nameResults(settling, circumstances.myhostname);
  nameMalformed(settling);
  ignoreHosts(settling);
  listen(settling, circumstances.milterPorts);
  return settling.notes;
}

/** DMARC wants the results of DKIM, whatever `Mode` of OpenDKIM says. */
function verifyForDmarc({ settings, notes }: Settling): void {
  const dkim = settings.get("dkim.verify");
  if (settings.get("dmarc.verify")?.value !== true || dkim?.value !== false) return;
  settings.delete("dkim.verify");
  settings.delete("arc.verify");
  notes.push(`dkim.verify: true, not false of ${dkim.from}: DMARC wants the results of DKIM`);
}

/** Writes the default where check-config asks for another value, so that the admin finds the line, and why it is so. */
function nameMalformed({ settings, add }: Settling): void {
  const reject = settings.get("dmarc.reject");
  if (reject?.value !== true || settings.has("milter.malformed")) return;
  add(
    "milter.malformed",
    "tag",
    'as the filters had it. With it a second From: is a way round p=reject, of which check-config warns: "reject" is better',
  );
}

/** Keeps the name of the results, and has forged ones of all other names removed. */
function nameResults({ found, settings, add, notes }: Settling, myhostname: string | undefined): void {
  if (!settings.has("milter.authserv_id") && settings.has("policy.authserv_id") && myhostname !== undefined) {
    add("milter.authserv_id", myhostname, "the name of this host, which the filters had");
  }
  const id = String(settings.get("milter.authserv_id")?.value ?? myhostname ?? "").toLowerCase();
  const ours = found.flatMap((findings) => findings.settings.filter(({ key }) => key === "milter.authserv_id"));
  const otherIds = ours.filter(({ value }) => String(value).toLowerCase() !== id);
  const removed = settings.get("milter.remove_authserv_ids");
  if (otherIds.length > 0) {
    const names = [
      ...((removed?.value as readonly string[] | undefined) ?? []),
      ...otherIds.map(({ value }) => String(value)),
    ];
    const from = [removed?.from, ...otherIds.map((one) => one.from)].filter((one) => one !== undefined);
    add("milter.remove_authserv_ids", [...new Set(names)], from.join("; "));
  }
  const known = new Set(
    [id, myhostname, settings.get("policy.authserv_id")?.value, ...ours.map(({ value }) => value)].map((name) =>
      String(name).toLowerCase(),
    ),
  );
  for (const { trusts, trustsFrom } of found) {
    const [own, ...others] = trusts ?? [];
    const foreign = [...new Set(others)].filter((name) => name !== own && !known.has(name));
    if (foreign.length === 0) continue;
    add("milter.trusted_authserv_ids", foreign, trustsFrom);
    notes.push(
      `${trustsFrom}: results of ${foreign.join(", ")} were believed, whoever had sent them; here they are if a client in milter.trusted_relays has: add the addresses of those hosts`,
    );
  }
}

/** Hosts that OpenDMARC ignored are left alone, unless their mail is ours: that is signed, and not checked anyway. */
function ignoreHosts({ found, settings, add, notes }: Settling): void {
  const internal = ((settings.get("milter.internal")?.value as readonly string[] | undefined) ?? []).flatMap(
    (text) => readNetwork(text) ?? [],
  );
  for (const { ignoredHosts } of found) {
    const left = (ignoredHosts?.networks ?? []).flatMap((text) => {
      const network = readNetwork(text);
      return network === undefined ? [] : without(network, internal).map(networkText);
    });
    if (left.length === 0 || ignoredHosts === undefined) continue;
    const skip = settings.get("milter.skip");
    const from = [skip?.from, ignoredHosts.from].filter((one) => one !== undefined).join("; ");
    add("milter.skip", [...new Set([...((skip?.value as readonly string[] | undefined) ?? []), ...left])], from);
    notes.push(
      `${ignoredHosts.from}: their mail is left alone (milter.skip), so it is neither checked nor signed; move those whose mail is yours to milter.internal`,
    );
  }
}

/** Chooses a port that no filter has: both sides run until main.cf names ours. */
function listen({ found, settings, add, notes }: Settling, milterPorts: readonly number[]): void {
  const taken = new Map<number, string>(milterPorts.map((port) => [port, "a filter in main.cf"]));
  for (const { milterSocket } of found) {
    for (const socket of milterSocket?.sockets ?? []) {
      const port = readSocket(socket)?.port;
      if (port !== undefined && milterSocket !== undefined) taken.set(port, milterSocket.program);
    }
  }
  for (const key of LISTENER_KEYS) {
    for (const endpoint of (settings.get(key)?.value as readonly string[] | undefined) ?? []) {
      const port = /:(\d+)$/.exec(endpoint)?.[1];
      if (port !== undefined) taken.set(Number(port), key);
    }
  }
  let port = FIRST_PORT;
  while (taken.has(port)) port += 1;
  const programs = found.flatMap(({ milterSocket }) => milterSocket?.program ?? []).join(", ");
  const reason = port === FIRST_PORT ? "" : `; ${taken.get(FIRST_PORT)} has port ${FIRST_PORT} until the change`;
  add("milter.listen", [`127.0.0.1:${port}`], `in place of ${programs}${reason}`);
  notes.push(`milter.listen: in main.cf inet:127.0.0.1:${port} takes the place of ${programs}${reason}`);
}
