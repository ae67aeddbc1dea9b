/** Which machine is looked at, which are compared, and which network runs on them. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import { type MachinesView, MOST_BATCH, MOST_CHOSEN, MOST_SEQUENCE, OWN } from "../../state/machines";
import type { Target } from "../../targets/registry.mjs";
import { WORKLOADS } from "../../targets/workloads.mjs";
import { type Facts, lookingAt, machinesOf, workloadOf } from "./data";
import { KINDS, nameOf } from "./names";

/** A number as it was typed, held between its bounds; what is none changes nothing. */
function typed(event: Event, most: number): number | undefined {
  const field = event.target as HTMLInputElement;
  const value = Math.round(Number(field.value));
  if (field.value.trim() === "" || !Number.isFinite(value)) return undefined;
  return Math.min(most, Math.max(1, value));
}

export function controls(
  { registry }: Facts,
  view: MachinesView,
  chosen: readonly Target[],
  speech: Speech,
  show: (change: Partial<MachinesView>) => void,
): TemplateResult {
  const t = (key: string, values: Readonly<Record<string, string | number>> = {}) => speech.t(key, values);
  const all = machinesOf(registry, view);
  const workload = workloadOf(view);
  const ids = chosen.map(({ id }) => id);
  const option = (target: Target) =>
    html`<option value=${target.id} ?selected=${target.id === ids[0]}>${nameOf(target)}, ${target.year}</option>`;
  const toggle = (id: string, on: boolean) => {
    const next = on ? [...ids, id] : ids.filter((each) => each !== id);
    if (next.length > 0) show({ chosen: next.slice(0, MOST_CHOSEN) });
  };
  return html`
    <div class="machine-controls">
      <label>
        <span>${t("target.machine")}</span>
        <select @change=${(event: Event) => show({ chosen: lookingAt(ids, (event.target as HTMLSelectElement).value, MOST_CHOSEN) })}>
          ${KINDS.map((kind) => html`<optgroup label=${t(`target.kind.${kind}`)}>${all.filter((target) => target.kind === kind).map(option)}</optgroup>`)}
        </select>
        <small class="soft">${t("target.machine.about")}</small>
      </label>
      <label>
        <span>${t("target.network")}</span>
        <select @change=${(event: Event) => show({ workload: (event.target as HTMLSelectElement).value, sequence: 0 })}>
          <option value=${OWN} ?selected=${!workload}>${t("target.own")}</option>
          ${WORKLOADS.map((each) => html`<option value=${each.id} ?selected=${each.id === workload?.id}>${each.name}</option>`)}
        </select>
        <small class="soft">${workload ? t("target.network.source", { source: workload.source, parameters: speech.whole(workload.parameters) }) : t("target.network.about")}</small>
      </label>
      <label>
        <span>${t("target.batch")}</span>
        <input type="number" inputmode="numeric" min="1" max=${MOST_BATCH} .value=${String(view.batch)}
          @change=${(event: Event) => show({ batch: typed(event, MOST_BATCH) ?? view.batch })} />
        <small class="soft">${t("target.batch.about")}</small>
      </label>
      ${
        workload && workload.sequence > 0
          ? html`<label>
              <span>${t("target.sequence")}</span>
              <input type="number" inputmode="numeric" min="1" max=${MOST_SEQUENCE} .value=${String(view.sequence || workload.sequence)}
                @change=${(event: Event) => show({ sequence: typed(event, MOST_SEQUENCE) ?? view.sequence })} />
              <small class="soft">${t(workload.unit === "token" ? "target.sequence.token" : "target.sequence.about")}</small>
            </label>`
          : nothing
      }
    </div>
    <details class="machine-list">
      <summary>${t("target.compared", { count: ids.length, most: MOST_CHOSEN })}</summary>
      <div class="machine-kinds">
        ${KINDS.map(
          (kind) => html`<fieldset>
            <legend class="soft">${t(`target.kind.${kind}`)}</legend>
            ${all
              .filter((target) => target.kind === kind)
              .map((target) => {
                const on = ids.includes(target.id);
                const full = !on && ids.length >= MOST_CHOSEN;
                return html`<label><input type="checkbox" .checked=${on} ?disabled=${full || (on && ids.length === 1)}
                  @change=${(event: Event) => toggle(target.id, (event.target as HTMLInputElement).checked)} />${nameOf(target)}</label>`;
              })}
          </fieldset>`,
        )}
      </div>
    </details>
  `;
}
