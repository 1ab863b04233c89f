/** What the observers keep for the status page beside the counters: the last refusals, and when each map was asked. */
import { Ring } from "../collections/ring.ts";
import { LastTime } from "../metrics/plain.ts";
import { MAPS, type MapName } from "../net/lookup.ts";

/** Number of refusals of each kind that are kept. */
const KEPT = 20;

/** A lookup that was refused for its hash or its age, or that ended in a temporary failure. Latin1. */
export interface RefusedLookup {
  /** On the clock of performance.now(). */
  clockMs: number;
  map: string;
  key: string;
  outcome: string;
  reason: string;
}

/** A policy request that was not simply passed. Latin1. */
export interface RefusedMail {
  /** On the clock of performance.now(). */
  clockMs: number;
  client: string;
  helo: string;
  sender: string;
  recipient: string;
  /** The kind of answer. */
  action: string;
  reply: string;
  reason: string;
  /** True in report mode, where the mail passed all the same. */
  isReport: boolean;
}

/** A message that went through the milter. Latin1. */
export interface HandledMail {
  /** On the clock of performance.now(). */
  clockMs: number;
  /** The role of this host for it. */
  role: string;
  client: string;
  sender: string;
  /** The domain of From; empty if it was not read. */
  authorDomain: string;
  action: string;
  /** What report mode has suppressed; empty for nothing. */
  would: string;
  /** `dmarc=pass spf=fail`, in the order of the header field. */
  results: string;
  /** The names of the keys that have signed or sealed. */
  signed: string;
  problem: string;
}

const newLookup = (): RefusedLookup => ({ clockMs: 0, map: "", key: "", outcome: "", reason: "" });

const newMail = (): RefusedMail => ({
  clockMs: 0,
  client: "",
  helo: "",
  sender: "",
  recipient: "",
  action: "",
  reply: "",
  reason: "",
  isReport: false,
});

const newHandled = (): HandledMail => ({
  clockMs: 0,
  role: "",
  client: "",
  sender: "",
  authorDomain: "",
  action: "",
  would: "",
  results: "",
  signed: "",
  problem: "",
});

export class Activity {
  /** When each map was last asked. */
  readonly asked = Object.fromEntries(MAPS.map((map) => [map, new LastTime()])) as Readonly<Record<MapName, LastTime>>;
  /** When a message last went through the milter. */
  readonly handled = new LastTime();
  readonly messages = new Ring(KEPT, newHandled);
  readonly lookups = new Ring(KEPT, newLookup);
  readonly mails = new Ring(KEPT, newMail);
}
