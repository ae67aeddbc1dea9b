/** What was lost: images whose answer changed, and which classes pay for it. */

import { html, nothing, type TemplateResult } from "lit";
import { type ClassRow, classChart } from "../../charts/classes";
import { paint } from "../../charts/svg";
import { type Choice, choiceKey, dataOf, isBaseline, readsText } from "../../state/choice";
import { changed } from "../../state/quality";
import { errorsPerClass, type Flip, flips } from "../../state/runs";
import type { DataSet, Picture } from "../../state/schema";
import { inkPixels } from "../draw/ink";
import { Panel } from "../panel";
import { recipeName } from "../words";

/** Images shown at a time. */
const PAGE = 8;

interface Loss {
  readonly flips: readonly Flip[];
  readonly right: number;
  readonly total: number;
  readonly rows: readonly ClassRow[];
}

export class LostPanel extends Panel {
  static override properties = { ...Panel.properties, page: { state: true }, width: { state: true } };

  declare page: number;
  declare width: number;
  readonly #pictures = new Map<string, Picture | undefined>();
  readonly #resize = new ResizeObserver(() => this.#measure());
  #loss: Loss | undefined;
  #of: readonly unknown[] = [];

  constructor() {
    super();
    this.page = 0;
    this.width = 280;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
  }

