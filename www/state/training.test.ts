import { describe, expect, it } from "vitest";
import { cells } from "../../tools/tables/distillation/rows.mjs";
import { modelFor, presetTraining, TRAINING_PRESETS, trainingPresetOf } from "../panels/training/presets";
import { realCanonical, realCatalog, realRefusal } from "../testing/catalog";
import { LinkError } from "./coding";
import type { Recipe } from "./schema";
import { interval, t95 } from "./statistics";
import {
  ALONE,
  assistantsOf,
  classesOf,
  DEFAULT_TRAINING,
  layerNames,
  layerPair,
  limitsOf,
  MIRRORED,
  ROUNDINGS,
  STARTS,
  STEPS,
  settleTraining,
  stepsOf,
  TRANSFERS,
  type TrainingChoice,
  teachersOf,
  trainingRecipe,
} from "./training";
import { decodeTraining, encodeTraining } from "./training-link";

const catalog = realCatalog();
const MODEL = "mlp-digits";

/** Every value of every list, and numbers at both ends of their limits. */
function changes(): Partial<TrainingChoice>[] {
  const numbers = (
    ["epochs", "batch", "lr", "count", "patience", "smoothing", "seeds", "decay", "shift"] as const
  ).flatMap((field) => limitsOf(field, catalog).map((value) => ({ [field]: value })));
  return [
    ...numbers,
    ...STARTS.map((start) => ({ start })),
    ...catalog.optimizers.map(({ id }) => ({ optimizer: id })),
    ...limitsOf("momentum", catalog).map((momentum) => ({ optimizer: "sgd", momentum })),
    ...STEPS.map((ahead) => ({ optimizer: "sgd", ahead })),
    ...MIRRORED.map((flip) => ({ flip })),
    ...[["fc1"], ["fc1", "fc3"], layerNames(MODEL, catalog)].map((freeze) => ({ freeze })),
    ...[["3"], ["0", "9"], classesOf(MODEL, catalog).slice(1)].map((exclude) => ({ exclude })),
    ...limitsOf("epsilon", catalog).map((epsilon) => ({ epsilon })),
    ...catalog.rates.map(({ id }) => ({ rate: id })),
    ...catalog.precisions.map(({ id }) => ({ precision: id })),
    ...ROUNDINGS.map((rounding) => ({ precision: "pure-bf16", rounding })),
    ...limitsOf("lossScale", catalog).map((lossScale) => ({ precision: "fp16", lossScale })),
    ...limitsOf("growth", catalog).map((growth) => ({ precision: "amp-fp16", growth })),
    ...catalog.messages.map(({ id }) => ({ workers: 4, message: id })),
    ...limitsOf("levels", catalog).map((levels) => ({ workers: 4, message: "qsgd", levels })),
    ...limitsOf("clip", catalog).map((clip) => ({ workers: 4, message: "terngrad", clip })),
    ...limitsOf("share", catalog).map((share) => ({ workers: 4, message: "top-k", share })),
    ...catalog.imitations.map(({ id }) => ({ teacher: MODEL, imitation: id })),
    ...teachersOf(MODEL, catalog).map(({ id }) => ({ teacher: id })),
    ...limitsOf("temperature", catalog).map((temperature) => ({ teacher: MODEL, temperature })),
    ...limitsOf("alpha", catalog).map((alpha) => ({ teacher: MODEL, alpha })),
    ...limitsOf("beta", catalog).map((beta) => ({ teacher: MODEL, imitation: "hint", beta })),
    ...TRANSFERS.map((transfer) => ({ teacher: MODEL, transfer })),
    ...limitsOf("teacherEpochs", catalog).map((teacherEpochs) => ({ teacher: MODEL, teacherEpochs })),
    ...assistantsOf(MODEL, MODEL, catalog).map(({ id }) => ({ teacher: MODEL, assistant: id })),
    { teacher: "mlp32-digits", teacherEpochs: 3, assistant: MODEL, imitation: "hint", optimizer: "sgd", flip: "yes" },
    { teacher: MODEL, assistant: "mlp8-digits", transfer: "noise", freeze: ["fc1"], precision: "fp16" },
  ];
}

