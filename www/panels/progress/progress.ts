/** What is under way: recipes done, an estimate of the time left, and Cancel. Its height never changes. */

import { html, nothing, type TemplateResult } from "lit";
import { lossCurve } from "../../charts/losses";
import { paint } from "../../charts/svg";
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
        <span class="loss" aria-hidden="true"></span>
        ${lab.busy ? html`<button class="link" @click=${() => lab.cancel()}>${this.t("progress.cancel")}</button>` : nothing}
      </p>
    `;
  }

  /** Losses of the training under way; none before there are two. */
  #losses(): readonly number[] {
    const { batch, busy, runs } = this.lab;
    if (!batch || !busy) return [];
    const progress = batch.keys.map((key) => runs.get(key)?.progress).find((now) => now?.phase === "train");
    return progress && progress.losses.length > 1 ? progress.losses : [];
  }

  protected override updated(): void {
    const host = this.querySelector(".loss");
    const losses = this.#losses();
    if (!host) return;
    if (losses.length > 0) paint(host, lossCurve(losses, 96, 16));
    else host.replaceChildren();
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
    const loss = this.#losses().at(-1);
    if (loss !== undefined) words.push(this.t("progress.loss", { loss: loss.toFixed(3) }));
    return words.join(" · ");
  }
}

customElements.define("fw-progress", ProgressPanel);
