// Entries of a report's `targets`: what a recipe's network costs on machines that are not here. Modelled, and marked as such.

import { networkCost } from "./cost.mjs";
import { kindOf } from "./formats.mjs";
import { floatOf, sentence } from "./legality.mjs";
import { attention, linear } from "./shapes.mjs";

/**
 * @typedef {{name: string, op: string, parameters: number, macs: number, row: number}} LayerInfo of the catalog
 * @typedef {{layers: readonly LayerInfo[], macs: number}} ModelInfo
 * @typedef {{name: string, op: string, weight_format: string, activation_format: string, parameters: number, kept?: number, macs: number, bytes: number}} LayerReport
 */

/** What a recipe calls numbers that it leaves alone. */
const ALONE = "fp32";
/** Bits of a group's scale. */
const SCALE_BITS = 16;

/**
 * The shape of a layer as it was before any step. The catalog has products, parameters and the terms of a sum; the rest follows.
 *
 * @param {LayerInfo} info
 */
export function shapeOf({ macs, parameters, row }) {
  // Outputs n with row·n weights, with or without n biases; products are a whole number of rows times the weights.
  const plain = parameters / row;
  const biased = parameters / (row + 1);
  const whole = (n) => Number.isInteger(n) && Number.isInteger(macs / (n * row));
  const n = whole(biased) && !(whole(plain) && !whole(biased)) ? biased : plain;
  return { n, k: row, m: macs / (n * row), weights: n * row };
}

/**
 * A network's layers for a batch of images. `now`: layers of a report, where steps have changed them. What a layer reads is what the one
 * before it wrote, or fewer.
 *
 * @param {ModelInfo} model
 * @param {number} batch
 * @param {{layers: readonly LayerReport[], macs: number}} [now]
 * @returns {import("./shapes.mjs").Layer[]}
 */
export function layersOf(model, batch, now) {
  let before = Infinity;
  const layers = [];
  let products = 0;
  for (const info of model.layers) {
    const current = now ? now.layers.find(({ name }) => name === info.name) : info;
    // A step has taken it out, or it has no weights of its own.
    if (!current || info.row === 0 || info.macs === 0) continue;
    const shape = shapeOf(info);
    const weights = current.macs / shape.m;
    // Pruned channels: fewer outputs and fewer terms, in about the same proportion.
    const left = Math.sqrt(weights / shape.weights);
    const [n, k] = now && left < 1 ? [shape.n * left, shape.k * left] : [shape.n, shape.k];
    const m = batch * shape.m;
    const inputs = Math.min(m * k, before);
    const outputs = m * n;
    const op = /** @type {"linear" | "conv2d"} */ (info.op === "linear" ? "linear" : "conv2d");
    layers.push({
      ...linear(info.name, m, n, k),
      op,
      macs: batch * current.macs,
      weights,
      inputs,
      outputs,
      parameters: current.parameters,
    });
    before = outputs;
    products += current.macs;
  }
  const rest = (now?.macs ?? model.macs) - products;
  if (rest > 0.001 * products) {
    // Products without weights are those of attention.
    const base = attention("attention", { m: batch, context: 1, width: 1, cached: 0, count: 1 });
    layers.push({ ...base, macs: batch * rest });
  }
  return layers;
}

/** The quantize step of a canonical recipe, and what it says of a layer's groups. */
function groupOf(recipe, name) {
  const step = recipe.steps.find((each) => each.quantize)?.quantize;
  const granularity = step?.layers?.[name]?.weights?.granularity ?? step?.weights?.granularity;
  return typeof granularity === "object" && granularity !== null ? granularity.group : undefined;
}

function prunedTo24(recipe) {
  return recipe.steps.some(
    ({ prune }) => Array.isArray(prune?.pattern?.nm) && prune.pattern.nm[0] === 2 && prune.pattern.nm[1] === 4,
  );
}

/**
 * How each layer of a report is to be run on a target.
 *
 * @param {import("./registry.mjs").Target} target
 * @param {{recipe: any, layers: readonly LayerReport[]}} report
 * @returns {(layer: {name: string}) => import("./cost.mjs").Plan}
 */
