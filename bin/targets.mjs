// `featherweight targets`: reference workloads on targets, without the engine.
import { networkCost } from "../www/targets/cost.mjs";
import { readConstants, readRegistry } from "../www/targets/facts.mjs";
import { kindOf } from "../www/targets/formats.mjs";
import { floatOf } from "../www/targets/legality.mjs";
import { findTarget } from "../www/targets/registry.mjs";
import { layerEntry, mainLayer, rowOf } from "../www/targets/report.mjs";
import { PRECISIONS, trainingStep } from "../www/targets/training.mjs";
import { WORKLOADS } from "../www/targets/workloads.mjs";
import { BadInput } from "./words.mjs";

export const OPTIONS = {
  workload: { type: "string" },
  batch: { type: "string" },
  sequence: { type: "string" },
  weights: { type: "string" },
  activations: { type: "string" },
  group: { type: "string" },
  targets: { type: "string" },
  training: { type: "boolean" },
  layers: { type: "boolean" },
};

/** What `float` stands for: the numbers a target runs floats in. */
const FLOAT = "float";
const SCALE_BITS = 16;

function number(option, text, most) {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new BadInput(`--${option} is ${text === "" ? "nothing" : text}; allowed: a whole number from 1 to ${most}`);
}

function chosen(option, text, all) {
  if (text === undefined) return all;
  return text.split(",").map((id) => {
    const found = all.find((each) => each.id === id);
    if (!found) throw new BadInput(`--${option} has ${id}; allowed: ${all.map((each) => each.id).join(", ")}`);
    return found;
  });
}

function format(option, id) {
  if (id === FLOAT) return id;
  try {
    kindOf(id);
    return id;
  } catch {
    throw new BadInput(
      `--${option} is ${id}; allowed: ${FLOAT} or a format such as int4, int8, fp8-e4m3, fp16, nvfp4, nf4`,
    );
  }
}

const finite = (value) => (Number.isFinite(value) ? value : null);

/**
 * Rows for each workload and target: of inference, or of training steps.
 *
 * @param {Record<string, string | boolean | undefined>} options as `OPTIONS` has them
 */
export function rows(options) {
  const registry = readRegistry();
  const fitted = readConstants();
  const targets = chosen("targets", options.targets, registry.targets).map(({ id }) => findTarget(registry, id));
  const workloads = chosen("workload", options.workload, WORKLOADS);
  const batch = number("batch", options.batch ?? "1", 65536);
  const asked = options.sequence === undefined ? undefined : number("sequence", options.sequence, 1 << 20);
  const weights = format("weights", options.weights ?? FLOAT);
  const activations = format("activations", options.activations ?? FLOAT);
  const group = options.group === undefined ? undefined : number("group", options.group, 65536);
  return workloads.flatMap((workload) => {
    const sequence = asked ?? workload.sequence;
    const layers = workload.layers({ batch, sequence });
    const named = { workload: workload.id, unit: workload.unit, ...(workload.sequence > 0 && { sequence }) };
    if (options.training) {
      // A model that writes is trained on whole sequences.
      if (workload.unit === "token") return [];
      return targets.flatMap((target) =>
        PRECISIONS.map((precision) => ({
          id: target.id,
          batch,
          ...named,
          ...step(trainingStep(target, layers, precision, fitted)),
        })),
      );
    }
    return targets.map((target) => {
      const float = floatOf(target) ?? "fp32";
      const own = (id) => (id === FLOAT ? float : id);
      const stored =
        weights !== FLOAT && group !== undefined
          ? { stored_bits: kindOf(weights).bits + SCALE_BITS / group, group }
          : {};
      const plan = { weights: own(weights), activations: own(activations), ...stored };
      const writes = workload.unit === "token";
      const run = { batch, writes, held: workload.held(sequence) * batch * 2 };
      const cost = networkCost(target, layers, () => plan, fitted, run);
      const base = networkCost(target, layers, () => ({ weights: float, activations: float }), fitted, run);
      return {
        ...named,
        ...rowOf(target, cost, batch),
        baseline_latency_ms: finite(base.latency_ms),
        speedup: finite(base.latency_ms / cost.latency_ms),
        ...(options.layers && { layers: cost.layers.map(layerEntry) }),
        ...verdictOf(cost),
      };
    });
  });
}

/** How most products are run. */
function verdictOf(cost) {
  const { requested, executed, support, reason, bound } = layerEntry(mainLayer(cost));
  return { requested, executed, support, reason, bound };
}

function step({ precision, verdict, step_ms, low_ms, high_ms, optimizer_ms, energy_mj, bytes, over_bytes }) {
  const { support, compute } = verdict;
  return {
    precision,
    support,
    compute,
    measured: false,
    step_ms: finite(step_ms),
    step_low_ms: finite(low_ms),
    step_high_ms: finite(high_ms),
    optimizer_ms,
    energy_mj: finite(energy_mj),
    bytes,
    fits: over_bytes === 0,
    ...(over_bytes > 0 && { over_bytes: Math.ceil(over_bytes) }),
  };
}
