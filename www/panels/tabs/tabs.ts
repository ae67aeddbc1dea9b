/** On a phone: one row of tabs that opens one sheet over the lower half of the page. */

import { html, type TemplateResult } from "lit";
import { TABS, type Tab } from "../../state/hash";
import { Panel } from "../panel";

/** Which element each tab opens; the chart is the page itself. */
const SHEETS: Readonly<Record<Tab, string>> = {
  chart: "fw-chart",
  recipe: "fw-recipe",
  lost: "fw-lost",
  runs: "fw-runs",
};

const PHONE = "(max-width: 760px)";

export class TabsPanel extends Panel {
  readonly #media = matchMedia(PHONE);
  readonly #listen = () => this.requestUpdate();

  override connectedCallback(): void {
    super.connectedCallback();
    this.#media.addEventListener("change", this.#listen);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#media.removeEventListener("change", this.#listen);
  }

  #key(event: KeyboardEvent): void {
    const at = TABS.indexOf(this.lab.view.tab);
    const moves: Record<string, number> = {
      ArrowRight: (at + 1) % TABS.length,
      ArrowLeft: (at + TABS.length - 1) % TABS.length,
      Home: 0,
      End: TABS.length - 1,
    };
    const next = TABS[moves[event.key] ?? -1];
    if (event.key === "Escape") this.#open("chart");
    else if (next) this.#open(next);
    else return;
    event.preventDefault();
    this.querySelector<HTMLElement>(`#tab-${this.lab.view.tab}`)?.focus();
  }

  #open(tab: Tab): void {
    this.lab.show({ tab: tab === this.lab.view.tab ? "chart" : tab });
  }

  protected override updated(): void {
    const { tab } = this.lab.view;
    const main = this.closest("main");
    const opened = main?.getAttribute("data-tab") !== tab && tab !== "chart";
    main?.setAttribute("data-tab", tab);
    // Opening a sheet brings the chart into what is left of the screen, so that changes are seen; a link opens one too.
    if (opened && this.#media.matches) document.querySelector("fw-chart")?.scrollIntoView({ block: "start" });
    for (const name of TABS) {
      const sheet = document.querySelector(SHEETS[name]);
      const phone = this.#media.matches;
      if (!sheet) continue;
      sheet.id = `sheet-${name}`;
      if (phone) {
        sheet.setAttribute("role", "tabpanel");
        sheet.setAttribute("aria-labelledby", `tab-${name}`);
      } else {
        sheet.setAttribute("role", "region");
        sheet.removeAttribute("aria-labelledby");
        sheet.setAttribute("aria-label", this.t(`tabs.${name}`));
      }
    }
  }

  protected override render(): TemplateResult {
    const { tab } = this.lab.view;
    return html`<div class="tabs" role="tablist" aria-label=${this.t("tabs.label")} @keydown=${this.#key}>
      ${TABS.map(
        (name) => html`<button
          id="tab-${name}"
          role="tab"
          aria-selected=${tab === name ? "true" : "false"}
          aria-controls="sheet-${name}"
          tabindex=${tab === name ? 0 : -1}
          @click=${() => this.#open(name)}
        >${this.t(`tabs.${name}`)}</button>`,
      )}
    </div>`;
  }
}

customElements.define("fw-tabs", TabsPanel);
