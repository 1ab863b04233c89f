/** setup's edits by postconf change what is planned and nothing else, whatever the files end with. */
import { describe, expect, test } from "vitest";
import { WorkingCopy } from "../../src/connect/host/working-copy.ts";
import type { PartName } from "../../src/connect/parts.ts";
import type { Plan } from "../../src/connect/plan.ts";
import { unplannedChanges } from "../../src/connect/unplanned.ts";
import { requirePrograms } from "../helpers/requires.ts";
import { putInAndOut } from "./planning.ts";

const missing = requirePrograms("postconf");

const TOML = '[milter]\nlisten = ["127.0.0.1:8895"]\n';

/** The end of a master.cf with amavis, as its how-to has it. */
const AMAVIS = `smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
smtp-amavis unix -      -       n       -       2       smtp
    -o smtp_data_done_timeout=1200
127.0.0.1:10025 inet n  -       n       -       -       smtpd
    -o content_filter=
    -o mynetworks=127.0.0.0/8
`;
const MAIN = "content_filter = smtp-amavis:[127.0.0.1]:10024\n";

const PARTS: readonly (readonly PartName[])[] = [["milter"], ["forward-only", "milter"], ["classic"], ["policy"]];

describe.skipIf(missing !== undefined)(`files without a line end ${missing ?? ""}`, { timeout: 60_000 }, () => {
  describe.each(PARTS.map((names) => ({ what: names.join(" and "), names })))("with $what", ({ names }) => {
    test.each([
      ["a remark", "# end"],
      ["a remark with blanks before it", "  # end"],
      ["blanks", "  "],
      ["an option", "    -o smtpd_delay_reject=no"],
    ])("lose no service where %s is last in master.cf", async (_, end) => {
      const { services, overrides } = await putInAndOut(names, MAIN, AMAVIS + end, TOML);
      expect(services).toEqual(expect.arrayContaining(["smtp", "submission", "smtp-amavis", "127.0.0.1:10025"]));
      expect(overrides.get("127.0.0.1:10025/inet/mynetworks")).toBe("127.0.0.0/8");
      const isNamed = names.includes("milter");
      expect(overrides.get("127.0.0.1:10025/inet/milter_macro_daemon_name")).toBe(isNamed ? "REINJECT" : undefined);
      const option = end.includes("-o ") ? "no" : undefined;
      expect(overrides.get("127.0.0.1:10025/inet/smtpd_delay_reject")).toBe(option);
    });

    test.each([
      ["a remark", "# end"],
      ["a parameter", "relayhost = x.test"],
      ["more of a parameter", "relayhost =\n  x.test"],
    ])("lose no parameter where %s is last in main.cf", async (_, end) => {
      const { mainCf } = await putInAndOut(names, MAIN + end, AMAVIS, TOML);
      const ours = {
        milter: ["smtpd_milters", "non_smtpd_milters", "internal_mail_filter_classes"],
        "forward-only": ["sender_dependent_default_transport_maps", "recipient_canonical_maps"],
        classic: ["sender_canonical_maps", "recipient_canonical_maps"],
        policy: ["smtpd_recipient_restrictions"],
        "bounces-only": [],
      };
      expect([...mainCf.keys()]).toEqual(expect.arrayContaining(names.flatMap((name) => ours[name])));
      expect(mainCf.get("content_filter")).toBe("smtp-amavis:[127.0.0.1]:10024");
      expect(mainCf.get("relayhost")).toBe(end.startsWith("#") ? undefined : "x.test");
    });
  });

  const NOTHING: Plan = { edits: [], services: "", recipientTable: undefined, notes: [], problems: [] };
  const files = (mainCf: string, masterCf: string) => ({
    "main.cf": mainCf,
    "master.cf": masterCf,
    "srs-recipients.regexp": undefined,
  });

  test("that a plan does not change stay as they are", async () => {
    const asWas = files("relayhost = x.test\n# end", `${AMAVIS}# end`);
    using copy = new WorkingCopy(asWas, "/etc/postfix");
    expect(await copy.make(NOTHING)).toEqual(asWas);
    using other = new WorkingCopy(asWas, "/etc/postfix");
    const edit = { type: "set", name: "relayhost", value: "y.test" } as const;
    expect(await other.make({ ...NOTHING, edits: [edit] })).toEqual({
      ...asWas,
      "main.cf": "relayhost = y.test\n# end\n",
    });
  });

  test("are refused where an edit changes more than was planned", async () => {
    using copy = new WorkingCopy(files("", AMAVIS), "/etc/postfix");
    await expect(copy.make({ ...NOTHING, services: "  -o smtpd_milters=\n" })).rejects.toThrow(
      /Cannot change the files in "\/etc\/postfix": .*master\.cf: 127\.0\.0\.1:10025\/inet is another.*; nothing was changed/,
    );
  });
});

describe("what is not in a plan", () => {
  const LISTING = "smtp inet n - y - - smtpd\nsrs unix - - n - - smtp\n";
  const before = { mainCf: "a = 1\n# b = 2\nb = 3\n  4\n", services: LISTING };
  const found = (after: Partial<typeof before>, plan: Partial<Plan> = {}): string[] =>
    unplannedChanges(before, { ...before, ...after }, { edits: [], services: "", ...plan });

  test.each([
    ["nothing", {}, {}, []],
    ["blanks and remarks", { mainCf: "a=1\nb = 3 4\n", services: LISTING.replaceAll(" ", "  ") }, {}, []],
    ["a parameter that is gone", { mainCf: "a = 1\n" }, {}, ["main.cf: b is gone"]],
    ["a parameter that is new", { mainCf: `${before.mainCf}c = 1\n` }, {}, ["main.cf: c is new"]],
    ["a parameter with another value", { mainCf: "a = 2\nb = 3 4\n" }, {}, ["main.cf: a is another"]],
    ["a parameter twice", { mainCf: `${before.mainCf}a = 2\n` }, {}, ["main.cf: a is another"]],
    [
      "a parameter that is planned",
      { mainCf: "a = 2\n" },
      {
        edits: [
          { type: "set", name: "a", value: "2" },
          { type: "unset", name: "b" },
        ],
      },
      [],
    ],
    ["a service that is gone", { services: "srs unix - - n - - smtp\n" }, {}, ["master.cf: smtp/inet is gone"]],
    [
      "a service with another command",
      { services: LISTING.replace("smtpd", "smtpd -o a=b") },
      {},
      ["master.cf: smtp/inet is another"],
    ],
    [
      "a service that was only to get an option",
      { services: "srs unix - - n - - smtp\n" },
      { edits: [{ type: "override", service: "smtp/inet", name: "a", value: "b" }] },
      ["master.cf: smtp/inet is gone"],
    ],
    ["a service that was to come", {}, { services: "new unix - - n - - smtp\n" }, ["master.cf: new/unix is gone"]],
    [
      "a service that was to go",
      { services: "srs unix - - n - - smtp\n" },
      { edits: [{ type: "remove service", service: "smtp/inet" }] },
      [],
    ],
  ] as [string, Partial<typeof before>, Partial<Plan>, string[]][])("is found: %s", (_, after, plan, wanted) => {
    expect(found(after, plan)).toEqual(wanted);
  });
});
