/** Training by itself: what it is given, its losses while they fall, and what its record says afterwards. */

import { html, nothing, type TemplateResult } from "lit";
import { curvesChart } from "../../charts/curves";
import { paint, type SvgNode } from "../../charts/svg";
import { diagnose, ends, plainNumber } from "../../state/diagnosis";
import type { Catalog, CoreError } from "../../state/schema";
import { ALONE, settleTraining, type TrainingChoice } from "../../state/training";
import { type Subject, type Training, Trainings, type Work } from "../../state/trainings";
import { Panel } from "../panel";
import { secondsLeft } from "../progress/progress";
import { type Control, control, type Surroundings } from "../recipe/control";
import { named } from "../recipe/controls";
import { reasonWords } from "../recipe/reasons";
import { errorWords } from "../words";
import { carried, type TrainingChange, trainingGroups } from "./controls";
import { letterOf, lossData, recordOf, trainingWords } from "./data";
import { modelFor, presetTraining, TRAINING_PRESETS, trainingPresetOf } from "./presets";

/** Said of settings that are no preset. */
const OWN = "own";

export class TrainingPanel extends Panel {
  static override properties = {
    ...Panel.properties,
    open: { state: true },
    fault: { state: true },
    picked: { state: true },
    width: { state: true },
  };