  #measure(): void {
    const width = this.querySelector(".pays")?.clientWidth ?? 0;
    if (width > 0 && width !== this.width) this.width = width;
  }

  protected override firstUpdated(): void {
    const plot = this.querySelector(".pays");
    if (plot) this.#resize.observe(plot);
  }

  get #data(): DataSet | undefined {
    return dataOf(this.lab.view.choice, this.lab.catalog);
  }

  protected override willUpdate(): void {
    super.willUpdate();
    const { lab } = this;
    const before = lab.reference?.predictions;
    const after = lab.current?.predictions;
    const labels = lab.reference?.labels;
    const data = this.#data;
    const of = [before, after, labels, data, this.speech];
    if (of.every((part, index) => part === this.#of[index])) return;
    if (before !== this.#of[0] || after !== this.#of[1]) this.page = 0;
    this.#of = of;
    this.#loss =
      before && after && labels && data && data.kind !== "text"
        ? lossOf(before, after, labels, data, (id) => this.speech.name("class", id))
        : undefined;
  }

  protected override updated(): void {
    const plot = this.querySelector(".pays");
    const loss = this.#loss;
    if (plot && loss) {
      const said = loss.rows
        .map((row) => this.t("lost.pays.row", { label: row.label, before: row.before, after: row.after }))
        .join(" ");
      paint(plot, classChart(loss.rows, this.width, this.t("lost.pays.label", { rows: said })));
    } else plot?.replaceChildren();
    const data = this.#data;
    if (!data) return;
    for (const canvas of this.querySelectorAll<HTMLCanvasElement>("canvas[data-index]"))
      this.#show(canvas, Number(canvas.dataset.index), data);
  }

  #show(canvas: HTMLCanvasElement, index: number, data: DataSet): void {
    const key = `${data.id} ${index}`;
    const [channels, height, width] = data.shape;
    if (!this.#pictures.has(key)) {
      this.#pictures.set(key, undefined);
      this.lab.engine.image(data.id, "test", index).then(
        (picture) => {
          this.#pictures.set(key, picture);
          this.requestUpdate();
        },
        // Left out, so that the next update asks again; the caption already says what the picture is.
        () => this.#pictures.delete(key),
      );
    }
    const picture = this.#pictures.get(key);
    canvas.width = width;
    canvas.height = height;
    if (picture)
      canvas.getContext("2d")?.putImageData(new ImageData(inkPixels(picture.pixels, channels), width, height), 0, 0);
  }

  /** What changed, in a sentence; or why nothing can be said of it. */
  #words(loss: Loss | undefined): string {
    const { lab, speech } = this;
    const { choice, pinned } = lab.view;
    if (pinned && choiceKey(choice) === choiceKey(lab.referenceChoice)) return this.t("lost.pinned.here");
    if (!pinned && isBaseline(choice)) return this.t("lost.baseline");
    if (readsText(choice, lab.catalog)) return this.#textWords();
    if (!loss) return this.t("lost.needed");
    if (loss.flips.length === 0) return this.t("lost.none");
    return this.t("lost.count", {
      flipped: speech.whole(loss.flips.length),
      total: speech.whole(loss.total),
      right: speech.whole(loss.right),
    });
  }

  /** What changed in the guesses of a model of text. */
  #textWords(): string {
    const { reference, current } = this.lab;
    const [before, after] = [reference?.report?.accuracy, current?.report?.accuracy];
    if (!reference?.predictions || !current?.predictions || !before || !after) return this.t("lost.needed.text");
    return this.t("lost.text", {
      changed: this.speech.whole(changed(reference.predictions, current.predictions)),
      total: this.speech.whole(after.total),
      before: this.speech.percent(before.top1, 1),
      after: this.speech.percent(after.top1, 1),
    });
  }

  /** Which recipe is A, which is B, and the way back to the baseline. */
  #pinned(): TemplateResult {
    const { lab, speech } = this;
    const { choice } = lab.view;
    const a = lab.referenceChoice;
    const name = (entry: Choice) =>
      a.model === choice.model
        ? recipeName(entry, speech)
        : `${speech.name("model", entry.model)}, ${recipeName(entry, speech)}`;
    return html`<dl class="versus">
      <dt>A</dt><dd>${name(a)} <button class="link" @click=${() => lab.pin(undefined)}>${this.t("lost.unpin")}</button></dd>
      <dt>B</dt><dd>${name(choice)}</dd>
    </dl>`;
  }

  protected override render(): TemplateResult {
    const { lab, speech } = this;
    const loss = this.#loss;
    const data = this.#data;
    const pages = loss ? Math.ceil(loss.flips.length / PAGE) : 0;
    const shown = loss ? loss.flips.slice(this.page * PAGE, this.page * PAGE + PAGE) : [];
    const { choice, pinned } = lab.view;
    const text = readsText(choice, lab.catalog);
    const name = (index: number) => speech.name("class", data?.classes[index] ?? String(index));
    return html`
      <h2>${this.t("lost.title")}</h2>
      ${pinned ? this.#pinned() : nothing}
      <p class="soft lost-words">${this.#words(loss)}</p>
      <ul class="flips">
        ${shown.map((flip) => {
          const said = this.t("lost.figure", {
            index: flip.index,
            label: name(flip.label),
            before: name(flip.before),
            after: name(flip.after),
          });
          return html`<li>
            <canvas data-index=${flip.index} width="28" height="28" role="img" aria-label=${said}></canvas>
            <p aria-hidden="true">
              <b>${name(flip.label)}</b>
              <span class=${flip.before === flip.label ? "right" : "wrong"}>${this.t(pinned ? "lost.before.a" : "lost.before", { label: name(flip.before) })}</span>
              <span class=${flip.after === flip.label ? "right" : "wrong"}>${this.t(pinned ? "lost.after.b" : "lost.after", { label: name(flip.after) })}</span>
            </p>
          </li>`;
        })}
      </ul>
      <p class="more">
        ${
          pages > 1
            ? html`<button class="link" @click=${() => {
                this.page = (this.page + 1) % pages;
              }}>${this.t("lost.next", { count: PAGE })}</button>`
            : nothing
        }
        ${
          pinned || isBaseline(choice) || !(loss ?? (text && lab.current?.report))
            ? nothing
            : html`<button class="link" @click=${() => lab.pin(choice)}>${this.t("lost.pin")}</button>`
        }
      </p>
      <h2 class="pays-title" ?hidden=${text}>${this.t("lost.pays")} <small>${this.t(pinned ? "lost.pays.sub.ab" : "lost.pays.sub")}</small></h2>
      <div class="pays"></div>
    `;
  }
}

/** Flipped answers and errors per class, the classes that pay most first. */
export function lossOf(
  before: Uint8Array,
  after: Uint8Array,
  labels: Uint8Array,
  data: Pick<DataSet, "classes">,
  name: (id: string) => string,
): Loss {
  const changed = flips(before, after, labels);
  const errorsBefore = errorsPerClass(before, labels, data.classes.length);
  const errorsAfter = errorsPerClass(after, labels, data.classes.length);
  const rows = data.classes
    .map((id, index) => ({ label: name(id), before: errorsBefore[index] ?? 0, after: errorsAfter[index] ?? 0 }))
    .sort((a, b) => b.after - b.before - (a.after - a.before) || b.after - a.after);
  return {
    flips: changed,
    right: changed.filter((flip) => flip.after === flip.label).length,
    total: labels.length,
    rows,
  };
}

customElements.define("fw-lost", LostPanel);
