/** One test image as a teacher sees it, its probabilities softened, beside the student that was taught. */

import { html, nothing, type TemplateResult } from "lit";
import { type SoftenedData, softenedChart, type Voice } from "../../charts/softened";
import { paint } from "../../charts/svg";
import { coreError } from "../../state/port";
import type { CoreError, DataSet, Picture, Recipe } from "../../state/schema";
import type { Training } from "../../state/trainings";
import { inkPixels } from "../draw/ink";
import { Panel } from "../panel";
import { errorWords } from "../words";

interface Seen {
  readonly number: number;
  readonly index: number;
  readonly picture: Picture;
  readonly teacher: Float32Array;
  readonly student: Float32Array;
}

export class SoftenedPanel extends Panel {
  static override properties = {
    ...Panel.properties,
    run: { attribute: false },
    index: { state: true },
    seen: { state: true },
    busy: { state: true },
    error: { state: true },
  };

  /** The training whose student is asked. */
  declare run: Training | undefined;
  declare index: number;
  declare seen: Seen | undefined;
  declare busy: boolean;
  declare error: CoreError | undefined;

  constructor() {
    super();
    this.run = undefined;
    this.index = 0;
    this.seen = undefined;
    this.busy = false;
    this.error = undefined;
  }

  get #data(): DataSet | undefined {
    const { catalog } = this.lab;
    const data = catalog?.models.find(({ id }) => id === this.run?.model)?.data;
    return catalog?.data.find(({ id }) => id === data);
  }

  async #ask(index: number): Promise<void> {
    const { run, lab } = this;
    const data = this.#data;
    if (!run || !data || this.busy) return;
    this.busy = true;
    this.error = undefined;
    this.index = index;
    try {
      const { teacher, temperature } = run.choice;
      const original: Recipe = { version: 1, model: teacher, seed: run.seed, steps: [] };
      const picture = await lab.engine.image(data.id, "test", index);
      const [own, other] = await Promise.all([
        lab.engine.probabilities(run.recipe, picture.pixels, temperature),
        lab.engine.probabilities(original, picture.pixels, temperature),
      ]);
      this.seen = { number: run.number, index, picture, teacher: other, student: own };
    } catch (error) {
      this.error = coreError(error);
    } finally {
      this.busy = false;
    }
  }

  #chart(seen: Seen, data: DataSet): SoftenedData {
    const { speech } = this;
    const temperature = this.run?.choice.temperature ?? 1;
    const voices: Voice[] = [
      { name: this.t("training.softened.teacher", { temperature }), chances: [...seen.teacher], kind: "teacher" },
      { name: this.t("training.softened.student", { temperature }), chances: [...seen.student], kind: "taught" },
    ];
    const classes = data.classes.map((id) => speech.name("class", id));
    const said = classes.map(
      (name, at) => `${name} ${speech.percent(seen.teacher[at] ?? 0)}, ${speech.percent(seen.student[at] ?? 0)}`,
    );
    return {
      classes,
      voices,
      label: seen.picture.label,
      percent: (share) => speech.percent(share),
      description: this.t("training.softened.said", { list: said.join("; ") }),
    };
  }

  protected override updated(): void {
    const data = this.#data;
    const { seen } = this;
    const host = this.querySelector(".softened-plot");
    const canvas = this.querySelector("canvas");
    if (!seen || seen.number !== this.run?.number || !data || !host || !canvas) return;
    const [, height, width] = data.shape;
    canvas.width = width;
    canvas.height = height;
    const channels = Math.max(1, seen.picture.pixels.length / (width * height));
    canvas.getContext("2d")?.putImageData(new ImageData(inkPixels(seen.picture.pixels, channels), width, height), 0, 0);
    if (host.clientWidth > 0) paint(host, softenedChart(this.#chart(seen, data), host.clientWidth));
  }

  protected override render(): TemplateResult {
    const { speech, error, busy } = this;
    const data = this.#data;
    const seen = this.seen?.number === this.run?.number ? this.seen : undefined;
    const count = data?.splits.test ?? 1;
    const label = data?.classes[seen?.picture.label ?? 0] ?? "";
    return html`<h3>${this.t("training.softened")}</h3>
      <p class="soft">${this.t("training.softened.about")}</p>
      <p class="training-actions">
        <button class="button small" ?disabled=${busy} @click=${() => this.#ask(seen ? (this.index + 1) % count : this.index)}>${this.t(seen ? "training.softened.next" : "training.softened.show")}</button>
        <span class="soft" role="status">${
          error
            ? errorWords(error, speech)
            : busy
              ? this.t("training.softened.busy")
              : seen
                ? this.t("training.softened.image", { index: seen.index + 1, label: speech.name("class", label) })
                : nothing
        }</span>
      </p>
      <div class="softened" ?hidden=${!seen}><canvas aria-hidden="true"></canvas><div class="softened-plot"></div></div>`;
  }
}

customElements.define("fw-softened", SoftenedPanel);
