/** The recipe: the model, the quantize step with all it can be given, and what each costs. */

import { html, nothing, type TemplateResult } from "lit";
import { isBaseline, readsText, recipeOf } from "../../state/choice";
import { coreError } from "../../state/port";
import { score } from "../../state/quality";
import { Panel } from "../panel";
import { save } from "../save";
import { changeOf, recipeCode, shortQuality } from "../words";
import { control } from "./control";
import { modelControl, quantizeControls } from "./controls";

export class RecipePanel extends Panel {
  static override properties = { ...Panel.properties, open: { state: true } };

  declare open: string | undefined;

  constructor() {
    super();
    this.open = undefined;
  }

  async #download(): Promise<void> {
    const { lab } = this;
    if (!lab.catalog) return;
    const { choice } = lab.view;
    try {
      save(
        `${recipeCode(choice, lab.catalog)}.safetensors`,
        "application/octet-stream",
        await lab.engine.exported(recipeOf(choice, lab.catalog)),
      );
    } catch (error) {
      lab.report({ kind: "run", choice, error: coreError(error) });
    }
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const { catalog, view } = lab;
    const { choice } = view;
    if (!catalog)
      return html`<h2>${this.t("recipe.title")}</h2>
        ${lab.problem?.kind === "engine" ? html`<p class="soft">${this.t("recipe.stopped")}</p>` : nothing}`;
    const disclosure = {
      open: this.open,
      toggle: (id: string) => {
        this.open = this.open === id ? undefined : id;
      },
    };
    const before = lab.baseline?.outcome;
    const after = lab.current?.outcome;
    const change = lab.choose.bind(lab);
    const text = readsText(choice, catalog);
    const effect =
      before && after && !isBaseline(choice)
        ? this.t(text ? "recipe.effect.step.text" : "recipe.effect.step", {
            points: changeOf(score(after.accuracy) - score(before.accuracy), text, speech),
            size: `−${((1 - after.size.bytes / before.size.bytes) * 100).toFixed(0)}`,
          })
        : "";
    return html`
      <h2>${this.t("recipe.title")}</h2>
      <ol class="steps">
        <li>
          <p class="step">
            <i aria-hidden="true">○</i>${this.t("recipe.model")}
            <span class="effect">${before ? this.t("recipe.effect.model", { percent: shortQuality(before.accuracy, speech), size: speech.kilobytes(before.size.bytes) }) : nothing}</span>
          </p>
          ${control(modelControl(choice, catalog, speech, change), disclosure, speech)}
        </li>
        <li>
          <p class="step quant"><i aria-hidden="true">●</i>${this.t("recipe.quantize")} <span class="effect">${effect}</span></p>
          ${quantizeControls(choice, catalog, speech, change).map((entry) => control(entry, disclosure, speech))}
        </li>
      </ol>
      <p class="actions">
        <button class="button primary" ?disabled=${lab.busy} @click=${() => lab.runCurrent(true)}>${this.t(lab.current?.state === "done" ? "recipe.again" : "recipe.run")}</button>
        <button class="button" ?disabled=${lab.busy} @click=${() => lab.runWidths()}>${this.t("recipe.widths")}</button>
      </p>
      <p class="download">
        ${after ? html`<button class="link" @click=${() => this.#download()}>${this.t("recipe.download", { size: speech.kilobytes(after.size.bytes) })}</button>` : nothing}
      </p>
    `;
  }
}

customElements.define("fw-recipe", RecipePanel);
