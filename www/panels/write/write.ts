/** For models of text: the visitor begins, and the model goes on, before and after compression side by side. */

import { html, nothing, type TemplateResult } from "lit";
import { choiceKey, dataOf, readsText, recipeOf } from "../../state/choice";
import { coreError } from "../../state/port";
import { Panel } from "../panel";
import { errorWords, shortName } from "../words";

/** How much a model writes at a time. */
const CHARACTERS = 400;
const PROMPT = "ROMEO.\n";
const LONGEST_PROMPT = 500;

/** What `prompt` has that a model does not know, each character once. */
export function unknownCharacters(prompt: string, known: readonly string[]): string[] {
  return [...new Set(prompt)].filter((character) => !known.includes(character));
}

/** One of the two texts. */
interface Page {
  readonly text: string;
  readonly seconds: number | undefined;
}

const EMPTY: Page = { text: "", seconds: undefined };
const NONE = { before: EMPTY, after: EMPTY };

export class WritePanel extends Panel {
  static override properties = {
    ...Panel.properties,
    texts: { state: true },
    busy: { state: true },
    note: { state: true },
    prompt: { state: true },
    begun: { state: true },
    temperature: { state: true },
    seed: { state: true },
  };

  declare texts: { readonly before: Page; readonly after: Page };
  declare busy: boolean;
  declare note: string;
  declare prompt: string;
  /** What the texts shown begin with. */
  declare begun: string;
  declare temperature: number;
  declare seed: number;
  #cancel: AbortController | undefined;
  /** What the texts shown were written by. */
  #written = "";

  constructor() {
    super();
    this.texts = NONE;
    this.busy = false;
    this.note = "";
    this.prompt = PROMPT;
    this.begun = "";
    this.temperature = 0.8;
    this.seed = 1;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#cancel?.abort();
  }

  get #of(): string {
    return `${choiceKey(this.lab.view.choice)} ${choiceKey(this.lab.referenceChoice)}`;
  }

  protected override willUpdate(): void {
    super.willUpdate();
    this.hidden = !readsText(this.lab.view.choice, this.lab.catalog);
    // Texts of another recipe would stand under this one's name.
    if (this.#written !== "" && this.#written !== this.#of) {
      this.#cancel?.abort();
      this.#written = "";
      this.texts = NONE;
      this.note = "";
    }
  }

  /** Has both models write, side by side, until they are done or stopped. */
  async #write(): Promise<void> {
    const { lab } = this;
    if (!lab.catalog || this.busy) return;
    const cancel = new AbortController();
    this.#cancel = cancel;
    this.#written = this.#of;
    this.busy = true;
    this.note = "";
    this.texts = NONE;
    this.begun = this.prompt;
    const { choice } = lab.view;
    const reference = lab.referenceChoice;
    const { catalog } = lab;
    const writing = {
      prompt: this.prompt,
      temperature: this.temperature,
      seed: this.seed,
      characters: CHARACTERS,
    };
    const page = async (kind: "before" | "after", recipe: ReturnType<typeof recipeOf>) => {
      let from: number | undefined;
      const onText = (text: string) => {
        if (cancel.signal.aborted) return;
        from ??= performance.now();
        this.texts = { ...this.texts, [kind]: { text: this.texts[kind].text + text, seconds: undefined } };
      };
      await lab.engine.write(recipe, writing, { signal: cancel.signal, onText });
      if (from === undefined || cancel.signal.aborted) return;
      this.texts = { ...this.texts, [kind]: { ...this.texts[kind], seconds: (performance.now() - from) / 1000 } };
    };
    const wanted = [page("before", recipeOf(reference, catalog))];
    if (choiceKey(choice) !== choiceKey(reference)) wanted.push(page("after", recipeOf(choice, catalog)));
    try {
      await Promise.all(wanted);
    } catch (error) {
      if (!cancel.signal.aborted) {
        this.note = errorWords(coreError(error), this.speech);
        cancel.abort();
      }
    } finally {
      if (this.#cancel === cancel) {
        this.busy = false;
        this.#cancel = undefined;
      }
    }
  }

  #stop(): void {
    this.#cancel?.abort();
    this.#cancel = undefined;
    this.busy = false;
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const data = dataOf(lab.view.choice, lab.catalog);
    if (data?.kind !== "text") return html``;
    const { choice, pinned } = lab.view;
    const reference = lab.referenceChoice;
    const compressed = choiceKey(choice) !== choiceKey(reference);
    const unknown = unknownCharacters(this.prompt, data.classes);
    const names = {
      before: pinned ? this.t("draw.before.a", { name: shortName(reference, speech) }) : shortName(reference, speech),
      after: pinned ? this.t("draw.after.b", { name: shortName(choice, speech) }) : shortName(choice, speech),
    };
    return html`
      <form class="write" @submit=${(event: Event) => {
        event.preventDefault();
        void this.#write();
      }}>
        <h2><label for="write-prompt">${this.t("write.title")}</label></h2>
        <textarea
          id="write-prompt"
          rows="2"
          maxlength=${LONGEST_PROMPT}
          spellcheck="false"
          lang="en"
          aria-describedby="write-note"
          .value=${this.prompt}
          @input=${(event: Event) => {
            this.prompt = (event.target as HTMLTextAreaElement).value;
          }}
          @keydown=${(event: KeyboardEvent) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            void this.#write();
          }}
        ></textarea>
        <p class="write-settings">
          <label>${this.t("write.temperature")}
            <input type="range" min="0" max="1.5" step="0.1" .value=${String(this.temperature)}
              aria-valuetext=${this.temperature.toFixed(1)}
              @input=${(event: Event) => {
                this.temperature = Number((event.target as HTMLInputElement).value);
              }} />
            <output>${this.temperature.toFixed(1)}</output></label>
          <label>${this.t("write.seed")}
            <input type="number" min="0" max="4294967295" step="1" .value=${String(this.seed)}
              @change=${(event: Event) => {
                const { valueAsNumber } = event.target as HTMLInputElement;
                if (Number.isInteger(valueAsNumber) && valueAsNumber >= 0 && valueAsNumber <= 0xffffffff)
                  this.seed = valueAsNumber;
                else (event.target as HTMLInputElement).value = String(this.seed);
              }} /></label>
          ${
            this.busy
              ? html`<button type="button" class="button" @click=${() => this.#stop()}>${this.t("write.stop")}</button>`
              : html`<button class="button primary" ?disabled=${!lab.ready}>${this.t("write.go")}</button>`
          }
        </p>
        <p id="write-note" class="soft" role="status">${this.note || (unknown.length > 0 ? this.t("write.unknown", { characters: unknown.join(" ") }) : this.busy ? this.t("write.busy") : this.t("write.hint"))}</p>
        <div class="write-pages">
          ${this.#page("before", names.before, this.texts.before)}
          ${compressed ? this.#page("after", names.after, this.texts.after) : nothing}
        </div>
      </form>
    `;
  }

  #page(kind: "before" | "after", name: string, { text, seconds }: Page): TemplateResult {
    const pace = seconds ? this.t("write.pace", { pace: this.speech.whole(Math.round(text.length / seconds)) }) : "";
    return html`<section aria-label=${name}>
      <h3 class=${kind}>${name} <small class="soft">${pace}</small></h3>
      <div class="page" tabindex="0" role="group" aria-label=${this.t("write.text", { name })} lang="en">${text === "" ? nothing : html`<span class="soft">${this.begun}</span>${text}`}</div>
    </section>`;
  }
}

customElements.define("fw-write", WritePanel);
