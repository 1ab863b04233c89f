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

export class Activity {
  /** When each map was last asked. */
  readonly asked = Object.fromEntries(MAPS.map((map) => [map, new LastTime()])) as Readonly<Record<MapName, LastTime>>;
  readonly lookups = new Ring(KEPT, newLookup);
  readonly mails = new Ring(KEPT, newMail);
}
