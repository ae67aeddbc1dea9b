// docs/targets.md: the cost model's constants, its errors, and the points that it misses.
import { PARAMETERS } from "./fit.mjs";
import { REASONS } from "./reasons.mjs";
import { groups, misses, numbers, RATIO_WITHIN, TIME_WITHIN } from "./summary.mjs";

const MEANING = {
  peak: "share of the dense peak that large products reach",
  floats: "factor of that for floats",
  network: "share of that which products within a network reach: its shapes, and cold caches",
  network_plain: "the same with llama.cpp, whose prefill is less tuned; used for the fit alone",
  bandwidth: "share of the memory's bandwidth; of microcontrollers of SRAM's, weights coming from flash",
  bandwidth_stacked: "the same of HBM, from which more must be asked for at once to keep it busy",
  launch_us: "microseconds of every kernel",
  step_us: "microseconds of every run of a network",
  sequence_us: "microseconds of every sequence of a batch for each token: sampling and scheduling",
  usable: "share of the memory that a server gives to weights, keys and values; used for the fit alone",
  unpack: "operations of the vector units to decode a weight, once for every 128 rows",
  group: "operations to scale the sum of one group, where weights of groups are not decoded first",
  output: "operations for every value written",
  rounding: "operations beside those for every value that is rounded to whole numbers",
  sparse: "by how much 2:4 is faster where products bound",
  winograd: "by how much libraries make 3×3 convolutions of floats cheaper",
  threads: "exponent: n cores are as fast as n to this power of one",
  pj_per_op: "picojoules of an operation at 16 bits on a chip of 2020; rates stay below power / energy",
  pj_per_year: "factor of that for each year later",
  pj_narrow: "factor of that for half the bits",
};

const percent = (value, digits = 0) => (value === undefined ? "" : `${(100 * value).toFixed(digits)} %`);
const cell = (text) => String(text).replaceAll("|", "\\|");

