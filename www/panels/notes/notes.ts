/** What is real here: the engine, the data it comes with, and the data that may not come with it. */

import { html, type TemplateResult } from "lit";
import { Panel } from "../panel";
import { OPTIONAL_SETS } from "./sets";

export class NotesPanel extends Panel {
  protected override render(): TemplateResult {
    const { speech } = this;
    const { catalog } = this.lab;
    if (!catalog) return html`<h2>${this.t("notes.title")}</h2>`;
    const sets = catalog.data.map((set) =>
      this.t("notes.set", {
        name: speech.name("data", set.id),
        count: speech.whole(set.splits.test),
        licence: set.licence,
      }),
    );
    const absent = OPTIONAL_SETS.filter((id) => !catalog.data.some((set) => set.id === id)).map((id) =>
      speech.name("data", id),
    );
    return html`
      <h2>${this.t("notes.title")}</h2>
      <p>${this.t("notes.real")} ${this.t("notes.engine", { engine: catalog.engine, numerics: catalog.numerics })}</p>
      <p>${this.t("notes.data", { sets: sets.join("; ") })}</p>
      ${absent.length > 0 ? html`<p>${this.t("notes.absent", { sets: absent.join(", ") })}</p>` : ""}
    `;
  }
}

customElements.define("fw-notes", NotesPanel);
