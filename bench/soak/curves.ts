/** Draws curves as SVG: small pictures of one width, one below the other. */

export interface Curve {
  readonly title: string;
  readonly unit: string;
  /** Positions from left to right, with their values, which begin at 0. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** In pixels. */
const WIDTH = 720;
const HEIGHT = 110;
const LEFT = 56;
const RIGHT = 12;
const TOP = 26;
const BOTTOM = 8;

/** Colours that can be read on light and on dark pages. */
const STYLE =
  "text{font:12px sans-serif;fill:#777}.title{font-weight:bold}.grid{stroke:#9995;fill:none}.curve{stroke:#2a7ab8;fill:none;stroke-width:1.5}";

/** @param xUnit what the positions count */
export function drawCurves(curves: readonly Curve[], xUnit: string): string {
  const height = curves.length * HEIGHT + 24;
  const most = Math.max(...curves.flatMap(({ points }) => points.map(([x]) => x)));
  const panels = curves.map((curve, index) => draw(curve, index * HEIGHT, most));
  const axis = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    const label = `${Math.round(part * most)}${part === 1 ? ` ${xUnit}` : ""}`;
    return `<text x="${across(part)}" y="${height - 8}" text-anchor="${anchor}">${label}</text>`;
  });
  const title = curves.map((curve) => curve.title).join(", ");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${title}</title><style>${STYLE}</style>
${[...panels, ...axis].join("\n")}
</svg>
`;
}

function draw({ title, unit, points }: Curve, top: number, mostX: number): string {
  const mostY = roundUp(Math.max(...points.map(([, y]) => y)));
  const y = (value: number): string => (top + HEIGHT - BOTTOM - (value / mostY) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const line = points.map(([x, value]) => `${across(x / mostX)},${y(value)}`).join(" ");
  const grid = [0, mostY / 2, mostY].map(
    (value) =>
      `<path class="grid" d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${value}</text>`,
  );
  const heading = `<text class="title" x="${LEFT}" y="${top + 14}">${title}${unit === "" ? "" : `, ${unit}`}</text>`;
  return [heading, ...grid, `<polyline class="curve" points="${line}"/>`].join("\n");
}

function across(part: number): string {
  return (LEFT + part * (WIDTH - LEFT - RIGHT)).toFixed(1);
}

/** The next of 1, 2, 5, 10, 20, ... */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10);
}
