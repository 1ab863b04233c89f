import { beforeEach, describe, expect, test } from "vitest";
import { type DnsEvent, type ServerTrouble, TroubleReports } from "../../src/dns/trouble-reports.ts";

describe("TroubleReports", () => {
  let nowMs = 0;
  let events: DnsEvent[] = [];
  let reports: TroubleReports;

  beforeEach(() => {
    nowMs = 0;
    events = [];
    reports = new TroubleReports(
      (event) => events.push(event),
      () => nowMs,
    );
  });

  function trouble(kind: ServerTrouble["trouble"], name: string): ServerTrouble {
    return { server: "192.0.2.1:53", trouble: kind, detail: "", name, type: "A" };
  }

  test("reports each kind once in ten seconds, and how many it held back", () => {
    for (const name of ["a", "b", "c"]) reports.serverFailed(trouble("timeout", name));
    reports.serverFailed(trouble("servfail", "d"));
    expect(events).toMatchObject([
      { kind: "trouble", name: "a", suppressed: 0 },
      { kind: "trouble", name: "d", suppressed: 0 },
    ]);

    nowMs = 10_000;
    reports.serverFailed(trouble("timeout", "e"));
    reports.serverFailed(trouble("servfail", "f"));
    expect(events.slice(2)).toMatchObject([
      { name: "e", suppressed: 2 },
      { name: "f", suppressed: 0 },
    ]);
  });

  test("takes four failures in a row for broken domains, and the fifth for an outage", () => {
    for (let failure = 0; failure < 4; failure += 1) reports.queryFailed("all dead");
    reports.queryAnswered();
    for (let failure = 0; failure < 4; failure += 1) reports.queryFailed("all dead");
    expect(events).toEqual([]);
    reports.queryFailed("all dead");
    expect(events).toEqual([{ kind: "outage", failures: 5, detail: "all dead" }]);
  });

  test("reports an outage each minute while it lasts, and its end once", () => {
    for (; nowMs < 130_000; nowMs += 1000) reports.queryFailed("all dead");
    expect(events).toMatchObject([
      { kind: "outage", failures: 5 },
      { kind: "outage", failures: 65 },
      { kind: "outage", failures: 125 },
    ]);
    reports.queryAnswered();
    reports.queryAnswered();
    expect(events.slice(3)).toEqual([{ kind: "recovered", failures: 130 }]);
  });
});
