/** The runs table: the chart for those who would rather read, sort or export. */

import { html, nothing, type TemplateResult } from "lit";
import { baselineOf, choiceKey, isBaseline, readsText } from "../../state/choice";
import type { Outcome, Run } from "../../state/runs";
import { Panel } from "../panel";
import { save } from "../save";
import { changeOf, errorWords, halfWidth, mistakes, recipeName } from "../words";
import { COLUMNS, type Column, type Order, type Row, runsOn, sortRows, toCsv, toJson, toRows } from "./table";

export class RunsPanel extends Panel {
  static override properties = { ...Panel.properties, order: { state: true } };

  declare order: Order;

  constructor() {
    super();
    this.order = { column: "bytes", descending: true };
  }

  #sort(column: Column["id"]): void {
    this.order = { column, descending: this.order.column === column ? !this.order.descending : column !== "run" };
  }

  protected override render(): TemplateResult {
    const { lab } = this;
    const rows = sortRows(
      toRows(runsOn(lab.runs, lab.view.choice, lab.catalog), (run) => choiceKey(baselineOf(run.choice)), lab.catalog),
      this.order,
    );
    const current = choiceKey(lab.view.choice);
    return html`
      <div class="runs-head">
        <h2>${this.t("runs.title")} <small>${this.t("runs.sub")}</small></h2>
        <p class="soft exports">
          ${this.t("runs.export")}
          <button class="link" @click=${() => save("featherweight-runs.csv", "text/csv", `\ufeff${toCsv(rows)}`)}>${this.t("runs.csv")}</button>
          <button class="link" @click=${() => save("featherweight-runs.json", "application/json", toJson(rows))}>${this.t("runs.json")}</button>
        </p>
      </div>
      <div class="table-scroll" tabindex="0" role="group" aria-label=${this.t("runs.caption")}>
        <table class="runs">
          <caption class="hidden">${this.t("runs.caption")}</caption>
          <thead>
            <tr>${COLUMNS.map((column) => this.#head(column))}</tr>
          </thead>
          <tbody>
            ${rows.map((row) => this.#row(row, row.run.key === current))}
            ${rows.length === 0 ? html`<tr><td colspan=${COLUMNS.length}>${this.t("runs.empty")}</td></tr>` : nothing}
          </tbody>
        </table>
      </div>
    `;
  }

  #head(column: Column): TemplateResult {
    const sorted = this.order.column === column.id ? (this.order.descending ? "descending" : "ascending") : "none";
    const arrow = sorted === "none" ? "" : sorted === "descending" ? " ↓" : " ↑";
    return html`<th scope="col" class=${column.id} aria-sort=${sorted}>
      <button @click=${() => this.#sort(column.id)}>${this.t(this.#text && this.speech.has(`runs.text.${column.id}`) ? `runs.text.${column.id}` : `runs.${column.id}`)}<span aria-hidden="true">${arrow}</span></button>
    </th>`;
  }

  #row(row: Row, current: boolean): TemplateResult {
    const { lab, speech } = this;
    const { run } = row;
    const { outcome } = run;
    const delta = isBaseline(run.choice)
      ? this.t("runs.baseline")
      : row.delta === undefined
        ? ""
        : changeOf(row.delta, this.#text, speech);
    return html`<tr class=${current ? "current" : ""}>
      <th scope="row">
        <button title=${this.t("runs.restore", { name: recipeName(run.choice, speech) })} aria-current=${current ? "true" : "false"} @click=${() => lab.choose(run.choice)}>
          ${lab.catalog ? code(row.code) : recipeName(run.choice, speech)}
        </button>
      </th>
      <td>${outcome ? this.#quality(outcome.accuracy) : nothing}</td>
      <td>${outcome ? html`${speech.whole(mistakes(outcome.accuracy))} <span class="soft of">/ ${speech.whole(outcome.accuracy.total)}</span>` : nothing}</td>
      <td>${delta}</td>
      <td>${outcome ? speech.whole(outcome.size.bytes) : nothing}</td>
      <td>${outcome ? outcome.size.bits_per_weight.toFixed(2) : nothing}</td>
      <td class="soft status">${this.#state(run)}</td>
    </tr>`;
  }

  get #text(): boolean {
    return readsText(this.lab.view.choice, this.lab.catalog);
  }

  #quality(accuracy: Outcome["accuracy"]): TemplateResult {
    return accuracy.bits_per_character === undefined
      ? html`${this.speech.percent(accuracy.top1, 2)} <span class="soft">± ${halfWidth(accuracy)}</span>`
      : html`${accuracy.bits_per_character.toFixed(3)}`;
  }

  #state(run: Run): string {
    if (run.state === "failed" && run.error)
      return this.t("runs.status.failed", { reason: errorWords(run.error, this.speech) });
    return this.t(`runs.status.${run.state}`, { time: this.speech.duration(run.seconds ?? 0) });
  }
}

/** A recipe's code, its model quieter than its steps. */
function code(text: string): TemplateResult {
  const dot = text.indexOf(".");
  return dot < 0
    ? html`<code>${text}</code>`
    : html`<code><span class="soft">${text.slice(0, dot)}</span>${text.slice(dot)}</code>`;
}

customElements.define("fw-runs", RunsPanel);
