/** Places where something listens, as main.cf and master.cf write them, and services that use them. */
import type { Endpoint } from "../net/endpoint.ts";
import type { Service } from "../postfix/services.ts";
import type { Place, PostfixFacts } from "./facts.ts";

/** A place as main.cf writes it. A path may be relative to the queue directory. */
export type WrittenPlace = { readonly host: string; readonly port: number } | { readonly path: string };

/** Reads `inet:127.0.0.1:10003`, `[::1]:10001`, `localhost:10001`, `unix:path`, or a milter's `local:path`. */
export function parsePlace(text: string): WrittenPlace | undefined {
  const [, path] = /^(?:unix|local):(.+)$/.exec(text) ?? [];
  if (path !== undefined) return { path };
  const [, v6, name, port] = /^(?:inet:)?(?:\[([^\]]*)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  return host === undefined ? undefined : { host, port: Number(port) };
}

/** The place as this host sees it: a path of Postfix is below the queue directory, for a process in a chroot always. */
export function placeFor(where: WrittenPlace, postfix: PostfixFacts, program: string, service?: Service): Place {
  if ("host" in where) return where;
  const queue = postfix.value("queue_directory");
  const services = service === undefined ? postfix.services.filter((one) => one.program === program) : [service];
  const isBelow = !where.path.startsWith("/") || services.some((one) => isChroot(one, postfix));
  return { path: isBelow ? `${queue}/${where.path.replace(/^\/+/, "")}` : where.path };
}

/** Tells if a service runs in a chroot. The default was "yes" before Postfix 3.0. */
export function isChroot(service: Service, postfix: PostfixFacts): boolean {
  if (service.chroot !== "-") return service.chroot === "y";
  return Number(postfix.value("compatibility_level").split(".")[0] || "0") < 1;
}

/** Tells if a place is an endpoint of ours. */
export function isListener(
  where: WrittenPlace | undefined,
  endpoints: readonly Endpoint[],
  postfix: PostfixFacts,
): boolean {
  if (where === undefined) return false;
  return endpoints.some((endpoint) => {
    if (endpoint.type === "inet") {
      return "host" in where && where.port === endpoint.port && isSameHost(where.host, endpoint.host);
    }
    if ("host" in where) return false;
    const path = where.path.startsWith("/") ? where.path : `${postfix.value("queue_directory")}/${where.path}`;
    // Only systemd knows the path of an fd: endpoint; docs/install.md has this one.
    if (endpoint.type === "fd") return where.path.includes("postvouch/");
    return [path, where.path, `${postfix.value("queue_directory")}${where.path}`].includes(endpoint.path);
  });
}

/** Tells if main.cf's host reaches a listener's address. */
function isSameHost(written: string, listening: string): boolean {
  if (written === "localhost") return listening === "127.0.0.1" || listening === "::1";
  return written === listening || listening === "0.0.0.0" || listening === "::";
}

/** Tells if a service takes mail from users: it asks for a password, or has a port of submission. */
export function isSubmission({ name, program, overrides }: Service): boolean {
  if (program !== "smtpd") return false;
  return overrides.get("smtpd_sasl_auth_enable") === "yes" || /(?:^|:)(?:submissions?|smtps|587|465)$/.test(name);
}
