/** Parts of the look inside that are tables: layers, ledger, sensitivity. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import type { Ledger } from "../../state/schema";
import { darkness, type Heat, type HeatKind, heatTable, type Measure } from "./heat";
import { bytesIn, COLUMNS, type ColumnId, hasWeight, KINDS, type LayerRow, type Order, sortLayers } from "./layers";
import { decibels, short } from "./numbers";

export interface LayersView {
  readonly layers: readonly LayerRow[];
  readonly order: Order;
  readonly chosen: string | undefined;
  readonly sort: (column: ColumnId) => void;
  readonly choose: (layer: string) => void;
}

/** The layers as a table that can be sorted; a layer with weights is chosen by its name. */
export function layersTable(view: LayersView, speech: Speech): TemplateResult {
  const caption = speech.t("inside.layers.caption");
  const timed = view.layers.some(({ ms }) => ms !== undefined);
  const columns = COLUMNS.filter((column) => column !== "time" || timed);
  const head = (column: ColumnId) => {
    const own = view.order.column === column;
    const sorted = own ? (view.order.descending ? "descending" : "ascending") : "none";
    const arrow = own ? (view.order.descending ? " ↓" : " ↑") : "";
    return html`<th scope="col" aria-sort=${sorted}>
      <button @click=${() => view.sort(column)}>${speech.t(`inside.column.${column}`)}<span aria-hidden="true">${arrow}</span></button>
    </th>`;
  };
  const db = (value: number | null) => (value === null ? speech.t("inside.exact") : decibels(value, 1));
  const of = (whole: number | undefined) =>
    whole === undefined
      ? nothing
      : html` <span class="soft">${speech.t("inside.of", { whole: speech.whole(whole) })}</span>`;
  const cells: Readonly<Record<Exclude<ColumnId, "layer">, (layer: LayerRow) => unknown>> = {
    format: (layer) => (hasWeight(layer) ? speech.name("format", layer.format) : ""),
    bits: (layer) => (hasWeight(layer) ? layer.bits_per_weight.toFixed(2) : ""),
    kept: ({ kept }) =>
      kept
        ? html`${speech.percent(kept.nonzero / kept.whole, 0)}
            <span class="soft">${speech.t("inside.kept", { count: speech.whole(kept.nonzero), whole: speech.whole(kept.whole) })}</span>`
        : "",
    bytes: (layer) => speech.whole(bytesIn(layer.ledger)),
    macs: ({ macs, wholeMacs }) => html`${speech.whole(macs)}${of(wholeMacs)}`,
    time: ({ ms }) => (ms === undefined ? "" : ms.toFixed(3)),
    low: (layer) => (hasWeight(layer) ? short(layer.low) : ""),
    high: (layer) => (hasWeight(layer) ? short(layer.high) : ""),
    weights: (layer) => (hasWeight(layer) ? db(layer.weight_sqnr_db) : ""),
    output: (layer) => db(layer.output_sqnr_db),
  };
  const row = (layer: LayerRow) => {
    const own = hasWeight(layer);
    const name = html`<code>${layer.layer}</code>`;
    return html`<tr class=${layer.layer === view.chosen ? "current" : ""}>
      <th scope="row">
        ${
          own
            ? html`<button aria-current=${layer.layer === view.chosen ? "true" : "false"} title=${speech.t("inside.choose", { layer: layer.layer })} @click=${() => view.choose(layer.layer)}>${name}</button>`
            : name
        }
      </th>
      ${columns.map((column) => (column === "layer" ? nothing : html`<td data-column=${column}>${cells[column](layer)}</td>`))}
    </tr>`;
  };
  return html`<div class="table-scroll layers-scroll" tabindex="0" role="group" aria-label=${caption}>
    <table class="runs layers">
      <caption class="hidden">${caption}</caption>
      <thead><tr>${columns.map(head)}</tr></thead>
      <tbody>${sortLayers(view.layers, view.order).map(row)}</tbody>
    </table>
  </div>`;
}

/** The ledger as a table that adds up to the model's bytes. */
export function ledgerTable(ledger: Ledger, bytes: number, speech: Speech): TemplateResult {
  return html`<table class="runs ledger">
    <caption class="hidden">${speech.t("inside.ledger.caption")}</caption>
    <thead>
      <tr>
        <th scope="col">${speech.t("inside.ledger.kind")}</th>
        <th scope="col">${speech.t("inside.ledger.bytes")}</th>
        <th scope="col">${speech.t("inside.ledger.share")}</th>
      </tr>
    </thead>
    <tbody>
      ${KINDS.filter((kind) => ledger[kind] > 0).map(
        (kind) => html`<tr>
          <th scope="row"><i class="swatch ledger-${kind}" aria-hidden="true"></i>${speech.t(`inside.kind.${kind}`)}</th>
          <td>${speech.whole(ledger[kind])}</td>
          <td>${speech.percent(ledger[kind] / Math.max(1, bytes))}</td>
        </tr>`,
      )}
    </tbody>
    <tfoot>
      <tr>
        <th scope="row">${speech.t("inside.ledger.total")}</th>
        <td>${speech.whole(bytes)}</td>
        <td>${speech.percent(1)}</td>
      </tr>
    </tfoot>
  </table>`;
}

/** Layers against widths: what each cell lost is written in it and shades it. */
export function heatMap(heat: Heat, kind: HeatKind, measure: Measure, speech: Speech): TemplateResult {
  const table = heatTable(heat);
  const most = Math.max(0, ...table.flatMap(({ cells }) => cells.map((cell) => cell.lost)));
  const total = table[0]?.cells[0]?.total ?? 0;
  const caption = speech.t(kind === "bits" ? "inside.heat.caption" : "inside.heat.caption.sparsity");
  const sign = (value: number) => (value < 0 ? `−${speech.whole(-value)}` : speech.whole(value));
  return html`<div class="table-scroll" tabindex="0" role="group" aria-label=${caption}>
      <table class="heat">
        <caption class="hidden">${caption}</caption>
        <thead>
          <tr><td></td>${(table[0]?.cells ?? []).map(({ at }) => html`<th scope="col">${kind === "bits" ? speech.t("inside.heat.bits", { bits: at }) : speech.t("inside.heat.share", { percent: Math.round(at * 100) })}</th>`)}</tr>
        </thead>
        <tbody>
          ${table.map(
            ({ layer, cells }) => html`<tr>
              <th scope="row"><code>${layer}</code></th>
              ${cells.map((cell) => {
                const db = cell.sqnr_db === null ? speech.t("inside.exact") : decibels(cell.sqnr_db, 0);
                const said = speech.t(kind === "bits" ? "inside.heat.cell" : "inside.heat.cell.sparsity", {
                  layer,
                  bits: cell.at,
                  percent: Math.round(cell.at * 100),
                  correct: speech.whole(cell.correct),
                  total: speech.whole(cell.total),
                  lost: sign(cell.lost),
                  db,
                });
                const shade = `--dark: ${darkness(cell, most, measure).toFixed(3)}`;
                return html`<td style=${shade} title=${said}>${measure === "sqnr" ? db : sign(cell.lost)}</td>`;
              })}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${total > 0 ? html`<p class="soft">${speech.t("inside.heat.float", { correct: speech.whole(heat.float), total: speech.whole(total) })}</p>` : nothing}`;
}