function errorTable(errors, left) {
  const head =
    "| | Speed-ups | Median error | Within 40 % | Left out: median | Within 40 % | Times | Median factor | Within 2 × | Left out: median | Within 2 × |";
  const rows = groups(errors).map(([name, own]) => {
    const ids = new Set(own.map((each) => each.case.point.id));
    const [a, b] = [numbers(own), numbers(left.filter((each) => ids.has(each.case.point.id)))];
    const factor = (value) => (value === undefined ? "" : value.toFixed(2));
    const cells = [
      ids.size === errors.length
        ? "**all**"
        : Object.hasOwn(PARAMETERS, name)
          ? `**${name.toUpperCase()}**`
          : `\`${name}\``,
      a.ratios,
      percent(a.ratio_median),
      percent(a.ratio_within),
      percent(b.ratio_median),
      percent(b.ratio_within),
      a.times,
      factor(a.time_median),
      percent(a.time_within),
      factor(b.time_median),
      percent(b.time_within),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [head, head.replace(/[^|]+/g, "---"), ...rows].join("\n");
}

function constantTable(constants) {
  const kinds = Object.keys(PARAMETERS);
  const value = (kind, name) =>
    Object.hasOwn(PARAMETERS[kind].free, name) ? Number(constants[kind][name].toPrecision(3)) : "";
  const rows = Object.entries(MEANING).map(
    ([name, meaning]) => `| ${name} | ${meaning} | ${kinds.map((kind) => value(kind, name)).join(" | ")} |`,
  );
  const head = `| Constant | What it is | ${kinds.map((kind) => kind.toUpperCase()).join(" | ")} |`;
  return [head, head.replace(/[^|]+/g, "---"), ...rows].join("\n");
}

function missTable(errors) {
  const rows = misses(errors).map((each) => {
    const { point, seconds, ratio } = each.case;
    const time = each.time === undefined ? "" : `${Math.exp(each.time).toFixed(2)} ×`;
    const speed = each.ratio === undefined ? "" : `${ratio} × / ${each.predicted_ratio.toFixed(2)} ×`;
    const cells = [
      point.id,
      `\`${each.case.target}\``,
      `${point.workload}, ${point.format}`,
      seconds === undefined ? "" : time,
      speed,
    ];
    return `| ${cells.map(cell).join(" | ")} | ${cell(REASONS[point.id] ?? "")} |`;
  });
  const head = "| Point | Target | What | Time, predicted / published | Speed-up, published / predicted | Reason |";
  return [head, head.replace(/[^|]+/g, "---"), ...rows].join("\n");
}

function withoutTable(without) {
  const reasons = [...new Set(without.map(({ reason }) => reason))];
  const rows = reasons.map((reason) => {
    const ids = without.filter((each) => each.reason === reason).map(({ point }) => point.id);
    return `| ${ids.length} | ${reason} | ${ids.join(" ")} |`;
  });
  return ["| Points | Why there is no model for them | Which |", "|---|---|---|", ...rows].join("\n");
}

/** Energy of microcontrollers, the only ones with a published one: power × time against what was measured. */
function energyLine(errors, registry) {
  const of = errors.filter((each) => each.case.point.energy_uj && each.case.seconds);
  const off = of.map((each) => {
    const { tdp_w } = registry.find(({ id }) => id === each.case.target);
    return Math.exp(Math.abs(Math.log((1e6 * tdp_w * each.seconds) / each.case.point.energy_uj)));
  });
  const sorted = off.sort((a, b) => a - b);
  return `Energy is published for ${of.length} of them, all microcontrollers: the median factor is ${sorted[sorted.length >> 1].toFixed(2)}, the largest ${sorted.at(-1).toFixed(2)}.`;
}

export function page({ fitted, cases, without, errors, left }, registry) {
  const all = numbers(errors);
  const out = numbers(left);
  const of = (bands) => Object.entries(bands).map(([kind, band]) => `${kind.toUpperCase()} ${band} ×`);
  const bands = of(fitted.band);
  return `# How far the cost model is off

What \`npm run targets -- validate\` writes. The model (\`www/targets/cost.mjs\`) is a roofline for every layer: products at what of the peak is reached, bytes at what of the
bandwidth is reached, the larger of the two, and what every kernel, decoded weight and written value adds. Its constants are those of a kind of hardware, never of a target or a
point; \`npm run targets -- fit\` finds them from \`data/targets/measured.json\` and writes \`data/targets/constants.json\`. Targets differ by their published facts alone
(\`data/targets/targets.json\`).

Of ${cases.length + without.length} published points ${cases.length} have a model. Speed-ups (compressed over baseline on the same hardware): ${all.ratios}, median error ${percent(all.ratio_median, 1)}, ${percent(all.ratio_within, 1)} within
${percent(RATIO_WITHIN)}. Times: ${all.times}, median factor ${all.time_median.toFixed(2)}, ${percent(all.time_within, 1)} within ${TIME_WITHIN} ×. With every target predicted by constants that were fitted without it: speed-ups median
${percent(out.ratio_median, 1)}, ${percent(out.ratio_within, 1)} within ${percent(RATIO_WITHIN)}; times median factor ${out.time_median.toFixed(2)}, ${percent(out.time_within, 1)} within ${TIME_WITHIN} ×. ${energyLine(errors, registry)}

![Predicted against published](targets.svg)

## Errors

"Left out": the target's points, by constants fitted to the others of its kind. Blank where no other target of the kind is measured, or nothing of that sort is.

${errorTable(errors, left)}

Bands of modelled times, on the page and in reports, are the factor that four of five of those errors stay within, targets left out: ${bands.join(", ")}; of speed-ups ${of(fitted.ratio_band).join(", ")}. The NPU's is that of the fit: only
the Edge TPU is measured. The Neural Engine and Hexagon have its constants for want of others; TPUs have those of GPUs.

## Constants

${constantTable(fitted.constants)}

On a core that issues one instruction a cycle and has no multiplication of bytes (Cortex-M4), widening them takes as many slots as multiplying: half the rate, by the facts.
Blank: not fitted for that kind; nothing measured depends on it. The \`unpack\` of CPUs and microcontrollers is that of GPUs.
Where a target lends a constant no measurement, it stays near its starting guess (\`tools/targets/fit.mjs\`).

## Points that the model misses

By more than ${TIME_WITHIN} × in time or ${percent(RATIO_WITHIN)} in speed-up.

${missTable(errors)}

## Points without a model

${withoutTable(without)}

## What the model leaves out

- Tiles that do not fill a machine, and libraries' choice of kernels: square products of 1,000 to 2,000 rows vary by half.
- Software. GPUs are modelled as a tuned server (vLLM, TensorRT-LLM) runs them; old or plain kernels are slower.
- Prompts: measured decodes do not state the length of what came before; ${256} positions are assumed, 1,024 for the runs of 2,048 tokens.
- Energy beside power × time: idle share (TPU v4's), operations and bytes (Horowitz 2014, scaled by the fitted factor a year). Nothing measured checks it but microcontrollers.
`;
}
