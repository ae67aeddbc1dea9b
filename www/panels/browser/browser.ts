/** What this machine makes of it: the speed of the kernels, and of the chosen recipe's layers against float. */

import { html, nothing, type TemplateResult } from "lit";
import { sparsityChart } from "../../charts/sparsity";
import { speedsChart } from "../../charts/speeds";
import { paint } from "../../charts/svg";
import { choiceKey, recipeOf } from "../../state/choice";
import { type Kept, measurements } from "../../state/measured";
import { coreError } from "../../state/port";
import type { CoreError } from "../../state/schema";
import { Panel } from "../panel";
import { errorWords, recipeName } from "../words";
import { kernelRows, kernelsOfLayers, layerRows, sparseRows } from "./data";

export class BrowserPanel extends Panel {
  static override properties = {
    ...Panel.properties,
    width: { state: true },
    kept: { state: true },
    share: { state: true },
    error: { state: true },
  };

  declare width: number;
  declare kept: Kept | undefined;
  /** How far a measurement under way is; absent without one. */
  declare share: number | undefined;
  declare error: CoreError | undefined;
  readonly #resize = new ResizeObserver(() => this.#measureWidth());
  #cancel: AbortController | undefined;

  constructor() {
    super();
    this.width = 0;
    this.kept = undefined;
    this.share = undefined;
    this.error = undefined;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
    this.#cancel?.abort();
  }

  protected override willUpdate(): void {
    super.willUpdate();
    const { catalog } = this.lab;
    if (catalog) this.kept = measurements().last(catalog.engine);
  }

  protected override firstUpdated(): void {
    this.#resize.observe(this);
    this.#measureWidth();
  }

