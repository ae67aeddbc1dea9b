/** A layer's weight as two pictures, before and after, and one weight of them in words. */

import { html, LitElement, nothing, type TemplateResult } from "lit";
import {
  acrossOf,
  colourOf,
  type Fit,
  fitOf,
  fullMagnitude,
  KEPT,
  type Layout,
  layoutOf,
  OUT,
  PRUNED,
  raster,
  type Tones,
} from "../../charts/matrix";
import type { Speech } from "../../i18n";
import { short } from "./numbers";
import type { Pair } from "./survey";
import { type Aligned, aligned } from "./units";

/** Heights of a picture, and the side of a weight at most, in pixels of the page. */
const MOST_HEIGHT = 480;
const MOST_HEIGHT_NARROW = 240;
const MOST_CELL = 14;
/** Between the lines over what was taken out. */
const STRIPE = 5;
/** Pictures stand beside each other from this width on. */
const BESIDE = 620;
const BETWEEN = 32;

interface Drawn {
  readonly layout: Layout;
  readonly fit: Fit;
  /** Pixels of the device for one of the page. */
  readonly ratio: number;
}

export class WeightPicture extends LitElement {
  static override properties = {
    pair: { attribute: false },
    speech: { attribute: false },
    compressed: { type: Boolean },
    at: { state: true },
  };

