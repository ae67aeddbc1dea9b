/** The panel's inside: controls, drawings and tables of modelled machines. Holds the scene it drew last, so that drawings know it. */

import { html, nothing, type TemplateResult } from "lit";
import { boundsChart } from "../../charts/bounds";
import { type ElsewhereRow, elsewhereChart } from "../../charts/elsewhere";
import { rooflineChart } from "../../charts/roofline";
import { paint } from "../../charts/svg";
import type { Speech } from "../../i18n";
import { choiceKey, recipeOf } from "../../state/choice";
import type { Lab } from "../../state/lab";
import { type MachinesView, OWN } from "../../state/machines";
import { measurements } from "../../state/measured";
import { classOf, reachedBandwidth } from "../../targets/cost.mjs";
import { recipeName } from "../words";
import { controls } from "./controls";
import { boundRows, ceilingsOf, chosenOf, type Facts, type Own, type Pair, pairOf, pointsOf, speedOf } from "./data";
import { factsTable } from "./facts";
import { layersTable } from "./layers";
import { generations } from "./matrix";
import { nameOf } from "./names";
import { duration, energy, rate, tagOf } from "./numbers";
import { ruleWords } from "./rules";
import { trainingTable } from "./training";

export interface Scene {
  readonly lab: Lab;
  readonly speech: Speech;
  readonly width: number;
  readonly steps: number;
  readonly setSteps: (count: number) => void;
}

/** Two drawings side by side from this width on. */
const WIDE = 900;
const BETWEEN = 40;

export class Content {
  readonly facts: Facts;
  /** The page's own network as it was shown last: it stays while a new one is computed. */
  #own: (Own & { readonly key: string }) | undefined;

  constructor(facts: Facts) {
    this.facts = facts;
  }

