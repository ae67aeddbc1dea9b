/** The recipe: the model, the quantize step with all it can be given, and what each costs. */

import { html, nothing, type TemplateResult } from "lit";
import { type Choice, DEFAULT_CHOICE, normalise, quantizes, readsText, recipeOf } from "../../state/choice";
import { coreError } from "../../state/port";
import { AT_ONCE, prunes } from "../../state/pruning";
import { score } from "../../state/quality";
import type { Outcome } from "../../state/runs";
import type { Catalog } from "../../state/schema";
import type { Change } from "../../state/settle";
import { Panel } from "../panel";
import { save } from "../save";
import "../aim/aim";
import "../spread/spread";
import { changeOf, recipeCode, shortQuality } from "../words";
import { type Control, control, nameOf, type Surroundings, valueWords } from "./control";
import { firstControls, modelControl } from "./controls";
import { type Section, sections } from "./more";
import { changesOf, PRESETS, presetOf, prospectOf } from "./presets";
import { pruneControls, pruneSections } from "./prune";
import { reasonWords } from "./reasons";

/** The steps that have settings behind a fold. */
type Fold = "prune" | "quantize";

/** How good and how large a network is after a step. */
interface Standing {
  readonly accuracy: Outcome["accuracy"];
  readonly bytes: number;
}

/** A change in percent, with its sign: "−88". */
function change(share: number): string {
  const percent = (100 * Math.abs(share)).toFixed(0);
  return percent === "0" ? percent : `${share < 0 ? "−" : "+"}${percent}`;
}

/** Said of a choice that is no preset. */
const OWN = "own";

export class RecipePanel extends Panel {
  static override properties = {
    ...Panel.properties,
    open: { state: true },
    unfolded: { state: true },
    fault: { state: true },
    layer: { state: true },
  };

  declare open: string | undefined;
  /** The folds that are open. */
  declare unfolded: readonly Fold[];
  declare fault: { readonly id: string; readonly reason: string } | undefined;
  /** The layer whose own settings are shown. */
  declare layer: string | undefined;

  constructor() {
    super();
    this.open = undefined;
    this.unfolded = [];
    this.fault = undefined;
    this.layer = undefined;
  }

