/** What is real here: the engine, the data it comes with, and the data that may not come with it. */

import { html, nothing, type TemplateResult } from "lit";
import { Panel } from "../panel";
import { optionalSets, readSets } from "./sets";

export class NotesPanel extends Panel {
  protected override render(): TemplateResult {
    const { speech } = this;
    const { catalog } = this.lab;
    if (!catalog) return html`<h2>${this.t("notes.title")}</h2>`;
    const sets = readSets(catalog).map((set) =>
      this.t(set.kind === "text" ? "notes.set.text" : "notes.set", {
        name: speech.name("data", set.id),
        count: speech.whole(set.splits.test ?? 0),
        licence: set.licence,
      }),
    );
    const named = (ids: readonly string[]) => ids.map((id) => speech.name("data", id)).join(", ");
    const { present, absent } = optionalSets(catalog);
    return html`
      <h2>${this.t("notes.title")}</h2>
      <p>${this.t("notes.real")} ${this.t("notes.engine", { engine: catalog.engine, numerics: catalog.numerics })}</p>
      <p>${this.t("notes.data", { sets: sets.join("; ") })}</p>
      ${present.length > 0 ? html`<p>${this.t("notes.present", { sets: named(present) })}</p>` : nothing}
      ${absent.length > 0 ? html`<p>${this.t("notes.absent", { sets: named(absent) })}</p>` : nothing}
    `;
  }
}

customElements.define("fw-notes", NotesPanel);
