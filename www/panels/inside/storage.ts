/** How many bytes a pruned network would take in every way to store it, and which is the smallest. */

import { html, nothing, type TemplateResult } from "lit";
import type { Speech } from "../../i18n";
import { STORAGES } from "../../state/pruning";
import type { Outcome } from "../../state/runs";

type Alternatives = Outcome["size"]["alternatives"];

/** A way to store a whole network. */
export interface Way {
  readonly id: string;
  readonly bytes: number;
}

/** The ways that can hold any of the network's tensors, in the engine's order. */
export function ways(alternatives: Alternatives): Way[] {
  return STORAGES.flatMap((id) => {
    const bytes = id === "auto" ? undefined : alternatives[id];
    return typeof bytes === "number" ? [{ id, bytes }] : [];
  });
}

/** The smallest; of equals the first. */
export function smallest(all: readonly Way[]): Way | undefined {
  return all.reduce<Way | undefined>((best, way) => (best && best.bytes <= way.bytes ? best : way), undefined);
}

export function storageTable({ size }: Outcome, speech: Speech): TemplateResult | typeof nothing {
  const all = ways(size.alternatives);
  const best = smallest(all);
  if (!best) return nothing;
  const dense = size.alternatives.dense;
  const row = (name: string, bytes: number, chosen: boolean) => html`<tr class=${chosen ? "chosen" : ""}>
    <th scope="row">${name}${chosen ? html` <b>${speech.t("inside.storage.smallest")}</b>` : nothing}</th>
    <td>${speech.whole(bytes)}</td>
    <td>${speech.percent(bytes / dense, 1)}</td>
  </tr>`;
  return html`<p>
      ${speech.t(size.bytes < best.bytes ? "inside.storage.mixed" : "inside.storage.best", {
        name: speech.name("storage", best.id),
        bytes: speech.whole(best.bytes),
        stored: speech.whole(size.bytes),
      })}
    </p>
    <table class="runs ledger">
      <caption class="hidden">${speech.t("inside.storage.caption")}</caption>
      <thead>
        <tr>
          <th scope="col">${speech.t("inside.storage.way")}</th>
          <th scope="col">${speech.t("inside.storage.bytes")}</th>
          <th scope="col">${speech.t("inside.storage.share")}</th>
        </tr>
      </thead>
      <tbody>
        ${all.map((way) => row(speech.name("storage", way.id), way.bytes, way.id === best.id))}
        ${row(speech.t("inside.storage.deflate"), size.alternatives.deflate, false)}
      </tbody>
    </table>`;
}
