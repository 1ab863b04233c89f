/** A timer wheel: thousands of timeouts on one interval. */

/** Resolution of the wheel. A timer fires up to this much late, never early. */
const TICK_MS = 20;
const SLOTS = 512;
/** Number of ticks without a timer after which the wheel stops. */
const IDLE_TICKS = 100;

/**
 * An action at a given time, on the wheel's clock. It may be armed many times. Classes that wait extend this one, which
 * saves an object and a function for each query in flight.
 */
export abstract class Timer {
  /** The timer's slot, or -1. Only the wheel writes this field and the next three. */
  slot = -1;
  atMs = 0;
  /** The neighbours in the list of the slot. */
  previous: Timer | undefined = undefined;
  next: Timer | undefined = undefined;

  /** Called when the time has come. */
  abstract fire(): void;
}

/**
 * Fires timers. Arming and disarming takes a few assignments, far less than `setTimeout`. The wheel keeps the process
 * alive only while a timer is armed.
 */
export class TimerWheel {
  readonly #clockMs: () => number;
  /** The first timer of each slot. */
  readonly #slots = new Array<Timer | undefined>(SLOTS).fill(undefined);
  #interval: NodeJS.Timeout | undefined;
  #armed = 0;
  #idleTicks = 0;
  #tick = 0;

  /** @param clockMs the clock of every `atMs` */
  constructor(clockMs: () => number) {
    this.#clockMs = clockMs;
  }

  /** Sets `timer` to fire at `atMs` instead of any earlier setting. A time in the past means the next tick. */
  arm(timer: Timer, atMs: number): void {
    this.#start();
    this.#remove(timer);
    timer.atMs = atMs;
    // A timer more than one turn of the wheel ahead is skipped until its time comes.
    const tick = Number.isFinite(atMs) ? Math.max(Math.ceil(atMs / TICK_MS), this.#tick + 1) : this.#tick;
    timer.slot = tick % SLOTS;
    this.#insert(timer);
    if ((this.#armed += 1) === 1) this.#interval?.ref();
  }

  disarm(timer: Timer): void {
    if (!this.#remove(timer)) return;
    if (this.#armed === 0) this.#interval?.unref();
  }

  /** Forgets every timer. */
  close(): void {
    this.#stop();
    for (let slot = 0; slot < SLOTS; slot += 1) for (const timer of this.#timersOf(slot)) this.#remove(timer);
  }

  #insert(timer: Timer): void {
    const first = this.#slots[timer.slot];
    timer.next = first;
    if (first !== undefined) first.previous = timer;
    this.#slots[timer.slot] = timer;
  }

  #remove(timer: Timer): boolean {
    if (timer.slot === -1) return false;
    const { previous, next, slot } = timer;
    if (previous === undefined) this.#slots[slot] = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    timer.previous = undefined;
    timer.next = undefined;
    timer.slot = -1;
    this.#armed -= 1;
    return true;
  }

  #start(): void {
    if (this.#interval !== undefined) return;
    this.#tick = Math.floor(this.#clockMs() / TICK_MS);
    this.#idleTicks = 0;
    this.#interval = setInterval(() => this.#advance(), TICK_MS);
    this.#interval.unref();
  }

  #stop(): void {
    clearInterval(this.#interval);
    this.#interval = undefined;
  }

  #advance(): void {
    this.#idleTicks = this.#armed === 0 ? this.#idleTicks + 1 : 0;
    if (this.#idleTicks > IDLE_TICKS) {
      this.#stop();
      return;
    }

    const nowMs = this.#clockMs();
    const last = Math.floor(nowMs / TICK_MS);
    // Each slot is visited only once, even after a long pause.
    this.#tick = Math.max(this.#tick, last - SLOTS);
    while (this.#tick < last) {
      this.#tick += 1;
      this.#fireDue(this.#tick % SLOTS, nowMs);
    }
  }

  /** Fires the due timers of a slot. A timer may arm and disarm others meanwhile, in this slot too. */
  #fireDue(slot: number, nowMs: number): void {
    for (const timer of this.#timersOf(slot)) {
      if (timer.slot !== slot || timer.atMs > nowMs) continue;
      this.disarm(timer);
      timer.fire();
    }
  }

  #timersOf(slot: number): Timer[] {
    const timers: Timer[] = [];
    for (let timer = this.#slots[slot]; timer !== undefined; timer = timer.next) timers.push(timer);
    return timers;
  }
}
