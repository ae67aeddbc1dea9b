/** A training step on the machine looked at, by precision: time, what it keeps in memory, and the inferences that pay it back. */

import { html, nothing, type TemplateResult } from "lit";
import type { Target } from "../../targets/registry.mjs";
import { PRECISIONS, payBack, trainingStep } from "../../targets/training.mjs";
import type { Scene } from "./content";
import { type Facts, type Pair, trainedLayers } from "./data";
import { nameOf } from "./names";
import { duration, gigabytes } from "./numbers";

const MOST_STEPS = 1e9;

export function trainingTable(
  { fitted }: Facts,
  { lab, speech, steps, setSteps }: Scene,
  machine: Target,
  pair: Pair | undefined,
): TemplateResult {
  const t = (key: string, values: Readonly<Record<string, string | number>> = {}) => speech.t(key, values);
  const model = lab.catalog?.models.find(({ id }) => id === lab.view.choice.model);
  const layers = model && trainedLayers(lab.view.machines, model);
  const saved =
    pair && Number.isFinite(pair.base.latency_ms - pair.cost.latency_ms)
      ? [pair.base.latency_ms, pair.cost.latency_ms]
      : [0, 0];
  const rows = layers
    ? PRECISIONS.map((precision) => ({ precision, step: trainingStep(machine, layers, precision, fitted) }))
    : [];
  return html`
    <details class="training">
      <summary>${t("target.training", { name: nameOf(machine), batch: lab.view.machines.batch })}</summary>
      <p class="soft">${t("target.training.about")}</p>
      ${
        layers
          ? html`<p class="soft"><label>${t("target.steps")}
              <input type="number" min="1" max=${MOST_STEPS} .value=${String(steps)}
                @change=${(event: Event) => setSteps(Math.min(MOST_STEPS, Math.max(1, Math.round(Number((event.target as HTMLInputElement).value)) || 1)))} /></label></p>
            <div class="scroll" tabindex="0" role="region" aria-label=${t("target.training", { name: nameOf(machine), batch: lab.view.machines.batch })}>
            <table class="steps-table">
              <thead>
                <tr>
                  ${["precision", "support", "step", "weights", "gradients", "optimizer", "activations", "back"].map((id) => html`<th scope="col">${t(`target.train.${id}`)}</th>`)}
                </tr>
              </thead>
              <tbody>
                ${rows.map(({ precision, step }) => {
                  const runs = Number.isFinite(step.step_ms);
                  const back = payBack(steps * step.step_ms, saved[0] ?? 0, saved[1] ?? 0);
                  const { weights, gradients, optimizer, activations } = step.bytes;
                  return html`<tr>
                    <th scope="row" title=${precision.source}>${precision.id.toUpperCase()}</th>
                    <td>${t(`target.support.${step.verdict.support}`)}${step.over_bytes > 0 ? html`, <span class="bad">${t("target.train.over", { over: gigabytes(step.over_bytes) })}</span>` : nothing}</td>
                    <td>${runs ? t("target.time", { time: duration(step.step_ms), low: duration(step.low_ms), high: duration(step.high_ms) }) : "–"}</td>
                    ${[weights, gradients, optimizer, activations].map((bytes) => html`<td>${gigabytes(bytes)}</td>`)}
                    <td>${runs && Number.isFinite(back) ? `≈ ${speech.whole(Number(back.toPrecision(2)))}` : t("target.train.never")}</td>
                  </tr>`;
                })}
              </tbody>
            </table></div>`
          : html`<p class="soft">${t("target.training.none")}</p>`
      }
    </details>
  `;
}
