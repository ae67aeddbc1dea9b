/** The bar on top: name, language, theme, link; and below it the one sentence when something went wrong. */

import { html, nothing, type TemplateResult } from "lit";
import { LANGUAGES, type Language } from "../../i18n";
import type { Theme } from "../../state/preferences";
import { Panel } from "../panel";
import { problemWords } from "../words";

/** What the bar asks of the page. */
export interface Settings {
  readonly theme: Theme;
  readonly setLanguage: (language: Language) => void;
  readonly nextTheme: () => void;
}

export class BarPanel extends Panel {
  static override properties = { ...Panel.properties, settings: { attribute: false }, shared: { state: true } };

  declare settings: Settings | undefined;
  declare shared: "" | "bar.shared" | "bar.share.refused";

  constructor() {
    super();
    this.settings = undefined;
    this.shared = "";
  }

  async #share(): Promise<void> {
    try {
      await navigator.clipboard.writeText(location.href);
      this.shared = "bar.shared";
    } catch {
      // Refused or missing: the address bar holds the same link.
      this.shared = "bar.share.refused";
    }
    setTimeout(() => {
      this.shared = "";
    }, 2500);
  }

  protected override render(): TemplateResult {
    const { lab, speech, settings } = this;
    const others = (Object.keys(LANGUAGES) as Language[]).filter((language) => language !== speech.language);
    return html`
      <header class="bar">
        <a class="brand" href="./">featherweight</a>
        <span class="tagline">${this.t("bar.tagline")}</span>
        <div class="end">
          ${others.map((language) => html`<button lang=${language} @click=${() => settings?.setLanguage(language)}>${LANGUAGES[language].name}</button>`)}
          <button aria-label=${`${this.t("bar.theme")}: ${this.t(`bar.theme.${settings?.theme ?? "auto"}`)}`} @click=${() => settings?.nextTheme()}>
            <span aria-hidden="true">◐</span> ${this.t(`bar.theme.${settings?.theme ?? "auto"}`)}
          </button>
          <button class="share" @click=${() => this.#share()}>${this.t("bar.share")}</button>
        </div>
      </header>
      <p class="toast" role="status">${this.shared ? this.t(this.shared) : nothing}</p>
      <div role="alert">
        ${
          lab.problem
            ? html`<p class="problem"><span>${problemWords(lab.problem, speech)}</span><button class="link" @click=${() => lab.dismiss()}>${this.t("problem.dismiss")}</button></p>`
            : nothing
        }
      </div>
    `;
  }
}

customElements.define("fw-bar", BarPanel);
