import { describe, expect, it } from "vitest";
import { LANGUAGES, type Language, Speech } from "../../i18n";
import { type Choice, DEFAULT_CHOICE, normalise, recipeOf } from "../../state/choice";
import type { CoreError, Recipe } from "../../state/schema";
import { type Change, fieldsOf, settle } from "../../state/settle";
import { recipeTeachers } from "../../state/teachers";
import { realCatalog, realRefusal } from "../../testing/catalog";
import { recipeName } from "../words";
import type { Control } from "./control";
import { firstControls, modelControl } from "./controls";
import { sections } from "./more";
import { changesOf, PRESETS, type Preset, presetOf, prospectOf } from "./presets";
import { pruneControls, pruneSections } from "./prune";
import { knownReason } from "./reasons";

const catalog = realCatalog();
const english = new Speech("en");
const languages = Object.keys(LANGUAGES) as Language[];
const refusals = new Map<string, CoreError | undefined>();

/** The engine's word on a recipe; the same question is asked once. */
function ask(recipe: Recipe): CoreError | undefined {
  const key = JSON.stringify([recipe.model, recipe.steps]);
  if (!refusals.has(key)) refusals.set(key, realRefusal(recipe));
  return refusals.get(key);
}

const prospect = (choice: Choice) => (change: Change) =>
  settle({ ...choice, ...change }, fieldsOf(change), catalog, ask);

/** A preset's choice on a model, or why there is none. */
function chosen(preset: Preset, model: string): Choice | CoreError {
  const start = { ...DEFAULT_CHOICE, model };
  const { change, refusal } = prospectOf(changesOf(preset, start, catalog), prospect(start));
  return refusal ?? normalise({ ...start, ...change }, catalog);
}

function controls(choice: Choice): Control[] {
  const more = sections(choice, catalog, english, { name: undefined, pick: () => {} }).flatMap(
    (section) => section.controls,
  );
  const pruning = pruneSections(choice, catalog, english).flatMap((section) => section.controls);
  return [
    modelControl(choice, catalog, english),
    ...pruneControls(choice, catalog, english),
    ...pruning,
    ...firstControls(choice, catalog, english),
    ...more,
  ];
}

/** Prunings that have every control and meet every reason. */
const PRUNINGS: readonly Change[] = [
  { pattern: "unstructured", score: "wanda" },
  { pattern: "unstructured", score: "lamp", schedule: "lottery", tuned: 1 },
  { pattern: "unstructured", score: "movement", schedule: "gradual", tuned: 1 },
  { pattern: "nm", score: "sparsegpt" },
  { pattern: "block" },
  { pattern: "channel", unitScore: "taylor" },
  { pattern: "layer" },
  { pattern: "input" },
  { pattern: "unstructured", scope: "ratios" },
];

