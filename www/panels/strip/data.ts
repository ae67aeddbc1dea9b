/** From a run and its baseline to the bit strip. Pure, so the static first paint uses it too. */

import type { StripData, StripLayer } from "../../charts/strip";
import type { Speech } from "../../i18n";
import type { Outcome } from "../../state/runs";

/** The op that a transform folds away. */
const NORM = "batch_norm";

/**
 * Layers with parameters: bits are all bytes stored with a layer over the parameters that are left. Without an outcome yet, the
 * outlines of the baseline stand empty. Of a pruned network, layers that are gone stand hatched where they were; norms that were
 * folded do not.
 */
export function stripData(
  { model, pruned }: { readonly model: string; readonly pruned: boolean },
  outcome: Outcome | undefined,
  baseline: Outcome,
  speech: Speech,
): StripData {
  const layers: StripLayer[] = [];
  const now = outcome ?? baseline;
  const gone = (name: string) => pruned && !now.layers.some((layer) => layer.name === name);
  for (const before of pruned ? baseline.layers : now.layers) {
    const old = baseline.layers.find((entry) => entry.name === before.name);
    const layer = now.layers.find((entry) => entry.name === before.name);
    if (before.parameters === 0 || (gone(before.name) && before.op === NORM)) continue;
    const parameters = pruned ? before.parameters : (layer?.parameters ?? 0);
    const left = layer ? (pruned ? (layer.kept ?? layer.parameters) : layer.parameters) : 0;
    const bits = (8 * (layer?.bytes ?? 0)) / Math.max(1, left);
    const words = { name: before.name, parameters: speech.whole(left), bits: bits.toFixed(1) };
    layers.push({
      name: before.name,
      parameters,
      kept: left / parameters,
      bits: outcome ? bits : 0,
      baselineBits: old && old.parameters > 0 ? (8 * old.bytes) / old.parameters : 32,
      detail: speech.t("strip.detail", words),
      description:
        left < parameters
          ? speech.t("strip.layer.pruned", { ...words, before: speech.whole(parameters) })
          : speech.t("strip.layer", words),
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
