/** The recipe's target: the machine it is meant for, what would not run there as asked, and a way to choose only what does. */

import { html, nothing, type TemplateResult } from "lit";
import type { MachinesView } from "../../state/machines";
import type { Verdict } from "../../targets/legality.mjs";
import type { Target } from "../../targets/registry.mjs";
import { Panel } from "../panel";
import type { Facts } from "../targets/data";
import { nameOf } from "../targets/names";
import { ruleWords } from "../targets/rules";
import { judgedOn, standsInTheWay, supported } from "./verdicts";

type Module = typeof import("../targets/load");

export class AimPanel extends Panel {
  static override properties = { ...Panel.properties, module: { state: true }, about: { state: true } };

  /** The facts and what reads them, once somebody asks for a machine. */
  declare module: Module | undefined;
  declare about: boolean;
  #asked = false;
  /** What the Lab's limit was made for. */
  #limited = "";

  constructor() {
    super();
    this.module = undefined;
    this.about = false;
  }

  get #facts(): Facts | undefined {
    return this.module?.FACTS;
  }

  async #load(): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    try {
      this.module = await import("../targets/load");
    } catch {
      this.#asked = false;
    }
  }

  #machines(): readonly Target[] {
    const facts = this.#facts;
    return facts && this.module ? this.module.machinesOf(facts.registry, this.lab.view.machines) : [];
  }

  #target(): Target | undefined {
    return this.#machines().find(({ id }) => id === this.lab.view.machines.aim);
  }

  protected override willUpdate(): void {
    super.willUpdate();
    if (this.lab.view.machines.aim !== "") void this.#load();
  }

  protected override updated(): void {
    const { lab, speech } = this;
    const target = this.#target();
    const { only, edits } = lab.view.machines;
    const key = target && only ? JSON.stringify([target.id, edits, speech.language]) : "";
    if (key === this.#limited) return;
    this.#limited = key;
    // Not while others are still being told of the change that led here.
    queueMicrotask(() =>
      lab.limitTo(
        target && only
          ? (choice) => {
              const verdict = standsInTheWay(target, lab.view.choice, choice);
              return verdict && this.#refused(target, verdict);
            }
          : undefined,
      ),
    );
  }

  /** Short, since it stands beside every option: the reason is said where a machine is looked at. */
  #refused(target: Target, verdict: Verdict): string {
    if (verdict.support === "absent") return ruleWords(target, verdict, this.speech);
    const [requested, executed] = [verdict.requested, verdict.executed].map((bits) => bits.toUpperCase()) as [
      string,
      string,
    ];
    return this.t("aim.refused", { name: nameOf(target), requested, executed });
  }

  #show(change: Partial<MachinesView>): void {
    this.lab.show({ machines: { ...this.lab.view.machines, ...change } });
  }

  protected override render(): TemplateResult {
    const { module } = this;
    const { aim } = this.lab.view.machines;
    return html`
      <p class="step hard"><i aria-hidden="true">✚</i>${this.t("aim.title")}
        <button class="about" aria-label=${this.t("aim.about.name")} aria-expanded=${this.about ? "true" : "false"} aria-controls="about-aim"
          @click=${() => {
            this.about = !this.about;
          }}>?</button>
      </p>
      <p id="about-aim" class="explanation soft" ?hidden=${!this.about}>${this.t("aim.about")}</p>
      ${module ? this.#chooser(module, aim) : html`<p class="soft nothing">${this.t("aim.none")} <button class="link" @click=${() => this.#load()}>${this.t("aim.choose")}</button></p>`}
      ${this.#said()}
    `;
  }

  #chooser(module: Module, aim: string): TemplateResult {
    const machines = this.#machines();
    const known = machines.some(({ id }) => id === aim);
    return html`<select class="aim-machine" aria-label=${this.t("aim.machine")}
      @change=${(event: Event) => {
        const { value } = event.target as HTMLSelectElement;
        this.#show({ aim: value, ...(value === "" && { only: false }) });
      }}>
      <option value="" ?selected=${!known}>${this.t("aim.no")}</option>
      ${module.KINDS.map(
        (kind) => html`<optgroup label=${this.t(`target.kind.${kind}`)}>
          ${machines.filter((target) => target.kind === kind).map((target) => html`<option value=${target.id} ?selected=${target.id === aim}>${module.nameOf(target)}</option>`)}
        </optgroup>`,
      )}
    </select>`;
  }

  /** What would not run as asked, and the switch that keeps it from being chosen. */
  #said(): TemplateResult | typeof nothing {
    const target = this.#target();
    if (!target) return nothing;
    const { lab, speech } = this;
    const judged = judgedOn(target, lab.view.choice);
    const told = judged.filter(({ verdict }) => verdict.support !== "native");
    const words = told.map(({ layers, verdict }) => {
      const said = ruleWords(target, verdict, speech);
      const line = layers.length > 0 ? this.t("aim.layers", { layers: layers.join(", "), said }) : said;
      return html`<li class=${supported(verdict) ? "soft" : "warning"}>${line}</li>`;
    });
    return html`
      <ul class="aim-said" role="status">${told.length > 0 ? words : html`<li class="soft">${this.t("aim.fine")}</li>`}</ul>
      <label class="aim-only"><input type="checkbox" .checked=${lab.view.machines.only}
        @change=${(event: Event) => this.#show({ only: (event.target as HTMLInputElement).checked })} />${this.t("aim.only")}</label>
    `;
  }
}

customElements.define("fw-aim", AimPanel);