  #measureWidth(): void {
    const width = this.querySelector(".speeds-plot")?.clientWidth ?? 0;
    if (width > 0 && width !== this.width) this.width = width;
  }

  async #start(): Promise<void> {
    const { lab } = this;
    if (!lab.catalog || this.#cancel) return;
    const { choice } = lab.view;
    const cancel = new AbortController();
    this.#cancel = cancel;
    this.share = 0;
    this.error = undefined;
    try {
      const measured = await lab.engine.measure(recipeOf(choice, lab.catalog), {
        signal: cancel.signal,
        onProgress: ({ done_macs, total_macs }) => {
          this.share = done_macs / Math.max(1, total_macs);
        },
      });
      measurements().keep({ date: new Date().toISOString(), key: choiceKey(choice), measured });
    } catch (error) {
      if (!cancel.signal.aborted) this.error = coreError(error);
    } finally {
      this.#cancel = undefined;
      this.share = undefined;
    }
  }

  protected override updated(): void {
    this.#measureWidth();
    const { kept, speech, width } = this;
    if (!kept || width === 0) return;
    const { kernels, sparse, target } = kept.measured;
    const plot = this.querySelector(".speeds-plot");
    const label = (gops: number, times: number) =>
      this.t("browser.speed", { gops: gops.toFixed(1), times: times.toFixed(2) });
    if (plot) {
      const rows = kernelRows(kernels, label);
      const list = rows.map(({ name, label: said }) => `${name} ${said}`).join("; ");
      paint(plot, speedsChart({ rows, description: this.t("browser.kernels.read", { list }) }, width));
    }
    const zeros = this.querySelector(".sparsity-plot");
    if (zeros) {
      const percent = (share: number) => Math.round(share * 100);
      const ms = sparse.dense_ms.toFixed(2);
      const list = sparse.points.map((each) => `${percent(each.zeros)} % ${each.ms.toFixed(2)} ms`).join("; ");
      const { break_even } = sparse;
      const data = {
        points: sparse.points,
        dense_ms: sparse.dense_ms,
        ...(break_even === undefined ? {} : { breakEven: break_even }),
        words: {
          dense: this.t("browser.sparse.dense", { ms }),
          breakEven: this.t("browser.sparse.even", { percent: percent(break_even ?? 0) }),
          axis: this.t("browser.sparse.axis"),
        },
        description: this.t("browser.sparse.read", { list, ms }),
      };
      paint(zeros, sparsityChart(data, width));
    }
    const layers = this.querySelector(".layers-plot");
    if (layers) {
      const rows = layerRows(target, this.t("browser.others"), (ms, requested) =>
        [speech.t("browser.ms", { value: ms.toFixed(3) }), requested].filter(Boolean).join(" · "),
      );
      const list = rows.map(({ name, label: said }) => `${name} ${said}`).join("; ");
      paint(layers, speedsChart({ rows, description: this.t("browser.layers.read", { list }) }, width));
    }
  }

  protected override render(): TemplateResult {
    const { lab, kept, share } = this;
    const busy = share !== undefined;
    return html`
      <div class="runs-head">
        <h2>${this.t("browser.title")} <small>${this.t("browser.sub")}</small></h2>
        <p class="soft exports" role="status">
          ${busy ? this.t("browser.busy", { percent: Math.round(share * 100) }) : nothing}
          ${this.error ? errorWords(this.error, this.speech) : nothing}
        </p>
        ${
          busy
            ? html`<button class="button" @click=${() => this.#cancel?.abort(new DOMException("cancelled", "AbortError"))}>${this.t("progress.cancel")}</button>`
            : html`<button class="button" ?disabled=${!lab.ready} @click=${() => this.#start()}>${this.t(kept ? "browser.again" : "browser.measure")}</button>`
        }
      </div>
      <p class="soft">${this.t("browser.about")}</p>
      ${kept ? this.#results(kept) : nothing}
    `;
  }

  #results(kept: Kept): TemplateResult {
    const { lab, speech } = this;
    const { target, engine } = kept.measured;
    const mine = kept.key === choiceKey(lab.view.choice);
    const ratio = target.baseline_latency_ms / target.latency_ms;
    const values = {
      name: recipeName(lab.view.choice, speech),
      ms: target.latency_ms.toFixed(2),
      float: target.baseline_latency_ms.toFixed(2),
      batch: target.batch,
      times: (ratio >= 1 ? ratio : 1 / ratio).toFixed(2),
    };
    const date = new Intl.DateTimeFormat(speech.language, { dateStyle: "medium", timeStyle: "short" });
    return html`
      <div class="speeds">
        <section>
          <h3>${this.t("browser.kernels")}</h3>
          <div class="speeds-plot"></div>
          <p class="soft">${this.t("browser.kernels.about")}</p>
        </section>
        <section>
          <h3>${this.t("browser.sparse")}</h3>
          <div class="sparsity-plot"></div>
          <p class="soft">${this.t("browser.sparse.about")}</p>
          ${mine ? this.#sparseLayers(target) : nothing}
        </section>
        <section>
          <h3>${this.t("browser.layers")}</h3>
          ${
            mine
              ? html`<p>${this.t(ratio >= 1 ? "browser.faster" : "browser.slower", values)}</p>
                <div class="layers-plot"></div>
                <p class="soft">${this.t("browser.runs", { list: kernelsOfLayers(target, (blocks, single) => this.t("browser.runs.both", { blocks, single })) })}</p>
                <p class="soft">${this.t("browser.layers.about")}</p>`
              : html`<p class="soft">${this.t("browser.other")}</p>`
          }
        </section>
      </div>
      <p class="soft">${this.t("browser.when", { date: date.format(new Date(kept.date)), engine })}</p>
    `;
  }

  /** From which share of zeros on each layer gains by skipping them here, beside the share it has. */
  #sparseLayers(target: Kept["measured"]["target"]): TemplateResult {
    const rows = sparseRows(target, this.lab.current?.outcome?.layers ?? []);
    if (rows.length === 0) return html`${nothing}`;
    const percent = (share: number | undefined, none: string) =>
      share === undefined ? none : `${Math.round(100 * share)}\u00a0%`;
    const head = (["layer", "weights", "even", "zeros", "past"] as const).map(
      (column) => html`<th scope="col">${this.t(`browser.skip.${column}`)}</th>`,
    );
    return html`<div class="table-scroll" tabindex="0" role="region" aria-label=${this.t("browser.skip")}>
      <table class="runs">
        <caption>${this.t("browser.skip")}</caption>
        <thead><tr>${head}</tr></thead>
        <tbody>
          ${rows.map(
            ({ layer, shape, breakEven, zeros, past }) => html`<tr>
              <th scope="row">${layer}</th><td>${shape}</td>
              <td>${percent(breakEven, this.t("browser.skip.never"))}</td>
              <td>${percent(zeros, "")}</td>
              <td>${zeros === undefined ? "" : this.t(past ? "browser.skip.yes" : "browser.skip.no")}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }
}

customElements.define("fw-browser", BrowserPanel);
