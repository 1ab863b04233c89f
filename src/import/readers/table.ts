/** The table of all readers: the files of each program, how one is recognized, and what reads it. */
import type { Findings, Host, Source } from "./finding.ts";
import { isOpenarc, readOpenarc } from "./openarc.ts";
import { isOpendkim, readOpendkim } from "./opendkim.ts";
import { isOpendmarc, readOpendmarc } from "./opendmarc.ts";
import { isPolicydSpf, readPolicydSpf } from "./policyd-spf.ts";
import { isPostsrsd1, readPostsrsd1 } from "./postsrsd1.ts";
import { isPostsrsd2, readPostsrsd2 } from "./postsrsd2.ts";

export interface Reader {
  /** The program. */
  readonly name: string;
  /** Programs of one role take each other's place, so only one of them is imported. */
  readonly role: "SRS" | "SPF" | "DKIM" | "DMARC" | "ARC";
  /** Where the file is on a host. The first one that is there is read. */
  readonly paths: readonly string[];
  /** Tells if a text is such a file. */
  readonly recognizes: (text: string) => boolean;
  /** Reads it. @throws {ImportError} for what it cannot read */
  readonly read: (source: Source, host: Host) => Findings;
}

/** The filters come last: they add to what the others say. Of one that all recognize, the first is taken. */
export const READERS: readonly Reader[] = [
  {
    name: "postsrsd 1.x",
    role: "SRS",
    paths: ["/etc/default/postsrsd", "/etc/sysconfig/postsrsd"],
    recognizes: isPostsrsd1,
    read: readPostsrsd1,
  },
  {
    name: "postsrsd 2.x",
    role: "SRS",
    paths: ["/etc/postsrsd.conf", "/etc/postsrsd/postsrsd.conf", "/usr/local/etc/postsrsd.conf"],
    recognizes: isPostsrsd2,
    read: readPostsrsd2,
  },
  {
    name: "policyd-spf",
    role: "SPF",
    paths: ["/etc/postfix-policyd-spf-python/policyd-spf.conf", "/etc/python-policyd-spf/policyd-spf.conf"],
    recognizes: isPolicydSpf,
    read: readPolicydSpf,
  },
  {
    name: "OpenARC",
    role: "ARC",
    paths: ["/etc/openarc.conf", "/etc/openarc/openarc.conf", "/usr/local/etc/openarc.conf"],
    recognizes: isOpenarc,
    read: readOpenarc,
  },
  {
    name: "OpenDKIM",
    role: "DKIM",
    paths: ["/etc/opendkim.conf", "/etc/opendkim/opendkim.conf", "/usr/local/etc/opendkim.conf"],
    recognizes: isOpendkim,
    read: readOpendkim,
  },
  {
    name: "OpenDMARC",
    role: "DMARC",
    paths: ["/etc/opendmarc.conf", "/etc/opendmarc/opendmarc.conf", "/usr/local/etc/opendmarc.conf"],
    recognizes: isOpendmarc,
    read: readOpendmarc,
  },
];