  declare open: string | undefined;
  declare fault: { readonly id: string; readonly reason: string } | undefined;
  /** The training whose record is shown; the newest while none is picked. */
  declare picked: number | undefined;
  declare width: number;
  #trainings: Trainings | undefined;
  readonly #listen = () => this.requestUpdate();
  readonly #resize = new ResizeObserver(() => {
    if (this.clientWidth > 0) this.width = this.clientWidth;
  });

  constructor() {
    super();
    this.open = undefined;
    this.fault = undefined;
    this.picked = undefined;
    this.width = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
    this.#trainings?.cancel();
    this.#trainings?.removeEventListener("change", this.#listen);
    this.#trainings = undefined;
  }

  protected override firstUpdated(): void {
    this.#resize.observe(this);
  }

  /** The trainings of this page. */
  get #all(): Trainings {
    if (!this.#trainings) {
      this.#trainings = new Trainings(this.lab.engine, () => performance.now());
      this.#trainings.addEventListener("change", this.#listen);
    }
    return this.#trainings;
  }

  #subject(catalog: Catalog): Subject {
    const { choice, training } = this.lab.view;
    return { choice: settleTraining(training, choice.model, catalog), model: choice.model, seed: choice.seed };
  }

  /** Why the engine does not take these settings. */
  #refusal(subject: Subject, catalog: Catalog): CoreError | undefined {
    return this.lab.engine.refusal(this.#all.recipe(subject, catalog));
  }

  #set(training: TrainingChoice, model: string): void {
    this.fault = undefined;
    this.lab.show({ training });
    if (model !== this.lab.view.choice.model) this.lab.choose({ model, count: 0 });
  }

  #change(change: TrainingChange, entry: Control, catalog: Catalog): void {
    const { model } = this.lab.view.choice;
    const choice = settleTraining({ ...this.lab.view.training, ...change }, model, catalog);
    const refusal = entry.look === "number" ? this.#refusal({ ...this.#subject(catalog), choice }, catalog) : undefined;
    if (refusal) this.fault = { id: entry.id, reason: reasonWords(refusal, this.speech) };
    else this.#set(choice, model);
  }

  #train(catalog: Catalog): void {
    this.picked = undefined;
    void this.#all.train(this.#subject(catalog), catalog);
  }

  protected override updated(): void {
    const { catalog } = this.lab;
    if (!catalog) return;
    const draw = (name: string, make: (width: number) => SvgNode) => {
      const host = this.querySelector(`[data-plot="${name}"]`);
      if (host && host.clientWidth > 0) paint(host, make(host.clientWidth));
    };
    const { runs } = this.#all;
    const shown = this.#shown;
    draw("loss", (width) => curvesChart(lossData(runs, shown?.number ?? 0, catalog, this.speech), width));
  }

  get #shown(): Training | undefined {
    const { runs } = this.#all;
    return runs.find(({ number }) => number === this.picked) ?? runs.at(-1);
  }

  #around(subject: Subject, catalog: Catalog): Surroundings {
    return {
      speech: this.speech,
      open: this.open,
      toggle: (id) => {
        this.open = this.open === id ? undefined : id;
      },
      choose: (change, entry) => this.#change(carried(change), entry, catalog),
      // Only lists and segments have options to be refused; of a number the typed value is.
      why: (change) => {
        const choice = settleTraining({ ...subject.choice, ...carried(change) }, subject.model, catalog);
        const refusal = this.#refusal({ ...subject, choice }, catalog);
        return refusal && reasonWords(refusal, this.speech);
      },
      was: () => undefined,
      fault: this.fault,
    };
  }

  #controls(subject: Subject, catalog: Catalog): TemplateResult {
    const { speech } = this;
    const { choice, model } = subject;
    const around = this.#around(subject, catalog);
    const preset = trainingPresetOf(choice, model, catalog);
    const presets: Control = {
      id: "training-preset",
      words: "training.preset",
      options: [
        { value: OWN, name: speech.t("training.own") },
        ...TRAINING_PRESETS.map(({ id }) => ({ value: id, name: speech.t(`training.preset.${id}`) })),
      ],
      value: preset?.id ?? OWN,
      look: "list",
      source: "",
      pick: (id) => {
        const picked = TRAINING_PRESETS.find((each) => each.id === id);
        if (!picked) return this.requestUpdate();
        const wanted = modelFor(picked, model, catalog);
        this.#set(presetTraining(picked, choice, wanted, catalog), wanted);
      },
      to: () => ({}),
    };
    const models: Control = {
      id: "training-model",
      words: "training.model",
      options: named(catalog.models, "model", speech),
      value: model,
      look: "list",
      source: catalog.models.find(({ id }) => id === model)?.source ?? "",
      pick: (id) => this.#set(settleTraining(choice, id, catalog), id),
      to: () => ({}),
    };
    return html`<div class="training-controls">
      ${control(presets, around)}
      ${preset ? html`<p class="preset-line soft">${speech.t(`about.training.preset.${preset.id}`)}</p>` : nothing}
      ${control(models, around)}
      ${trainingGroups({ choice, model, catalog, speech }).map(
        ({ id, controls }) => html`<section aria-labelledby="training-group-${id}">
          <h3 id="training-group-${id}">${speech.t(`training.group.${id}`)}</h3>
          ${controls.map((entry) => control(entry, around))}
        </section>`,
      )}
    </div>`;
  }

  #actions(subject: Subject, catalog: Catalog): TemplateResult {
    const { work, error } = this.#all;
    const refusal = this.#refusal(subject, catalog);
    const taught = subject.choice.teacher !== ALONE;
    const off = work !== undefined || refusal !== undefined;
    return html`<p class="actions training-actions">
        <button class="button primary" ?disabled=${off} @click=${() => this.#train(catalog)}>${this.t("training.train")}</button>
        <button class="button" ?disabled=${off} @click=${() => void this.#all.several(subject, catalog)}>${this.t(taught ? "training.several.taught" : "training.several", { n: subject.choice.seeds })}</button>
        ${work ? html`<button class="link" @click=${() => this.#all.cancel()}>${this.t("training.cancel")}</button>` : nothing}
      </p>
      <div class="progress-line" aria-hidden="true"><i style="transform: scaleX(${(work?.share ?? 0).toFixed(3)})"></i></div>
      <p class="training-status soft" role="status">${
        work
          ? this.#working(work)
          : refusal
            ? this.t("training.refused", { reason: reasonWords(refusal, this.speech) })
            : error
              ? this.t("training.failed", { reason: errorWords(error, this.speech) })
              : this.#all.runs.some(({ state }) => state === "cancelled")
                ? this.t("training.cancelled")
                : nothing
      }</p>`;
  }

  #working({ kind, began, share, done, wanted }: Work): string {
    const words = [this.t(`training.work.${kind}`, { percent: this.speech.percent(share, 0), done, wanted })];
    const left = secondsLeft(share, (performance.now() - began) / 1000);
    if (left !== undefined) words.push(this.t("training.left", { seconds: left }));
    const loss = kind === "one" ? this.#all.runs.at(-1)?.progress?.losses.at(-1) : undefined;
    if (loss !== undefined && Number.isFinite(loss)) words.push(this.t("training.loss.now", { loss: loss.toFixed(3) }));
    return words.join(" · ");
  }

  #runs(shown: Training): TemplateResult {
    const { speech } = this;
    const runs = this.#all.runs.filter(({ state }) => state === "done" || state === "failed");
    if (runs.length === 0) return html``;
    const caption = this.t("training.runs.caption");
    const columns = ["name", "model", "accuracy", "loss", "bytes", "time"] as const;
    const exchanged = runs.some((run) => (recordOf(run)?.bytes_per_step ?? 0) > 0);
    const shownColumns = columns.filter((column) => column !== "bytes" || exchanged);
    return html`<div class="table-scroll" tabindex="0" role="group" aria-label=${caption}>
      <table class="runs training-runs">
        <caption class="hidden">${caption}</caption>
        <thead><tr>${shownColumns.map((column) => html`<th scope="col">${this.t(`training.runs.${column}`)}</th>`)}</tr></thead>
        <tbody>
          ${runs.map((run) => {
            const record = recordOf(run);
            const accuracy = run.report?.accuracy;
            const last = record && ends(record)?.last;
            const ended = record && (record.diverged ?? undefined) === undefined && record.loss.at(-1) != null;
            const cells = {
              model: speech.name("model", run.model),
              accuracy: accuracy ? speech.percent(accuracy.correct / accuracy.total) : "–",
              loss: ended && last !== undefined ? plainNumber(last) : this.t("training.notNumber"),
              bytes: record && record.bytes_per_step > 0 ? speech.whole(record.bytes_per_step) : "–",
              time: speech.duration(run.seconds),
            };
            const current = run.number === shown.number;
            return html`<tr class=${current ? "current" : ""}>
              <th scope="row"><button
                class="link"
                aria-pressed=${current ? "true" : "false"}
                @click=${() => {
                  this.picked = run.number;
                }}
              >${this.t("training.name", { letter: letterOf(run), what: trainingWords(run.choice, speech) })}</button>
              <span class="soft">${this.t("training.runs.seed", { seed: run.seed })}</span></th>
              ${shownColumns.slice(1).map((column) => html`<td>${column === "name" ? nothing : cells[column]}</td>`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`;
  }

  #findings(run: Training): TemplateResult | typeof nothing {
    const record = recordOf(run);
    if (run.error)
      return html`<p class="finding bad">${this.t("training.failed", { reason: errorWords(run.error, this.speech) })}</p>`;
    if (!record) return nothing;
    return html`<div class="findings">
      ${diagnose(record, run.choice).map(
        ({ id, tone, values }) =>
          html`<p class="finding ${tone}" data-finding=${id}>${this.t(`training.finding.${id}`, values)}</p>`,
      )}
    </div>`;
  }

  protected override render(): TemplateResult {
    const { catalog } = this.lab;
    const head = html`<h2>${this.t("training.title")}</h2>
      <p class="soft">${this.t("training.about")}</p>`;
    if (!catalog) return head;
    const subject = this.#subject(catalog);
    const shown = this.#shown;
    return html`${head}
      <div class="training-body">
        ${this.#controls(subject, catalog)}
        <div class="training-results">
          ${this.#actions(subject, catalog)}
          ${
            shown
              ? html`<section>
                  <h3>${this.t("training.curve.title")}</h3>
                  <div class="training-plot" data-plot="loss"></div>
                  ${this.#findings(shown)}
                  ${this.#runs(shown)}
                </section>`
              : html`<p class="soft training-empty">${this.t("training.empty")}</p>`
          }
        </div>
      </div>`;
  }
}

customElements.define("fw-training", TrainingPanel);
