/** Reads from main.cf the names of this host, and the senders that Postfix itself makes up. */
import { isDomainName, normalizeName } from "../mail/names.ts";
import { readParameters } from "../postfix/postconf.ts";
import { readRegularFile } from "../process/regular-file.ts";

const PARAMETERS = [
  "myhostname",
  "mydomain",
  "myorigin",
  "double_bounce_sender",
  "address_verify_sender",
  "address_verify_sender_ttl",
] as const;

/** Largest file with the name of this host. It has one line. */
const MAX_NAME_FILE_BYTES = 4096;

type Parameters = ReadonlyMap<(typeof PARAMETERS)[number], string>;

/** The names of Postfix. Each is empty if Postfix is not installed or not set up, or has no usable name. */
export interface PostfixNames {
  readonly hostname: string;
  readonly domain: string;
  /** The domain that Postfix appends to addresses without one: cron's mail comes from `root@` this. */
  readonly origin: string;
  /** Tells if an address is the sender of address probes or double bounces. */
  readonly isOwnSender: (address: string) => boolean;
}

/** Asks postconf. */
export async function readPostfixNames(): Promise<PostfixNames> {
  const parameters: Parameters = await readParameters(PARAMETERS, {}).catch(() => new Map());
  const origin = usable(fileOrName(parameters.get("myorigin")));
  return {
    hostname: usable(parameters.get("myhostname")),
    domain: usable(parameters.get("mydomain")),
    origin,
    isOwnSender: ownSenders(parameters, origin),
  };
}

/** Reads a value that may be a file: myorigin is /etc/mailname in Debian. */
function fileOrName(value: string | undefined): string | undefined {
  if (value?.startsWith("/") !== true) return value;
  try {
    return readRegularFile(value, MAX_NAME_FILE_BYTES).bytes.toString("latin1").split("\n", 1)[0]?.trim();
  } catch {
    return undefined;
  }
}

function usable(name: string | undefined): string {
  return name !== undefined && isDomainName(name) ? name : "";
}

function ownSenders(parameters: Parameters, origin: string): PostfixNames["isOwnSender"] {
  const complete = (name: "double_bounce_sender" | "address_verify_sender"): string => {
    const sender = normalizeName(parameters.get(name) ?? "");
    return sender === "" || sender === "<>" || sender.includes("@") ? sender : `${sender}@${normalizeName(origin)}`;
  };
  const probe = complete("address_verify_sender");
  const senders = new Set([complete("double_bounce_sender"), probe]);
  // With a time to live, Postfix appends a stamp to the local part.
  const at = probe.lastIndexOf("@");
  const isStamped = Number.parseInt(parameters.get("address_verify_sender_ttl") ?? "", 10) > 0 && at > 0;
  return (address) => {
    const key = normalizeName(address);
    if (senders.has(key)) return true;
    if (!isStamped || !key.startsWith(probe.slice(0, at)) || !key.endsWith(probe.slice(at))) return false;
    return /^[0-9a-z]*$/.test(key.slice(at, key.length - (probe.length - at)));
  };
}
