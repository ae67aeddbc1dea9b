/** One control of the recipe: a name, a choice, and an explanation with its source behind a small button. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import type { Change } from "../../state/settle";

export interface Option {
  readonly value: string;
  readonly name: string;
}

export interface Control {
  readonly id: string;
  /** Suffix of the words, `recipe.<words>` and `about.<words>`; the id when absent. */
  readonly words?: string;
  readonly options: readonly Option[];
  /** The option chosen; of `checks`, those chosen, parted by spaces; of `number`, the number. */
  readonly value: string;
  /** `segments` shows all options side by side, `list` opens them, `checks` takes any number of them, `number` is typed, `slider` drawn too. */
  readonly look: "segments" | "list" | "checks" | "number" | "slider";
  /** Said in place of the choice when it has no meaning for the format. */
  readonly unused?: string | undefined;
  /** Said in place of the choice when it is made elsewhere. */
  readonly shown?: string;
  /** Takes a value that is the panel's own, not a part of the choice. */
  readonly pick?: (value: string) => void;
  /** More about the option chosen. */
  readonly detail?: string;
  readonly source: string;
  /** Of `number`: least, greatest, step; and what one would choose to see whether it is of use at all. */
  readonly number?: { readonly least: number; readonly most: number; readonly step: number; readonly other: string };
  /** What choosing a value (of `checks`: turning it over) changes. */
  readonly to: (value: string) => Change;
}

/** What the panel knows beside the control. */
export interface Surroundings {
  readonly speech: Speech;
  /** The control whose explanation is open. */
  readonly open: string | undefined;
  readonly toggle: (id: string) => void;
  /** `gesture` while a slider is being drawn. */
  readonly choose: (change: Change, control: Control, gesture?: boolean) => void;
  /** Why a change is refused; nothing where it is not, or not known yet. */
  readonly why: (change: Change) => string | undefined;
  /** What the control showed before a change that set it along with others. */
  readonly was: (control: Control) => string | undefined;
  /** Why what was typed was not taken. */
  readonly fault: { readonly id: string; readonly reason: string } | undefined;
}

/** The value in words. */
export function valueWords(entry: Control, speech: Speech): string {
  if (entry.shown !== undefined) return entry.shown;
  if (entry.number) return entry.look === "slider" ? `${entry.value}\u00a0%` : entry.value;
  const chosen = entry.value.split(" ");
  const names = entry.options.filter((option) => chosen.includes(option.value)).map((option) => option.name);
  return names.join(", ") || speech.t("recipe.nothing");
}

export function nameOf(entry: Control, speech: Speech): string {
  return speech.t(`recipe.${entry.words ?? entry.id}`);
}

/** Draws a control. Segments are radio buttons, so arrow keys move between them as everywhere. */
export function control(entry: Control, around: Surroundings): TemplateResult {
  const { speech } = around;
  const name = nameOf(entry, speech);
  const open = around.open === entry.id;
  const was = around.was(entry);
  return html`
    <div class="control ${entry.id} ${was === undefined ? "" : "changed"}">
      <span class="control-name">
        <span id="name-${entry.id}">${name}</span>
        <button
          class="about"
          aria-label=${speech.t("recipe.about", { name })}
          aria-expanded=${open ? "true" : "false"}
          aria-controls="about-${entry.id}"
          @click=${() => around.toggle(entry.id)}
        >?</button>
      </span>
      ${entry.unused === undefined ? choices(entry, around) : html`<span class="soft unused">${entry.unused}</span>`}
      ${was ? html`<span class="was soft">${speech.t("recipe.was", { value: was })}</span>` : nothing}
      <p id="about-${entry.id}" class="explanation soft" ?hidden=${!open}>
        ${speech.t(`about.${entry.words ?? entry.id}`)} ${entry.detail ?? ""}
        ${entry.source ? html`<span class="source">${speech.t("recipe.source", { source: entry.source })}</span>` : nothing}
      </p>
    </div>
  `;
}

/** Options in the way of which something stands, by what it is. */
type Refused = ReadonlyMap<string, string>;