  /** The settings behind the fold. */
  #sections(choice: Choice, catalog: Catalog): Section[] {
    const pick = (name: string) => {
      this.layer = name;
    };
    return sections(choice, catalog, this.speech, { name: this.layer, pick });
  }

  async #download(): Promise<void> {
    const { lab } = this;
    if (!lab.catalog) return;
    const { choice } = lab.view;
    try {
      save(
        `${recipeCode(choice, lab.catalog)}.safetensors`,
        "application/octet-stream",
        await lab.engine.exported(recipeOf(choice, lab.catalog)),
      );
    } catch (error) {
      lab.report({ kind: "run", choice, error: coreError(error) });
    }
  }

  /** A change by hand. What was typed may be refused: that is said, and nothing changes. */
  #choose(change: Change, entry: Control, gesture = false): void {
    const refusal = entry.look === "number" ? this.lab.refusal(change) : undefined;
    this.fault = refusal && { id: entry.id, reason: reasonWords(refusal, this.speech) };
    if (refusal) this.requestUpdate();
    else this.lab.choose(change, gesture);
  }

  #why(change: Change): string | undefined {
    const settled = this.lab.prospect(change);
    if (!settled) return undefined;
    return settled.refusal ? reasonWords(settled.refusal, this.speech) : this.lab.limit?.(settled.choice);
  }

  /** The settings behind the fold of the prune step. */
  #pruneSections(choice: Choice, catalog: Catalog): Section[] {
    return pruneSections(choice, catalog, this.speech);
  }

  /** Every control by its id, as it would be for a choice. */
  #controlsOf(choice: Choice, catalog: Catalog): Map<string, Control> {
    const { speech } = this;
    const all = [
      modelControl(choice, catalog, speech),
      ...pruneControls(choice, catalog, speech),
      ...firstControls(choice, catalog, speech),
      ...this.#pruneSections(choice, catalog).flatMap((section) => section.controls),
      ...this.#sections(choice, catalog).flatMap((section) => section.controls),
    ];
    return new Map(all.map((entry) => [entry.id, entry]));
  }

  /** What controls showed before the last change that set several of them, where they show something else now. */
  #marks(now: ReadonlyMap<string, Control>, catalog: Catalog): Map<string, string> {
    const marks = new Map<string, string>();
    const { before } = this.lab;
    if (!before) return marks;
    const old = this.#controlsOf(before, catalog);
    for (const [id, entry] of now) {
      const was = old.get(id);
      if (id === "width" || APART.includes(id) || entry.unused !== undefined || was?.value === entry.value) continue;
      if (was === undefined && entry.value === plainValue(entry)) continue;
      marks.set(id, was && was.unused === undefined ? valueWords(was, this.speech) : "");
    }
    return marks;
  }

  #preset(choice: Choice, catalog: Catalog, around: Surroundings): TemplateResult {
    const { lab, speech } = this;
    const chosen = presetOf(choice, catalog);
    const changes = new Map(PRESETS.map((preset) => [preset.id, changesOf(preset, choice, catalog)]));
    const take = (id: string) =>
      prospectOf(changes.get(id) ?? [], (change) => {
        const refusal = lab.refusal(change);
        return { choice, refusal };
      }).change;
    const entry: Control = {
      id: "preset",
      options: [
        { value: OWN, name: speech.t("preset.own") },
        ...PRESETS.map(({ id }) => ({ value: id, name: speech.t(`preset.${id}`) })),
      ],
      value: chosen?.id ?? OWN,
      look: "list",
      source: "",
      to: (id) => (id === OWN ? {} : (changes.get(id)?.[0] ?? {})),
    };
    const drawn = control(entry, {
      ...around,
      was: () => undefined,
      // A preset goes together as a whole or not at all.
      why: (change) => {
        const all = [...changes.values()].find((each) => each[0] === change);
        const refusal = all && prospectOf(all, (each) => lab.prospect(each)).refusal;
        return refusal && reasonWords(refusal, this.speech);
      },
      choose: (change) => {
        const id = [...changes].find(([, each]) => each[0] === change)?.[0];
        if (id === undefined) this.requestUpdate();
        else lab.choose(take(id), false, true);
      },
    });
    return html`${drawn}
      ${chosen ? html`<p class="preset-line soft">${speech.t(`about.preset.${chosen.id}`)} <span class="source">${speech.t("recipe.source", { source: chosen.source })}</span></p>` : nothing}`;
  }

  #changes(now: ReadonlyMap<string, Control>, marks: ReadonlyMap<string, string>): TemplateResult | typeof nothing {
    const { speech } = this;
    if (marks.size === 0) return nothing;
    const entries = [...marks].flatMap(([id, was]) => {
      const entry = now.get(id);
      return entry ? [{ name: nameOf(entry, speech), was, value: valueWords(entry, speech) }] : [];
    });
    return html`<div class="changes" role="status">
      <p class="soft">${this.t("recipe.changes")}</p>
      <ul>
        ${entries.map(({ name, was, value }) => html`<li><span>${name}</span> ${was ? html`<s>${was}</s> ` : nothing}<b>${value}</b></li>`)}
      </ul>
    </div>`;
  }

  /** Settings behind the fold that are not as they are by themselves. */
  #summary(all: readonly Section[], choice: Choice, catalog: Catalog): string {
    const { speech } = this;
    const { model, weights, activations, epochs, pattern, tuned, schedule } = choice;
    const plain = normalise({ ...DEFAULT_CHOICE, model, weights, activations, epochs, pattern, tuned }, catalog);
    const usual = new Map(
      [...this.#sections(plain, catalog), ...this.#pruneSections({ ...plain, schedule }, catalog)].flatMap(
        ({ controls }) => controls.map((entry) => [entry.id, entry.id === "schedule" ? AT_ONCE : entry.value]),
      ),
    );
    return all
      .flatMap(({ controls }) => controls)
      .filter(
        (entry) =>
          entry.unused === undefined &&
          !APART.includes(entry.id) &&
          entry.value !== (usual.get(entry.id) ?? plainValue(entry)),
      )
      .map((entry) => valueOrName(entry, speech))
      .join(" · ");
  }

  /** What each step did to quality and size, once the chosen recipe has run. */
  #effects(): { readonly prune: string; readonly quantize: string } {
    const { lab, speech } = this;
    const { choice } = lab.view;
    const before = lab.baseline?.outcome;
    const after = lab.current?.outcome;
    const none = { prune: "", quantize: "" };
    if (!before || !after) return none;
    const text = readsText(choice, lab.catalog);
    const words = (from: Standing, to: Standing) =>
      this.t(text ? "recipe.effect.step.text" : "recipe.effect.step", {
        points: changeOf(score(to.accuracy) - score(from.accuracy), text, speech),
        size: change(to.bytes / from.bytes - 1),
      });
    const start = { accuracy: before.accuracy, bytes: before.size.bytes };
    const end = { accuracy: after.accuracy, bytes: after.size.bytes };
    const steps = lab.current?.report?.steps ?? [];
    const count = prunes(choice) ? 1 + Number(choice.tuned > 0) : 0;
    const between = count === 0 ? start : steps[count - 1];
    // A result computed beforehand has no steps; with one step alone its end is the whole's.
    if (!between) return quantizes(choice) ? none : { ...none, prune: words(start, end) };
    return {
      prune: count > 0 ? words(start, between) : "",
      quantize: quantizes(choice) ? words(between, end) : "",
    };
  }

  /** Settings behind a fold. */
  #fold(id: Fold, sections: readonly Section[], summary: string, around: Surroundings): TemplateResult {
    const open = this.unfolded.includes(id);
    return html`<details
      class="more-settings"
      .open=${open}
      @toggle=${(event: Event) => {
        const others = this.unfolded.filter((other) => other !== id);
        this.unfolded = (event.target as HTMLDetailsElement).open ? [...others, id] : others;
      }}
    >
      <summary>${this.t("recipe.more")} <span class="soft">${summary}</span></summary>
      ${
        open
          ? sections.map(
              (section) => html`<section aria-labelledby="more-${section.id}">
        <h3 id="more-${section.id}">${this.t(`recipe.section.${section.id}`)}</h3>
        ${section.controls.map((entry) => control(entry, around))}
      </section>`,
            )
          : nothing
      }
    </details>`;
  }

  protected override updated(): void {
    this.ariaBusy = String(this.lab.asking);
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const { catalog, view } = lab;
    const { choice } = view;
    if (!catalog)
      return html`<h2>${this.t("recipe.title")}</h2>
        ${lab.problem?.kind === "engine" ? html`<p class="soft">${this.t("recipe.stopped")}</p>` : nothing}`;
    const now = this.#controlsOf(choice, catalog);
    const marks = this.#marks(now, catalog);
    const around: Surroundings = {
      speech,
      open: this.open,
      toggle: (id) => {
        this.open = this.open === id ? undefined : id;
      },
      choose: (change, entry, gesture) => this.#choose(change, entry, gesture),
      why: (change) => this.#why(change),
      was: (entry) => marks.get(entry.id),
      fault: this.fault,
    };
    const before = lab.baseline?.outcome;
    const after = lab.current?.outcome;
    const effects = this.#effects();
    const all = this.#sections(choice, catalog);
    const pruning = this.#pruneSections(choice, catalog);
    return html`
      <h2>${this.t("recipe.title")}</h2>
      <ol class="steps">
        <li>
          <p class="step">
            <i aria-hidden="true">○</i>${this.t("recipe.model")}
            <span class="effect">${before ? this.t("recipe.effect.model", { percent: shortQuality(before.accuracy, speech), size: speech.kilobytes(before.size.bytes) }) : nothing}</span>
          </p>
          ${control(modelControl(choice, catalog, speech), around)}
        </li>
        <li>
          <p class="step prune"><i aria-hidden="true">▲</i>${this.t("recipe.prune")} <span class="effect">${effects.prune}</span></p>
          ${pruneControls(choice, catalog, speech).map((entry) => control(entry, around))}
          ${
            prunes(choice)
              ? this.#fold("prune", pruning, this.#summary(pruning, choice, catalog), around)
              : html`<p class="soft nothing">${this.t("recipe.prune.none")}</p>`
          }
        </li>
        <li>
          <p class="step quant"><i aria-hidden="true">●</i>${this.t("recipe.quantize")} <span class="effect">${effects.quantize}</span></p>
          ${this.#preset(choice, catalog, around)}
          ${this.#changes(now, marks)}
          ${firstControls(choice, catalog, speech).map((entry) => control(entry, around))}
          ${this.#fold("quantize", all, this.#summary(all, choice, catalog), around)}
        </li>
        <li><fw-aim .lab=${lab} .speech=${speech}></fw-aim></li>
      </ol>
      <p class="actions">
        <button class="button primary" ?disabled=${lab.busy} @click=${() => lab.runCurrent(true)}>${this.t(lab.current?.state === "done" ? "recipe.again" : "recipe.run")}</button>
        <button class="button" ?disabled=${lab.busy} @click=${() => lab.runWidths()}>${this.t("recipe.widths")}</button>
        ${prunes(choice) ? html`<button class="button" ?disabled=${lab.busy} @click=${() => lab.runSparsities()}>${this.t("recipe.sparsities")}</button>` : nothing}
      </p>
      <fw-spread .lab=${lab} .speech=${speech}></fw-spread>
      <p class="download">
        ${after ? html`<button class="link" @click=${() => this.#download()}>${this.t("recipe.download", { size: speech.kilobytes(after.size.bytes) })}</button>` : nothing}
      </p>
    `;
  }
}

/** The value of a setting that only shows beside the method it belongs to, where nobody touched it. */
function plainValue({ id }: Control): string | undefined {
  const value: unknown = id in DEFAULT_CHOICE ? DEFAULT_CHOICE[id as keyof Choice] : undefined;
  return typeof value === "boolean" ? (value ? "yes" : "no") : value === undefined ? undefined : String(value);
}

/** Controls of one layer: what they set is said of all layers together. */
const APART: readonly string[] = ["layer", "layerWeights", "layerInputs"];

/** Settings whose value says what it is. */
const TELLING: readonly string[] = [
  "layers",
  "score",
  "unitScore",
  "schedule",
  "transforms",
  "rounding",
  "granularity",
  "range",
  "calibration",
];

function valueOrName(entry: Control, speech: Surroundings["speech"]): string {
  const value = valueWords(entry, speech);
  return TELLING.includes(entry.id) ? value : speech.t("recipe.setting", { name: nameOf(entry, speech), value });
}

customElements.define("fw-recipe", RecipePanel);