describe("a training's settings", () => {
  it("come back from a link, each by a text of its own", () => {
    const texts = new Map<string | undefined, string>();
    for (const change of changes()) {
      const choice = settleTraining({ ...DEFAULT_TRAINING, ...change }, MODEL, catalog);
      for (const [field, value] of Object.entries(change))
        expect(choice[field as keyof TrainingChoice], `${field} is used`).toEqual(value);
      const text = encodeTraining(choice, MODEL, catalog);
      const known = texts.get(text);
      if (known !== undefined) expect(JSON.stringify(choice)).toBe(known);
      texts.set(text, JSON.stringify(choice));
      if (text !== undefined) expect(decodeTraining(text, MODEL, catalog)).toEqual(choice);
    }
    expect(texts.size).toBeGreaterThan(40);
    expect(encodeTraining(DEFAULT_TRAINING, MODEL, catalog)).toBeUndefined();
  });

  it("make recipes that the engine takes, for every one of them", () => {
    for (const change of changes()) {
      const choice = { ...DEFAULT_TRAINING, ...change };
      const pair = layerPair(choice, MODEL, catalog, realRefusal);
      const recipe = trainingRecipe(choice, MODEL, 1, catalog, { pair });
      // Attention is of places, and layers of an MLP have but one.
      const refusal = realRefusal(recipe);
      if (change.imitation === "attention") expect(refusal?.found).toBe("attention without layers");
      else expect(refusal, JSON.stringify(change)).toBeUndefined();
    }
  });

  it("pair the last layers that fit where an imitation looks inside", () => {
    const student = "lenet-small-fashion";
    const choice = { ...DEFAULT_TRAINING, teacher: "convnet-large-fashion", imitation: "attention" };
    const pair = layerPair(choice, student, catalog, realRefusal);
    expect(pair).toBeDefined();
    expect(realRefusal(trainingRecipe(choice, student, 1, catalog, { pair }))).toBeUndefined();
    expect(layerPair({ ...choice, imitation: "logits" }, student, catalog, realRefusal)).toBeUndefined();
  });

  it("pair layers with those of an assistant, where it is what teaches", () => {
    const choice = { ...DEFAULT_TRAINING, teacher: MODEL, imitation: "hint" };
    expect(layerPair(choice, "mlp8-digits", catalog, realRefusal)).toEqual(["fc1", "fc2"]);
    const assisted = { ...choice, assistant: "mlp16-digits" };
    expect(layerPair(assisted, "mlp8-digits", catalog, realRefusal)).toEqual(["fc1", "fc1"]);
  });

  it("have an assistant learn as the student does, from answers alone", () => {
    const choice = {
      ...DEFAULT_TRAINING,
      ...{ optimizer: "sgd", lr: 0.02, momentum: 0.5, count: 300, exclude: ["3"], shift: 1 },
      ...{ precision: "amp-fp16", freeze: ["fc1"], imitation: "relational", beta: 2 },
      ...{ teacher: MODEL, teacherEpochs: 7, assistant: "mlp32-digits", temperature: 2, alpha: 0.5 },
    };
    const lessons = { optimizer: "sgd", lr: 0.02, momentum: 0.5, count: 300, exclude: ["3"], shift: 1 };
    const same = { ...lessons, epochs: DEFAULT_TRAINING.epochs, batch: DEFAULT_TRAINING.batch, schedule: "constant" };
    const first = { model: MODEL, init: "random", steps: [{ train: { epochs: 7 } }] };
    const answers = { teacher: first, method: "logits", temperature: 2, alpha: 0.5 };
    const assistant = { model: "mlp32-digits", init: "random", steps: [{ train: { ...same, distill: answers } }] };
    const distill = { teacher: assistant, method: "relational", temperature: 2, alpha: 0.5, beta: 2 };
    const student = { ...same, record: true, precision: "amp-fp16", freeze: ["fc1"], distill };
    expect(trainingRecipe(choice, "mlp8-digits", 1, catalog).steps).toEqual([{ train: student }]);
  });

  it("lose what has no meaning beside the rest", () => {
    const settle = (change: Partial<TrainingChoice>, model = MODEL) =>
      settleTraining({ ...DEFAULT_TRAINING, ...change }, model, catalog);
    expect(settle({ teacher: "lenet5-fashion", temperature: 9 })).toEqual(DEFAULT_TRAINING);
    expect(
      settle({ lossScale: 8, growth: 9, levels: 2, clip: 1, share: 0.5, rounding: "stochastic", message: "qsgd" }),
    ).toEqual(DEFAULT_TRAINING);
    expect(settle({ workers: 4, message: "qsgd", levels: 2, clip: 1, share: 0.5 })).toEqual(
      settle({ workers: 4, message: "qsgd", levels: 2 }),
    );
    expect(settle({ optimizer: "sgd", epsilon: 1 }).epsilon).toBe(DEFAULT_TRAINING.epsilon);
    expect(settle({ freeze: ["fc3", "conv1", "fc1", "fc1"] }).freeze).toEqual(["fc1", "fc3"]);
    expect(settle({ exclude: ["8", "bag", "3"] }).exclude).toEqual(["3", "8"]);
    const text = "transformer-shakespeare";
    expect(
      settle({ exclude: [...(catalog.data.find(({ id }) => id === "shakespeare")?.classes ?? [])] }, text),
    ).toEqual(settle({}, text));
    expect(settle({ assistant: "mlp8-digits", teacherEpochs: 2 })).toEqual(DEFAULT_TRAINING);
    expect(settle({ teacher: MODEL, assistant: MODEL }).assistant).toBe(ALONE);
    expect(settle({ teacher: MODEL, assistant: "lenet5-fashion" }).assistant).toBe(ALONE);
    expect(settle({ transfer: "noise", beta: 3 })).toEqual(DEFAULT_TRAINING);
    expect(settle({ teacher: MODEL, transfer: "noise", beta: 3 })).toMatchObject({
      transfer: "noise",
      alpha: 1,
      beta: 0,
    });
    expect(settle({ teacher: MODEL, transfer: "noise", exclude: ["3"] })).toMatchObject({
      transfer: "images",
      alpha: 0.9,
      exclude: ["3"],
    });
    expect(settle({ teacher: text, transfer: "noise" }, text).transfer).toBe("images");
    expect(settle({ teacher: MODEL, workers: 4 })).toMatchObject({ teacher: MODEL, workers: 1 });
  });

  it("count steps as the engine does", () => {
    expect(stepsOf({ ...DEFAULT_TRAINING, count: 0 }, MODEL, catalog)).toBe(5 * Math.ceil(1097 / 64));
    expect(stepsOf({ ...DEFAULT_TRAINING, count: 9999 }, MODEL, catalog)).toBe(5 * 18);
  });

  it.each([
    "e",
    "e1.5",
    "e1e2",
    "e+5",
    "b0",
    "ozz",
    "lx",
    "l0",
    "tnone",
    "tlenet5-fashion",
    "e2~e2",
    "e2~",
    "__proto__",
    "Amlp8-digits",
    "tmlp-digits~Amlp-digits",
    "tmlp-digits~Alenet5-fashion",
    "tmlp-digits~T201",
    "F",
    "F3",
    "F1,0",
    "F1,1",
    "F01",
    "F-1",
    "Ffc1",
    "X10",
    "X0,1,2,3,4,5,6,7,8,9",
  ])("%s is refused", (text) => {
    expect(() => decodeTraining(text, MODEL, catalog)).toThrow(LinkError);
  });
});