  declare pair: Pair | undefined;
  declare speech: Speech;
  /** Whether there is an "after": not for the model as it was trained. */
  declare compressed: boolean;
  /** The weight that is read out, by its place in the whole layer. */
  declare at: number | undefined;
  #aligned: Aligned | undefined;
  /** Place in the smaller weight of each of the whole one. */
  #now: ReadonlyMap<number, number> | undefined;
  #full = 1;
  /** Whether any weight that pruning kept is 0 now. */
  #zeros = false;
  #drawn: { before: Drawn; after: Drawn } | undefined;
  readonly #redraw = () => {
    this.requestUpdate();
    this.#draw();
  };
  readonly #resize = new ResizeObserver(this.#redraw);
  readonly #theme = new MutationObserver(this.#redraw);
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");

  constructor() {
    super();
    this.pair = undefined;
    this.compressed = false;
    this.at = undefined;
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize.observe(this);
    this.#theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.#dark.addEventListener("change", this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
    this.#theme.disconnect();
    this.#dark.removeEventListener("change", this.#redraw);
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("pair") || !this.pair) return;
    const { before, after, layer } = this.pair;
    this.#aligned = aligned(before, after);
    const { origin } = after;
    this.#now = origin && new Map(Array.from(origin, (place, at) => [place, at]));
    this.#full = fullMagnitude(before.values);
    this.#zeros = after.values.some((value, at) => value === 0 && after.kept?.[at] !== 0);
    const last = changed.get("pair") as Pair | undefined;
    if (last?.layer !== layer) this.at = undefined;
  }

  protected override updated(changed: Map<string, unknown>): void {
    if (changed.has("pair") || changed.has("compressed")) this.#draw();
    else this.#mark();
  }

  #tones(): Tones {
    const styles = getComputedStyle(this);
    const of = (name: string) => colourOf(styles.getPropertyValue(name));
    return {
      paper: of("--paper"),
      plus: of("--weight-plus"),
      minus: of("--weight-minus"),
      zero: of("--hair"),
      out: of("--prune"),
    };
  }

  /** Both pictures in one scale, so that less of a layer is a smaller picture. */
  #draw(): void {
    const { pair } = this;
    if (!pair || !this.#aligned) return;
    const ratio = window.devicePixelRatio || 1;
    const found = this.#fit();
    if (!found) return;
    const { fit, layout, across } = found;
    const own = layoutOf(pair.after.shape, across);
    this.#drawn = { before: { layout, fit, ratio }, after: { layout: own, fit, ratio } };
    const tones = this.#tones();
    const full = this.#full;
    const { states } = this.#aligned;
    // Before, only what went with its unit is struck out; single weights stand as they were.
    const out = pair.after.origin && states.map((state) => (state === OUT ? OUT : KEPT));
    const kept = pair.after.kept?.map((each) => (each === 1 ? KEPT : PRUNED));
    const pictures = [
      { layout, values: pair.before.values, states: out, full },
      { layout: own, values: pair.after.values, states: kept, full },
    ];
    this.querySelectorAll("canvas").forEach((canvas, at) => {
      const picture = pictures[at];
      const context = canvas.getContext("2d");
      if (!picture || !context) return;
      const made = raster(picture, tones, fit, Math.round(STRIPE * ratio));
      [canvas.width, canvas.height] = [made.width, made.height];
      canvas.style.width = `${made.width / ratio}px`;
      canvas.style.height = `${made.height / ratio}px`;
      context.putImageData(new ImageData(made.data, made.width, made.height), 0, 0);
    });
    this.#mark();
  }

  /** Frames the weight that is read out, in both. */
  #mark(): void {
    const drawn = this.#drawn;
    const { at } = this;
    this.querySelectorAll<HTMLElement>(".weight-mark").forEach((mark, picture) => {
      const place = at === undefined ? undefined : picture === 0 ? at : this.#placeNow(at);
      mark.hidden = place === undefined || !drawn;
      if (place === undefined || !drawn) return;
      const { layout, fit, ratio } = picture === 0 ? drawn.before : drawn.after;
      const [x, y] = layout.place(place).map((cell) => ((Math.floor(cell / fit.block) * fit.cell) / ratio) | 0);
      const side = Math.max(5, fit.cell / ratio);
      mark.style.cssText = `left: ${x}px; top: ${y}px; width: ${side}px; height: ${side}px`;
    });
  }

  #placeNow(at: number): number | undefined {
    return this.#now ? this.#now.get(at) : at;
  }

  #point(event: PointerEvent, picture: number): void {
    const drawn = this.#drawn;
    if (!drawn) return;
    const { layout, fit, ratio } = picture === 0 ? drawn.before : drawn.after;
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const cell = (offset: number) => Math.floor((offset * ratio) / fit.cell) * fit.block;
    const found = layout.at(cell(event.clientX - box.left), cell(event.clientY - box.top));
    if (found !== undefined) this.at = picture === 0 ? found : (this.pair?.after.origin?.[found] ?? found);
  }

  /** Arrow keys go from weight to weight, past the gaps between kernels. */
  #key(event: KeyboardEvent): void {
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const drawn = this.#drawn?.before;
    const move = moves[event.key];
    if (!drawn || !move) return;
    event.preventDefault();
    if (this.at === undefined) {
      this.at = 0;
      return;
    }
    const { layout } = drawn;
    let [x, y] = layout.place(this.at);
    for (let tries = 0; tries < 3; tries += 1) {
      x += move[0];
      y += move[1];
      const found = layout.at(x, y);
      if (found === undefined) continue;
      this.at = found;
      return;
    }
  }

  /** The weight that is pointed at, in words. */
  #reading(): string {
    const { pair, at, speech } = this;
    if (!pair || at === undefined || !this.#aligned) return speech.t("inside.matrix.hint");
    const [, inputs = 1, height = 1, width = 1] = pair.before.shape;
    const tile = Math.floor(at / (height * width));
    const value = short(pair.before.values[at] ?? 0, 4);
    const state = this.#aligned.states[at];
    const now = short(this.#aligned.values[at] ?? 0, 4);
    const after = state === OUT ? "out" : state === PRUNED ? "pruned" : "kept";
    const where = speech.t(height * width > 1 ? "inside.matrix.where.kernel" : "inside.matrix.where", {
      output: speech.whole(Math.floor(tile / inputs)),
      input: speech.whole(tile % inputs),
      row: Math.floor(at / width) % height,
      column: at % width,
    });
    return this.compressed
      ? `${where}: ${speech.t("inside.matrix.value", { before: value, after: speech.t(`inside.matrix.after.${after}`, { value: now }) })}`
      : `${where}: ${value}`;
  }

  /** What a pixel is, and the colours. */
  #scale(): TemplateResult | typeof nothing {
    const { speech } = this;
    const found = this.#fit();
    if (!found) return nothing;
    const { fit } = found;
    const full = short(this.#full, 2);
    return html`<p class="matrix-scale soft">
      <span><i class="swatch weight-minus" aria-hidden="true"></i>${speech.t("inside.matrix.minus", { full })}</span>
      <span><i class="swatch weight-plus" aria-hidden="true"></i>${speech.t("inside.matrix.plus", { full })}</span>
      ${this.#zeros ? html`<span><i class="swatch weight-zero" aria-hidden="true"></i>${speech.t("inside.matrix.zero")}</span>` : nothing}
      ${this.pair?.after.kept ? html`<span><i class="swatch weight-none" aria-hidden="true"></i>${speech.t("inside.matrix.pruned")}</span>` : nothing}
      ${this.pair?.after.origin ? html`<span><i class="swatch weight-out" aria-hidden="true"></i>${speech.t("inside.matrix.out")}</span>` : nothing}
      <span>${fit.block > 1 ? speech.t("inside.matrix.block", { side: fit.block }) : speech.t("inside.matrix.cell")}</span>
    </p>`;
  }

  /** Places and scale of the whole weight at this width. */
  #fit(): { readonly fit: Fit; readonly layout: Layout; readonly across: number } | undefined {
    if (!this.pair || this.clientWidth === 0) return undefined;
    const ratio = window.devicePixelRatio || 1;
    const beside = this.compressed && this.clientWidth >= BESIDE;
    const width = ratio * (beside ? (this.clientWidth - BETWEEN) / 2 : this.clientWidth);
    const height = ratio * (this.clientWidth >= BESIDE ? MOST_HEIGHT : MOST_HEIGHT_NARROW);
    const { shape } = this.pair.before;
    const across = acrossOf(shape, width, height);
    const layout = layoutOf(shape, across);
    return { fit: fitOf(layout, width, height, Math.round(MOST_CELL * ratio)), layout, across };
  }

  protected override render(): TemplateResult | typeof nothing {
    const { pair, speech } = this;
    if (!pair) return nothing;
    const size = ({ shape }: { readonly shape: Uint32Array }) => Array.from(shape).join("×");
    const share = (count: number) => speech.percent(count / Math.max(1, pair.before.values.length));
    const taken = this.#aligned?.states.reduce((sum, state) => sum + (state === KEPT ? 0 : 1), 0) ?? 0;
    const figure = (at: number, key: string, matrix: { readonly shape: Uint32Array }, more: unknown) => html`<figure>
      <figcaption class="soft">${speech.t(key, { size: size(matrix) })}${more}</figcaption>
      <div class="weight-frame" @pointermove=${(event: PointerEvent) => this.#point(event, at)} @pointerdown=${(event: PointerEvent) => this.#point(event, at)}>
        <canvas aria-hidden="true"></canvas><i class="weight-mark" hidden></i>
      </div>
    </figure>`;
    const left = pair.before.values.length - taken;
    const words = { left: speech.whole(left), all: speech.whole(pair.before.values.length), share: share(left) };
    return html`
      <div class="pictures" role="group" tabindex="0" aria-label=${speech.t("inside.matrix.read", { layer: pair.layer, size: size(pair.before) })} @keydown=${(event: KeyboardEvent) => this.#key(event)}>
        ${figure(0, this.compressed ? "inside.matrix.before" : "inside.matrix.trained", pair.before, nothing)}
        ${this.compressed ? figure(1, "inside.matrix.after", pair.after, taken > 0 ? `. ${speech.t("inside.matrix.left", words)}` : nothing) : nothing}
      </div>
      <p class="reading" role="status">${this.#reading()}</p>
      ${this.#scale()}
    `;
  }
}

customElements.define("fw-weight-picture", WeightPicture);
