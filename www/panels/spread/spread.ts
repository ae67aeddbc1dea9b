/** Spread over draws: the recipe with several draws of its training images, and how far the results lie apart. */

import { html, nothing, type TemplateResult } from "lit";
import { spreadChart } from "../../charts/spread";
import { toMarkup } from "../../charts/svg";
import { FIRST_IMAGES } from "../../state/choice";
import { DRAWS, type Draws, summary } from "../../state/spread";
import { Panel } from "../panel";
import { reasonWords } from "../recipe/reasons";
import { errorWords } from "../words";

const SIZE = { width: 256, height: 62 };

export class SpreadPanel extends Panel {
  static override properties = { ...Panel.properties, open: { state: true } };

  declare open: boolean;

  constructor() {
    super();
    this.open = false;
  }

  #results(draws: Draws, first: number | undefined): TemplateResult | typeof nothing {
    const { speech } = this;
    const found = summary(draws.results);
    const total = draws.results[0]?.total ?? 0;
    if (!found) return nothing;
    const whole = (value: number) => speech.whole(value);
    const drawing = spreadChart(
      draws.results.map((result) => result.correct),
      found.median,
      first,
      SIZE,
      {
        label: this.t("spread.label", { list: draws.results.map((result) => whole(result.correct)).join(", ") }),
        whole,
      },
    );
    return html`<div class="spread-plot" .innerHTML=${toMarkup(drawing)}></div>
      <dl class="spread-words">
        <div><dt>${this.t("spread.least")}</dt><dd>${whole(found.least)}</dd></div>
        <div><dt>${this.t("spread.median")}</dt><dd>${whole(found.median)}</dd></div>
        <div><dt>${this.t("spread.most")}</dt><dd>${whole(found.most)}</dd></div>
      </dl>
      <p class="soft">${this.t("spread.of", { total: whole(total), count: draws.results.length })}
        ${first === undefined ? nothing : this.t("spread.first", { correct: whole(first) })}</p>`;
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const { catalog, view } = lab;
    if (!catalog) return html``;
    const draws = lab.spread.of(view.choice);
    const refusal = lab.prospect({ draw: 0 })?.refusal;
    const running = draws?.running ?? false;
    const own = lab.runs.get(lab.keyOf({ ...view.choice, draw: FIRST_IMAGES }))?.outcome?.accuracy.correct;
    return html`
      <p class="spread-head">
        ${
          running
            ? html`<span role="status">${this.t("spread.running", { done: draws?.results.length ?? 0, total: DRAWS })}</span>
              <button class="link" @click=${() => lab.spread.cancel()}>${this.t("spread.cancel")}</button>`
            : html`<button
                class="link"
                ?disabled=${refusal !== undefined}
                aria-describedby="spread-why"
                @click=${() => void lab.spread.run(view.choice, catalog)}
              >${this.t("spread.run", { total: DRAWS })}</button>`
        }
        <button
          class="about"
          aria-label=${this.t("recipe.about", { name: this.t("spread.title") })}
          aria-expanded=${this.open ? "true" : "false"}
          aria-controls="about-spread"
          @click=${() => {
            this.open = !this.open;
          }}
        >?</button>
      </p>
      <p id="spread-why" class="soft" ?hidden=${refusal === undefined}>${refusal ? reasonWords(refusal, speech) : nothing}</p>
      <p id="about-spread" class="explanation soft" ?hidden=${!this.open}>${this.t("about.spread")}</p>
      ${draws ? this.#results(draws, own) : nothing}
      ${draws?.error ? html`<p class="soft">${errorWords(draws.error, speech)}</p>` : nothing}
    `;
  }
}

customElements.define("fw-spread", SpreadPanel);
