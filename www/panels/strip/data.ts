/** From a run and its baseline to the bit strip. Pure, so the static first paint uses it too. */

import type { StripData, StripLayer } from "../../charts/strip";
import type { Speech } from "../../i18n";
import type { Outcome } from "../../state/runs";

/**
 * Layers with parameters: bits are all bytes stored with a layer over its parameters. Without an outcome yet, the outlines of
 * the baseline stand empty.
 */
export function stripData(model: string, outcome: Outcome | undefined, baseline: Outcome, speech: Speech): StripData {
  const layers: StripLayer[] = [];
  for (const layer of (outcome ?? baseline).layers) {
    if (layer.parameters === 0) continue;
    const before = baseline.layers.find((entry) => entry.name === layer.name);
    const bits = (8 * layer.bytes) / layer.parameters;
    layers.push({
      name: layer.name,
      parameters: layer.parameters,
      bits: outcome ? bits : 0,
      baselineBits: before && before.parameters > 0 ? (8 * before.bytes) / before.parameters : 32,
      detail: speech.t("strip.detail", { parameters: speech.whole(layer.parameters), bits: bits.toFixed(1) }),
      description: speech.t("strip.layer", {
        name: layer.name,
        parameters: speech.whole(layer.parameters),
        bits: bits.toFixed(1),
      }),
    });
  }
  return {
    layers,
    heightLabel: speech.t("strip.full"),
    description: speech.t("strip.label", {
      model: speech.name("model", model),
      layers: layers.map((layer) => layer.description).join(" "),
    }),
  };
}
