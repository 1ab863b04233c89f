/** The reports of a night: trouble with one domain is its own. */
import { expect, test } from "vitest";
import { HistoryDatabase } from "../../src/history/database.ts";
import { entryOf } from "../../src/history/entry.ts";
import { Recipients } from "../../src/reports/recipients.ts";
import { sendReports } from "../../src/reports/send.ts";
import { dmarcResolver } from "../dmarc/fixtures.ts";
import { scratch } from "../helpers/daemon.ts";
import { DAY, historyMessage } from "../history/messages.ts";

const NOON_AFTER = (DAY + 1) * 86_400 + 43_200;

function zoneOf(domain: string): Readonly<Record<string, readonly string[]>> {
  return { [`_dmarc.${domain}`]: [`v=DMARC1; p=none; rua=mailto:x@${domain}`] };
}

async function entry(domain: string, day: number) {
  return { ...entryOf(await historyMessage(`a@${domain}`, { zone: zoneOf(domain) })), day };
}

/** A night with these domains, one of which cannot be read. */
async function night(use: (run: Night) => Promise<void>): Promise<void> {
  using dir = scratch();
  using database = new HistoryDatabase(`${dir.path}/h.db`, "create");
  database.add(await Promise.all(["a.example", "b.example", "c.example"].map((domain) => entry(domain, DAY))));
  const sent: string[] = [];
  const told: string[] = [];
  const tell = (text: string): number => told.push(text);
  const fault: Night["fault"] = { of: () => undefined };
  const kinds = database.kinds.bind(database);
  database.kinds = (id, ...rest) => {
    const error = fault.of(database.policies(DAY).find((policy) => policy.id === id)?.policy.domain);
    if (error !== undefined) throw error;
    return kinds(id, ...rest);
  };
  const parts = {
    database,
    recipients: new Recipients({ resolver: dmarcResolver({}), organizationOf: (domain) => domain, nowMs: () => 0 }),
    reporter: { organization: "x", from: "r@x.example", receiver: "x.example", generator: "postvouch" },
    receiver: "x.example",
    sign: async () => [],
    submission: { send: async (_from: string, to: string) => void sent.push(to) },
    output: { line: tell, problem: tell },
  };
  const send = (day: number): Promise<boolean> =>
    sendReports(day, true, { ...parts, nowSeconds: NOON_AFTER + (day - DAY) * 86_400 });
  await use({ send, sent, told, fault, database });
}

interface Night {
  readonly send: (day: number) => Promise<boolean>;
  readonly sent: string[];
  readonly told: string[];
  /** The error that reading of a domain ends in. */
  readonly fault: { of: (domain: string | undefined) => Error | undefined };
  readonly database: HistoryDatabase;
}

test("An error about one domain stops no other, is told, and is tried again after the reports of the next day", async () => {
  await night(async ({ send, sent, told, fault, database }) => {
    fault.of = (domain) => (domain === "a.example" ? new RangeError("Invalid string length") : undefined);
    expect(await send(DAY)).toBe(false);
    expect(sent).toEqual(["x@b.example", "x@c.example"]);
    expect(told[0]).toBe(
      "a.example, 2026-11-25: Cannot make its reports: Invalid string length; the next run tries again",
    );
    fault.of = () => undefined;
    database.add([await entry("z.example", DAY + 1)]);
    expect(await send(DAY + 1)).toBe(true);
    expect(sent).toEqual(["x@b.example", "x@c.example", "x@z.example", "x@a.example"]);
    expect(await send(DAY + 2)).toBe(true);
    expect(sent).toHaveLength(4);
  });
});

test("A damaged place in the file is trouble of one domain", async () => {
  await night(async ({ send, sent, fault }) => {
    const damage = Object.assign(new Error("database disk image is malformed"), { errcode: 11 });
    fault.of = (domain) => (domain === "b.example" ? damage : undefined);
    expect(await send(DAY)).toBe(false);
    expect(sent).toEqual(["x@a.example", "x@c.example"]);
  });
});

test("A file that cannot be used ends the run", async () => {
  await night(async ({ send, sent, fault }) => {
    fault.of = () => Object.assign(new Error("database is locked"), { errcode: 5 });
    await expect(send(DAY)).rejects.toThrow("database is locked");
    expect(sent).toEqual([]);
  });
});
