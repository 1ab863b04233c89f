/** Points in time and durations, in words. */
import { type Html, html } from "./html.ts";

const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

/** A duration with its largest unit, and the next one below two of them: `3 minutes`, `1 hour 20 minutes`. */
export function duration(ms: number): string {
  let seconds = Math.max(0, Math.floor(ms / 1000));
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  if (first === -1) return "0 seconds";
  const words: string[] = [];
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count > 0) words.push(`${count} ${unit}${count === 1 ? "" : "s"}`);
    if (count > 1) break;
  }
  return words.join(" ");
}

/** How long ago something was, with its time in UTC. */
export function ago(thenMs: number, nowMs: number): Html {
  const iso = new Date(Math.min(thenMs, nowMs)).toISOString();
  return html`<time datetime="${iso}">${duration(nowMs - thenMs)} ago <small>(${utc(thenMs)})</small></time>`;
}

/** `2026-11-26 08:00:00 UTC` */
export function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
