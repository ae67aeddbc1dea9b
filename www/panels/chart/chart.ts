/** Accuracy against size: the chart, its readout, and what pointer and keys do in it. */

import { html, type TemplateResult } from "lit";
import {
  type AccuracyData,
  accuracyChart,
  accuracyPlot,
  accuracyStart,
  markPositions,
  nearestMark,
} from "../../charts/accuracy";
import { paint } from "../../charts/svg";
import { choiceKey, dataOf, readsText } from "../../state/choice";
import { AXES } from "../../state/hash";
import { Panel } from "../panel";
import "../progress/progress";
import { axisNote, chartData, runWords } from "./data";

/** Pointer distance in pixels within which a mark is meant. */
const REACH = 26;

export class ChartPanel extends Panel {
  static override properties = {
    ...Panel.properties,
    active: { state: true },
    width: { state: true },
    height: { state: true },
  };

  declare active: string | undefined;
  declare width: number;
  declare height: number;
  readonly #resize = new ResizeObserver(() => this.#measure());
  #data: AccuracyData | undefined;

  constructor() {
    super();
    this.active = undefined;
    this.width = 0;
    this.height = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
  }

  get #plot(): HTMLElement | null {
    return this.querySelector<HTMLElement>(".plot");
  }

  get #size(): { width: number; height: number } {
    return { width: this.width, height: this.height };
  }

  #measure(): void {
    const { clientWidth = 0, clientHeight = 0 } = this.#plot ?? {};
    if (clientWidth === 0 || clientHeight === 0) return;
    this.width = clientWidth;
    this.height = clientHeight;
  }

  protected override firstUpdated(): void {
    const plot = this.#plot;
    if (plot) this.#resize.observe(plot);
  }

  protected override willUpdate(): void {
    super.willUpdate();
    const { lab, speech } = this;
    const data = dataOf(lab.view.choice, lab.catalog);
    this.#data = chartData(
      {
        runs: [...lab.runs.values()],
        choice: lab.view.choice,
        axis: lab.view.axis,
        catalog: lab.catalog,
        active: this.active,
        pinned: lab.view.pinned && choiceKey(lab.referenceChoice),
        classes: data?.classes.length ?? 10,
      },
      speech,
    );
    if (this.active !== undefined && !this.#data.marks.some((mark) => mark.key === this.active))
      this.active = undefined;
  }

  protected override updated(): void {
    const plot = this.#plot;
    if (plot && this.#data && this.width > 0) paint(plot, accuracyChart(this.#data, this.#size, "mark"));
  }

  /** Marks from left to right, as the arrow keys walk them. */
  get #ordered(): string[] {
    return [...(this.#data?.marks ?? [])].sort((a, b) => a.x - b.x || a.percent - b.percent).map((mark) => mark.key);
  }

  #at(event: MouseEvent): string | undefined {
    const box = this.#plot?.getBoundingClientRect();
    if (!box || !this.#data) return undefined;
    const positions = markPositions(this.#data, accuracyPlot(this.#data, this.#size));
    return nearestMark(positions, { x: event.clientX - box.left, y: event.clientY - box.top }, REACH);
  }

  #restore(key: string | undefined): void {
    const run = key === undefined ? undefined : this.lab.runs.get(key);
    if (run) this.lab.choose(run.choice);
  }

  /** Compares the chosen recipe with that of a mark, or with the baseline again when it is pinned already. */
  #pin(key: string | undefined): void {
    const { lab } = this;
    const run = key === undefined ? undefined : lab.runs.get(key);
    if (run) lab.pin(lab.view.pinned && key === choiceKey(lab.referenceChoice) ? undefined : run.choice);
  }

  #key(event: KeyboardEvent): void {
    const keys = this.#ordered;
    const at = keys.indexOf(this.active ?? this.#data?.current ?? "");
    const moves: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      Home: 0,
      End: keys.length - 1,
    };
    const next = moves[event.key];
    if (next !== undefined) {
      event.preventDefault();
      this.active = keys[Math.max(0, Math.min(keys.length - 1, next))];
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#restore(this.active);
    } else if (event.key.toLowerCase() === "a" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.#pin(this.active ?? this.#data?.current);
    } else if (event.key === "Escape") {
      this.active = undefined;
      this.lab.pin(undefined);
    }
  }

  #readout(): string {
    const key = this.active ?? choiceKey(this.lab.view.choice);
    const mark = this.#data?.marks.find((entry) => entry.key === key);
    const run = this.lab.runs.get(key);
    return mark?.description ?? (run ? runWords(run, this.speech) : "");
  }

  protected override render(): TemplateResult {
    const { lab } = this;
    const { axis } = lab.view;
    const data = this.#data;
    const index = data?.marks.findIndex((mark) => mark.key === this.active) ?? -1;
    const before = data?.marks.some((mark) => lab.runs.get(mark.key)?.state === "precomputed");
    const note = data && this.width > 0 ? axisNote(accuracyStart(data, this.#size), data, this.speech) : "";
    return html`
      <div class="chart-head">
        <h2>${this.t(readsText(lab.view.choice, lab.catalog) ? "chart.title.text" : "chart.title")} <small>${this.t(`chart.against.${axis}`)}</small></h2>
        <div class="axis-choice" role="group" aria-label=${this.t("chart.axis")}>
          ${AXES.map(
            (name) =>
              html`<button aria-pressed=${axis === name ? "true" : "false"} @click=${() => lab.show({ axis: name })}>${this.t(`chart.axis.${name}`)}</button>`,
          )}
        </div>
      </div>
      <fw-progress .lab=${lab} .speech=${this.speech}></fw-progress>
      <p class="readout">${this.#readout()}</p>
      <div
        class="plot"
        role="listbox"
        tabindex="0"
        aria-label=${this.t("chart.list")}
        aria-activedescendant=${index >= 0 ? `mark-${index}` : ""}
        @keydown=${this.#key}
        @pointermove=${(event: PointerEvent) => {
          this.active = this.#at(event);
        }}
        @pointerleave=${() => {
          this.active = undefined;
        }}
        @click=${(event: MouseEvent) => (event.shiftKey ? this.#pin(this.#at(event)) : this.#restore(this.#at(event)))}
      ></div>
      <p class="chart-note soft">${note} ${this.t("chart.hint")} <span class="with-mouse">${this.t("chart.hint.pin")}</span> ${before ? this.t("chart.before") : ""}</p>
    `;
  }
}

customElements.define("fw-chart", ChartPanel);
