/** A look inside the chosen recipe's model: its layers, its bytes, its weights down to the codes, and which layer hurts. */

import { html, nothing, type TemplateResult } from "lit";
import { histogramChart } from "../../charts/histogram";
import { ledgerChart } from "../../charts/ledger";
import { roundingChart } from "../../charts/rounding";
import { paint, type SvgNode } from "../../charts/svg";
import { type Choice, choiceKey, formatOf, isBaseline, recipeOf } from "../../state/choice";
import { layerTimes, measurements } from "../../state/measured";
import { coreError } from "../../state/port";
import type { Outcome } from "../../state/runs";
import type { CoreError, LayerInspection, Place, Progress, WeightInspection } from "../../state/schema";
import { Panel } from "../panel";
import { errorWords, recipeName } from "../words";
import { type ExplorerView, explorerBytes, explorerControls, explorerFacts, explorerRows } from "./explorer";
import { askedOf, floatRecipe, type Heat, type HeatKind, heatRecipe, imagesOf, type Measure } from "./heat";
import { type ColumnId, hasWeight, largest, type Order, rowsOf } from "./layers";
import "./network";
import "./picture";
import { inputsData, ledgerData, roundingData, weightsData } from "./plots";
import { heatMap, layersTable, ledgerTable } from "./sections";
import { storageTable } from "./storage";
import { anyTaken, type Pair, pairOf, survey } from "./survey";
import { isPruned, type LayerUnits } from "./units";

/** What layers are tried at. */
const HEAT_KINDS = ["bits", "sparsity"] as const;
/** Recipes whose layers are remembered. */
const KEPT = 24;

/** What is shown: a recipe, its result, and what every layer takes and gives. */
interface View {
  readonly key: string;
  readonly choice: Choice;
  readonly outcome: Outcome;
  readonly layers: readonly LayerInspection[];
}

export class InsidePanel extends Panel {
  static override properties = {
    ...Panel.properties,
    width: { state: true },
    seen: { state: true },
    weights: { state: true },
    pair: { state: true },
    units: { state: true },
    order: { state: true },
    error: { state: true },
    measure: { state: true },
    kind: { state: true },
    share: { state: true },
    folded: { state: true },
  };

