/** The opening sentence with its scrubbable number, and the one call to action. */

import { html, nothing, type TemplateResult } from "lit";
import { readsText, widthStops } from "../../state/choice";
import { targetOf } from "../../state/quality";
import type { Format } from "../../state/schema";
import { Panel } from "../panel";
import { recipeName, widthName } from "../words";
import { heroSentence } from "./sentence";

/** Pixels of a drag that make one step. */
const STEP_PIXELS = 26;

export class HeroPanel extends Panel {
  #drag: { readonly x: number; readonly index: number; moved: boolean } | undefined;

  get #stops(): Format[] {
    const { catalog, view } = this.lab;
    return catalog ? widthStops(catalog, view.choice.weights) : [];
  }

  get #index(): number {
    return this.#stops.findIndex((format) => format.id === this.lab.view.choice.weights);
  }

  #go(index: number, gesture: boolean): void {
    const stops = this.#stops;
    const next = stops[Math.max(0, Math.min(stops.length - 1, index))];
    if (next) this.lab.choose({ weights: next.id }, gesture);
  }

  #key(event: KeyboardEvent): void {
    const at = this.#index;
    const moves: Record<string, number> = {
      ArrowLeft: at + 1,
      ArrowDown: at + 1,
      ArrowRight: at - 1,
      ArrowUp: at - 1,
      PageDown: at + 3,
      PageUp: at - 3,
      Home: this.#stops.length - 1,
      End: 0,
    };
    const next = moves[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#go(next, true);
  }

  #down(event: PointerEvent): void {
    const slider = event.currentTarget as HTMLElement;
    slider.setPointerCapture(event.pointerId);
    this.#drag = { x: event.clientX, index: this.#index, moved: false };
  }

  #move(event: PointerEvent): void {
    if (!this.#drag) return;
    const steps = Math.round((event.clientX - this.#drag.x) / STEP_PIXELS);
    const first = !this.#drag.moved;
    const next = this.#drag.index - steps;
    if (next === this.#index) return;
    this.#drag.moved = true;
    this.#go(next, !first);
  }

  #slider(text: string): TemplateResult {
    const stops = this.#stops;
    const at = this.#index;
    const go = (step: number) => () => this.#go(this.#index + step, false);
    return html`<span class="scrub"
      ><button class="nudge" tabindex="-1" aria-hidden="true" ?disabled=${at >= stops.length - 1} @click=${go(1)}>‹</button
      ><span
        class="num"
        role="slider"
        tabindex="0"
        aria-label=${this.t("hero.slider")}
        aria-valuemin="0"
        aria-valuemax=${Math.max(0, stops.length - 1)}
        aria-valuenow=${Math.max(0, stops.length - 1 - at)}
        aria-valuetext=${text}
        @keydown=${this.#key}
        @pointerdown=${this.#down}
        @pointermove=${this.#move}
        @pointerup=${() => {
          this.#drag = undefined;
        }}
        @pointercancel=${() => {
          this.#drag = undefined;
        }}
        >${text}</span
      ><button class="nudge" tabindex="-1" aria-hidden="true" ?disabled=${at <= 0} @click=${go(-1)}>›</button></span
    >`;
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const { catalog, view } = lab;
    const model = catalog?.models.find((entry) => entry.id === view.choice.model);
    const parts = heroSentence(
      { choice: view.choice, current: lab.current, baseline: lab.baseline, data: model?.data ?? "fashion" },
      speech,
    );
    const before = lab.baseline?.outcome?.accuracy;
    const target = before && targetOf(before);
    return html`
      <h1>${parts.map((part) => ("slot" in part && part.slot === "bits" ? this.#slider(widthName(view.choice, speech)) : part.text))}</h1>
      <p class="call">
        ${
          target === undefined
            ? nothing
            : html`<button class="link" ?disabled=${!lab.ready || lab.busy} @click=${() => lab.findSmallest(target)}>${this.t(this.#text ? "hero.find.text" : "hero.find", { target })}\u00a0→</button>`
        }
        <span class="soft" role="status">${this.#found()}</span>
      </p>
    `;
  }

  get #text(): boolean {
    return readsText(this.lab.view.choice, this.lab.catalog);
  }

  #found(): string {
    const { lab, speech } = this;
    const { found } = lab;
    if (!found) return this.t("hero.hint");
    const run = found.key === undefined ? undefined : lab.runs.get(found.key);
    if (!run?.outcome) return this.t(this.#text ? "hero.missed.text" : "hero.missed", { target: found.target });
    return this.t(this.#text ? "hero.found.text" : "hero.found", {
      target: found.target,
      name: recipeName(run.choice, speech),
      size: speech.kilobytes(run.outcome.size.bytes),
    });
  }
}

customElements.define("fw-hero", HeroPanel);
