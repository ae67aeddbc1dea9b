/** Every layer on the machine looked at: how it runs, what bounds it, what it takes. */

import { html, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import type { Pair } from "./data";
import { duration, energy, tagOf } from "./numbers";

export function layersTable({ cost }: Pair, speech: Speech): TemplateResult {
  const t = (key: string, values: Readonly<Record<string, string | number>> = {}) => speech.t(key, values);
  const said = (value: number, words: (value: number) => string) =>
    Number.isFinite(value) ? `≈ ${words(value)}` : "–";
  return html`
    <div class="scroll layers-scroll" tabindex="0" role="region" aria-label=${t("target.layers")}>
      <table class="steps-table">
        <caption class="hidden">${t("target.layers")}</caption>
        <thead>
          <tr>${["layer", "runs", "bound", "time", "energy"].map((id) => html`<th scope="col">${t(`target.layer.${id}`)}</th>`)}</tr>
        </thead>
        <tbody>
          ${cost.layers.map(
            ({ name, count, verdict, bound, ms, energy_mj }) => html`<tr>
              <th scope="row">${count > 1 ? t("target.layer.alike", { name, count }) : name}</th>
              <td>${verdict.requested.toUpperCase()}, ${tagOf(verdict, speech)}</td>
              <td>${verdict.support === "absent" ? "–" : t(`target.layer.${bound}`)}</td>
              <td>${said(count * ms, duration)}</td>
              <td>${said(count * energy_mj, energy)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}
