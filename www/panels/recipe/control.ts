/** One control of the recipe: a name, a choice, and an explanation with its source behind a small button. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";

export interface Option {
  readonly value: string;
  readonly name: string;
}

export interface Control {
  readonly id: string;
  /** Suffix of the words, `recipe.<words>` and `about.<words>`; the id when absent. */
  readonly words?: string;
  readonly options: readonly Option[];
  readonly value: string;
  /** `segments` shows all options side by side, `list` opens them. */
  readonly look: "segments" | "list";
  /** Said in place of the choice when it has no meaning for the format. */
  readonly unused: string | undefined;
  /** More about the option chosen. */
  readonly detail: string;
  readonly source: string;
  readonly choose: (value: string) => void;
}

export interface Disclosure {
  readonly open: string | undefined;
  readonly toggle: (id: string) => void;
}

/** Draws a control. Segments are radio buttons, so arrow keys move between them as everywhere. */
export function control(entry: Control, disclosure: Disclosure, speech: Speech): TemplateResult {
  const words = entry.words ?? entry.id;
  const name = speech.t(`recipe.${words}`);
  const open = disclosure.open === entry.id;
  return html`
    <div class="control ${entry.id}">
      <span class="control-name">
        <span id="name-${entry.id}">${name}</span>
        <button
          class="about"
          aria-label=${speech.t("recipe.about", { name })}
          aria-expanded=${open ? "true" : "false"}
          aria-controls="about-${entry.id}"
          @click=${() => disclosure.toggle(entry.id)}
        >?</button>
      </span>
      ${entry.unused !== undefined ? html`<span class="soft unused">${entry.unused}</span>` : entry.look === "segments" ? segments(entry) : list(entry)}
      <p id="about-${entry.id}" class="explanation soft" ?hidden=${!open}>
        ${speech.t(`about.${words}`)} ${entry.detail}
        ${entry.source ? html`<span class="source">${speech.t("recipe.source", { source: entry.source })}</span>` : nothing}
      </p>
    </div>
  `;
}

function segments(entry: Control): TemplateResult {
  return html`<span class="segments" role="radiogroup" aria-labelledby="name-${entry.id}">
    ${entry.options.map(
      (option) => html`<label
        ><input
          type="radio"
          name="control-${entry.id}"
          .checked=${option.value === entry.value}
          @change=${() => entry.choose(option.value)}
        /><span>${option.name}</span></label
      >`,
    )}
  </span>`;
}

function list(entry: Control): TemplateResult {
  return html`<select aria-labelledby="name-${entry.id}" @change=${(event: Event) => entry.choose((event.target as HTMLSelectElement).value)}>
    ${entry.options.map((option) => html`<option value=${option.value} ?selected=${option.value === entry.value} .selected=${option.value === entry.value}>${option.name}</option>`)}
  </select>`;
}
