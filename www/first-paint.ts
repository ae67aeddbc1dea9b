/**
 * The static first paint: the opening sentence, the bit strip and the curve, drawn from the precomputed results by the same
 * functions the live page uses, and put into index.html when it is served or built.
 */

import { accuracyChart, accuracyStart } from "./charts/accuracy";
import { stripChart } from "./charts/strip";
import { toMarkup } from "./charts/svg";
import { LANGUAGES, type Language, Speech } from "./i18n";
import { axisNote, chartData, runWords } from "./panels/chart/data";
import { heroSentence } from "./panels/hero/sentence";
import { stripData } from "./panels/strip/data";
import { baselineOf, choiceKey, DEFAULT_CHOICE } from "./state/choice";
import { type Precomputed, precomputedRuns } from "./state/precomputed";
import { newRun, type Run } from "./state/runs";

const CHART = { width: 620, height: 500 };
const STRIP = { width: 1192, height: 122 };

function asText(text: string): string {
  return toMarkup({ name: "i", attributes: {}, children: [text] }).slice(3, -4);
}

/** The three pieces of one language. */
export function paintLanguage(file: Precomputed, language: Language): { hero: string; strip: string; chart: string } {
  const speech = new Speech(language);
  const runs: Run[] = precomputedRuns(file).map(({ choice, outcome }) => ({
    ...newRun(choice, "precomputed"),
    outcome,
  }));
  const find = (key: string) => runs.find((run) => run.key === key);
  const current = find(choiceKey(DEFAULT_CHOICE));
  const baseline = find(choiceKey(baselineOf(DEFAULT_CHOICE)));
  if (!current?.outcome || !baseline?.outcome) return { hero: "", strip: "", chart: "" };

  const sentence = heroSentence({ choice: DEFAULT_CHOICE, current, baseline, data: "fashion" }, speech)
    .map((part) =>
      "slot" in part && part.slot === "bits"
        ? `<span class="scrub"><span class="nudge">‹</span><span class="num">${asText(part.text)}</span><span class="nudge">›</span></span>`
        : asText(part.text),
    )
    .join("");
  const data = chartData(
    {
      runs,
      choice: DEFAULT_CHOICE,
      axis: "bytes",
      catalog: undefined,
      active: undefined,
      pinned: undefined,
      classes: 10,
    },
    speech,
  );
  const hint = `${speech.t("chart.hint")} <span class="with-mouse">${asText(speech.t("chart.hint.pin"))}</span>`;
  const note = `${asText(axisNote(accuracyStart(data, CHART), data, speech))} ${hint} ${asText(speech.t("chart.before"))}`;
  const only = (name: string, content: string) =>
    `<${name} class="only-${language}" lang="${language}">${content}</${name}>`;
  return {
    hero: `${only("h1", sentence)}${only("p", `<span class="soft">${asText(speech.t("hero.hint"))}</span>`).replace('class="', 'class="call ')}`,
    strip: only(
      "div",
      `<div class="strip"><div class="strip-plot">${toMarkup(stripChart(stripData({ model: DEFAULT_CHOICE.model, pruned: false }, current.outcome, baseline.outcome, speech), STRIP))}</div><p class="strip-caption soft">${asText(speech.t("strip.caption"))}</p></div>`,
    ),
    chart: only(
      "div",
      `<div class="chart-head"><h2>${asText(speech.t("chart.title"))} <small>${asText(speech.t("chart.against.bytes"))}</small></h2></div>` +
        `<div class="progress-line"></div><p class="progress-words">${asText(speech.t("progress.starting"))}</p>` +
        `<p class="readout">${asText(runWords(current, speech))}</p>` +
        `<div class="plot" role="img" aria-label="${asText(runs.map((run) => runWords(run, speech)).join(" "))}">${toMarkup(accuracyChart(data, CHART, `first-${language}`)).replaceAll(/ role="(?:option|presentation)"| aria-(?:selected|label)="[^"]*"/g, "")}</div>` +
        `<p class="chart-note soft">${note}</p>`,
    ),
  };
}

/** Replaces the marks in a page by the pieces of every language. */
export function paintPage(page: string, file: Precomputed): string {
  const pieces = (Object.keys(LANGUAGES) as Language[]).map((language) => paintLanguage(file, language));
  let result = page;
  for (const name of ["hero", "strip", "chart"] as const) {
    result = result.replace(`<!--first-paint:${name}-->`, () => pieces.map((piece) => piece[name]).join(""));
  }
  return result;
}
