/** Which generation runs what: formats across, generations down, told by shape and letter. */

import { html, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import { type MachinesView, MOST_CHOSEN } from "../../state/machines";
import { nativeOnAll, ROWS, type Support } from "../../targets/legality.mjs";
import type { Target } from "../../targets/registry.mjs";
import { type Facts, generationsOf, lookingAt } from "./data";
import { nameOf } from "./names";

const SUPPORTS: readonly Support[] = ["native", "weight-only", "fallback", "emulated", "absent"];

/** Rows as the table's columns are headed. */
const headOf = (id: string): string => id.toUpperCase();

/** Letters that stand in cells, in every language alike: the field's own words begin with them. */
const LETTER: Readonly<Record<Support, string>> = {
  native: "N",
  "weight-only": "W",
  fallback: "F",
  emulated: "E",
  absent: "–",
};

export function generations(
  { registry }: Facts,
  chosen: readonly Target[],
  speech: Speech,
  show: (change: Partial<MachinesView>) => void,
  view: MachinesView,
): TemplateResult {
  const t = (key: string, values: Readonly<Record<string, string | number>> = {}) => speech.t(key, values);
  const looked = chosen[0];
  const rows = generationsOf(registry, chosen, ROWS);
  const common = nativeOnAll(chosen).map(({ id }) => headOf(id));
  const values = { machines: chosen.map(nameOf).join(", "), formats: common.join(", ") };
  return html`
    <section>
      <h3>${t("target.matrix")}</h3>
      <p class="soft">${t("target.matrix.about")}</p>
      <ul class="supports soft">
        ${SUPPORTS.map((support) => html`<li><i class="cell ${support}" aria-hidden="true">${LETTER[support]}</i> ${t(`target.support.${support}`)}</li>`)}
      </ul>
      <div class="scroll" tabindex="0" role="region" aria-label=${t("target.matrix")}>
      <table class="matrix">
        <caption class="hidden">${t("target.matrix")}</caption>
        <thead>
          <tr>
            <th scope="col"><span class="hidden">${t("target.generation")}</span></th>
            ${ROWS.map(({ id }) => html`<th scope="col"><span>${headOf(id)}</span></th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ name, kind, machine, cells }, index) => html`<tr
              class="${machine.id === looked?.id ? "looked" : ""} ${index > 0 && rows[index - 1]?.kind !== kind ? "parted" : ""}">
              <th scope="row">
                <button class="link" title=${nameOf(machine)}
                  @click=${() => show({ chosen: lookingAt(view.chosen, machine.id, MOST_CHOSEN) })}>${name}</button>
              </th>
              ${cells.map(
                (
                  cell,
                ) => html`<td title=${t("target.cell", { support: t(`target.support.${cell.support}`), executed: cell.executed.toUpperCase(), source: cell.sources.join(", ") })}>
                  <i class="cell ${cell.support}" aria-hidden="true">${LETTER[cell.support]}</i><span class="hidden">${t(`target.support.${cell.support}`)}</span>
                </td>`,
              )}
            </tr>`,
          )}
        </tbody>
      </table>
      </div>
      <p class="common">${t(common.length > 0 ? "target.common" : "target.common.none", values)}</p>
    </section>
  `;
}
