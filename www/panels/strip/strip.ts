/** The bit strip of the chosen recipe over the outline of its baseline. */

import { html, nothing, type TemplateResult } from "lit";
import { stripChart } from "../../charts/strip";
import { paint } from "../../charts/svg";
import { prunes } from "../../state/pruning";
import { Panel } from "../panel";
import { stripData } from "./data";

export const STRIP_HEIGHT = 122;

export class StripPanel extends Panel {
  static override properties = { ...Panel.properties, width: { state: true } };

  declare width: number;
  readonly #resize = new ResizeObserver(() => this.#measure());

  constructor() {
    super();
    this.width = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
  }

  #measure(): void {
    const width = this.querySelector(".strip-plot")?.clientWidth ?? 0;
    if (width > 0 && width !== this.width) this.width = width;
  }

  protected override firstUpdated(): void {
    const plot = this.querySelector(".strip-plot");
    if (plot) this.#resize.observe(plot);
  }

  protected override updated(): void {
    const plot = this.querySelector(".strip-plot");
    const { lab } = this;
    const before = lab.baseline?.outcome;
    const after = lab.current?.outcome;
    const { choice } = lab.view;
    if (!plot || this.width === 0 || !before) return;
    paint(
      plot,
      stripChart(stripData({ model: choice.model, pruned: prunes(choice) }, after, before, this.speech), {
        width: this.width,
        height: STRIP_HEIGHT,
      }),
    );
  }

  protected override render(): TemplateResult {
    return html`<div class="strip">
      <div class="strip-plot"></div>
      <p class="strip-caption soft">${this.t("strip.caption")} ${prunes(this.lab.view.choice) ? this.t("strip.caption.pruned") : nothing}</p>
    </div>`;
  }
}

customElements.define("fw-strip", StripPanel);
