/** Puts the page together: engine, Lab, address, settings, panels. */

import "./style/tokens.css";
import "./style/base.css";
import "./style/layout.css";
import "./style/drawing.css";
import "./style/top.css";
import "./style/panels.css";
import "./style/browser.css";
import "./style/targets.css";
import "./style/inside.css";
import "./style/units.css";
import "./style/training.css";
import "./style/recipe.css";
import "./style/small.css";
import "./panels/bar/bar";
import "./panels/hero/hero";
import "./panels/draw/draw";
import "./panels/write/write";
import "./panels/strip/strip";
import "./panels/recipe/recipe";
import "./panels/chart/chart";
import "./panels/lost/lost";
import "./panels/runs/runs";
import "./panels/inside/inside";
import "./panels/training/training";
import "./panels/browser/browser";
import "./panels/targets/targets";
import "./panels/notes/notes";
import "./panels/tabs/tabs";
import { type Client, createClient } from "./engine/client";
import { type Language, Speech } from "./i18n";
import type { BarPanel } from "./panels/bar/bar";
import type { Panel } from "./panels/panel";
import precomputed from "./precomputed/default.json";
import { Lab } from "./state/lab";
import { type EnginePort, refusalBy } from "./state/port";
import { type Precomputed, precomputedRuns } from "./state/precomputed";
import { browserKeep, nextTheme, startLanguage, storedTheme, type Theme } from "./state/preferences";

const client = createClient();
let ready: Client | undefined;
// Every use awaits it too; this only keeps a failure from being reported twice.
client.then(
  (made) => {
    ready = made;
  },
  () => {},
);

const engine: EnginePort = {
  catalog: async () => (await client).catalog,
  refusal: (recipe) => refusalBy(() => ready?.canonical(recipe)),
  run: async (recipe, options) => (await client).run(recipe, options),
  probabilities: async (recipe, pixels, temperature) => (await client).probabilities(recipe, pixels, {}, temperature),
  write: async (recipe, writing, options) => (await client).write(recipe, writing, options),
  image: async (set, split, index) => (await client).image(set, split, index),
  exported: async (recipe) => (await client).exported(recipe),
  measure: async (recipe, options) => (await client).measure(recipe, options),
  inspect: async (recipe, options) => (await client).inspect(recipe, options),
  weights: async (recipe, place) => (await client).weights(recipe, place),
  matrix: async (recipe, layer) => (await client).matrix(recipe, layer),
  sensitivity: async (recipe, asked, images, options) => (await client).sensitivity(recipe, asked, images, options),
};

const lab = new Lab(
  engine,
  {
    hash: () => location.hash,
    push: (hash) => history.pushState(null, "", hash || location.pathname + location.search),
    replace: (hash) => history.replaceState(null, "", hash || location.pathname + location.search),
  },
  () => performance.now(),
);

const keep = browserKeep(window);
let theme: Theme = storedTheme(keep);
let speech = new Speech(startLanguage(keep, navigator.languages));

function remember(key: string, value: string): void {
  if (!keep.set(key, value)) lab.report({ kind: "storage" });
}

function setLanguage(language: Language): void {
  speech = new Speech(language);
  remember("featherweight.language", language);
  dress();
}

function turnTheme(): void {
  theme = nextTheme(theme);
  remember("featherweight.theme", theme);
  dress();
}

/** Hands the words and the theme to the page. */
function dress(): void {
  const root = document.documentElement;
  root.lang = speech.language;
  document.title = speech.t("page.title");
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  for (const panel of document.querySelectorAll<Panel>(
    "fw-bar, fw-hero, fw-draw, fw-write, fw-strip, fw-recipe, fw-chart, fw-lost, fw-runs, fw-inside, fw-training, fw-browser, fw-targets, fw-notes, fw-tabs",
  )) {
    panel.lab = lab;
    panel.speech = speech;
  }
  const bar = document.querySelector<BarPanel>("fw-bar");
  if (bar) bar.settings = { theme, setLanguage, nextTheme: turnTheme };
}

lab.seed(precomputedRuns(precomputed as unknown as Precomputed));
dress();
addEventListener("popstate", () => lab.addressChanged());
void lab.start();
