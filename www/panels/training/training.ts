/** Training by itself: what it is given, its losses while they fall, and what its record says afterwards. */

import { html, nothing, type TemplateResult } from "lit";
import { barsChart } from "../../charts/bars";
import { curvesChart } from "../../charts/curves";
import { exponentsChart } from "../../charts/exponents";
import { intervalsChart } from "../../charts/intervals";
import { lostChart } from "../../charts/lost";
import { paint, type SvgNode } from "../../charts/svg";
import { readsText } from "../../state/choice";
import { diagnose } from "../../state/diagnosis";
import type { Catalog, CoreError } from "../../state/schema";
import { ALONE, classesOf, isNoise, makesTeacher, settleTraining, type TrainingChoice } from "../../state/training";
import { type Subject, type Training, Trainings, type Work, workedFor } from "../../state/trainings";
import { Answers, type ClassResult, classResults } from "../../state/unseen";
import { Panel } from "../panel";
import { secondsLeft } from "../progress/progress";
import { type Control, control, nameOf, type Surroundings } from "../recipe/control";
import { named } from "../recipe/controls";
import { errorWords } from "../words";
import { carried, type Group, isSet, type TrainingChange, trainingGroups } from "./controls";
import { letterOf, lossData, recordOf, trainingWords } from "./data";
import { mapTable } from "./map";
import {
  epochData,
  exponentData,
  hasLost,
  hasScale,
  lostData,
  messageBars,
  rangeWords,
  scaleData,
  teacherData,
} from "./records";
import "./softened";
import { modelFor, presetTraining, TRAINING_PRESETS, trainingPresetOf } from "./presets";
import { trainingReason } from "./reasons";
import { runsTable } from "./runs";
import { comparedList, groupsBeside, seedsData, seedsWords } from "./seeds";

/** Said of settings that are no preset. */
const OWN = "own";
/** Settings whose refusal is remembered. */
const KNOWN = 1000;
/** Wide enough for settings beside results, as the style sheet has it. */
const BESIDE = "(min-width: 901px)";
/** What the pictures along a training count. */
const KINDS = ["gradients", "weights"] as const;

export class TrainingPanel extends Panel {
  static override properties = {
    ...Panel.properties,
    open: { state: true },
    fault: { state: true },
    picked: { state: true },
    width: { state: true },
    unfolded: { state: true },
    folds: { state: true },
  };

