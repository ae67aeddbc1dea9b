/** Other machines: what the chosen recipe, or a well-known network, would take there. Modelled, never measured here. */

import { html, nothing, type TemplateResult } from "lit";
import { measurements } from "../../state/measured";
import { Panel } from "../panel";
import type { Content } from "./content";
import type { Facts } from "./data";

export class TargetsPanel extends Panel {
  static override properties = {
    ...Panel.properties,
    width: { state: true },
    content: { state: true },
    failed: { state: true },
    steps: { state: true },
  };

  declare width: number;
  /** What draws it, once it is near the screen and has been fetched. */
  declare content: Content | undefined;
  declare failed: boolean;
  /** Training steps whose cost is to be paid back. */
  declare steps: number;
  readonly #measured = () => this.requestUpdate();
  readonly #resize = new ResizeObserver(() => this.#measureWidth());
  readonly #sight = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void this.#load();
    },
    { rootMargin: "300px" },
  );

  constructor() {
    super();
    this.width = 0;
    this.content = undefined;
    this.failed = false;
    this.steps = 10_000;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    measurements().removeEventListener("change", this.#measured);
    this.#resize.disconnect();
    this.#sight.disconnect();
  }

  protected override firstUpdated(): void {
    measurements().addEventListener("change", this.#measured);
    this.#resize.observe(this);
    this.#sight.observe(this);
    this.#measureWidth();
  }

  #measureWidth(): void {
    if (this.clientWidth > 0) this.width = this.clientWidth;
  }

  async #load(): Promise<void> {
    this.#sight.disconnect();
    try {
      const { Content, FACTS }: { Content: new (facts: Facts) => Content; FACTS: Facts } = await import("./load");
      this.content = new Content(FACTS);
      this.failed = false;
    } catch {
      // A page that was updated while it is open no longer has the file.
      this.failed = true;
    }
  }

  protected override updated(): void {
    if (this.content && this.lab.catalog && this.width > 0) this.content.paint(this, this.#scene());
  }

  #scene() {
    const { lab, speech, width, steps } = this;
    return { lab, speech, width, steps, setSteps: (count: number) => (this.steps = count) };
  }

  protected override render(): TemplateResult {
    return html`
      <div class="runs-head">
        <h2>${this.t("target.title")} <small>${this.t("target.sub")}</small></h2>
      </div>
      <p class="soft">${this.t("target.about")}</p>
      ${this.failed ? html`<p class="soft" role="status">${this.t("target.failed")} <button class="link" @click=${() => this.#load()}>${this.t("target.retry")}</button></p>` : nothing}
      ${this.content && this.lab.catalog ? this.content.render(this.#scene()) : nothing}
    `;
  }
}

customElements.define("fw-targets", TargetsPanel);
