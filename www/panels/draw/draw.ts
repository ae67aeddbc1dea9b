/** A pad to draw an input on, read by the model before and after compression. */

import { html, nothing, type TemplateResult } from "lit";
import { choiceKey, dataOf, recipeOf } from "../../state/choice";
import { coreError } from "../../state/port";
import type { DataSet } from "../../state/schema";
import { Panel } from "../panel";
import { errorWords, shortName } from "../words";
import { blank, brushRadius, type Grid, hasInk, inkPixels, stroke } from "./ink";

interface Reading {
  readonly before: Float32Array;
  readonly after: Float32Array;
}

/** Classes shown: the likeliest under either model. */
const SHOWN = 3;

/** Indices of the `count` greatest of two rows, taken together. */
export function likeliest(before: ArrayLike<number>, after: ArrayLike<number>, count: number): number[] {
  return Array.from(before, (value, index) => ({ index, weight: Math.max(value, after[index] ?? 0) }))
    .sort((a, b) => b.weight - a.weight || a.index - b.index)
    .slice(0, count)
    .map((entry) => entry.index);
}

export class DrawPanel extends Panel {
  static override properties = {
    ...Panel.properties,
    reading: { state: true },
    note: { state: true },
    cursor: { state: true },
  };

  declare reading: Reading | undefined;
  declare note: string;
  declare cursor: readonly [number, number] | undefined;
  #grid: Grid = blank(28, 28);
  #set: string | undefined;
  #last: readonly [number, number] | undefined;
  #read = "";
  #wanted = 0;
  #reading = false;
  #loaded: { readonly index: number; readonly label: number } | undefined;
  #next = 0;

  constructor() {
    super();
    this.reading = undefined;
    this.note = "";
    this.cursor = undefined;
  }

