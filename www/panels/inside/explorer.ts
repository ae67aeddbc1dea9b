/** The block explorer: what is stored of one granule, byte by byte, and the weights that it holds. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import type { Format, Piece, Place, WeightInspection } from "../../state/schema";
import { codeWords, exact, hex, short } from "./numbers";

/** Bytes of a piece that are written out; of longer ones the first. */
const MOST_BYTES = 256;

export interface ExplorerView {
  readonly weights: WeightInspection;
  readonly place: Place;
  /** Names of the layers that have weights. */
  readonly layers: readonly string[];
  /** What the catalog says of the weights' format. */
  readonly format: Format | undefined;
  readonly go: (place: Partial<Place>) => void;
}

/** Values shown at a time: as many as came. */
function step(weights: WeightInspection): number {
  return Math.max(1, weights.values.length);
}

/** Layer, granule and values: a list, and two pairs of buttons around what is shown. */
export function explorerControls(view: ExplorerView, speech: Speech): TemplateResult {
  const { weights, place, go } = view;
  const { granules, each } = weights;
  const from = weights.first - weights.granule * each;
  const to = from + weights.values.length - 1;
  const said = { count: speech.whole(granules), each: speech.whole(each) };
  const turn = (key: string, disabled: boolean, action: () => void, words: string) =>
    html`<button class="button small" aria-label=${speech.t(key)} ?disabled=${disabled} @click=${action}>${words}</button>`;
  return html`<div class="explorer-controls">
    <label>
      <span>${speech.t("inside.layer")}</span>
      <select @change=${(event: Event) => go({ layer: (event.target as HTMLSelectElement).value, granule: 0, from: 0 })}>
        ${view.layers.map((layer) => html`<option value=${layer} .selected=${layer === place.layer}>${layer}</option>`)}
      </select>
    </label>
    <div role="group" aria-label=${speech.t("inside.granule")}>
      <label for="granule">${speech.t("inside.granule")}</label>
      ${turn("inside.previous.granule", weights.granule === 0, () => go({ granule: weights.granule - 1, from: 0 }), "‹")}
      <input
        id="granule"
        type="number"
        inputmode="numeric"
        min="0"
        max=${granules - 1}
        .value=${String(weights.granule)}
        aria-describedby="granule-about"
        @change=${(event: Event) => {
          const input = event.target as HTMLInputElement;
          const wanted = Math.min(granules - 1, Math.max(0, Math.trunc(Number(input.value)) || 0));
          input.value = String(wanted);
          go({ granule: wanted, from: 0 });
        }}
      />
      ${turn("inside.next.granule", weights.granule + 1 >= granules, () => go({ granule: weights.granule + 1, from: 0 }), "›")}
      <span id="granule-about" class="soft">${speech.t(granules === 1 ? "inside.granule.about.one" : "inside.granule.about", said)}</span>
    </div>
    ${
      weights.values.length === each
        ? nothing
        : html`<div role="group" aria-label=${speech.t("inside.values")}>
            <span>${speech.t("inside.values")}</span>
            ${turn("inside.previous.values", from === 0, () => go({ from: Math.max(0, from - 64) }), "‹")}
            <span class="soft" role="status">${speech.t("inside.values.range", { from: speech.whole(from), to: speech.whole(to), each: said.each })}</span>
            ${turn("inside.next.values", to + 1 >= each, () => go({ from: from + step(weights) }), "›")}
          </div>`
    }
  </div>`;
}

/** What the granule's codes mean, as far as its format has it. */
export function explorerFacts({ weights }: ExplorerView, speech: Speech): TemplateResult {
  const { scale, zero_point, min, unit, levels } = weights;
  const fact = (key: string, value: string) => html`<div><dt>${speech.t(key)}</dt><dd>${value}</dd></div>`;
  const number = (key: string, value: number | null | undefined) =>
    value === null || value === undefined ? nothing : fact(key, exact(value));
  return html`<dl class="facts">
    ${fact("inside.fact.format", speech.name("format", weights.format))}
    ${number("inside.fact.scale", scale)} ${number("inside.fact.zero", zero_point)} ${number("inside.fact.min", min)}
    ${number("inside.fact.unit", unit)}
    ${levels.length > 0 ? fact("inside.fact.levels", speech.whole(levels.length)) : nothing}
  </dl>`;
}

/** What a piece is called. */
function pieceName({ suffix }: Piece, weights: WeightInspection, speech: Speech): string {
  const block = weights.scale !== null && weights.pieces.every((piece) => ["", ".mask"].includes(piece.suffix));
  return speech.t(`inside.piece.${suffix === "" ? (block ? "block" : "codes") : suffix.slice(1)}`);
}

/** The stored bytes, each as two hexadecimal digits; lengths of codes as numbers. */
export function explorerBytes({ weights }: ExplorerView, speech: Speech): TemplateResult {
  return html`<div class="pieces">
    ${weights.pieces.map((piece, at) => {
      const { bytes, offset, suffix } = piece;
      // All that is shown is pruned, and nothing stored for it.
      if (bytes.length === 0) return nothing;
      const write = suffix === ".lengths" ? String : hex;
      const said = speech.t("inside.piece.at", {
        name: pieceName(piece, weights, speech),
        from: speech.whole(offset),
        to: speech.whole(offset + bytes.length - 1),
      });
      return html`<p class="soft">${said}</p>
        <code class=${at === 0 ? "bytes codes" : "bytes"}
          >${bytes.slice(0, MOST_BYTES).map((byte) => html`<span>${write(byte)}</span>`)}${bytes.length > MOST_BYTES ? " …" : nothing}</code
        >`;
    })}
  </div>`;
}

/** The weights, one a row. Pointing at one marks the byte that its code begins in. */
export function explorerRows({ weights, format }: ExplorerView, speech: Speech): TemplateResult {
  // Digits to the base of three and places in a codebook are numbers, not bits.
  const whole = (format?.levels === 3 && format.family !== "integer") || format?.id === "kmeans";
  const width = Math.ceil(format?.bits ?? 32);
  const columns = ["index", "original", "code", "byte", "value", "error"] as const;
  const mark = (event: Event) => {
    const explorer = (event.currentTarget as HTMLElement).closest(".explorer");
    const place = (event.target as HTMLElement).closest("tr")?.dataset.place;
    explorer?.querySelectorAll(".bytes.codes > span").forEach((byte, at) => {
      byte.toggleAttribute("data-lit", event.type !== "mouseleave" && String(at) === place);
    });
  };
  return html`<div class="table-scroll explorer-rows" tabindex="0" role="group" aria-label=${speech.t("inside.list")}>
    <table class="runs" @mouseover=${mark} @mouseleave=${mark}>
      <caption class="hidden">${speech.t("inside.list")}</caption>
      <thead>
        <tr>${columns.map((column) => html`<th scope="col">${speech.t(`inside.cell.${column}`)}</th>`)}</tr>
      </thead>
      <tbody>
        ${weights.values.map((value, at) => {
          const [original = 0, code = 0, place = null] = [weights.original[at], weights.codes[at], weights.places[at]];
          return html`<tr data-place=${place ?? nothing}>
            <th scope="row">${speech.whole(weights.first + at)}</th>
            <td title=${exact(original)}>${short(original, 5)}</td>
            <td><code>${whole ? code : codeWords(code, width)}</code></td>
            <td>${place === null ? "–" : speech.whole((weights.pieces[0]?.offset ?? 0) + place)}</td>
            <td title=${exact(value)}>${short(value, 5)}</td>
            <td>${short(value - original)}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}