describe("presets", () => {
  it.each(PRESETS.map((preset) => [preset.id, preset] as const))(
    "%s is taken by a model, and known again",
    (_, preset) => {
      expect(preset.source).not.toBe("");
      const choices = catalog.models.flatMap(({ id }) => {
        const choice = chosen(preset, id);
        return "code" in choice ? [] : [choice];
      });
      expect(choices.length).toBeGreaterThan(0);
      for (const choice of choices) {
        expect(ask(recipeOf(choice, catalog))).toBeUndefined();
        expect(presetOf(choice, catalog)?.id).toBe(preset.id);
      }
    },
  );

  it("are no preset once anything else is changed; model, images and seed are nothing else", () => {
    const gptq = PRESETS.find((preset) => preset.id === "gptq");
    const choice = gptq && chosen(gptq, "lenet5-fashion");
    if (!choice || "code" in choice) throw new Error("GPTQ is refused");
    expect(presetOf({ ...choice, damping: 0.02 }, catalog)).toBeUndefined();
    expect(presetOf({ ...choice, seed: 99, count: 1000 }, catalog)?.id).toBe("gptq");
    expect(presetOf(DEFAULT_CHOICE, catalog)).toBeUndefined();
  });

  it("have their papers' numbers, as docs/methods.md gives them", () => {
    const step = (id: string, model: string) => {
      const preset = PRESETS.find((each) => each.id === id);
      const choice = preset && chosen(preset, model);
      if (!choice || "code" in choice) throw new Error(`${id} is refused`);
      return recipeOf(choice, catalog).steps[0];
    };
    // Left to the engine: damping 0.01, 1,000 steps, alpha 0.5, five bits of codebook.
    expect(step("gptq", "lenet5-fashion")).toEqual({
      quantize: {
        weights: { format: "int4", granularity: "channel", symmetric: false, range: "minmax", rounding: "gptq" },
      },
    });
    expect(step("dfq", "mobilenet-fashion")).toMatchObject({
      quantize: { transforms: ["fold-batchnorm", "equalize"], correction: "bias" },
    });
    expect(step("dfq", "lenet5-fashion")).toMatchObject({ quantize: { transforms: ["equalize"] } });
    expect(step("hqq", "mlp-digits")).toMatchObject({ quantize: { weights: { granularity: { group: 64 } } } });
    expect(step("kmeans", "mlp-digits")).toEqual({ quantize: { weights: { format: "kmeans", huffman: true } } });
    expect(step("smoothquant", "transformer-shakespeare")).toMatchObject({
      quantize: { activations: { mode: "dynamic", granularity: "token" } },
    });
  });
});

describe("names", () => {
  it("say who teaches, for every teacher another name", () => {
    const base = normalise(
      { ...DEFAULT_CHOICE, pattern: "unstructured", tuned: 1, epochs: 2, weights: "int2" },
      catalog,
    );
    const ids = ["none", ...recipeTeachers(base.model, catalog).map(({ id }) => id)];
    const names = ids.flatMap((tunedTeacher) =>
      ids.map((teacher) => recipeName(normalise({ ...base, tunedTeacher, teacher }, catalog), english)),
    );
    expect(new Set(names).size).toBe(ids.length ** 2);
    expect(names[0]).not.toContain("taught");
    expect(names[1]).toMatch(/, taught by its original$/);
  });
});

describe("reasons", () => {
  // These models and presets meet every kind of reason: no norms, norms and depthwise layers, text; each rounding, training, blocks.
  const TELLING = ["smoothquant", "awq", "gptq", "adaround", "hqq", "kmeans", "nvfp4", "quarot", "lsq", "kivi"];
  it.each(["mlp-digits", "mobilenet-fashion", "transformer-shakespeare"])(
    "are known in every language, whatever is chosen next on %s",
    (model) => {
      let found = 0;
      for (const preset of PRESETS.filter(({ id }) => TELLING.includes(id))) {
        const choice = chosen(preset, model);
        if ("code" in choice) {
          expect(knownReason(choice, english), choice.found).toBeDefined();
          continue;
        }
        for (const entry of controls(choice).filter((each) => each.unused === undefined)) {
          const values = entry.number ? [entry.number.other] : entry.options.map((option) => option.value);
          for (const value of values) {
            if (value === entry.value && entry.look !== "checks") continue;
            const { refusal } = prospect(choice)(entry.to(value));
            if (!refusal) continue;
            found += 1;
            for (const language of languages) {
              const reason = knownReason(refusal, new Speech(language));
              expect(reason, `${entry.id} ${value}: ${refusal.found}`).toBeDefined();
              expect(reason).not.toMatch(/[{}]|undefined/);
            }
          }
        }
      }
      expect(found).toBeGreaterThan(50);
    },
    120_000,
  );
});