  declare open: string | undefined;
  declare fault: { readonly id: string; readonly reason: string } | undefined;
  /** The training whose record is shown; the newest while none is picked. */
  declare picked: number | undefined;
  declare width: number;
  /** Whether the settings are open: from the start where they stand beside the results. */
  declare unfolded: boolean;
  /** Groups whose seldom needed settings are open. */
  declare folds: readonly string[];
  #trainings: Trainings | undefined;
  readonly #answers = new Answers();
  /** What the engine said of settings it was asked about: each is drawn again and again. */
  readonly #refusals = new Map<string, CoreError | null>();
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
    this.folds = [];
    this.unfolded = matchMedia(BESIDE).matches;
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
      this.#trainings = new Trainings(this.#answers.kept(this.lab.engine), () => performance.now());
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
    const key = JSON.stringify(subject);
    const known = this.#refusals.get(key);
    if (known !== undefined) return known ?? undefined;
    const refusal = this.lab.engine.refusal(this.#all.recipe(subject, catalog));
    if (this.#refusals.size >= KNOWN) this.#refusals.clear();
    this.#refusals.set(key, refusal ?? null);
    return refusal;
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
    if (refusal) this.fault = { id: entry.id, reason: trainingReason(refusal, this.speech) };
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
    const { speech } = this;
    const chosen = runs.find(({ state }) => state === "running")?.number ?? shown?.number ?? 0;
    draw("loss", (width) => curvesChart(lossData(runs, { chosen, width }, catalog, speech), width));
    const record = recordOf(shown);
    const step = shown?.report?.steps[0];
    if (shown && record && step) {
      const { choice } = shown;
      draw("scale", (width) => curvesChart(scaleData(record, speech), width));
      draw("lost", (width) => lostChart(lostData(record, speech), width));
      for (const what of KINDS)
        draw(what, (width) => exponentsChart(exponentData(record, choice, what, speech), width));
      draw("bytes", (width) => barsChart(messageBars(record, choice, speech), this.#bytesWords(shown), width));
      draw("epochs", (width) => curvesChart(epochData(step, choice.teacher !== ALONE, speech), width));
      draw("teacher", (width) => curvesChart(teacherData(step.teacher_share, speech), width));
    }
    draw("seeds", (width) =>
      intervalsChart(seedsData(groupsBeside(this.#all.groups, catalog), catalog, speech), width),
    );
  }

  /** The training whose record is shown: what was there stays until the next has ended. */
  get #shown(): Training | undefined {
    const ended = this.#all.runs.filter(({ state }) => state === "done" || state === "failed");
    return ended.find(({ number }) => number === this.picked) ?? ended.at(-1);
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
        const { exclude = [] } = carried(change);
        // The engine counts images only when it runs.
        if (exclude.length > 0 && exclude.length === classesOf(subject.model, catalog).length)
          return this.t("training.reason.every");
        const choice = settleTraining({ ...subject.choice, ...carried(change) }, subject.model, catalog);
        const refusal = this.#refusal({ ...subject, choice }, catalog);
        return refusal && trainingReason(refusal, this.speech);
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
      ${preset ? html`<p class="training-about soft">${speech.t(`about.training.preset.${preset.id}`)}</p>` : nothing}
      ${control(models, around)}
      <details
        class="training-settings"
        .open=${this.unfolded}
        @toggle=${(event: Event) => {
          this.unfolded = (event.target as HTMLDetailsElement).open;
        }}
      >
      <summary>${speech.t("training.settings")} <span class="soft">${trainingWords(choice, speech)}</span></summary>
      ${trainingGroups({ choice, model, catalog, speech, pair: this.#all.pair(subject, catalog) }).map(
        (group) => html`<section aria-labelledby="training-group-${group.id}">
          <h3 id="training-group-${group.id}">${speech.t(`training.group.${group.id}`)}</h3>
          ${group.controls.map((entry) => control(entry, around))}
          ${group.more.length > 0 ? this.#more(group, choice, around) : nothing}
        </section>`,
      )}
      </details>
    </div>`;
  }

  /** A group's seldom needed settings behind a fold, which says those that are set. */
  #more({ id, more }: Group, choice: TrainingChoice, around: Surroundings): TemplateResult {
    const { speech } = this;
    const open = this.folds.includes(id);
    const set = more.filter((entry) => isSet(entry, choice)).map((entry) => nameOf(entry, speech));
    return html`<details
      class="training-more"
      data-group=${id}
      .open=${open}
      @toggle=${(event: Event) => {
        const others = this.folds.filter((other) => other !== id);
        this.folds = (event.target as HTMLDetailsElement).open ? [...others, id] : others;
      }}
    >
      <summary>${this.t("training.more")} <span class="soft">${set.join(", ")}</span></summary>
      ${open ? more.map((entry) => control(entry, around)) : nothing}
    </details>`;
  }

  #actions(subject: Subject, catalog: Catalog): TemplateResult {
    const { work, error } = this.#all;
    const refusal = this.#refusal(subject, catalog);
    const taught = subject.choice.teacher !== ALONE;
    const off = work !== undefined || refusal !== undefined;
    const paused = work?.paused !== undefined;
    return html`<p class="training-actions">
        <button class="button primary" ?disabled=${off} @click=${() => this.#train(catalog)}>${this.t("training.train")}</button>
        <button class="button" ?disabled=${off} @click=${() => void this.#all.several(subject, catalog)}>${this.t(taught ? "training.several.taught" : "training.several", { n: subject.choice.seeds })}</button>
        ${
          work
            ? html`<button class="link" @click=${() => this.#all.hold(!paused)}>${this.t(paused ? "training.goOn" : "training.pause")}</button>
              <button class="link" @click=${() => void this.#stop()}>${this.t("training.cancel")}</button>`
            : nothing
        }
      </p>
      <div class="progress-line ${paused ? "paused" : ""}" aria-hidden="true"><i style="transform: scaleX(${(work?.share ?? 0).toFixed(3)})"></i></div>
      <p class="training-status soft" role="status">${
        work
          ? this.#working(work)
          : refusal
            ? this.t("training.refused", { reason: trainingReason(refusal, this.speech) })
            : error
              ? this.t("training.failed", { reason: errorWords(error, this.speech) })
              : this.#all.runs.some(({ state }) => state === "cancelled")
                ? this.t("training.cancelled")
                : nothing
      }</p>`;
  }

  #working(work: Work): string {
    const { kind, paused, share, done, wanted } = work;
    const words = [this.t(`training.work.${kind}`, { percent: this.speech.percent(share, 0), done, wanted })];
    if (paused !== undefined) words.unshift(this.t("training.paused"));
    const left = paused === undefined ? secondsLeft(share, workedFor(work, performance.now())) : undefined;
    if (left !== undefined) words.push(this.t("training.left", { seconds: left }));
    const run = this.#all.runs.at(-1);
    const own = kind === "one" && run && !makesTeacher(run.choice);
    const loss = own ? run.progress?.losses.at(-1) : undefined;
    if (loss !== undefined && Number.isFinite(loss)) words.push(this.t("training.loss.now", { loss: loss.toFixed(3) }));
    return words.join(" · ");
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
      ${this.#unseen(run).map(
        ({ id, correct, total }) =>
          html`<p class="finding note" data-finding="unseen">${this.t("training.unseen", { name: this.speech.name("class", id), correct, total })}</p>`,
      )}
    </div>`;
  }

  /** Classes that were left out, and how many of each are right all the same. */
  #unseen({ choice, model, report }: Training): ClassResult[] {
    const { catalog } = this.lab;
    const answers = report && this.#answers.of(report);
    return catalog && answers ? classResults(choice.exclude, classesOf(model, catalog), answers) : [];
  }

  #bytesWords(run: Training): string {
    const record = recordOf(run);
    const { bytes_per_step: bytes = 0, dense_bytes_per_step: dense = 0 } = record ?? {};
    const times = dense / Math.max(1, bytes);
    return this.t("training.bytes.words", {
      bytes: this.speech.whole(bytes),
      dense: this.speech.whole(dense),
      times: times < 10 ? times.toFixed(1) : this.speech.whole(times),
    });
  }

  /** A chart under its title. */
  #plot(name: string, about: string): TemplateResult {
    return html`<section>
      <h3>${this.t(`training.plot.${name}`)}</h3>
      <p class="soft">${about}</p>
      <div class="training-plot" data-plot=${name}></div>
    </section>`;
  }

  /** What the record of a training has to show. */
  #record(run: Training): TemplateResult | typeof nothing {
    const record = recordOf(run);
    const step = run.report?.steps[0];
    if (!record || !step) return nothing;
    const { choice } = run;
    return html`
      ${hasScale(record) ? this.#plot("scale", this.t("training.scale.about")) : nothing}
      ${
        hasLost(record)
          ? this.#plot("lost", this.t("training.lost.about"))
          : html`<section><p class="soft">${this.t("training.lost.nothing")}</p></section>`
      }
      <div class="training-pair">
        ${KINDS.map((what) => this.#plot(what, rangeWords(choice, what, this.speech)))}
      </div>
      ${record.bytes_per_step > 0 ? this.#plot("bytes", this.#bytesWords(run)) : nothing}
      ${(step.validation_loss ?? []).length > 1 ? this.#plot("epochs", this.t(choice.teacher === ALONE ? "training.epochs.about" : "training.epochs.about.taught")) : nothing}
      ${
        choice.teacher !== ALONE
          ? html`<div class="training-pair top">
              ${choice.alpha < 1 && (step.teacher_share ?? []).length > 1 ? this.#plot("teacher", this.t("training.teacher.about")) : nothing}
              ${
                // One that was made first is not kept, to be asked again.
                readsText({ model: run.model }, this.lab.catalog) || makesTeacher(choice)
                  ? nothing
                  : html`<section><fw-softened .lab=${this.lab} .speech=${this.speech} .run=${run}></fw-softened></section>`
              }
            </div>`
          : nothing
      }
    `;
  }

  /** Stops what is under way; the keyboard goes on where it can begin again. */
  async #stop(): Promise<void> {
    this.#all.cancel();
    await this.updateComplete;
    this.querySelector<HTMLElement>(".training-actions .primary")?.focus();
  }

  /** Takes a group away; the keyboard goes on at the next of its buttons, or at the title. */
  async #forget(number: number, at: number): Promise<void> {
    this.#all.forget(number);
    await this.updateComplete;
    const left = [...this.querySelectorAll<HTMLElement>(".training-compared button")];
    (left[Math.min(at, left.length - 1)] ?? this.querySelector<HTMLElement>(".seeds-title"))?.focus();
  }

  /** Several seeds, and the map of a teacher, as far as they are there. */
  #groups(subject: Subject, catalog: Catalog): TemplateResult {
    const { speech } = this;
    const { map, work } = this.#all;
    const groups = groupsBeside(this.#all.groups, catalog);
    const newest = groups.at(-1);
    // Without labels there is no share of theirs to choose.
    const mapped = subject.choice.teacher !== ALONE && !isNoise(subject.choice.transfer);
    const named = (of: Subject) => `${speech.name("model", of.model)} · ${trainingWords(of.choice, speech)}`;
    const off = work !== undefined || this.#refusal(subject, catalog) !== undefined;
    return html`
      ${
        newest
          ? html`<section>
              <h3 tabindex="-1" class="seeds-title">${this.t("training.seeds.title")} <small>${
                groups.length > 1
                  ? this.t("training.name", { letter: letterOf(newest), what: named(newest) })
                  : named(newest)
              }</small></h3>
              <p class="soft">${seedsWords(newest, speech)}</p>
              ${comparedList(groups, speech, (number, at) => void this.#forget(number, at))}
              <div class="training-plot" data-plot="seeds"></div>
            </section>`
          : nothing
      }
      ${
        mapped || map
          ? html`<section>
              <h3>${this.t("training.map.title")} ${map ? html`<small>${named(map)}</small>` : nothing}</h3>
              <p class="soft">${this.t("training.map.about")}</p>
              ${mapped ? html`<p class="training-actions"><button class="button small" ?disabled=${off} @click=${() => void this.#all.chart(subject, catalog)}>${this.t("training.map.run")}</button></p>` : nothing}
              ${map && map.cells.size > 0 ? mapTable(map, speech) : nothing}
            </section>`
          : nothing
      }`;
  }

  protected override render(): TemplateResult {
    const { catalog } = this.lab;
    const head = html`<h2>${this.t("training.title")}</h2>
      <p class="soft">${this.t("training.about")}</p>`;
    if (!catalog) return head;
    const subject = this.#subject(catalog);
    const shown = this.#shown;
    const stale = this.#all.work?.kind === "one" ? "stale" : "";
    return html`${head}
      <div class="training-body">
        ${this.#controls(subject, catalog)}
        <div class="training-results">
          ${this.#actions(subject, catalog)}
          ${
            this.#all.runs.some(({ state }) => state !== "cancelled")
              ? html`<section>
                  <h3>${this.t("training.curve.title")}</h3>
                  <div class="training-plot" data-plot="loss"></div>
                  ${
                    shown
                      ? html`<div class=${stale}>${this.#findings(shown)}</div>${runsTable(
                          this.#all.runs,
                          shown,
                          this.speech,
                          (number) => {
                            this.picked = number;
                          },
                        )}`
                      : nothing
                  }
                </section>
                ${shown ? html`<div class=${stale}>${this.#record(shown)}</div>` : nothing}`
              : this.#all.runs.length + this.#all.groups.length > 0
                ? nothing
                : html`<p class="soft training-empty">${this.t("training.empty")}</p>`
          }
          ${this.#groups(subject, catalog)}
        </div>
      </div>`;
  }
}

customElements.define("fw-training", TrainingPanel);
