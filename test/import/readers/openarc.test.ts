import { describe, expect, test } from "vitest";
import { isOpenarc, readOpenarc } from "../../../src/import/readers/openarc.ts";
import { isOpendkim } from "../../../src/import/readers/opendkim.ts";
import { expectRead, hostWith } from "../fixtures.ts";

const read = (text: string) => readOpenarc({ path: "openarc.conf", text }, hostWith());

const KEY = "Domain a.example\nSelector s\nKeyFile /k\n";

describe("readOpenarc", () => {
  test.each<{ text: string; keys?: object; says?: string }>([
    { text: "Mode v", keys: { "arc.verify": true, "arc.seal": "no" } },
    {
      text: `${KEY}Mode sv`,
      keys: { "arc.verify": true, "arc.seal": "all" },
      says: "all mail from outside is sealed, also what stays",
    },
    { text: `${KEY}Mode s`, keys: { "arc.seal": "all" }, says: '"forwarded" seals what leaves' },
    {
      text: KEY,
      keys: { "arc.seal": "forwarded" },
      says: "Mode is not set: OpenARC sealed mail of its InternalHosts alone",
    },
    { text: "Mode sv\nDomain a.example", says: "without Selector, KeyFile OpenARC seals nothing" },
    { text: "Mode s\nDomain a_..\nSelector s\nKeyFile /k", says: 'Domain "a_.." and Selector "s" are no names in DNS' },
    { text: "Mode v\nAuthservID mx.a.example", keys: { "milter.authserv_id": "mx.a.example" } },
    {
      text: "Mode v\nInternalHosts /x",
      says: "2: InternalHosts has no counterpart: whose mail is ours is said by milter.internal",
    },
    { text: "Mode v\nSealHeaderChecks /x", says: "mail is sealed by its way" },
    { text: "Mode v\nFixedTimestamp 1", says: "it is for tests of OpenARC" },
    {
      text: "Mode v\nSyslog yes\nSoftwareHeader yes",
      says: "openarc.conf: not needed here: SoftwareHeader, Syslog (docs/from-openarc.md)",
    },
  ])("$text", ({ text, keys = {}, says }) => {
    expectRead(read(text), keys, says);
  });

  test("takes the key that seals", () => {
    expect(read(`${KEY}Mode sv`).sealingKey).toEqual({
      domain: "a.example",
      selector: "s",
      source: { path: "/k" },
      where: "openarc.conf:3",
    });
    expect(read(`${KEY}Mode v`).sealingKey).toBeUndefined();
  });

  test("knows its file", () => {
    const short = "Mode sv\nDomain a\nSocket local:/run/openarc/openarc.sock\n";
    expect(["# AuthResIP true", "FinalReceiver yes", short].map(isOpenarc)).toEqual([true, true, true]);
    expect(["Mode sv\nDomain a", "KeyTable /etc/x", "Socket local:/run/opendkim/s"].map(isOpenarc)).toEqual([
      false,
      false,
      false,
    ]);
    expect(isOpendkim(short)).toBe(false);
  });
});
