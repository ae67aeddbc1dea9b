/** Several seeds and the map of a teacher: what they came to. */

import { html, type TemplateResult } from "lit";
import type { IntervalRow, IntervalsData } from "../../charts/intervals";
import type { Speech } from "../../i18n";
import { interval } from "../../state/statistics";
import { ALPHAS, cellKey, type Result, type Seeds, TEMPERATURES, type TeacherMap } from "../../state/trainings";

const percentOf = ({ correct, total }: Result) => (100 * correct) / Math.max(1, total);

const plusMinus = (mean: number, half: number | undefined) =>
  half === undefined ? mean.toFixed(1) : `${mean.toFixed(1)} ± ${half.toFixed(1)}`;

export function seedsData(seeds: Seeds, speech: Speech): IntervalsData {
  const row = (name: string, results: readonly Result[], strong: boolean): IntervalRow[] => {
    const values = results.map(percentOf);
    const found = interval(values);
    if (!found) return [];
    const { mean, half } = found;
    return [{ name, values, mean, half, note: `${plusMinus(mean, half)}\u00a0%`, strong }];
  };
  const taught = seeds.choice.teacher !== "none";
  const rows = [
    ...row(
      speech.t("training.seeds.teacher", { name: speech.name("model", seeds.choice.teacher) }),
      seeds.teacher ? [seeds.teacher] : [],
      false,
    ),
    ...row(speech.t(taught ? "training.seeds.alone" : "training.seeds.network"), seeds.alone, !taught),
    ...row(speech.t("training.seeds.taught"), seeds.taught, true),
  ];
  return {
    rows,
    axis: speech.t("training.seeds.axis"),
    band: speech.t("training.seeds.band"),
    description: rows.map(({ name, note }) => `${name}: ${note}`).join("; "),
  };
}

/** What the seeds show, and what they do not. */
export function seedsWords(seeds: Seeds, speech: Speech): string {
  const before = new Map(seeds.alone.map((result) => [result.seed, percentOf(result)]));
  const gains = seeds.taught.flatMap((result) => {
    const other = before.get(result.seed);
    return other === undefined ? [] : [percentOf(result) - other];
  });
  const gain = interval(gains);
  const n = Math.max(seeds.alone.length, seeds.taught.length);
  if (gain?.half === undefined) return speech.t("training.seeds.words", { n });
  const { mean, half } = gain;
  const points = `${mean < 0 ? "−" : "+"}${Math.abs(mean).toFixed(1)} ± ${half.toFixed(1)}`;
  const key = mean - half > 0 ? "helps" : mean + half < 0 ? "harms" : "unclear";
  return speech.t(`training.seeds.${key}`, { points, n: gains.length });
}

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