  get #data(): DataSet | undefined {
    return dataOf(this.lab.view.choice, this.lab.catalog);
  }

  protected override willUpdate(): void {
    super.willUpdate();
    const data = this.#data;
    this.hidden = data?.kind === "text";
    if (data && !this.hidden && data.id !== this.#set) {
      this.#set = data.id;
      this.#grid = blank(data.shape[2], data.shape[1]);
      this.#loaded = undefined;
      this.reading = undefined;
      this.cursor = undefined;
      this.#load();
    }
  }

  protected override updated(): void {
    const canvas = this.querySelector("canvas");
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return;
    const { width, height } = this.#grid;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context.putImageData(
      new ImageData(inkPixels(this.#grid.cells, this.#grid.cells.length / (width * height)), width, height),
      0,
      0,
    );
    this.#ask();
  }

  /** Reads the drawing again when it or the recipe has changed; one reading at a time, the newest wins. */
  async #ask(): Promise<void> {
    const { lab } = this;
    if (!lab.catalog || this.hidden || !hasInk(this.#grid)) return;
    const { choice } = lab.view;
    const reference = lab.referenceChoice;
    const key = `${this.#wanted} ${choiceKey(choice)} ${choiceKey(reference)}`;
    if (key === this.#read || this.#reading) return;
    this.#reading = true;
    this.#read = key;
    const pixels = this.#grid.cells.slice();
    try {
      const before = lab.engine.probabilities(recipeOf(reference, lab.catalog), pixels);
      const after =
        choiceKey(choice) === choiceKey(reference)
          ? before
          : lab.engine.probabilities(recipeOf(choice, lab.catalog), pixels);
      this.reading = { before: await before, after: await after };
      this.note = "";
    } catch (error) {
      this.note = errorWords(coreError(error), this.speech);
    } finally {
      this.#reading = false;
      this.requestUpdate();
    }
  }

  #changed(): void {
    this.#wanted += 1;
    this.requestUpdate();
  }

  #cell(event: PointerEvent): readonly [number, number] {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.#grid.width,
      ((event.clientY - box.top) / box.height) * this.#grid.height,
    ];
  }

  #down(event: PointerEvent): void {
    event.preventDefault();
    const canvas = event.currentTarget as HTMLElement;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    if (this.#loaded) this.#empty();
    const cell = this.#cell(event);
    stroke(this.#grid, cell, cell, brushRadius(this.#grid));
    this.#last = cell;
    this.cursor = undefined;
    this.#changed();
  }

  #move(event: PointerEvent): void {
    if (!this.#last) return;
    for (const step of event.getCoalescedEvents?.() ?? [event]) {
      const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
      const cell = [
        ((step.clientX - box.left) / box.width) * this.#grid.width,
        ((step.clientY - box.top) / box.height) * this.#grid.height,
      ] as const;
      stroke(this.#grid, this.#last, cell, brushRadius(this.#grid));
      this.#last = cell;
    }
    this.#changed();
  }

  #up(): void {
    this.#last = undefined;
  }

  #key(event: KeyboardEvent): void {
    const { width, height } = this.#grid;
    const [x, y] = this.cursor ?? [Math.floor(width / 2), Math.floor(height / 2)];
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [Math.max(0, x - 1), y],
      ArrowRight: [Math.min(width - 1, x + 1), y],
      ArrowUp: [x, Math.max(0, y - 1)],
      ArrowDown: [x, Math.min(height - 1, y + 1)],
    };
    const next = moves[event.key];
    if (next) {
      event.preventDefault();
      if (event.shiftKey) this.#paint([x, y], next);
      this.cursor = next;
    } else if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      this.cursor = [x, y];
      this.#paint([x, y], [x, y]);
    } else if (event.key === "Backspace" || event.key === "Delete") {
      event.preventDefault();
      this.#empty();
    }
  }

  #paint(from: readonly [number, number], to: readonly [number, number]): void {
    if (this.#loaded) this.#empty();
    stroke(this.#grid, [from[0] + 0.5, from[1] + 0.5], [to[0] + 0.5, to[1] + 0.5], brushRadius(this.#grid));
    this.#changed();
  }

  #empty(): void {
    this.#grid = blank(this.#grid.width, this.#grid.height);
    this.#loaded = undefined;
    this.reading = undefined;
    this.#changed();
  }

  /** Puts the next image of the test set on the pad. */
  async #load(): Promise<void> {
    const data = this.#data;
    if (!data) return;
    const index = this.#next % (data.splits.test ?? 1);
    this.#next += 1;
    try {
      const picture = await this.lab.engine.image(data.id, "test", index);
      if (data.id !== this.#set) return;
      this.#grid = { ...this.#grid, cells: picture.pixels };
      this.#loaded = { index, label: picture.label };
      this.note = "";
      this.#changed();
    } catch (error) {
      this.note = errorWords(coreError(error), this.speech);
    }
  }

  protected override render(): TemplateResult {
    const { speech } = this;
    const data = this.#data;
    const titles: readonly string[] = ["fashion", "digits"];
    const title = data && titles.includes(data.id) ? data.id : data ? "other" : "fashion";
    const cursor = this.cursor;
    const { width, height } = this.#grid;
    return html`
      <div class="draw">
        <div class="pad">
          <canvas
            width=${width}
            height=${height}
            tabindex="0"
            role="application"
            aria-label=${this.t("draw.pad")}
            @pointerdown=${this.#down}
            @pointermove=${this.#move}
            @pointerup=${this.#up}
            @pointercancel=${this.#up}
            @keydown=${this.#key}
            @blur=${() => {
              this.cursor = undefined;
            }}
          ></canvas>
          ${
            cursor
              ? html`<i
                class="pad-cursor"
                style="left:${(cursor[0] / width) * 100}%;top:${(cursor[1] / height) * 100}%;width:${100 / width}%;height:${100 / height}%"
              ></i>`
              : nothing
          }
        </div>
        <div class="reading">
          <h2>${this.t(`draw.title.${title}`)}</h2>
          ${this.#bars(data)}
          <p class="draw-note soft" role="status">${this.#words(data)}</p>
          <p class="draw-actions">
            <button class="link" ?disabled=${!data} @click=${() => this.#load()}>${speech.t("draw.load")}</button>
            <button class="link" ?disabled=${!data} @click=${() => this.#empty()}>${speech.t("draw.clear")}</button>
          </p>
        </div>
      </div>
    `;
  }

  #words(data: DataSet | undefined): string {
    if (this.note) return this.note;
    const loaded = this.#loaded;
    if (loaded && data)
      return this.t("draw.loaded", {
        index: loaded.index,
        label: this.speech.name("class", data.classes[loaded.label] ?? ""),
      });
    return this.t("draw.empty");
  }

  #bars(data: DataSet | undefined): TemplateResult {
    const { reading, speech } = this;
    const { choice, pinned } = this.lab.view;
    const reference = this.lab.referenceChoice;
    const shown = reading && data ? likeliest(reading.before, reading.after, SHOWN) : [];
    const compressed = choiceKey(choice) !== choiceKey(reference);
    const names = {
      before: pinned ? this.t("draw.before.a", { name: shortName(reference, speech) }) : this.t("draw.before"),
      after: pinned ? this.t("draw.after.b", { name: shortName(choice, speech) }) : shortName(choice, speech),
    };
    const line = (share: number, kind: "before" | "after") => {
      const percent = speech.percent(share, 0);
      return html`<span class="bar-line"><span class="bar-room"><i class=${kind} style="width:${(share * 100).toFixed(1)}%"></i></span><span class="hidden">${names[kind]}</span> ${percent}</span>`;
    };
    return html`
      <p class="bars-key" aria-hidden="true"><span class="before">${names.before}</span> ${compressed ? html`<span class="after">${names.after}</span>` : nothing}</p>
      <dl class="bars" aria-label=${this.t("draw.caption")}>
        ${Array.from({ length: SHOWN }, (_, row) => {
          const index = shown[row];
          if (index === undefined || !reading || !data) return nothing;
          return html`<div>
            <dt>${speech.name("class", data.classes[index] ?? "")}</dt>
            <dd>${line(reading.before[index] ?? 0, "before")}${compressed ? line(reading.after[index] ?? 0, "after") : nothing}</dd>
          </div>`;
        })}
      </dl>`;
  }
}

customElements.define("fw-draw", DrawPanel);
