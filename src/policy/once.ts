import type { Eventual } from "./chain.ts";

/** A value that is made at the first demand, and kept. Making that fails is forgotten, so that the next demand tries again. */
export class Once<T> {
  #value: Eventual<T> | undefined;

  /** The value; `make` is called only when there is none yet, and nobody is making it. */
  get(make: () => Eventual<T>): Eventual<T> {
    if (this.#value !== undefined) return this.#value;
    const value = make();
    this.#value = value;
    if (value instanceof Promise) this.#settle(value);
    return value;
  }

  /** Keeps what the promise brings in its place: from then on the value is there at once. */
  #settle(promise: Promise<T>): void {
    promise.then(
      (value) => {
        this.#value = value;
      },
      () => {
        this.#value = undefined;
      },
    );
  }
}
