/** A look inside the chosen recipe's model: its layers, its bytes, its weights down to the codes, and which layer hurts. */

import { html, nothing, type TemplateResult } from "lit";
import { histogramChart } from "../../charts/histogram";
import { ledgerChart } from "../../charts/ledger";
import { roundingChart } from "../../charts/rounding";
import { paint, type SvgNode } from "../../charts/svg";
import { choiceKey, formatOf, recipeOf } from "../../state/choice";
import { coreError } from "../../state/port";
import type { CoreError, LayerInspection, Place, Progress, WeightInspection } from "../../state/schema";
import { Panel } from "../panel";
import { errorWords, recipeName } from "../words";
import { type ExplorerView, explorerBytes, explorerControls, explorerFacts, explorerRows } from "./explorer";
import { floatRecipe, type Heat, heatRecipe, imagesOf, type Measure, WIDTHS } from "./heat";
import { bytesIn, type ColumnId, hasWeight, KINDS, largest, type Order } from "./layers";
import { short } from "./numbers";
import { heatMap, layersTable, ledgerTable } from "./sections";

/** Recipes whose layers are remembered. */
const KEPT = 24;

export class InsidePanel extends Panel {
  static override properties = {
    ...Panel.properties,
    width: { state: true },
    seen: { state: true },
    weights: { state: true },
    order: { state: true },
    error: { state: true },
    measure: { state: true },
    share: { state: true },
  };

