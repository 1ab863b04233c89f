/** Small plots as SVG: one bar for each period, the newest at the right. */
import { type Html, html } from "./html.ts";

const BAR_WIDTH = 3;
const HEIGHT = 28;
/** Height of the smallest bar, so that a single event can be seen. */
const LEAST = 2;

/** @param label what the plot shows, in words: its text alternative */
export function plot(values: readonly number[], label: string): Html {
  const width = values.length * BAR_WIDTH;
  const most = Math.max(...values);
  let path = "";
  for (const [i, value] of values.entries()) {
    if (value === 0) continue;
    const height = Math.max(LEAST, Math.round((value / most) * HEIGHT));
    path += `M${i * BAR_WIDTH} ${HEIGHT}v-${height}h${BAR_WIDTH - 1}v${height}z`;
  }
  return html`<svg class="plot" role="img" viewBox="0 0 ${width} ${HEIGHT + 1}" preserveAspectRatio="none" aria-label="${label}"><path class="base" d="M0 ${HEIGHT}h${width}v1h-${width}z"/>${path === "" ? undefined : html`<path class="bars" d="${path}"/>`}</svg>`;
}

/** Sums of `perGroup` neighbours each. */
export function grouped(values: readonly number[], perGroup: number): number[] {
  const sums = new Array<number>(Math.ceil(values.length / perGroup)).fill(0);
  for (const [i, value] of values.entries()) {
    const group = Math.floor(i / perGroup);
    sums[group] = (sums[group] ?? 0) + value;
  }
  return sums;
}
