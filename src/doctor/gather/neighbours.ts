/** Reads the configuration of the programs beside us. */
import { readText } from "../../process/regular-file.ts";
import { parseSecrets } from "../../srs/secrets.ts";
import type { Known, NeighbourFacts } from "../facts.ts";
import { isThere, readFirst } from "./files.ts";

/** Paths of files. The defaults are those of Debian, then of Red Hat. */
export interface NeighbourPlaces {
  readonly opendmarc?: readonly string[];
  readonly opendkim?: readonly string[];
  readonly postsrsd?: readonly string[];
  readonly postsrsdSecrets?: string;
}

export function gatherNeighbours(places: NeighbourPlaces): NeighbourFacts {
  return {
    opendmarc: readFirst(places.opendmarc ?? ["/etc/opendmarc.conf"]),
    opendkim: readFirst(places.opendkim ?? ["/etc/opendkim.conf"]),
    postsrsd: readFirst(places.postsrsd ?? ["/etc/default/postsrsd", "/etc/sysconfig/postsrsd"]),
    postsrsdSecrets: readSecrets(places.postsrsdSecrets ?? "/etc/postsrsd.secret"),
  };
}

function readSecrets(path: string): Known<readonly string[]> {
  const text = readText(path);
  if (text === undefined) return { unknown: isThere(path) ? `Cannot read "${path}"` : `there is no "${path}"` };
  const { secrets } = parseSecrets(Buffer.from(text, "latin1"));
  return { known: secrets.map((secret) => Buffer.from(secret).toString("latin1")) };
}
