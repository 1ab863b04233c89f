/** forward-only.sh on a main.cf and a master.cf that have grown for years: what is in its way goes, or is told of. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { postfixConfig } from "../helpers/postfix-config.ts";
import { requirePrograms, runProgram } from "../helpers/requires.ts";

const missing = requirePrograms("postconf", "postmap", "diff3");

const PROGRAM = join(import.meta.dirname, "../../deploy/postfix/forward-only.sh");

interface Result {
  readonly said: string;
  readonly mainCf: ReadonlyMap<string, string>;
  /** The names of the services. */
  readonly services: readonly string[];
}

/** Puts the recipe in, looks, takes it out, and wants the files as they were. */
function putInAndOut(mainCf: string, masterCf = ""): Result {
  using files = postfixConfig(`myhostname = mail.example.org\nmydestination =\n${mainCf}`);
  files.write("master.cf", masterCf);
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", MAIL_CONFIG: files.path };
  const read = (): string[] => ["main.cf", "master.cf"].map((name) => readFileSync(join(files.path, name), "utf8"));
  const before = read();
  const said = runProgram("sh", [PROGRAM, "on", "srs.example.org"], { env });
  // Postfix waits two seconds before it believes a file of the last second.
  runProgram("touch", ["-t", "200001010000", join(files.path, "main.cf"), join(files.path, "master.cf")]);
  const parameters = runProgram("postconf", ["-n"], { env }).matchAll(/^(\S+) = ?(.*)$/gm);
  const services = runProgram("postconf", ["-M"], { env }).matchAll(/^\S+/gm);
  const result = {
    said,
    mainCf: new Map([...parameters].map(([, name = "", value = ""]) => [name, value])),
    services: [...services].map(([name]) => name),
  };
  runProgram("sh", [PROGRAM, "off"], { env });
  expect(read()).toEqual(before);
  return result;
}

describe.skipIf(missing !== undefined)(`forward-only.sh ${missing ?? ""}`, () => {
  test.each([
    ["behind a name", "srs = tcp:localhost:10001\nsender_canonical_maps = $srs\n", undefined],
    [
      "behind two names",
      "a = $b\nb = socketmap:unix:srs:forward\nsender_canonical_maps = regexp:{{/^x$$/ y}},\n# old\n  $a\n",
      "regexp:{{/^x$$/ y}}",
    ],
    ["beside a name", "a = inline:{x=y}\nsender_canonical_maps = $a, tcp:localhost:10001\n", "$a"],
    [
      "behind proxymap",
      "sender_canonical_maps = proxy:tcp:127.0.0.1:10001 proxy:socketmap:unix:srs:forward\n",
      undefined,
    ],
  ])("takes a classic sender map out %s", (_, mainCf, left) => {
    expect(putInAndOut(mainCf).mainCf.get("sender_canonical_maps")).toBe(left);
  });

  test("tells of a map that it cannot take apart", () => {
    const map = "unionmap:{inline:{x=y}, tcp:127.0.0.1:10001}";
    const { said, mainCf } = putInAndOut(`sender_canonical_maps = ${map}\n`);
    expect(mainCf.get("sender_canonical_maps")).toBe(map);
    expect(said).toContain(`sender_canonical_maps: ${map} stays. If there is an SRS map in it, take it out`);
  });

  test("tells of each recipient map that it takes out", () => {
    const { said } = putInAndOut("recipient_canonical_maps = inline:{x=y}, socketmap:unix:other:reverse\n");
    expect(said).toContain("recipient_canonical_maps: takes out socketmap:unix:other:reverse");
    expect(said).not.toContain("takes out inline:");
  });

  test.each(["12526", "localhost:12526", "[127.0.0.1]:12526"])(
    "leaves no other service on the port of the second pass: %s",
    (name) => {
      const { said, services } = putInAndOut("", `${name} inet n - y - - smtpd\n  -o content_filter=\n`);
      expect(services).toEqual(["srs", "127.0.0.1:12526", "srs-cleanup"]);
      expect(said).toContain(`master.cf: replaces ${name}/inet`);
    },
  );

  test.each([
    ["regexp:{ {/.+@/ slow:} }", true],
    ["inline:{ {*=slow:} }", true],
    ["regexp:{ {/@elsewhere\\.example$$/ slow:} }", false],
    ["inline:{ {elsewhere.example=slow:} }", false],
  ])("tells of a transport map that takes all mail past the recipe: %s", (map, isTold) => {
    expect(putInAndOut(`transport_maps = ${map}\n`).said.includes("which goes past the recipe")).toBe(isTold);
  });
});
