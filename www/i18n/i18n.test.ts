import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OPTIONAL_SETS } from "../panels/notes/sets";
import { PRESETS } from "../panels/recipe/presets";
import { TRAINING_PRESETS } from "../panels/training/presets";
import { realCatalog } from "../testing/catalog";
import { en } from "./en";
import { LANGUAGES, type Language, Speech } from "./index";
import { format, holes, parts } from "./message";
import { finalSound, particle } from "./particles";

const www = new URL("..", import.meta.url).pathname;

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["wasm", "i18n", "testing"].includes(entry.name) ? [] : sources(path);
    return path.endsWith(".ts") && !path.endsWith(".test.ts") ? [readFileSync(path, "utf8")] : [];
  });
}

const code = [...sources(www), readFileSync(join(www, "i18n/index.ts"), "utf8")].join("\n");
const languages = Object.entries(LANGUAGES) as [Language, (typeof LANGUAGES)["en"]][];

/** Kinds of words looked up by an id: `speech.name("model", id)`, or a kind handed on to such a call. */
const named = new Set([...code.matchAll(/name(?:d)?\((?:[\w.]+, )?\s*"(\w+)"/g)].map((match) => match[1] ?? ""));
const templates = [...code.matchAll(/`((?:\w+\.)+)\$\{/g)].map((match) => match[1] ?? "");
const literals = new Set([...code.matchAll(/"([a-z][\w-]*(?:\.[\w-]+)+)"/g)].map((match) => match[1] ?? ""));

describe("words", () => {
  it.each(languages)("%s has every key of English and no other", (_, language) => {
    expect(Object.keys(language.words).sort()).toEqual(Object.keys(en).sort());
  });

  it.each(languages)("%s leaves nothing empty and fills the same holes as English", (_, language) => {
    for (const [key, text] of Object.entries(language.words)) {
      expect(text.trim(), key).not.toBe("");
      const english = holes(en[key as keyof typeof en]);
      for (const hole of holes(text)) expect(english, key).toContain(hole);
    }
  });

  it("are all used", () => {
    const unused = Object.keys(en).filter((key) => {
      const kind = key.split(".")[0] ?? "";
      return !literals.has(key) && !templates.some((start) => key.startsWith(start)) && !named.has(kind);
    });
    expect(unused).toEqual([]);
  });

  it("exist for every key the page asks for", () => {
    const asked = [...code.matchAll(/(?:\bt|\bparts)\(\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(asked.length).toBeGreaterThan(60);
    expect(asked.filter((key) => !Object.hasOwn(en, key))).toEqual([]);
  });

  it.each(languages)("%s names every id of the catalog", (name) => {
    const catalog = realCatalog();
    const speech = new Speech(name);
    const kinds: readonly [string, readonly { readonly id: string }[]][] = [
      ["model", catalog.models],
      ["data", [...catalog.data, ...OPTIONAL_SETS.map((id) => ({ id }))]],
      ["reader", catalog.data],
      ["format", catalog.formats],
      ["width", catalog.formats],
      ["mark", catalog.formats],
      ["explain", catalog.formats],
      ["granularity", catalog.granularities],
      ["range", catalog.ranges],
      ["calibration", catalog.calibrations],
      ["scale", catalog.scales],
      ["rounding", catalog.roundings],
      ["about.rounding", catalog.roundings],
      ["transform", catalog.transforms],
      ["about.transform", catalog.transforms],
      ["correction", catalog.corrections],
      ["preset", PRESETS],
      ["about.preset", PRESETS],
      ["estimator", catalog.estimators],
      ["pruning", catalog.prunings],
      ["about.pruning", catalog.prunings],
      ["scope", catalog.scopes],
      ["pattern", catalog.structures],
      ["about.pattern", catalog.structures],
      ["trait.pruned", catalog.structures],
      ["optimizer", catalog.optimizers],
      ["rate", catalog.rates],
      ["precision", catalog.precisions],
      ["message", catalog.messages],
      ["imitation", catalog.imitations],
      ["about.optimizer", catalog.optimizers],
      ["about.rate", catalog.rates],
      ["about.precision", catalog.precisions],
      ["about.message", catalog.messages],
      ["about.imitation", catalog.imitations],
      ["training.preset", TRAINING_PRESETS],
      ["about.training.preset", TRAINING_PRESETS],
      ["unitScore", catalog.unit_scores],
      ["about.unitScore", catalog.unit_scores],
      // Characters are their own names.
      [
        "class",
        catalog.data.filter((set) => set.kind === "images").flatMap((set) => set.classes.map((id) => ({ id }))),
      ],
    ];
    expect(catalog.models.length).toBeGreaterThan(0);
    for (const [kind, entries] of kinds) {
      for (const { id } of entries) expect(speech.has(`${kind}.${id}`), `${name} ${kind}.${id}`).toBe(true);
    }
  });
});

describe("messages", () => {
  it("fill values, choose plurals and leave slots for controls", () => {
    expect(format("{n} {n#mistake|mistakes}", { n: 1 })).toBe("1 mistake");
    expect(format("{n} {n#mistake|mistakes}", { n: "1,200" })).toBe("1,200 mistakes");
    expect(parts("At {bits} now", { bits: "4 bits" })).toEqual([
      { text: "At " },
      { slot: "bits", text: "4 bits" },
      { text: " now" },
    ]);
  });

  it("put particles after slots, so that a control keeps its own", () => {
    expect(parts("{bits:으로/로} 줄이면", { bits: "4비트" })).toEqual([
      { slot: "bits", text: "4비트" },
      { text: "로" },
      { text: " 줄이면" },
    ]);
  });
});

describe("Korean particles", () => {
  it.each([
    ["4비트", "은/는", "는"],
    ["INT8", "을/를", "을"],
    ["INT4", "을/를", "를"],
    ["FP16", "이/가", "이"],
    ["32 KB", "으로/로", "로"],
    ["32\u00a0KB", "으로/로", "로"],
    ["90 %", "을/를", "를"],
    ["10,000", "은/는", "은"],
    ["1", "으로/로", "로"],
    ["7", "으로/로", "로"],
    ["3", "으로/로", "으로"],
    ["0", "이/가", "이"],
    ["10", "으로/로", "으로"],
    ["티셔츠", "으로/로", "로"],
    ["샌들", "으로/로", "로"],
    ["가방", "으로/로", "으로"],
    ["판별기", "이/가", "가"],
    ["tensor", "은/는", "는"],
    ["LSTM", "을/를", "을"],
  ])("%s with %s is %s", (text, pair, expected) => {
    expect(particle(text, pair)).toBe(expected);
  });

  it("agree with the final consonant of every Hangul syllable", () => {
    for (const syllable of ["가", "각", "갈", "강"]) {
      const decomposed = syllable.normalize("NFD");
      const expected = decomposed.length === 2 ? "none" : decomposed.endsWith("\u11af") ? "rieul" : "consonant";
      expect(finalSound(syllable), syllable).toBe(expected);
    }
  });
});