describe("presets of trainings", () => {
  it.each(TRAINING_PRESETS)("$id is taken by a model of images, and known again", (preset) => {
    for (const start of [MODEL, "lenet5-fashion"]) {
      const model = modelFor(preset, start, catalog);
      const choice = presetTraining(preset, { ...DEFAULT_TRAINING, count: 77, seeds: 3 }, model, catalog);
      const { count = 77, seeds = 3 } = preset.settings(model, catalog);
      expect(choice).toMatchObject({ count, seeds });
      expect(realRefusal(trainingRecipe(choice, model, 1, catalog))).toBeUndefined();
      expect(trainingPresetOf(choice, model, catalog)?.id).toBe(preset.id);
      if (preset.student) expect(choice.teacher).not.toBe(ALONE);
    }
  });

  it.each([
    ["few", "few t8"],
    ["missing", "missing t8"],
    ["noise", "all noise"],
    ["assistant", "all by mlp16-digits"],
  ])("%s trains as the table of distillation does: %s", (id, row) => {
    const preset = TRAINING_PRESETS.find((each) => each.id === id);
    const model = preset?.model ?? "";
    const seeds = cells().filter((cell) => cell.row === row && cell.model === model);
    const choice = preset && presetTraining(preset, DEFAULT_TRAINING, model, catalog);
    expect(seeds).toHaveLength(choice?.seeds ?? 0);
    for (const { seed, recipe } of seeds) {
      const own = realCanonical(trainingRecipe(choice ?? DEFAULT_TRAINING, model, seed, catalog));
      const [step] = own.steps;
      // What is written down changes nothing.
      if (step && "train" in step) delete step.train.record;
      expect(own).toEqual(realCanonical(recipe as Recipe));
    }
  });
});

describe("means and intervals", () => {
  it("are those of a worked example", () => {
    // Mean 3, deviation 1.5811, standard error 0.7071, t 2.776.
    const found = interval([1, 2, 3, 4, 5]);
    expect(found?.mean).toBe(3);
    expect(found?.half).toBeCloseTo(2.776 * Math.sqrt(0.5), 6);
    expect(interval([7])).toEqual({ mean: 7, half: undefined });
    expect(interval([])).toBeUndefined();
  });

  it.each([1, 2, 4, 9, 19])("hold 95 %% of Student's t with %i degrees of freedom", (freedom) => {
    // The density without its constant, over a substitution that makes the tails finite: t = √ν tan(φ).
    const density = (phi: number) => Math.cos(phi) ** (freedom - 1);
    const area = (to: number) => {
      const n = 20_000;
      let sum = 0;
      for (let i = 0; i < n; i += 1) sum += density(((i + 0.5) * to) / n);
      return (sum * to) / n;
    };
    expect(area(Math.atan(t95(freedom) / Math.sqrt(freedom))) / area(Math.PI / 2)).toBeCloseTo(0.95, 4);
  });
});