  declare width: number;
  /** Whether the panel is near the screen: nothing is asked of the engine before. */
  declare seen: boolean;
  declare weights: WeightInspection | undefined;
  /** The chosen layer's weight before the first step and now. */
  declare pair: Pair | undefined;
  /** What is left of every layer's units; none until they are counted. */
  declare units: readonly LayerUnits[];
  declare order: Order;
  declare error: CoreError | undefined;
  declare measure: Measure;
  declare kind: HeatKind;
  /** How far a sensitivity under way is, 0 to 1. */
  declare share: number | undefined;
  /** Whether a sensitivity that was found is put away. */
  declare folded: boolean;
  readonly #resize = new ResizeObserver(() => this.#measureWidth());
  readonly #sight = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.seen = true;
    },
    { rootMargin: "200px" },
  );
  readonly #measured = () => this.requestUpdate();
  readonly #layers = new Map<string, readonly LayerInspection[]>();
  readonly #heats = new Map<string, Heat>();
  /** The recipe that is chosen, and the one that is shown: the one before, until the chosen one is looked into. */
  #key = "";
  #view: View | undefined;
  #place: Place = { layer: "", granule: 0, from: 0 };
  /** The place that `weights` was asked for last. */
  #asked = "";
  #asking: AbortController | undefined;
  #trying: AbortController | undefined;
  #began = 0;

  constructor() {
    super();
    this.width = 0;
    this.seen = false;
    this.weights = undefined;
    this.pair = undefined;
    this.units = [];
    this.order = { column: undefined, descending: false };
    this.error = undefined;
    this.measure = "answers";
    this.kind = "bits";
    this.share = undefined;
    this.folded = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    measurements().addEventListener("change", this.#measured);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    measurements().removeEventListener("change", this.#measured);
    this.#resize.disconnect();
    this.#sight.disconnect();
    this.#asking?.abort();
    this.#trying?.abort();
  }

  protected override firstUpdated(): void {
    this.#resize.observe(this);
    this.#sight.observe(this);
    this.#measureWidth();
  }

  #measureWidth(): void {
    if (this.clientWidth > 0) this.width = this.clientWidth;
  }

  protected override willUpdate(): void {
    super.willUpdate();
    const { lab } = this;
    const key = choiceKey(lab.view.choice);
    if (key !== this.#key) {
      this.#asking?.abort();
      this.#asking = undefined;
      this.error = undefined;
      this.#key = key;
    }
    const ready = this.seen && lab.catalog && lab.current?.state === "done" && !lab.busy;
    if (!ready || this.error || this.#asking) return;
    if (this.#view?.key !== key) void this.#open(key);
    else if (JSON.stringify(this.#place) !== this.#asked) void this.#look();
  }

  /** Looks into the chosen recipe; what was shown stays until all of it is there. */
  async #open(key: string): Promise<void> {
    const { lab } = this;
    const outcome = lab.current?.outcome;
    if (!lab.catalog || !outcome) return;
    const { choice } = lab.view;
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const recipe = recipeOf(choice, lab.catalog);
      const layers = this.#layers.get(key) ?? (await lab.engine.inspect(recipe, { signal: asking.signal }));
      const known = layers.some((layer) => hasWeight(layer) && layer.layer === this.#place.layer);
      const place = known ? this.#place : { layer: largest(layers)?.layer ?? "", granule: 0, from: 0 };
      const weights = await lab.engine.weights(recipe, place).catch((error: unknown) => {
        // This recipe may have fewer granules.
        if (coreError(error).code !== "range") throw error;
        return lab.engine.weights(recipe, { ...place, granule: 0, from: 0 });
      });
      const pair = await pairOf(lab.engine, choice, lab.catalog, place.layer);
      const units = await survey(lab.engine, choice, lab.catalog, layers, asking.signal);
      if (asking.signal.aborted) return;
      for (const oldest of [...this.#layers.keys()].slice(0, Math.max(0, this.#layers.size + 1 - KEPT)))
        this.#layers.delete(oldest);
      this.#layers.set(key, layers);
      this.#view = { key, choice, outcome, layers };
      this.#place = { ...place, granule: weights.granule, from: weights.first - weights.granule * weights.each };
      this.#asked = JSON.stringify(this.#place);
      this.weights = weights;
      this.pair = pair;
      this.units = units;
    } catch (error) {
      if (!asking.signal.aborted) this.error = coreError(error);
    } finally {
      if (this.#asking === asking) this.#asking = undefined;
      this.requestUpdate();
    }
  }

  /** Asks for the weights of the place that is looked at, once. */
  async #look(): Promise<void> {
    const { lab } = this;
    const view = this.#view;
    if (!lab.catalog || !view) return;
    const asked = JSON.stringify(this.#place);
    this.#asked = asked;
    try {
      const { layer } = this.#place;
      const weights = await lab.engine.weights(recipeOf(view.choice, lab.catalog), this.#place);
      const pair = this.pair?.layer === layer ? this.pair : await pairOf(lab.engine, view.choice, lab.catalog, layer);
      if (asked !== this.#asked || view !== this.#view) return;
      this.weights = weights;
      this.pair = pair;
    } catch (error) {
      if (asked === this.#asked) this.error = coreError(error);
    }
  }

  #go(place: Partial<Place>): void {
    this.#place = { ...this.#place, ...place };
    this.requestUpdate();
  }

  async #try(): Promise<void> {
    const { lab } = this;
    const { catalog } = lab;
    if (!catalog || this.#trying) return;
    const { choice } = lab.view;
    const trying = new AbortController();
    const { signal } = trying;
    this.#trying = trying;
    this.share = 0;
    this.folded = false;
    this.error = undefined;
    this.#began = performance.now();
    try {
      const { kind } = this;
      const recipe = heatRecipe(choice, catalog, kind);
      const onProgress = ({ done_macs, total_macs }: Progress) => {
        this.share = done_macs / Math.max(1, total_macs);
      };
      const float = await lab.engine.run(floatRecipe(choice, catalog), { signal, onProgress: () => {} });
      const images = imagesOf(choice, catalog);
      const rows = await lab.engine.sensitivity(recipe, askedOf(kind), images, { signal, onProgress });
      this.#heats.set(`${kind} ${JSON.stringify(recipe)}`, { rows, float: float.report.accuracy.correct });
    } catch (error) {
      if (!signal.aborted) this.error = coreError(error);
    } finally {
      this.#trying = undefined;
      this.share = undefined;
    }
  }

  protected override updated(): void {
    const draw = (selector: string, make: (width: number) => SvgNode) => {
      const host = this.querySelector(selector);
      if (host && host.clientWidth > 0) paint(host, make(host.clientWidth));
    };
    const { speech, weights, pair } = this;
    const view = this.#view;
    if (!view) return;
    const { layers } = view;
    const layer = layers.find((each) => each.layer === this.#place.layer);
    if (weights && layer) {
      const looked = { weights, layer: layer.layer, pair, trained: view.choice.epochs > 0 };
      draw(".weights-plot", (width) => histogramChart(weightsData(looked, speech), width));
      draw(".rounding-plot", (width) => roundingChart(roundingData(weights, speech), width));
    }
    if (layer && layer.inputs.length > 0)
      draw(".inputs-plot", (width) => histogramChart(inputsData(layer, speech), width));
    else this.querySelector(".inputs-plot")?.replaceChildren();
    draw(".ledger-plot", (width) => ledgerChart(ledgerData(layers, speech), width));
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const view = this.#view;
    const waits = view?.key !== this.#key;
    return html`
      <div class="runs-head">
        <h2>${this.t("inside.title")} <small>${recipeName(view?.choice ?? lab.view.choice, speech)}</small></h2>
        <p class="soft exports" role="status">
          ${this.error ? errorWords(this.error, speech) : waits ? this.t(this.#asking ? "inside.busy" : "inside.waiting") : nothing}
        </p>
      </div>
      <p class="soft">${this.t("inside.about")}</p>
      ${view ? html`<div class=${waits ? "stale" : ""} aria-busy=${waits ? "true" : "false"}>${this.#inside(view)}</div>` : nothing}
      ${view ? this.#sensitivity() : nothing}
    `;
  }

  #inside({ layers, outcome, choice }: View): TemplateResult {
    const { lab, speech } = this;
    const place = this.#place;
    const layer = layers.find((each) => each.layer === place.layer);
    const sort = (column: ColumnId) => {
      const own = this.order.column === column;
      this.order = { column, descending: own ? !this.order.descending : column !== "layer" && column !== "format" };
    };
    const choose = (name: string) => this.#go({ layer: name, granule: 0, from: 0 });
    const model = lab.catalog?.models.find(({ id }) => id === choice.model);
    const kept = lab.catalog && measurements().last(lab.catalog.engine);
    const times = layerTimes(kept, choiceKey(choice));
    const rows = rowsOf(layers, this.units, model, times);
    const gone = this.units.filter(({ left }) => left === 0).map((each) => each.layer);
    return html`
      <section>
        <h3>${this.t("inside.layers")}</h3>
        <p class="soft">${this.t("inside.layers.about")}</p>
        ${layersTable({ layers: rows, order: this.order, chosen: place.layer, sort, choose }, speech)}
        ${gone.length > 0 ? html`<p class="soft">${this.t("inside.gone", { list: gone.join(", ") })}</p>` : nothing}
        <p class="soft">${
          times && kept
            ? this.t("inside.timed", { batch: kept.measured.target.batch })
            : html`<button class="link" @click=${toMeasure}>${this.t("inside.measure")}</button>`
        }</p>
      </section>
      ${
        anyTaken(this.units)
          ? html`<section>
              <h3>${this.t("inside.units")}</h3>
              <p class="soft">${this.t("inside.units.about")}</p>
              <fw-network-view .layers=${this.units} .speech=${speech}></fw-network-view>
            </section>`
          : nothing
      }
      <section>
        <h3>${this.t("inside.matrix", { layer: place.layer })}</h3>
        <p class="soft">${this.t("inside.matrix.about")}</p>
        <fw-weight-picture .pair=${this.pair} .speech=${speech} .compressed=${!isBaseline(choice)}></fw-weight-picture>
      </section>
      <div class="pair">
        <section>
          <h3>${this.t("inside.weights", { layer: place.layer })}</h3>
          <p class="soft">${this.t(this.pair && isPruned(this.pair.after) ? "inside.weights.about.pruned" : "inside.weights.about")}</p>
          <div class="weights-plot histogram-plot"></div>
        </section>
        <section>
          <h3>${this.t("inside.inputs", { layer: place.layer })}</h3>
          <p class="soft">${layer && layer.inputs.length === 0 ? this.t("inside.inputs.none", { layer: place.layer }) : this.t("inside.inputs.about")}</p>
          <div class="inputs-plot histogram-plot"></div>
        </section>
      </div>
      ${this.#explorer(layers)}
      <section>
        <h3>${this.t("inside.ledger")}</h3>
        <p class="soft">${this.t("inside.ledger.about")}</p>
        <div class="pair wide">
          <div class="ledger-plot"></div>
          ${ledgerTable(outcome.size.ledger, outcome.size.bytes, speech)}
        </div>
      </section>
      <section>
        <h3>${this.t("inside.storage")}</h3>
        <p class="soft">${this.t("inside.storage.about")}</p>
        ${storageTable(outcome, speech)}
      </section>
    `;
  }

  #explorer(layers: readonly LayerInspection[]): TemplateResult | typeof nothing {
    const { lab, speech, weights } = this;
    if (!weights || !lab.catalog) return nothing;
    const format = formatOf(lab.catalog, weights.format);
    const names = layers.filter(hasWeight).map(({ layer }) => layer);
    const view: ExplorerView = { weights, place: this.#place, layers: names, format, go: (place) => this.#go(place) };
    return html`<section class="explorer">
      <h3>${this.t("inside.explorer")}</h3>
      <p class="soft">${this.t("inside.explorer.about", { source: format?.source ?? weights.format })}</p>
      ${explorerControls(view, speech)}
      <div class="pair">
        <div>
          ${explorerFacts(view, speech)} ${explorerBytes(view, speech)}
          <p class="soft with-mouse">${this.t("inside.piece.hint")}</p>
        </div>
        <div class="rounding-plot"></div>
      </div>
      ${explorerRows(view, speech)}
    </section>`;
  }

  #sensitivity(): TemplateResult {
    const { lab, speech, share } = this;
    const { catalog } = lab;
    const heat =
      catalog && this.#heats.get(`${this.kind} ${JSON.stringify(heatRecipe(lab.view.choice, catalog, this.kind))}`);
    const took_s = (performance.now() - this.#began) / 1000;
    const busy =
      share === undefined
        ? nothing
        : share < 0.01
          ? this.t("inside.heat.begin")
          : this.t("inside.heat.busy", {
              percent: Math.round(share * 100),
              seconds: Math.max(1, Math.ceil((took_s * (1 - share)) / share)),
            });
    const show = (measure: Measure) =>
      html`<button aria-pressed=${this.measure === measure ? "true" : "false"} @click=${() => {
        this.measure = measure;
      }}>${this.t(`inside.heat.${measure}`)}</button>`;
    return html`<section class="sensitivity">
      <h3>${this.t("inside.heat")}</h3>
      <p class="soft">${this.t(this.kind === "bits" ? "inside.heat.about" : "inside.heat.about.sparsity")}</p>
      <p class="heat-actions">
        <span class="axis-choice" role="group" aria-label=${this.t("inside.heat.kind")}>${HEAT_KINDS.map(
          (kind) =>
            html`<button aria-pressed=${this.kind === kind ? "true" : "false"} ?disabled=${share !== undefined} @click=${() => {
              this.kind = kind;
            }}>${this.t(`inside.heat.kind.${kind}`)}</button>`,
        )}</span>
        ${
          share === undefined
            ? heat
              ? html`<button class="button" aria-expanded=${this.folded ? "false" : "true"} @click=${() => {
                  this.folded = !this.folded;
                }}>${this.t(this.folded ? "inside.heat.show" : "inside.heat.hide")}</button>`
              : html`<button class="button" ?disabled=${lab.busy} @click=${() => this.#try()}>${this.t("inside.heat.start")}</button>`
            : html`<button class="button" @click=${() => this.#trying?.abort(new DOMException("cancelled", "AbortError"))}>${this.t("progress.cancel")}</button>`
        }
        <span class="soft" role="status">${busy}</span>
        ${heat && !this.folded ? html`<span class="axis-choice" role="group" aria-label=${this.t("inside.heat.measure")}>${show("answers")} ${show("sqnr")}</span>` : nothing}
      </p>
      ${share === undefined ? nothing : html`<div class="progress-line"><i style=${`transform: scaleX(${share})`}></i></div>`}
      ${heat && !this.folded ? heatMap(heat, this.kind, this.measure, speech) : nothing}
    </section>`;
  }
}

/** Goes to where times are measured. */
function toMeasure(): void {
  const panel = document.querySelector("fw-browser");
  panel?.scrollIntoView({ block: "start" });
  panel?.querySelector("button")?.focus({ preventScroll: true });
}

customElements.define("fw-inside", InsidePanel);
