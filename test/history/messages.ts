/** Messages for tests of the history: evaluated against a zone. */
import { createDisposer, type DmarcSettings } from "../../src/dmarc/disposition.ts";
import type { HistoryMessage } from "../../src/dmarc/history.ts";
import { DEFAULT_SETTINGS, type DmarcZone, evaluate } from "../dmarc/fixtures.ts";

/** 2026-11-25 12:00 UTC, and its day. */
export const NOON_SECONDS = 1_795_608_000;
export const DAY = 20_782;

export const ZONE: DmarcZone = {
  "_dmarc.example.com": ["v=DMARC1; p=reject; x=1; rua=mailto:a@example.com"],
  "_dmarc.example.net": ["v=DMARC1; p=none; rua=mailto:b@example.net!10k,mailto:c@r.example"],
  "_dmarc.silent.example": ["v=DMARC1; p=none"],
  "_dmarc.broken.example": "SERVFAIL",
};

interface Options extends Partial<Omit<HistoryMessage, "verdict" | "disposition">> {
  readonly identifiers?: readonly string[];
  readonly settings?: Partial<DmarcSettings>;
  readonly zone?: DmarcZone;
}

export async function historyMessage(from: string, options: Options = {}): Promise<HistoryMessage> {
  const { identifiers = ["spf=pass bounce.example.com"], settings = {}, zone = ZONE, ...rest } = options;
  const verdict = await evaluate(from, zone, identifiers);
  const { dispose } = createDisposer({ ...DEFAULT_SETTINGS, ...settings });
  return {
    verdict,
    disposition: dispose(verdict, { listId: "", senderDomain: "bounce.example.com", sealer: undefined }),
    clientAddress: "192.0.2.1",
    senderDomain: "bounce.example.com",
    queueId: "4711",
    reporter: "mx.example.org",
    receivedSeconds: NOON_SECONDS,
    isReport: false,
    ...rest,
  };
}
