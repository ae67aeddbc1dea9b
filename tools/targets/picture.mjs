// Predicted against published, as an SVG for the documents: speed-ups and times, both axes logarithmic, with the bands that shall hold.
import { RATIO_WITHIN, TIME_WITHIN } from "./summary.mjs";

const MARKS = { gpu: "circle", cpu: "square", mcu: "triangle", npu: "diamond" };
const INK = { gpu: "#7190D4", cpu: "#9E1B0A", mcu: "#258074", npu: "#A3890F" };
const SIDE = 300;
const LEFT = 52;
const TOP = 28;

function mark(kind, x, y) {
  const fill = `fill="none" stroke="${INK[kind]}"`;
  const at = (points) =>
    `<polygon points="${points.map(([a, b]) => `${(x + a).toFixed(1)},${(y + b).toFixed(1)}`).join(" ")}" ${fill}/>`;
  if (MARKS[kind] === "circle") return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" ${fill}/>`;
  if (MARKS[kind] === "square")
    return at([
      [-3, -3],
      [3, -3],
      [3, 3],
      [-3, 3],
    ]);
  if (MARKS[kind] === "triangle")
    return at([
      [0, -3.5],
      [3.5, 3],
      [-3.5, 3],
    ]);
  return at([
    [0, -4],
    [4, 0],
    [0, 4],
    [-4, 0],
  ]);
}

function panel(left, title, points, [low, high], ticks, within, unit) {
  const scale = (value) => (Math.log(value / low) / Math.log(high / low)) * SIDE;
  const x = (value) => left + scale(value);
  const y = (value) => TOP + SIDE - scale(value);
  const line = (factor, dash) => {
    const from = Math.max(low, low / factor);
    const to = Math.min(high, high / factor);
    return `<line x1="${x(from).toFixed(1)}" y1="${y(from * factor).toFixed(1)}" x2="${x(to).toFixed(1)}" y2="${y(to * factor).toFixed(1)}" stroke="#8a8f99"${dash ? ' stroke-dasharray="3 3"' : ""}/>`;
  };
  const axis = ticks.map(([value, label]) =>
    [
      `<line x1="${x(value).toFixed(1)}" y1="${TOP + SIDE}" x2="${x(value).toFixed(1)}" y2="${TOP + SIDE + 4}" stroke="#8a8f99"/>`,
      `<text x="${x(value).toFixed(1)}" y="${TOP + SIDE + 16}" text-anchor="middle">${label}</text>`,
      `<line x1="${left - 4}" y1="${y(value).toFixed(1)}" x2="${left}" y2="${y(value).toFixed(1)}" stroke="#8a8f99"/>`,
      `<text x="${left - 7}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${label}</text>`,
    ].join(""),
  );
  return [
    `<text x="${left}" y="16" font-weight="bold">${title}</text>`,
    `<rect x="${left}" y="${TOP}" width="${SIDE}" height="${SIDE}" fill="none" stroke="#8a8f99"/>`,
    line(1, false),
    ...within.map((factor) => line(factor, true)),
    ...axis,
    `<text x="${left + SIDE / 2}" y="${TOP + SIDE + 34}" text-anchor="middle">published, ${unit}</text>`,
    `<text transform="rotate(-90)" x="${-(TOP + SIDE / 2)}" y="${left - 38}" text-anchor="middle">predicted</text>`,
    ...points.map(({ kind, published, predicted }) => mark(kind, x(published), y(predicted))),
  ].join("\n");
}

/** The picture of a list of errors. */
export function scatter(errors) {
  const ratios = errors
    .filter(({ ratio }) => ratio !== undefined)
    .map((each) => ({ kind: each.case.kind, published: each.case.ratio, predicted: each.predicted_ratio }));
  const times = errors
    .filter(({ time }) => time !== undefined)
    .map((each) => ({ kind: each.case.kind, published: 1e3 * each.case.seconds, predicted: 1e3 * each.seconds }));
  const second = LEFT + SIDE + 70;
  const width = second + SIDE + 20;
  const legend = Object.keys(MARKS).map((kind, i) => {
    const x = LEFT + 90 * i;
    return `${mark(kind, x + 4, TOP + SIDE + 54)}<text x="${x + 14}" y="${TOP + SIDE + 58}">${kind.toUpperCase()}</text>`;
  });
  const around = (share) => [1 - share, 1 + share];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${TOP + SIDE + 70}" width="${width}" font-family="system-ui, sans-serif" font-size="12" fill="#1F2430" role="img" aria-label="Predicted against published speed-ups and times">
<rect width="100%" height="100%" fill="#FBFAF7"/>
${panel(
  LEFT,
  "Speed-ups (dashed: ±40 %)",
  ratios,
  [0.3, 20],
  [0.5, 1, 2, 5, 10].map((v) => [v, v]),
  around(RATIO_WITHIN),
  "×",
)}
${panel(
  second,
  "Times (dashed: 2 ×)",
  times,
  [1e-3, 3e4],
  [
    [0.001, "1 µs"],
    [0.1, "0.1"],
    [10, "10"],
    [1000, "1 s"],
  ],
  [1 / TIME_WITHIN, TIME_WITHIN],
  "ms",
)}
${legend.join("\n")}
</svg>
`;
}
