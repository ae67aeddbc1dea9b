/** Parts of the look inside that are tables: layers, ledger, sensitivity. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import type { LayerInspection, Ledger } from "../../state/schema";
import { darkness, type Heat, heatTable, type Measure, WIDTHS } from "./heat";
import { bytesIn, COLUMNS, type ColumnId, hasWeight, KINDS, type Order, sortLayers } from "./layers";
import { decibels, short } from "./numbers";

export interface LayersView {
  readonly layers: readonly LayerInspection[];
  readonly order: Order;
  readonly chosen: string | undefined;
  readonly sort: (column: ColumnId) => void;
  readonly choose: (layer: string) => void;
}

/** The layers as a table that can be sorted; a layer with weights is chosen by its name. */
export function layersTable(view: LayersView, speech: Speech): TemplateResult {
  const caption = speech.t("inside.layers.caption");
  const head = (column: ColumnId) => {
    const own = view.order.column === column;
    const sorted = own ? (view.order.descending ? "descending" : "ascending") : "none";
    const arrow = own ? (view.order.descending ? " ↓" : " ↑") : "";
    return html`<th scope="col" aria-sort=${sorted}>
      <button @click=${() => view.sort(column)}>${speech.t(`inside.column.${column}`)}<span aria-hidden="true">${arrow}</span></button>
    </th>`;
  };
  const db = (value: number | null) => (value === null ? speech.t("inside.exact") : decibels(value, 1));
  const row = (layer: LayerInspection) => {
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
      <td>${own ? speech.name("format", layer.format) : ""}</td>
      <td>${own ? layer.bits_per_weight.toFixed(2) : ""}</td>
      <td>${speech.whole(bytesIn(layer.ledger))}</td>
      <td>${own ? short(layer.low) : ""}</td>
      <td>${own ? short(layer.high) : ""}</td>
      <td>${own ? db(layer.weight_sqnr_db) : ""}</td>
      <td>${db(layer.output_sqnr_db)}</td>
      <td>${speech.whole(layer.macs)}</td>
    </tr>`;
  };
  return html`<div class="table-scroll layers-scroll" tabindex="0" role="group" aria-label=${caption}>
    <table class="runs layers">
      <caption class="hidden">${caption}</caption>
      <thead><tr>${COLUMNS.map(head)}</tr></thead>
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
export function heatMap(heat: Heat, measure: Measure, speech: Speech): TemplateResult {
  const table = heatTable(heat);
  const most = Math.max(0, ...table.flatMap(({ cells }) => cells.map((cell) => cell.lost)));
  const total = table[0]?.cells[0]?.total ?? 0;
  const sign = (value: number) => (value < 0 ? `−${speech.whole(-value)}` : speech.whole(value));
  return html`<div class="table-scroll" tabindex="0" role="group" aria-label=${speech.t("inside.heat.caption")}>
      <table class="heat">
        <caption class="hidden">${speech.t("inside.heat.caption")}</caption>
        <thead>
          <tr><td></td>${WIDTHS.map((bits) => html`<th scope="col">${speech.t("inside.heat.bits", { bits })}</th>`)}</tr>
        </thead>
        <tbody>
          ${table.map(
            ({ layer, cells }) => html`<tr>
              <th scope="row"><code>${layer}</code></th>
              ${cells.map((cell) => {
                const db = cell.sqnr_db === null ? speech.t("inside.exact") : decibels(cell.sqnr_db, 0);
                const said = speech.t("inside.heat.cell", {
                  layer,
                  bits: cell.bits,
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