  declare width: number;
  /** Whether the panel is near the screen: nothing is asked of the engine before. */
  declare seen: boolean;
  declare weights: WeightInspection | undefined;
  declare order: Order;
  declare error: CoreError | undefined;
  declare measure: Measure;
  /** How far a sensitivity under way is, 0 to 1. */
  declare share: number | undefined;
  readonly #resize = new ResizeObserver(() => this.#measureWidth());
  readonly #sight = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) this.seen = true;
    },
    { rootMargin: "200px" },
  );
  readonly #layers = new Map<string, readonly LayerInspection[]>();
  readonly #heats = new Map<string, Heat>();
  #key = "";
  #place: Place = { layer: "", granule: 0, from: 0 };
  /** What `weights` was asked with. */
  #asked = "";
  #asking: AbortController | undefined;
  #trying: AbortController | undefined;
  #began = 0;

  constructor() {
    super();
    this.width = 0;
    this.seen = false;
    this.weights = undefined;
    this.order = { column: undefined, descending: false };
    this.error = undefined;
    this.measure = "answers";
    this.share = undefined;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
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

  get #shown(): readonly LayerInspection[] | undefined {
    return this.#layers.get(this.#key);
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
      this.#asked = "";
    }
    const ready = this.seen && lab.catalog && lab.current?.state === "done" && !lab.busy;
    if (!ready || this.error || this.#asking) return;
    if (!this.#shown) void this.#inspect(key);
    else void this.#look();
  }

  async #inspect(key: string): Promise<void> {
    const { lab } = this;
    if (!lab.catalog) return;
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const layers = await lab.engine.inspect(recipeOf(lab.view.choice, lab.catalog), { signal: asking.signal });
      for (const oldest of [...this.#layers.keys()].slice(0, Math.max(0, this.#layers.size + 1 - KEPT)))
        this.#layers.delete(oldest);
      this.#layers.set(key, layers);
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
    const layers = this.#shown?.filter(hasWeight) ?? [];
    const first = largest(layers);
    if (!lab.catalog || !first) return;
    if (!layers.some(({ layer }) => layer === this.#place.layer))
      this.#place = { layer: first.layer, granule: 0, from: 0 };
    const place = this.#place;
    const asked = `${this.#key} ${JSON.stringify(place)}`;
    if (asked === this.#asked) return;
    this.#asked = asked;
    try {
      const weights = await lab.engine.weights(recipeOf(lab.view.choice, lab.catalog), place);
      if (asked === this.#asked) this.weights = weights;
    } catch (error) {
      if (asked !== this.#asked) return;
      // Another recipe may have fewer granules.
      if (place.granule > 0 || place.from > 0) this.#go({ granule: 0, from: 0 });
      else this.error = coreError(error);
    }
  }

  #go(place: Partial<Place>): void {
    this.#place = { ...this.#place, ...place };
    this.requestUpdate();
  }

  /** The weights, if they are those of the layer and recipe that are looked at. */
  get #current(): WeightInspection | undefined {
    return this.#asked.startsWith(this.#key) ? this.weights : undefined;
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
    this.error = undefined;
    this.#began = performance.now();
    try {
      const recipe = heatRecipe(choice, catalog);
      const onProgress = ({ done_macs, total_macs }: Progress) => {
        this.share = done_macs / Math.max(1, total_macs);
      };
      const float = await lab.engine.run(floatRecipe(choice, catalog), { signal, onProgress: () => {} });
      const rows = await lab.engine.sensitivity(recipe, WIDTHS, imagesOf(choice, catalog), { signal, onProgress });
      this.#heats.set(JSON.stringify(recipe), { rows, float: float.report.accuracy.correct });
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
    const { speech } = this;
    const layers = this.#shown;
    const weights = this.#current;
    if (!layers) return;
    const layer = layers.find((each) => each.layer === this.#place.layer);
    const whole = (value: number) => speech.whole(value);
    if (weights && layer) {
      const count = weights.granules * weights.each;
      const trained = this.lab.view.choice.epochs > 0;
      const levels = speech.whole(weights.levels.length);
      const many = this.t("inside.levels.many");
      draw(".weights-plot", (width) =>
        histogramChart(
          {
            low: weights.low,
            high: weights.high,
            before: weights.latent,
            after: weights.stored,
            part: weights.granules > 1 ? weights.own : [],
            growth: "root",
            levels: weights.levels,
            words: {
              before: this.t(trained ? "inside.weights.latent" : "inside.weights.before"),
              after: `${this.t("inside.weights.after")} · ${weights.levels.length > 0 ? this.t("inside.levels", { levels }) : many}`,
              part: weights.granules > 1 ? this.t("inside.weights.part", { granule: whole(weights.granule) }) : "",
              axis: this.t("inside.weights.axis"),
              counts: this.t("inside.weights.counts"),
            },
            number: short,
            whole,
            description: this.t("inside.weights.read", {
              count: whole(count),
              layer: layer.layer,
              low: short(weights.low),
              high: short(weights.high),
              granule: whole(weights.granule),
              levels: weights.levels.length > 0 ? levels : this.t("inside.many"),
            }),
          },
          width,
        ),
      );
      draw(".rounding-plot", (width) => {
        const worst = Math.max(
          0,
          ...weights.values.map((value, at) => Math.abs(value - (weights.original[at] ?? value))),
        );
        return roundingChart(
          {
            original: weights.original,
            values: weights.values,
            levels: weights.levels,
            words: {
              before: this.t("inside.rounding.before"),
              after: this.t("inside.rounding.after"),
              exact: this.t("inside.rounding.exact"),
            },
            number: short,
            description: this.t("inside.rounding.read", { count: whole(weights.values.length), error: short(worst) }),
          },
          width,
        );
      });
    }
    if (layer && layer.inputs.length > 0)
      draw(".inputs-plot", (width) =>
        histogramChart(
          {
            low: layer.input_low,
            high: layer.input_high,
            before: layer.inputs,
            after: layer.rounded,
            part: [],
            growth: "log",
            levels: layer.input_levels,
            words: {
              before: this.t("inside.inputs.before"),
              after: this.t("inside.inputs.after"),
              part: "",
              axis: this.t("inside.inputs.axis"),
              counts: this.t("inside.inputs.counts"),
            },
            number: short,
            whole,
            description: this.t("inside.inputs.read", {
              count: whole(layer.inputs.reduce((sum, each) => sum + each, 0)),
              layer: layer.layer,
              low: short(layer.input_low),
              high: short(layer.input_high),
              levels: layer.input_levels.length > 0 ? whole(layer.input_levels.length) : this.t("inside.many"),
            }),
          },
          width,
        ),
      );
    else this.querySelector(".inputs-plot")?.replaceChildren();
    draw(".ledger-plot", (width) => {
      const kinds = Object.fromEntries(KINDS.map((kind) => [kind, this.t(`inside.kind.${kind}`)]));
      const bytes = (count: number) => this.t("inside.bytes", { bytes: whole(count) });
      const columns = layers.map(({ layer: name, ledger }) => ({
        name,
        parts: KINDS.map((kind) => ({ kind, bytes: ledger[kind] })),
      }));
      const list = layers.map(({ layer: name, ledger }) => `${name}: ${bytes(bytesIn(ledger))}`).join("; ");
      return ledgerChart({ columns, kinds, bytes, description: this.t("inside.ledger.read", { list }) }, width);
    });
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const layers = this.#shown;
    return html`
      <div class="runs-head">
        <h2>${this.t("inside.title")} <small>${recipeName(lab.view.choice, speech)}</small></h2>
        <p class="soft exports" role="status">
          ${this.error ? errorWords(this.error, speech) : layers ? nothing : this.t(this.#asking ? "inside.busy" : "inside.waiting")}
        </p>
      </div>
      <p class="soft">${this.t("inside.about")}</p>
      ${layers ? this.#inside(layers) : nothing}
    `;
  }

  #inside(layers: readonly LayerInspection[]): TemplateResult {
    const { lab, speech } = this;
    const outcome = lab.current?.outcome;
    const place = this.#place;
    const layer = layers.find((each) => each.layer === place.layer);
    const sort = (column: ColumnId) => {
      const own = this.order.column === column;
      this.order = { column, descending: own ? !this.order.descending : column !== "layer" && column !== "format" };
    };
    const choose = (name: string) => this.#go({ layer: name, granule: 0, from: 0 });
    return html`
      <section>
        <h3>${this.t("inside.layers")}</h3>
        <p class="soft">${this.t("inside.layers.about")}</p>
        ${layersTable({ layers, order: this.order, chosen: place.layer, sort, choose }, speech)}
      </section>
      <div class="pair">
        <section>
          <h3>${this.t("inside.weights", { layer: place.layer })}</h3>
          <p class="soft">${this.t("inside.weights.about")}</p>
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
          ${outcome ? ledgerTable(outcome.size.ledger, outcome.size.bytes, speech) : nothing}
        </div>
      </section>
      ${this.#sensitivity()}
    `;
  }

  #explorer(layers: readonly LayerInspection[]): TemplateResult | typeof nothing {
    const weights = this.#current;
    const { lab, speech } = this;
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
    const heat = catalog && this.#heats.get(JSON.stringify(heatRecipe(lab.view.choice, catalog)));
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
      <p class="soft">${this.t("inside.heat.about")}</p>
      <p class="heat-actions">
        ${
          share === undefined
            ? html`<button class="button" ?disabled=${lab.busy} @click=${() => this.#try()}>${this.t(heat ? "inside.heat.again" : "inside.heat.start")}</button>`
            : html`<button class="button" @click=${() => this.#trying?.abort(new DOMException("cancelled", "AbortError"))}>${this.t("progress.cancel")}</button>`
        }
        <span class="soft" role="status">${busy}</span>
        ${heat ? html`<span class="axis-choice" role="group" aria-label=${this.t("inside.heat.measure")}>${show("answers")} ${show("sqnr")}</span>` : nothing}
      </p>
      ${share === undefined ? nothing : html`<div class="progress-line"><i style=${`transform: scaleX(${share})`}></i></div>`}
      ${heat ? heatMap(heat, this.measure, speech) : nothing}
    </section>`;
  }
}

customElements.define("fw-inside", InsidePanel);
