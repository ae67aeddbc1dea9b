/** The facts of the machine looked at, each with its source; and a person's copy of it, to edit. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import type { MachinesView } from "../../state/machines";
import { EDITABLE, FORMATS, FROM_MEMORY, type Target } from "../../targets/registry.mjs";
import { type Facts, withEdit, withoutEdit } from "./data";
import { formatName, nameOf } from "./names";

/** Codes of `EDITABLE` whose number is not of a format, and the fact each is. */
const FIELD_FACT: Readonly<Record<string, string>> = {
  bw: "mem_bw_gbs",
  mem: "mem_gb",
  chip: "onchip_mb",
  w: "tdp_w",
};

/** A source without the numbers under which its text is kept elsewhere. */
const published = (source: string): string =>
  source
    .replace(/[,;]? ?(mirrored text, )?(as quoted in |read in )?stored (public )?file ids? [\d, and]+/g, "")
    .replace(/ ?\(\)/g, "");

/** What is worth saying of a number; that there is no instruction stands above its row. */
const noteOf = ({ note }: { readonly note?: string }): string =>
  note && !note.startsWith("no native") ? `${published(note)}. ` : "";

export function factsTable(
  { registry }: Facts,
  machine: Target,
  speech: Speech,
  view: MachinesView,
  show: (change: Partial<MachinesView>) => void,
): TemplateResult {
  const t = (key: string, values: Readonly<Record<string, string | number>> = {}) => speech.t(key, values);
  const base = machine.copy_of ?? machine.id;
  const sourceOf = (src: string) => {
    if (src === "user") return t("target.yours");
    return src === FROM_MEMORY ? t("target.memory.long") : `[${src}]`;
  };
  const rows = EDITABLE.flatMap(({ code }) => {
    const fact = machine.facts[FIELD_FACT[code] ?? code];
    const isFormat = (FORMATS as readonly string[]).includes(code);
    if (!fact) return [];
    return [
      {
        code,
        isFormat,
        name: isFormat ? formatName(code) : t(`target.fact.${code}`),
        unit: isFormat ? "TOP/s" : t(`target.unit.${code}`),
        fact,
      },
    ];
  });
  const cited = [...new Set(rows.map(({ fact }) => fact.src))].filter((src) => src !== "user" && src !== FROM_MEMORY);
  const change = (code: string, isFormat: boolean, event: Event) => {
    const field = event.target as HTMLInputElement;
    const text = field.value.trim();
    const value = Number(text);
    if (text === "" && isFormat) show(withEdit(view, machine, code, null));
    else if (text !== "" && value > 0 && value < 1e9) show(withEdit(view, machine, code, Number(value.toPrecision(9))));
    else field.value = machine.facts[FIELD_FACT[code] ?? code]?.v?.toString() ?? "";
  };
  const absent = rows.filter(({ fact }) => fact.v === null && fact.src !== "user");
  const row = ({
    code,
    isFormat,
    name,
    unit,
    fact,
  }: (typeof rows)[number]) => html`<tr class=${fact.v === null ? "none" : ""}>
              <th scope="row">${name}</th>
              <td>
                <input type="number" step="any" min="0" aria-label=${`${name}, ${unit}`} placeholder="–"
                  .value=${fact.v === null ? "" : String(fact.v)} @change=${(event: Event) => change(code, isFormat, event)} />
                <span class="soft">${unit}</span>
              </td>
              <td class="soft">${noteOf(fact)}${sourceOf(fact.src)}</td>
            </tr>`;
  return html`
    <section>
      <h3>${t("target.facts", { name: nameOf(machine) })} <small class="soft">${machine.arch}, ${machine.year}</small></h3>
      <p class="soft">${t("target.facts.about")}
        ${
          machine.copy_of
            ? html`<button class="link" @click=${() => show(withoutEdit(view, base))}>${t("target.undo")}</button>`
            : nothing
        }
      </p>
      <table class="facts">
        <caption class="hidden">${t("target.facts", { name: nameOf(machine) })}</caption>
        <thead class="hidden"><tr><th scope="col">${t("target.fact")}</th><th scope="col">${t("target.value")}</th><th scope="col">${t("target.source")}</th></tr></thead>
        <tbody>
          ${rows.filter(({ fact }) => fact.v !== null || fact.src === "user").map(row)}
        </tbody>
      </table>
      ${
        absent.length > 0
          ? html`<details>
              <summary>${t("target.without", { formats: absent.map(({ name }) => name).join(", ") })}</summary>
              <table class="facts" aria-label=${t("target.without", { formats: absent.map(({ name }) => name).join(", ") })}>
                <tbody>${absent.map(row)}</tbody>
              </table>
            </details>`
          : nothing
      }
      ${machine.notes.map((note) => html`<p class="soft">${note}</p>`)}
      <ul class="sources soft">${cited.map((src) => html`<li>[${src}] ${published(registry.sources[src] ?? "")}</li>`)}</ul>
    </section>
  `;
}
