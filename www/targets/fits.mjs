// Whether a network fits a target's memory, and by how much it does not.

import { BITS } from "./formats.mjs";

/**
 * @typedef {object} Fit
 * @property {boolean} fits
 * @property {number} weight_bytes
 * @property {number} working_bytes values that stand in memory at once, keys and values included
 * @property {number} over_bytes by how much it does not fit; 0 when it does
 * @property {"memory" | "flash" | "sram" | null} short of what
 */

/**
 * Weights and what the network works on, against the target's memory. Microcontrollers keep weights in flash and the rest in SRAM; an
 * accelerator that streams what has no room on the chip has the host's memory.
 *
 * @param {import("./registry.mjs").Target} target
 * @param {readonly {layer: import("./shapes.mjs").Layer, plan: import("./cost.mjs").Plan, verdict: import("./legality.mjs").Verdict}[]} rows
 * @param {{held?: number, activation_bytes?: number}} run bytes of keys and values; of values, where that is known
 * @returns {Fit}
 */
export function fitOf(target, rows, { held = 0, activation_bytes } = {}) {
  let weight_bytes = 0;
  let most = 0;
  for (const { layer, plan, verdict } of rows) {
    const bits = layer.head ? Math.max(16, verdict.weight_bits) : Math.max(verdict.weight_bits, plan.stored_bits ?? 0);
    weight_bytes += (layer.count * layer.weights * bits * (plan.density ?? 1)) / 8;
    // Embeddings and norms stay as they are.
    if (layer.op === "elementwise") weight_bytes += layer.parameters * 2;
    const numbers = verdict.compute === null ? 32 : BITS[verdict.compute];
    most = Math.max(most, ((layer.inputs + layer.outputs) * Math.max(8, numbers)) / 8);
  }
  const working_bytes = (activation_bytes ?? most) + held;
  const bytes = (mb) => (mb ?? Infinity) * 1e6;
  if (target.kind === "mcu") {
    const flash = weight_bytes - bytes(target.flash_mb);
    const sram = working_bytes - bytes(target.mem_gb * 1e3);
    const over_bytes = Math.max(0, flash, sram);
    const short = over_bytes === 0 ? null : flash > sram ? "flash" : "sram";
    return { fits: over_bytes === 0, weight_bytes, working_bytes, over_bytes, short };
  }
  const room = target.family === "edge-tpu" ? Infinity : bytes(target.mem_gb * 1e3);
  const over_bytes = Math.max(0, weight_bytes + working_bytes - room);
  return { fits: over_bytes === 0, weight_bytes, working_bytes, over_bytes, short: over_bytes > 0 ? "memory" : null };
}