describe("prunings", () => {
  it.each(["mlp-digits", "resnet8-fashion", "transformer-shakespeare"])(
    "are settled or refused for a known reason, whatever is chosen next on %s",
    (model) => {
      let [found, settled] = [0, 0];
      for (const pruning of PRUNINGS) {
        const choice = normalise({ ...DEFAULT_CHOICE, model, ...pruning }, catalog);
        const start = ask(recipeOf(choice, catalog));
        if (start) {
          expect(knownReason(start, english), start.found).toBeDefined();
          continue;
        }
        for (const entry of [
          ...pruneControls(choice, catalog, english),
          ...pruneSections(choice, catalog, english).flatMap((section) => section.controls),
        ])
          for (const value of entry.number ? [entry.number.other] : entry.options.map((option) => option.value)) {
            if (value === entry.value) continue;
            const end = prospect(choice)(entry.to(value));
            if (end.refusal === undefined) {
              settled += 1;
              expect(ask(recipeOf(end.choice, catalog))).toBeUndefined();
              continue;
            }
            found += 1;
            for (const language of languages) {
              const reason = knownReason(end.refusal, new Speech(language));
              expect(reason, `${entry.id} ${value}: ${end.refusal.found}`).toBeDefined();
              expect(reason).not.toMatch(/[{}]|undefined/);
            }
          }
      }
      expect(found).toBeGreaterThan(5);
      expect(settled).toBeGreaterThan(50);
    },
    60_000,
  );

  it("give way to what is chosen beside them", () => {
    const start = normalise({ ...DEFAULT_CHOICE, pattern: "unstructured", score: "wanda" }, catalog);
    expect(prospect(start)({ pattern: "nm", scope: "usual" })).toMatchObject({
      refusal: undefined,
      choice: { pattern: "nm" },
    });
    // Movement has to train first, so it brings a schedule; blocks cannot be scored by LAMP, so that goes.
    expect(prospect(start)({ score: "movement" }).choice).toMatchObject({ schedule: "gradual", tuned: 1 });
    const lamp = normalise({ ...start, score: "lamp" }, catalog);
    expect(prospect(lamp)({ pattern: "block" }).choice).toMatchObject({ pattern: "block", score: "magnitude" });
    expect(prospect(lamp)({ schedule: "gradual", tuned: 1 }).choice).toMatchObject({
      schedule: "gradual",
      score: "lamp",
    });
  });
});

describe("controls", () => {
  it.each(languages)("have a name and an explanation in %s", (language) => {
    const speech = new Speech(language);
    const shown = new Map<string, Control>();
    for (const preset of PRESETS)
      for (const { id } of catalog.models.slice(0, 1).concat(catalog.models.slice(-1))) {
        const choice = chosen(preset, id);
        if (!("code" in choice))
          for (const entry of controls({ ...choice, draw: 1, budget: choice.budget || 3 })) shown.set(entry.id, entry);
      }
    for (const pruning of PRUNINGS)
      for (const entry of controls(normalise({ ...DEFAULT_CHOICE, ...pruning }, catalog))) shown.set(entry.id, entry);
    expect(shown.size).toBeGreaterThan(40);
    for (const entry of shown.values()) {
      expect(speech.has(`recipe.${entry.words ?? entry.id}`), entry.id).toBe(true);
      expect(speech.has(`about.${entry.words ?? entry.id}`), entry.id).toBe(true);
    }
  });

  it("reach every field of a choice", () => {
    const presets = PRESETS.map((preset) => chosen(preset, "transformer-shakespeare"));
    const choices = presets.flatMap((choice) => ("code" in choice ? [] : [choice]));
    const reached = new Set<string>();
    for (const choice of [
      DEFAULT_CHOICE,
      ...choices,
      ...PRUNINGS.map((pruning) => ({ ...DEFAULT_CHOICE, ...pruning })),
    ])
      for (const entry of controls({ ...choice, draw: 1, budget: 3 }))
        for (const field of Object.keys(entry.to(entry.number?.other ?? entry.options[0]?.value ?? "")))
          reached.add(field);
    // The seed is the lesson's and the link's, not a setting of the step.
    expect([...reached, "seed"].sort()).toEqual(Object.keys(DEFAULT_CHOICE).sort());
  });
});
