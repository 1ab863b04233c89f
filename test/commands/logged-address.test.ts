import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bareAddress } from "../../src/commands/logged-address.ts";

const SRS0 = "SRS0=-xpx=2W=example.org=alice@example.com";

describe("bareAddress", () => {
  test.each([
    { text: SRS0, is: SRS0, what: "the address itself" },
    { text: ` ${SRS0}\t`, is: SRS0, what: "blanks around it" },
    { text: `<${SRS0}>`, is: SRS0, what: "a Return-Path" },
    { text: ` <${SRS0}> `, is: SRS0, what: "both" },
    { text: `from=<${SRS0}>`, is: SRS0, what: "qmgr's log line" },
    { text: `from=<${SRS0}>,`, is: SRS0, what: "qmgr's log line with its comma" },
    { text: `to=<${SRS0}>,`, is: SRS0, what: "smtp's log line" },
    { text: `orig_to=<${SRS0}>,`, is: SRS0, what: "local's log line" },
    { text: `to="${SRS0}"`, is: SRS0, what: "our own log line" },
    {
      text: String.raw`from="SRS0=-xpx=2W=example.org=\"a\\\\b\"@example.com"`,
      is: String.raw`SRS0=-xpx=2W=example.org="a\\b"@example.com`,
      what: "our own log line, escaped",
    },
    { text: "SRS0=3D-xpx=3D2W=3Dexample.org=3Dalice@example.com", is: SRS0, what: "quoted-printable" },
    {
      text: "<srs0=3d-xpx=3d2W=3Dexample.org=3Dalice@example.com>",
      is: "srs0=-xpx=2W=example.org=alice@example.com",
      what: "quoted-printable in brackets",
    },
    {
      text: "SRS1=3Dhash=3Dfirst.example=3D=3Dabcd=3D2W=3Db.example=3Da@x.example",
      is: "SRS1=hash=first.example==abcd=2W=b.example=a@x.example",
      what: "quoted-printable of SRS1",
    },
  ])("takes $what", ({ text, is }) => {
    expect(bareAddress(text)).toBe(is);
  });

  test.each([
    { text: "SRS0=3Dab=2W=example.org=alice@example.com", what: "a hash that begins with 3D" },
    { text: "from=a@example.org", what: "a local part that begins with from=" },
    { text: "a=3Db@example.org", what: "an ordinary address" },
    { text: '"a b"@example.org', what: "a quoted local part" },
    { text: "<>", what: "the null sender" },
    { text: "", what: "nothing" },
  ])("leaves $what alone", ({ text }) => {
    expect(bareAddress(text)).toBe(text);
  });

  test("takes every address of ours back from each of its disguises", () => {
    const word = fc.stringMatching(/^[a-z0-9.+_-]{1,12}$/);
    fc.assert(
      fc.property(word, word, (local, domain) => {
        const address = `SRS0=-xpx=2W=${domain}=${local}@example.com`;
        for (const shown of [`<${address}>`, `from=<${address}>,`, `to="${address}"`, address.replaceAll("=", "=3D")]) {
          expect(bareAddress(shown)).toBe(address);
        }
      }),
    );
  });
});
