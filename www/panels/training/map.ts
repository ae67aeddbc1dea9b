/** The map of a teacher: what its cells came to. */

import { html, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import { ALPHAS, cellKey, TEMPERATURES, type TeacherMap } from "../../state/trainings";
import { percentOf } from "./seeds";

/** The map: temperatures across, shares of the teacher down, dark where more is right. */
export function mapTable(map: TeacherMap, speech: Speech): TemplateResult {
  const all = [...map.cells.values()].map(percentOf);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const caption = speech.t("training.map.caption");
  const cell = (temperature: number, alpha: number) => {
    const result = map.cells.get(cellKey(temperature, alpha));
    const span = alpha === 0 ? TEMPERATURES.length : 1;
    if (!result) return html`<td colspan=${span} class="empty">·</td>`;
    const percent = percentOf(result);
    const dark = high > low ? (percent - low) / (high - low) : 0;
    return html`<td
      colspan=${span}
      class=${percent === high ? "best" : ""}
      style="--dark: ${dark.toFixed(3)}"
      title=${speech.t("training.map.cell", { temperature, alpha, correct: result.correct, total: result.total })}
    >${percent.toFixed(1)}</td>`;
  };
  return html`<div class="table-scroll" tabindex="0" role="group" aria-label=${caption}>
    <table class="heat training-map">
      <caption class="hidden">${caption}</caption>
      <thead>
        <tr><td></td>${TEMPERATURES.map((temperature) => html`<th scope="col">T ${temperature}</th>`)}</tr>
      </thead>
      <tbody>
        ${ALPHAS.map(
          (alpha) => html`<tr>
            <th scope="row">${alpha === 0 ? speech.t("training.map.alone") : `α ${alpha}`}</th>
            ${alpha === 0 ? cell(1, 0) : TEMPERATURES.map((temperature) => cell(temperature, alpha))}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
