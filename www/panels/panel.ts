/** What all panels share: the Lab, the words, drawing into their own element, and giving way to the static first paint. */

import { LitElement } from "lit";
import type { Speech } from "../i18n";
import type { Lab } from "../state/lab";

export abstract class Panel extends LitElement {
  static override properties = { lab: { attribute: false }, speech: { attribute: false } };

  declare lab: Lab;
  declare speech: Speech;
  readonly #listen = () => this.requestUpdate();
  #listening: Lab | undefined;

  /** Panels are part of the page: its styles apply, and what was painted before stays until the first update. */
  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override shouldUpdate(): boolean {
    return this.lab !== undefined && this.speech !== undefined;
  }

  protected override willUpdate(): void {
    if (!this.hasUpdated) this.replaceChildren();
    if (this.#listening === this.lab) return;
    this.#listening?.removeEventListener("change", this.#listen);
    this.lab.addEventListener("change", this.#listen);
    this.#listening = this.lab;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#listening?.removeEventListener("change", this.#listen);
    this.#listening = undefined;
  }

  /** Words of a key. */
  protected t(key: string, values: Readonly<Record<string, string | number>> = {}): string {
    return this.speech.t(key, values);
  }
}
