/** What is under way: recipes done, an estimate of the time left, and Cancel. Its height never changes. */

import { html, nothing, type TemplateResult } from "lit";
import type { Batch } from "../../state/lab";
import type { Run } from "../../state/runs";
import { Panel } from "../panel";

/** Share of the batch that is done, from multiply-adds where they are known. */
export function batchShare(batch: Batch, runs: ReadonlyMap<string, Run>): number {
  if (batch.keys.length === 0) return 0;
  let done = 0;
  for (const key of batch.keys) {
    const run = runs.get(key);
    if (!run || run.state === "queued") continue;
    if (run.state === "running")
      done +=
        run.progress && run.progress.total_macs > 0 ? Math.min(1, run.progress.done_macs / run.progress.total_macs) : 0;
    else done += 1;
  }
  return done / batch.keys.length;
}

/** Seconds left at the pace so far; none before there is a pace to speak of. */
export function secondsLeft(share: number, elapsed: number): number | undefined {
  if (share < 0.03 || elapsed < 0.3) return undefined;
  return Math.max(1, Math.round((elapsed * (1 - share)) / share));
}

export class ProgressPanel extends Panel {
  protected override render(): TemplateResult {
    const { lab } = this;
    const { batch } = lab;
    const share = batch ? batchShare(batch, lab.runs) : 0;
    return html`
      <div class="progress-line" aria-hidden="true"><i style="transform: scaleX(${lab.busy ? share.toFixed(3) : 0})"></i></div>
      <p class="progress-words" role="status">
        ${this.#words(batch, share)}
        ${lab.busy ? html`<button class="link" @click=${() => lab.cancel()}>${this.t("progress.cancel")}</button>` : nothing}
      </p>
    `;
  }

  #words(batch: Batch | undefined, share: number): string {
    const { lab } = this;
    if (!batch)
      return this.t(
        lab.ready ? "progress.ready" : lab.problem?.kind === "engine" ? "progress.failed" : "progress.starting",
      );
    const total = batch.keys.length;
    if (batch.cancelled) return this.t("progress.cancelled");
    if (batch.finished !== undefined) {
      const failed = batch.keys.filter((key) => lab.runs.get(key)?.state === "failed").length;
      const words = this.t("progress.finished", {
        total,
        seconds: ((batch.finished - batch.started) / 1000).toFixed(1),
      });
      return failed > 0 ? `${words} · ${this.t("progress.some", { failed })}` : words;
    }
    const done = batch.keys.filter((key) => {
      const state = lab.runs.get(key)?.state;
      return state !== "queued" && state !== "running";
    }).length;
    const phase = batch.keys.map((key) => lab.runs.get(key)?.progress?.phase).find((name) => name !== undefined);
    const left = secondsLeft(share, (performance.now() - batch.started) / 1000);
    const words = [this.t("progress.runs", { done, total })];
    words.push(
      left === undefined ? this.t(`progress.phase.${phase ?? "load"}`) : this.t("progress.left", { seconds: left }),
    );
    return words.join(" · ");
  }
}

customElements.define("fw-progress", ProgressPanel);
