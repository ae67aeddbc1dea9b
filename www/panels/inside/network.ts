/** Which channels go: the network's units as cells, from how it was trained to what the recipe leaves, step by step. */

import { html, LitElement, nothing, type TemplateResult } from "lit";
import { paint } from "../../charts/svg";
import { type UnitsData, unitsChart } from "../../charts/units";
import type { Speech } from "../../i18n";
import { ranges, short } from "./numbers";
import { type LayerUnits, leaving, type Unit } from "./units";

/** Steps from nothing to all, and the time of each while it plays: the whole takes less than two seconds. */
const STEPS = 12;
const STEP_MS = 150;

export class NetworkView extends LitElement {
  static override properties = {
    layers: { attribute: false },
    speech: { attribute: false },
    step: { state: true },
    playing: { state: true },
    pointed: { state: true },
    width: { state: true },
  };

  declare layers: readonly LayerUnits[];
  declare speech: Speech;
  /** 0: as trained; {@link STEPS}: as the recipe leaves it. */
  declare step: number;
  declare playing: boolean;
  /** The unit under the pointer: layer and number. */
  declare pointed: string | undefined;
  declare width: number;
  #leaves: ReadonlyMap<string, number> = new Map();
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #still = matchMedia("(prefers-reduced-motion: reduce)");
  readonly #resize = new ResizeObserver(() => {
    this.width = this.clientWidth;
  });

  constructor() {
    super();
    this.layers = [];
    this.step = STEPS;
    this.playing = false;
    this.pointed = undefined;
    this.width = 0;
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
    this.#stop();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("layers")) return;
    this.#leaves = leaving(this.layers);
    this.#stop();
    this.step = STEPS;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.playing = false;
  }

  /** From the start, or where it was stopped. Without motion the end is there at once. */
  #play(): void {
    if (this.playing) {
      this.#stop();
      return;
    }
    if (this.#still.matches) {
      this.step = this.step === STEPS ? 0 : STEPS;
      return;
    }
    if (this.step === STEPS) this.step = 0;
    this.playing = true;
    this.#timer = setInterval(() => {
      this.step += 1;
      if (this.step >= STEPS) this.#stop();
    }, STEP_MS);
  }

  protected override updated(): void {
    const host = this.querySelector(".units-plot");
    if (host && this.width > 0) paint(host, unitsChart(this.#data(), this.width));
  }

  /** How many of a layer's units are there at this step. */
  #there({ units }: LayerUnits): number {
    const at = this.step / STEPS;
    return units.filter(({ key, gone }) => !gone || (this.#leaves.get(key) ?? 0) > at + 1e-9).length;
  }

  #data(): UnitsData {
    const { speech, step } = this;
    const list = this.layers.map((layer) => this.#sentence(layer)).join(" ");
    const pointed = this.#pointed()?.unit.key;
    return {
      at: step / STEPS,
      together: speech.t("inside.units.together"),
      description: speech.t("inside.units.read", { list }),
      layers: this.layers.map((layer) => {
        const most = Math.max(...layer.units.map(({ norm }) => norm), Number.MIN_VALUE);
        const whole = layer.units.length;
        const gone = layer.units.some((unit) => unit.gone);
        const share = 1 - ((1 - (layer.weights - layer.taken) / layer.weights) * step) / STEPS;
        return {
          name: layer.layer,
          // A branch that was taken out whole left its shortcut: they did not go together.
          groups: layer.left === 0 ? [] : layer.groups,
          note: gone
            ? speech.t("inside.units.note", { left: this.#there(layer), all: whole })
            : layer.taken > 0
              ? speech.t("inside.units.note.share", { share: speech.percent(share, 0) })
              : speech.whole(whole),
          cells: layer.units.map(({ key, norm, gone: out, share: stays }) => ({
            strength: norm / most,
            leaves: out ? this.#leaves.get(key) : undefined,
            share: stays,
            lit: key === pointed,
          })),
        };
      }),
    };
  }

  /** A layer in a sentence: how many units stay, and which, as ranges. */
  #sentence(layer: LayerUnits): string {
    const { speech } = this;
    const stay = layer.units.flatMap(({ gone }, at) => (gone ? [] : [at]));
    const values = {
      layer: layer.layer,
      all: speech.whole(layer.units.length),
      left: speech.whole(stay.length),
      which: ranges(stay),
      share: speech.percent((layer.weights - layer.taken) / layer.weights),
    };
    if (stay.length === 0) return speech.t("inside.units.layer.none", values);
    return speech.t(stay.length < layer.units.length ? "inside.units.layer.some" : "inside.units.layer.all", values);
  }

  /** The unit under the pointer. */
  #pointed(): { readonly layer: string; readonly number: string; readonly unit: Unit } | undefined {
    const [layer = "", number = ""] = this.pointed?.split(":") ?? [];
    const unit = this.layers.find((each) => each.layer === layer)?.units[Number(number)];
    return unit && { layer, number, unit };
  }

  /** The unit under the pointer, in words, with the layers that it is in as well. */
  #reading(): string {
    const { speech } = this;
    const pointed = this.#pointed();
    if (!pointed) return speech.t("inside.units.hint");
    const { layer, number, unit } = pointed;
    const values = { layer, unit: number, norm: short(unit.norm), share: speech.percent(unit.share, 0) };
    const words = speech.t(unit.gone ? "inside.units.unit.gone" : "inside.units.unit.stays", values);
    const others = this.layers.filter((each) => each.layer !== layer && each.units.some(({ key }) => key === unit.key));
    const list = others.map((each) => each.layer).join(", ");
    return others.length > 0 ? `${words}; ${speech.t("inside.units.with", { list })}` : words;
  }

  protected override render(): TemplateResult | typeof nothing {
    const { speech, step } = this;
    if (this.layers.length === 0) return nothing;
    const play = this.playing ? "inside.units.stop" : step === STEPS ? "inside.units.play" : "inside.units.go";
    const point = (event: PointerEvent) => {
      this.pointed = (event.target as Element).getAttribute("data-unit") ?? this.pointed;
    };
    return html`
      <div class="units-controls">
        <button class="button" @click=${() => this.#play()}>${speech.t(play)}</button>
        <label>
          <span class="soft">${speech.t("inside.units.step")}</span>
          <input
            type="range"
            min="0"
            max=${STEPS}
            step="1"
            .value=${String(step)}
            aria-valuetext=${speech.t("inside.units.step.value", { percent: Math.round((step / STEPS) * 100) })}
            @input=${(event: Event) => {
              this.#stop();
              this.step = Number((event.target as HTMLInputElement).value);
            }}
          />
          <span class="soft">${speech.t("inside.units.step.value", { percent: Math.round((step / STEPS) * 100) })}</span>
        </label>
      </div>
      <div class="units-plot" @pointerover=${point} @pointerdown=${point}></div>
      <p class="reading">${this.#reading()}</p>
      <details>
        <summary>${speech.t("inside.units.text")}</summary>
        <ul>${this.layers.map((layer) => html`<li>${this.#sentence(layer)}</li>`)}</ul>
      </details>
    `;
  }
}

customElements.define("fw-network-view", NetworkView);