function choices(entry: Control, around: Surroundings): TemplateResult {
  if (entry.shown !== undefined) return html`<span class="unused">${entry.shown}</span>`;
  if (entry.look === "number") return field(entry, around);
  if (entry.look === "slider") return slider(entry, around);
  const chosen = entry.look === "checks" ? entry.value.split(" ") : [entry.value];
  const refused = new Map<string, string>();
  for (const { value } of entry.options) {
    const reason = chosen.includes(value) || entry.pick ? undefined : around.why(entry.to(value));
    if (reason !== undefined) refused.set(value, reason);
  }
  // Nothing else can be chosen: the one reason for it says more than what stays.
  const reason = [...refused.values()][0];
  const alone = entry.look !== "checks" && refused.size > 0 && refused.size === entry.options.length - 1;
  if (alone && new Set(refused.values()).size === 1) return html`<span class="soft unused">${reason}</span>`;
  if (entry.look === "list") return list(entry, refused, around);
  return html`${buttons(entry, chosen, refused, around)}${reasons(entry, refused)}`;
}

function buttons(entry: Control, chosen: readonly string[], refused: Refused, around: Surroundings): TemplateResult {
  const checks = entry.look === "checks";
  return html`<span class=${checks ? "checks" : "segments"} role=${checks ? "group" : "radiogroup"} aria-labelledby="name-${entry.id}">
    ${entry.options.map(
      (option) => html`<label
        ><input
          type=${checks ? "checkbox" : "radio"}
          name="control-${entry.id}"
          value=${option.value}
          .checked=${chosen.includes(option.value)}
          ?disabled=${refused.has(option.value)}
          aria-describedby=${refused.has(option.value) ? `why-${entry.id}` : nothing}
          @change=${() => around.choose(entry.to(option.value), entry)}
        /><span>${option.name}</span></label
      >`,
    )}
  </span>`;
}

/** Why options are greyed: one line for each reason. */
function reasons(entry: Control, refused: Refused): TemplateResult | typeof nothing {
  if (refused.size === 0) return nothing;
  const names = new Map<string, string[]>();
  for (const { value, name } of entry.options) {
    const reason = refused.get(value);
    if (reason !== undefined) names.set(reason, [...(names.get(reason) ?? []), name]);
  }
  return html`<span class="reasons soft" id="why-${entry.id}">
    ${[...names].map(([reason, all]) => html`<span><b>${all.join(", ")}</b>: ${reason}</span>`)}
  </span>`;
}

function list(entry: Control, refused: Refused, around: Surroundings): TemplateResult {
  return html`<select
    aria-labelledby="name-${entry.id}"
    @change=${(event: Event) => {
      const { value } = event.target as HTMLSelectElement;
      if (entry.pick) entry.pick(value);
      else around.choose(entry.to(value), entry);
    }}
  >
    ${entry.options.map((option) => {
      const reason = refused.get(option.value);
      const chosen = option.value === entry.value;
      const words = reason === undefined ? option.name : `${option.name}: ${reason}`;
      return html`<option value=${option.value} ?selected=${chosen} .selected=${chosen} ?disabled=${reason !== undefined}>${words}</option>`;
    })}
  </select>`;
}

/** A percentage, drawn or typed. */
function slider(entry: Control, around: Surroundings): TemplateResult {
  const { least, most } = entry.number ?? { least: 0, most: 100 };
  return html`<span class="slider"
    ><input
      type="range"
      min=${least}
      max=${Math.floor(most)}
      step="1"
      aria-label=${nameOf(entry, around.speech)}
      aria-valuetext="${entry.value} %"
      .value=${entry.value}
      @input=${(event: Event) => around.choose(entry.to((event.target as HTMLInputElement).value), entry, true)}
    />${field({ ...entry, look: "number" }, around)}<span aria-hidden="true">%</span></span
  >`;
}

function field(entry: Control, around: Surroundings): TemplateResult {
  const { least, most, step, other } = entry.number ?? { least: 0, most: 0, step: 1, other: entry.value };
  const useless = around.why(entry.to(other));
  const reason = around.fault?.id === entry.id ? around.fault.reason : useless;
  const take = (event: Event) => {
    const input = event.target as HTMLInputElement;
    const typed = Number(input.value);
    const value =
      input.value === "" || Number.isNaN(typed) ? entry.value : String(Math.min(most, Math.max(least, typed)));
    input.value = value;
    around.choose(entry.to(step === 1 ? String(Math.round(Number(value))) : value), entry);
  };
  return html`<input
      class="number"
      type="number"
      inputmode="decimal"
      min=${least}
      max=${most}
      step=${step === 1 ? 1 : "any"}
      aria-label=${nameOf(entry, around.speech)}
      aria-describedby=${reason ? `why-${entry.id}` : nothing}
      aria-invalid=${around.fault?.id === entry.id ? "true" : nothing}
      ?disabled=${useless !== undefined}
      .value=${entry.value}
      @change=${take}
    />${reason ? html`<span class="reasons soft" id="why-${entry.id}">${reason}</span>` : nothing}`;
}
