/** Arguments that mean nothing to the benchmark. It ends with 64 (EX_USAGE of sysexits.h). */
export class UsageError extends Error {}

/** @throws {UsageError} for a value that is no number above zero */
export function positiveNumber(option: string, value: string): number {
  const number = Number(value);
  if (number > 0) return number;
  throw new UsageError(`Cannot use --${option} ${value}: want a number above zero`);
}