  /** The chosen recipe's network, as soon as its layers are known. */
  #ownOf({ lab }: Scene): Own | undefined {
    const { catalog, current } = lab;
    const { choice } = lab.view;
    const model = catalog?.models.find(({ id }) => id === choice.model);
    if (catalog && model && current?.outcome) {
      const cost = current.report?.cost;
      const macs = cost?.macs ?? model.macs;
      const report = {
        recipe: recipeOf(choice, catalog),
        layers: current.outcome.layers,
        cost: { macs, peak_activation_bytes: cost?.peak_activation_bytes },
      };
      this.#own = { model, report, key: choiceKey(choice) };
    }
    return this.#own?.model.id === choice.model ? this.#own : undefined;
  }

  #pairs(scene: Scene): readonly Pair[] {
    const { lab } = scene;
    const { catalog } = lab;
    if (!catalog) return [];
    const { machines, choice } = lab.view;
    const own = this.#ownOf(scene);
    return chosenOf(this.facts.registry, machines).flatMap((target) => {
      const pair = pairOf(this.facts, target, machines, choice, catalog, own);
      return pair ? [pair] : [];
    });
  }

  render(scene: Scene): TemplateResult {
    const { lab, speech } = scene;
    const { machines } = lab.view;
    const chosen = chosenOf(this.facts.registry, machines);
    const [machine] = chosen;
    if (!machine) return html`${nothing}`;
    const show = (change: Partial<MachinesView>) => lab.show({ machines: { ...lab.view.machines, ...change } });
    const [pair] = this.#pairs(scene);
    const t = (key: string, values: Readonly<Record<string, string | number>> = {}) => speech.t(key, values);
    const name = nameOf(machine);
    return html`
      ${controls(this.facts, machines, chosen, speech, show)}
      ${
        pair
          ? html`<div class="pair">
              <section>
                <h3>${t("target.elsewhere")} <small class="soft">${this.#subject(scene)}</small></h3>
                <div class="elsewhere-plot"></div>
                <p class="soft">${t("target.elsewhere.about")}</p>
                <h3 class="taken">${t("target.taken", { name })}</h3>
                <div class="bounds-plot time"></div>
                <div class="bounds-plot energy"></div>
                <p class="soft">${t("target.bounds.about")}</p>
              </section>
              <section>
                <h3>${t("target.bound", { name })}</h3>
                <p class="verdict">${this.#verdict(pair, speech)}</p>
                <div class="roofline-plot"></div>
                <p class="soft">${t("target.roofline.about")}</p>
                ${layersTable(pair, speech)}
              </section>
            </div>`
          : html`<p class="soft" role="status">${t("target.waiting")}</p>`
      }
      <div class="pair">
        ${generations(this.facts, chosen, speech, show, machines)}
        ${factsTable(this.facts, machine, speech, machines, show)}
      </div>
      ${trainingTable(this.facts, scene, machine, pair)}
    `;
  }

  /** What is run: the recipe on the page's model, or on a reference workload. */
  #subject({ lab, speech }: Scene): string {
    const { machines, choice } = lab.view;
    const recipe = recipeName(choice, speech);
    return speech.t("target.subject", { recipe, batch: machines.batch });
  }

  /** One sentence: how it runs on the machine looked at, and whether it fits. */
  #verdict({ target, cost, main }: Pair, speech: Speech): string {
    const { verdict } = main;
    const parts = [ruleWords(target, verdict, speech)];
    const { fit } = cost;
    if (!fit.fits) {
      const over = speech.kilobytes(fit.over_bytes);
      parts.push(
        speech.t("target.over", {
          over: fit.over_bytes >= 1e8 ? `${(fit.over_bytes / 1e9).toFixed(1)} GB` : over,
          short: speech.t(`target.short.${fit.short ?? "memory"}`),
        }),
      );
    }
    const cited = verdict.sources.map((key) => (key === "mem" ? speech.t("target.memory") : key)).join(", ");
    return `${parts.join(" ")} [${cited}]`;
  }

  /** Draws what `render` made room for. */
  paint(host: Element, scene: Scene): void {
    const pairs = this.#pairs(scene);
    const [pair] = pairs;
    if (!pair) return;
    const { speech, width } = scene;
    const half = width >= WIDE ? (width - BETWEEN) / 2 : width;
    const t = (key: string, values: Readonly<Record<string, string | number>> = {}) => speech.t(key, values);
    const elsewhere = host.querySelector(".elsewhere-plot");
    if (elsewhere) {
      const rows = [...this.#here(scene), ...pairs.map((each) => this.#row(each, speech))];
      const list = rows.map((row) => `${row.name}: ${row.tag}, ${row.label}`).join("; ");
      paint(
        elsewhere,
        elsewhereChart({ rows, even: t("target.even"), description: t("target.elsewhere.read", { list }) }, half),
      );
    }
    const { target, cost, base } = pair;
    const name = nameOf(target);
    const roofline = host.querySelector(".roofline-plot");
    const points = pointsOf(cost);
    if (roofline) {
      const said = points.map((point) => `${point.name} ${t(`target.bound.${point.bound}`)}`).join(", ");
      const words = { x: t("target.roofline.x"), y: t("target.roofline.y"), memory: t("target.roofline.memory") };
      const constants = this.facts.fitted.constants[classOf(target)];
      const data = {
        points,
        ceilings: ceilingsOf(target, this.facts.fitted, cost),
        bandwidth_gb_per_s: reachedBandwidth(target, constants),
        words,
        rate,
        description: t("target.roofline.read", { name, list: said }),
      };
      paint(roofline, rooflineChart(data, half));
    }
    const bars = (of: "ms" | "energy_mj", say: (value: number) => string) => {
      const value = (each: typeof cost) => (of === "ms" ? each.latency_ms : each.energy_mj);
      const label = (each: typeof cost) =>
        of === "ms"
          ? t("target.time", { time: say(each.latency_ms), low: say(each.low_ms), high: say(each.high_ms) })
          : `≈ ${say(value(each))}`;
      const named = [
        { name: t("target.floats"), cost: base, label: label(base) },
        { name: t("target.recipe"), cost, label: label(cost) },
      ];
      return boundRows(named, of);
    };
    for (const [selector, of, say] of [
      [".bounds-plot.time", "ms", duration],
      [".bounds-plot.energy", "energy_mj", energy],
    ] as const) {
      const plot = host.querySelector(selector);
      const rows = bars(of, say);
      const list = rows.map((row) => `${row.name} ${row.label}`).join("; ");
      if (plot)
        paint(
          plot,
          boundsChart(
            { rows, description: t(of === "ms" ? "target.time.read" : "target.energy.read", { list }) },
            half,
          ),
        );
    }
  }

  #row(pair: Pair, speech: Speech): ElsewhereRow {
    const { target, cost, main } = pair;
    const speed = speedOf(pair, this.facts.fitted);
    const { support } = main.verdict;
    const row = { name: nameOf(target), support, tag: tagOf(main.verdict, speech), measured: false };
    if (!cost.fit.fits) return { ...row, label: speech.t("target.unfit") };
    if (!cost.runs) return { ...row, label: speech.t("target.unable") };
    const time = duration(cost.latency_ms);
    if (!speed) return { ...row, label: `≈ ${time}` };
    const [low, high] = speed.band.map((value) => value.toFixed(1)) as [string, string];
    return { ...row, ...speed, label: speech.t("target.speed", { low, high, time }) };
  }

  /** This browser, where the very recipe was measured in it and as many images are asked for as it takes at once. */
  #here({ lab, speech }: Scene): readonly ElsewhereRow[] {
    const { machines, choice } = lab.view;
    if (machines.workload !== OWN || !lab.catalog) return [];
    const kept = measurements().last(lab.catalog.engine);
    const target = kept?.key === choiceKey(choice) ? kept.measured.target : undefined;
    if (!target || target.batch !== machines.batch) return [];
    const ratio = target.baseline_latency_ms / target.latency_ms;
    const label = speech.t("target.measured", { times: ratio.toFixed(2), time: duration(target.latency_ms) });
    return [
      {
        name: speech.t("browser.title"),
        support: "native",
        tag: speech.t("target.tag.measured"),
        ratio,
        label,
        measured: true,
      },
    ];
  }
}