export function plansOf(target, report) {
  const float = floatOf(target) ?? ALONE;
  const format = (id) => (id === ALONE ? float : id);
  const plans = new Map(
    report.layers.map((layer) => {
      const weights = format(layer.weight_format);
      const plan = { weights, activations: format(layer.activation_format) };
      const group = groupOf(report.recipe, layer.name);
      const scales = group ? SCALE_BITS / group : 0;
      const stored_bits = layer.weight_format === ALONE ? undefined : bitsOf(weights) + scales;
      const count = layer.kept === undefined ? 1 : layer.kept / layer.parameters;
      const pattern = count === 1 ? undefined : prunedTo24(report.recipe) ? "2:4" : "unstructured";
      const more = {
        ...(stored_bits && { stored_bits }),
        ...(group && { group }),
        ...(pattern && { pattern, density: count }),
      };
      return [layer.name, { ...plan, ...more }];
    }),
  );
  return ({ name }) => plans.get(name) ?? { weights: float, activations: float };
}

const bitsOf = (format) => kindOf(format).bits;

/**
 * A report's network on a target.
 *
 * @param {import("./registry.mjs").Target} target
 * @param {any} report
 * @param {ModelInfo} model of the catalog
 * @param {import("./cost.mjs").Fitted} fitted
 * @param {number} batch
 */
export function costOfReport(target, report, model, fitted, batch) {
  const planOf = plansOf(target, report);
  const layers = layersOf(model, batch, { layers: report.layers, macs: report.cost.macs });
  // The report counts values of 32 bits; inputs that are rounded take their own.
  const bits = report.layers.map(({ activation_format }) =>
    activation_format === ALONE ? 32 : Math.max(8, bitsOf(activation_format)),
  );
  const values = report.cost.peak_activation_bytes;
  const activation_bytes = values === undefined ? undefined : batch * values * (Math.max(...bits) / 32);
  return networkCost(target, layers, planOf, fitted, { batch, activation_bytes });
}

/**
 * The same network before any step, in the numbers that the target runs floats in.
 *
 * @param {import("./registry.mjs").Target} target
 * @param {ModelInfo} model
 * @param {import("./cost.mjs").Fitted} fitted
 * @param {number} batch
 */
export function costOfBaseline(target, model, fitted, batch) {
  const float = floatOf(target) ?? ALONE;
  return networkCost(target, layersOf(model, batch), () => ({ weights: float, activations: float }), fitted, { batch });
}

/** A number as JSON can hold it. */
const finite = (value) => (Number.isFinite(value) ? value : null);

/**
 * An entry of a report's `targets`.
 *
 * @param {import("./registry.mjs").Target} target
 * @param {any} report
 * @param {ModelInfo} model
 * @param {import("./cost.mjs").Fitted} fitted
 * @param {number} [batch]
 */
export function targetEntry(target, report, model, fitted, batch = 1) {
  const cost = costOfReport(target, report, model, fitted, batch);
  return {
    ...rowOf(target, cost, batch),
    baseline_latency_ms: finite(costOfBaseline(target, model, fitted, batch).latency_ms),
    layers: cost.layers.map(layerEntry),
  };
}

/**
 * What a report and the command line say of a cost.
 *
 * @param {import("./registry.mjs").Target} target
 * @param {import("./cost.mjs").Cost} cost
 * @param {number} batch
 */
export function rowOf(target, cost, batch) {
  const { fit } = cost;
  return {
    id: target.id,
    measured: false,
    batch,
    float: floatOf(target),
    latency_ms: finite(cost.latency_ms),
    latency_low_ms: finite(cost.low_ms),
    latency_high_ms: finite(cost.high_ms),
    energy_mj: finite(cost.energy_mj),
    fits: fit.fits,
    ...(fit.fits ? {} : { over_bytes: Math.ceil(fit.over_bytes), short_of: fit.short }),
  };
}

/**
 * The layer with most products: how it runs says how the network does.
 *
 * @param {import("./cost.mjs").Cost} cost
 */
export function mainLayer({ layers }) {
  return layers.reduce((most, layer) => (layer.count * layer.macs > most.count * most.macs ? layer : most));
}

/** @param {import("./cost.mjs").LayerCost} cost */
export function layerEntry({ name, count, verdict, bound, ms, energy_mj }) {
  return {
    name,
    ...(count > 1 && { count }),
    requested: verdict.requested,
    executed: verdict.executed,
    support: verdict.support,
    reason: sentence(verdict),
    bound,
    ms: finite(ms),
    energy_mj: finite(energy_mj),
  };
}
