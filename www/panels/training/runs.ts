/** The trainings so far, a line each. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import { ends, plainNumber } from "../../state/diagnosis";
import type { Training } from "../../state/trainings";
import { letterOf, recordOf, trainingWords } from "./data";

const COLUMNS = ["name", "model", "accuracy", "loss", "bytes", "time"] as const;

/** Those of `all` that have ended; `shown` is the one whose record is open, and `pick` opens another. */
export function runsTable(
  all: readonly Training[],
  shown: Training,
  speech: Speech,
  pick: (number: number) => void,
): TemplateResult | typeof nothing {
  const runs = all.filter(({ state }) => state === "done" || state === "failed");
  if (runs.length === 0) return nothing;
  const caption = speech.t("training.runs.caption");
  const exchanged = runs.some((run) => (recordOf(run)?.bytes_per_step ?? 0) > 0);
  const columns = COLUMNS.filter((column) => column !== "bytes" || exchanged);
  return html`<div class="table-scroll" tabindex="0" role="group" aria-label=${caption}>
    <table class="runs training-runs">
      <caption class="hidden">${caption}</caption>
      <thead><tr>${columns.map((column) => html`<th scope="col">${speech.t(`training.runs.${column}`)}</th>`)}</tr></thead>
      <tbody>
        ${runs.map((run) => {
          const record = recordOf(run);
          const accuracy = run.report?.accuracy;
          const last = record && ends(record)?.last;
          const ended = record && (record.diverged ?? undefined) === undefined && record.loss.at(-1) != null;
          const cells = {
            model: speech.name("model", run.model),
            accuracy: accuracy ? speech.percent(accuracy.correct / accuracy.total) : "–",
            loss: ended && last !== undefined ? plainNumber(last) : speech.t("training.notNumber"),
            bytes: record && record.bytes_per_step > 0 ? speech.whole(record.bytes_per_step) : "–",
            time: speech.duration(run.seconds),
          };
          const current = run.number === shown.number;
          return html`<tr class=${current ? "current" : ""}>
            <th scope="row"><button
              class="link"
              aria-pressed=${current ? "true" : "false"}
              @click=${() => pick(run.number)}
            >${speech.t("training.name", { letter: letterOf(run), what: trainingWords(run.choice, speech) })}</button>
            <span class="soft">${speech.t("training.runs.seed", { seed: run.seed })}</span></th>
            ${columns.slice(1).map((column) => html`<td>${column === "name" ? nothing : cells[column]}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}
