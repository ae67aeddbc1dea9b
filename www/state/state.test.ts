import { describe, expect, it } from "vitest";
import { realCatalog, realRefusal } from "../testing/catalog";
import {
  allWidths,
  baselineOf,
  type Choice,
  choiceKey,
  DEFAULT_CHOICE,
  estimatorsFor,
  isBaseline,
  MODES,
  NO_ACTIVATIONS,
  normalise,
  recipeIn,
  recipeOf,
  weightFormats,
  widthStops,
} from "./choice";
import { DEFAULT_VIEW, LONGEST_HASH, readHash, type View, writeHash } from "./hash";
import { encodeRecipe } from "./link";
import { LINKS } from "./links";
import { browserKeep, nextTheme, startLanguage, storedTheme } from "./preferences";
import { BLOCKS, NMS, REWINDS, SCHEDULES, STORAGES } from "./pruning";
import { recipeTeachers } from "./teachers";
import { DEFAULT_TRAINING } from "./training";

const catalog = realCatalog();

/** Every choice the panel can make on one model: the whole product. */
function everyChoice(): Choice[] {
  const inputs = [NO_ACTIVATIONS, ...catalog.formats.filter((format) => format.activations).map((format) => format.id)];
  const choices: Choice[] = [];
  for (const format of weightFormats(catalog))
    for (const granularity of catalog.granularities)
      for (const symmetric of [true, false])
        for (const range of catalog.ranges)
          for (const activations of inputs)
            for (const calibration of catalog.calibrations)
              choices.push(
                normalise(
                  {
                    ...DEFAULT_CHOICE,
                    weights: format.id,
                    granularity: granularity.id,
                    symmetric,
                    range: range.id,
                    activations,
                    calibration: calibration.id,
                  },
                  catalog,
                ),
              );
  return [...new Map(choices.map((choice) => [choiceKey(choice), choice])).values()];
}

describe("links", () => {
  it("come back as they were, for every choice the panel can make", () => {
    const choices = everyChoice();
    expect(choices.length).toBeGreaterThan(200);
    const hashes = new Set<string>();
    for (const choice of choices) {
      const view: View = { ...DEFAULT_VIEW, choice };
      const hash = writeHash(view, catalog);
      hashes.add(hash);
      expect(readHash(hash, catalog), hash).toEqual({ view, problem: undefined });
    }
    expect(hashes.size).toBe(choices.length);
  }, 30_000);

  it("carry every setting of a method, each by a code of its own", () => {
    const base = { ...DEFAULT_CHOICE, model: "transformer-shakespeare" };
    const lists: Partial<Choice>[] = [
      ...catalog.scales.map(({ id }) => ({ scale: id })),
      ...catalog.roundings.map(({ id }) => ({ rounding: id })),
      ...catalog.transforms.map(({ id }) => ({ transforms: [id] })),
      ...catalog.corrections.map(({ id }) => ({ correction: id })),
      ...catalog.formats.filter((format) => format.cache).map(({ id }) => ({ cache: id, cacheGranularity: "channel" })),
      ...catalog.formats.filter((format) => format.block === null).map(({ id }) => ({ weights: "mxfp4", misfits: id })),
      ...MODES.map((mode) => ({ mode, inputsSymmetric: false })),
      { transforms: catalog.transforms.map(({ id }) => id), alpha: 0.75 },
      { granularity: "group", group: 2 },
      { granularity: "group", group: 65536 },
      { rounding: "gptq", damping: 0.0001, actOrder: true },
      { rounding: "gptq", damping: 1 },
      { rounding: "adaround", iterations: 20_000 },
      { weights: "kmeans", codebook: 8, huffman: true },
      { ends: true, budget: 2.125, judged: 2000, images: 1024, draw: Number.MAX_SAFE_INTEGER },
      { draw: 0 },
      { percentile: 99.999, watched: 1 },
      ...catalog.prunings.map(({ id }) => ({ pattern: "unstructured", score: id, looked: 7 })),
      ...catalog.unit_scores.map(({ id }) => ({ pattern: "channel", unitScore: id, shareOf: "macs" })),
      ...catalog.structures.map(({ id }) => ({ pattern: id, sparsity: 12.5 })),
      ...catalog.scopes.map(({ id }) => ({ pattern: "unstructured", scope: id, sparsity: 99.9, keepLast: true })),
      ...NMS.map((nm) => ({ pattern: "nm", nm })),
      ...BLOCKS.map((block) => ({ pattern: "block", block, sparsity: 0.5 })),
      ...SCHEDULES.map((schedule) => ({ pattern: "unstructured", schedule, tuned: 200 })),
      ...REWINDS.map((rewind) => ({ pattern: "unstructured", schedule: "lottery", rewind, rounds: 50, tuned: 1 })),
      ...STORAGES.map((storage) => ({ pattern: "unstructured", storage })),
      { pattern: "unstructured", weights: "fp32", activations: "none", tuned: 3 },
      { pattern: "unstructured", tuned: 3, epochs: 2 },
      ...recipeTeachers(base.model, catalog).flatMap(({ id }) => [
        { epochs: 2, teacher: id },
        { pattern: "unstructured", tuned: 3, tunedTeacher: id },
        { pattern: "input", tuned: 3, tunedTeacher: id, epochs: 2, teacher: "original" },
        { pattern: "channel", sparsity: 50, tuned: 3, tunedTeacher: "original", epochs: 2, teacher: id },
      ]),
    ];
    const hashes = new Set<string>();
    for (const change of lists) {
      const view: View = { ...DEFAULT_VIEW, choice: normalise({ ...base, ...change }, catalog) };
      for (const [field, value] of Object.entries(change))
        expect(view.choice[field as keyof Choice], `${field} is used`).toEqual(value);
      const hash = writeHash(view, catalog);
      expect(decodeURIComponent(new URL(`http://a/${hash}`).hash), "stands in an address as it is").toBe(hash);
      expect(readHash(hash, catalog), hash).toEqual({ view, problem: undefined });
      hashes.add(hash);
    }
    const different = new Set(lists.map((change) => choiceKey(normalise({ ...base, ...change }, catalog))));
    expect(different.size).toBeGreaterThan(50);
    expect(hashes.size).toBe(different.size);
  });

  it("keep every other property too", () => {
    for (const model of catalog.models) {
      const view: View = {
        choice: { ...DEFAULT_CHOICE, model: model.id, count: 100, seed: 9 },
        axis: "bits",
        tab: "runs",
        widths: true,
        sparsities: true,
        pinned: recipeIn({ ...baselineOf(DEFAULT_CHOICE), model: model.id, weights: "int8" }),
        machines: {
          chosen: ["b200", "a100_sxm_80*"],
          workload: "bert-base",
          batch: 32,
          sequence: 384,
          edits: [{ base: "a100_sxm_80", values: { bw: 1555.5 } }],
          aim: "a100_sxm_80*",
          only: true,
        },
        training: { ...DEFAULT_TRAINING, epochs: 20, precision: "fp8" },
      };
      expect(readHash(writeHash(view, catalog), catalog)).toEqual({ view, problem: undefined });
    }
  });

  it("leave out defaults: a bare address is the default view", () => {
    expect(writeHash(DEFAULT_VIEW, catalog)).toBe("");
    expect(readHash("", catalog)).toEqual({ view: DEFAULT_VIEW, problem: undefined });
    expect(readHash("#", catalog).problem).toBeUndefined();
  });

  it.each(LINKS)("$hash still means what it meant", ({ hash, choice, more }) => {
    expect(readHash(hash, catalog)).toEqual({
      view: { ...DEFAULT_VIEW, ...more, choice: { ...DEFAULT_CHOICE, ...choice } },
      problem: undefined,
    });
  });

  it("are written as the corpus has them", () => {
    for (const { hash, choice, more } of LINKS) {
      if (hash.includes("unknown")) continue;
      expect(writeHash({ ...DEFAULT_VIEW, ...more, choice: { ...DEFAULT_CHOICE, ...choice } }, catalog)).toBe(hash);
    }
  });

  it.each([
    ["#r1=resnet-fashion.q4", "hash"],
    ["#r1=lenet5-fashion.q99", "hash"],
    ["#r1=lenet5-fashion.q4a77", "hash"],
    ["#r1=lenet5-fashion.p", "hash"],
    ["#r1=lenet5-fashion.p101", "hash"],
    ["#r1=lenet5-fashion.p3:2", "hash"],
    ["#r1=lenet5-fashion.p50~b3x3", "hash"],
    ["#r1=lenet5-fashion.p50~ux", "hash"],
    ["#r1=lenet5-fashion.p50~mx", "hash"],
    ["#r1=lenet5-fashion.p50~n51", "hash"],
    ["#r1=lenet5-fashion.p50.p50", "hash"],
    ["#r1=lenet5-fashion.p50.t0", "hash"],
    ["#r1=lenet5-fashion.p50.t1.t1", "hash"],
    ["#r1=lenet5-fashion.q4.p50", "hash"],
    ["#run=widths+colours", "hash"],
    ["#r1=lenet5-fashion.q4~zz", "hash"],
    ["#r1=lenet5-fashion.q4~x", "hash"],
    ["#r1=lenet5-fashion.q4~xf-q", "hash"],
    ["#r1=lenet5-fashion.q4~g1", "hash"],
    ["#r1=lenet5-fashion.q4~g4.5", "hash"],
    ["#r1=lenet5-fashion.q4~og~d2", "hash"],
    ["#r1=lenet5-fashion.q4~og~d0,0000001", "hash"],
    ["#r1=lenet5-fashion.q4~u9", "hash"],
    ["#r1=lenet5-fashion.q4~v2_0", "hash"],
    ["#r1=lenet5-fashion.q4~v8-x", "hash"],
    ["#r1=lenet5-fashion.q4~z-1", "hash"],
    ["#r1=lenet5-fashion.q4~huffy", "hash"],
    ["#r1=lenet5-fashion.q4~y5:8", "hash"],
    ["#r1=lenet5-fashion.q4~y0:99", "hash"],
    ["#r1=lenet5-fashion.q4~y0:8:f16", "hash"],
    ["#r1=lenet5-fashion.q4~y__proto__:8", "hash"],
    ["#r1=lenet5-fashion.q4.t0", "hash"],
    ["#r1=lenet5-fashion.q4.t201", "hash"],
    ["#r1=lenet5-fashion.q4.t1~ex", "hash"],
    ["#r1=lenet5-fashion.q4.t1~el~el", "hash"],
    ["#r1=lenet5-fashion.q4.t1~dmlp-digits", "hash"],
    ["#r1=lenet5-fashion.q4.t1~dlenet5-fashion", "hash"],
    ["#r1=lenet5-fashion.q4.t1~do~do", "hash"],
    ["#r1=lenet5-fashion.q4.t1~d", "hash"],
    ["#r1=lenet5-fashion.p50.t1~el", "hash"],
    ["#r1=lenet5-fashion.p50~do.t1", "hash"],
    ["#r1=lenet5-fashion.q4.t1.t1", "hash"],
    ["#r1=lenet5-fashion.t1", "hash"],
    ["#r1=", "hash"],
    ["#x=colour", "hash"],
    ["#n=-5", "hash"],
    ["#n=1e3", "hash"],
    ["#seed=99999999999999999999", "hash"],
    ["#tab=__proto__", "hash"],
    ["#r2=lenet5-fashion", "version"],
    [`#r1=${"a".repeat(LONGEST_HASH)}`, "long"],
    ["#r1=%E0%A4%A", "hash"],
    ["#a=lenet5-fashion.q99", "hash"],
    ["#a=mlp-digits.q4", "hash"],
    ["#r1=mlp-digits.q4&a=lenet5-fashion", "hash"],
    ["#t1=", "hash"],
    ["#t1=e0", "hash"],
    ["#t1=e2~e3", "hash"],
    ["#t1=l1e3", "hash"],
    ["#t1=e05", "hash"],
    ["#t1=pf64", "hash"],
    ["#t1=tmlp-digits", "hash"],
    ["#t1=q9", "hash"],
    ["#r1=<img src=x onerror=alert(1)>", "hash"],
  ])("%s is refused with one problem and the default view", (hash, kind) => {
    const { view, problem } = readHash(hash, catalog);
    expect(problem?.kind).toBe(kind);
    expect(view).toEqual(DEFAULT_VIEW);
  });

  it("drop unknown keys, and never touch prototypes", () => {
    const { view, problem } = readHash("#__proto__=1&constructor=2&foo=bar&x=bits", catalog);
    expect(problem).toBeUndefined();
    expect(view).toEqual({ ...DEFAULT_VIEW, axis: "bits" });
    expect(({} as Record<string, unknown>).foo).toBeUndefined();
  });

  it("survive any text at all", () => {
    let state = 99;
    const random = (limit: number) => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state % limit;
    };
    const alphabet = "r1=lenet5-fashion.q4a8~gtcmse&x=bits%#<\u202e가";
    for (let round = 0; round < 3000; round += 1) {
      const text = `#${Array.from({ length: random(40) }, () => alphabet[random(alphabet.length)]).join("")}`;
      const { view } = readHash(text, catalog);
      expect(catalog.models.some((model) => model.id === view.choice.model)).toBe(true);
    }
  });
});

describe("choices", () => {
  it("make recipes whose steps are empty exactly for the baseline", () => {
    expect(recipeOf(baselineOf(DEFAULT_CHOICE), catalog).steps).toEqual([]);
    expect(isBaseline(baselineOf(DEFAULT_CHOICE))).toBe(true);
    expect(recipeOf(DEFAULT_CHOICE, catalog)).toEqual({
      version: 1,
      model: "lenet5-fashion",
      seed: 7,
      steps: [
        {
          quantize: {
            weights: { format: "int4", granularity: "channel", symmetric: true, range: "minmax" },
            activations: { format: "int8", granularity: "tensor", calibration: "percentile" },
          },
        },
      ],
    });
  });

  it("train through what is rounded, by estimators that have something to learn there", () => {
    const trained = (more: Partial<Choice>) =>
      recipeOf({ ...DEFAULT_CHOICE, epochs: 2, estimator: "pact", ...more }, catalog).steps[1];
    expect(trained({})).toEqual({ train: { epochs: 2, estimator: "pact", lr: 0.001, schedule: "cosine" } });
    expect(trained({ weights: "int2", activations: "binary" })).toEqual({
      train: { epochs: 2, estimator: "ste", lr: 0.002, schedule: "cosine" },
    });
    const lsq = { activations: NO_ACTIVATIONS, estimator: "lsq" };
    expect(estimatorsFor({ ...DEFAULT_CHOICE, ...lsq, weights: "fp8-e4m3" }, catalog)).toEqual(["ste"]);
    expect(estimatorsFor({ ...DEFAULT_CHOICE, ...lsq, weights: "binary" }, catalog)).toEqual(["ste", "lsq"]);
    expect(trained({ ...lsq, weights: "kmeans" })).toEqual({
      train: { epochs: 2, estimator: "ste", lr: 0.001, schedule: "cosine" },
    });
    expect(normalise({ ...DEFAULT_CHOICE, estimator: "lsq" }, catalog).estimator).toBe("ste");
    expect(normalise({ ...baselineOf(DEFAULT_CHOICE), epochs: 3 }, catalog).epochs).toBe(0);
  });

  it("are taught by the original or by a model of the same data, where something is trained", () => {
    const both = {
      pattern: "unstructured",
      tuned: 1,
      tunedTeacher: "convnet-large-fashion",
      epochs: 2,
      teacher: "original",
    };
    const choice = normalise({ ...DEFAULT_CHOICE, ...both }, catalog);
    const recipe = recipeOf(choice, catalog);
    const taught = (teacher: string) => ({ train: { distill: { teacher, temperature: 1, alpha: 1 } } });
    expect(recipe.steps[1]).toMatchObject(taught("convnet-large-fashion"));
    expect(recipe.steps[3]).toMatchObject(taught("original"));
    expect(realRefusal(recipe)).toBeUndefined();
    const teachers = (more: Partial<Choice>) => {
      const { teacher, tunedTeacher } = normalise({ ...choice, ...more }, catalog);
      return [tunedTeacher, teacher];
    };
    expect(teachers({ tuned: 0 })).toEqual(["none", "original"]);
    expect(teachers({ epochs: 0 })).toEqual(["convnet-large-fashion", "none"]);
    expect(teachers({ pattern: "none" })).toEqual(["none", "original"]);
    expect(teachers(baselineOf(choice))).toEqual(["none", "none"]);
    // A teacher of other data, and itself by its own name, are none.
    expect(teachers({ model: "mlp-digits" })).toEqual(["none", "original"]);
    expect(teachers({ model: "convnet-large-fashion" })).toEqual(["none", "original"]);
    for (const { id } of catalog.models)
      for (const teacher of recipeTeachers(id, catalog)) {
        const own = normalise({ ...choice, model: id, tunedTeacher: teacher.id, teacher: teacher.id }, catalog);
        expect([own.tunedTeacher, own.teacher]).toEqual([teacher.id, teacher.id]);
        const plain = { ...own, activations: NO_ACTIVATIONS, calibration: "minmax", count: 0 };
        expect(realRefusal(recipeOf(normalise(plain, catalog), catalog)), `${id} by ${teacher.id}`).toBeUndefined();
      }
  });

  it("say what differs from the engine's defaults, and what blocks do not fit under layers", () => {
    const step = (more: Partial<Choice>) =>
      recipeOf(normalise({ ...DEFAULT_CHOICE, activations: NO_ACTIVATIONS, ...more }, catalog), catalog).steps[0];
    expect(step({ weights: "nvfp4", misfits: "fp16" })).toEqual({
      quantize: {
        weights: { format: "nvfp4" },
        layers: Object.fromEntries(
          ["conv1", "conv2", "fc2", "fc3"].map((name) => [name, { weights: { format: "fp16" } }]),
        ),
      },
    });
    const own = { name: "fc1", weights: "int8", activations: "int4" };
    expect(step({ granularity: "group", group: 5, layers: [own] })).toMatchObject({
      quantize: { layers: { fc1: { weights: { format: "int8" }, activations: { format: "int4" } } } },
    });
    // What is set by hand stands before what is done for blocks.
    expect(
      step({ weights: "nvfp4", misfits: "fp16", layers: [{ ...own, name: "fc2", activations: "same" }] }),
    ).toMatchObject({
      quantize: {
        layers: {
          fc2: { weights: { format: "int8", granularity: "channel" } },
          conv1: { weights: { format: "fp16" } },
        },
      },
    });
    // None would be left: said to the engine as it is, which refuses it.
    expect(step({ weights: "mxfp4", misfits: "int8" })).toEqual({ quantize: { weights: { format: "mxfp4" } } });
    expect(step({ granularity: "group", group: 5, rounding: "gptq", damping: 0.05, draw: 3, images: 64 })).toEqual({
      quantize: {
        weights: {
          format: "int4",
          granularity: { group: 5 },
          symmetric: true,
          range: "minmax",
          rounding: "gptq",
          damping: 0.05,
        },
        images: 64,
        seed: 3,
      },
    });
    expect(step({ activations: "int8", mode: "dynamic", inputsSymmetric: false })).toMatchObject({
      quantize: { activations: { format: "int8", mode: "dynamic", granularity: "tensor", symmetric: false } },
    });
  });

  it("forget the settings of what is no longer chosen", () => {
    const settings: Partial<Choice> = {
      damping: 0.5,
      actOrder: true,
      iterations: 500,
      codebook: 3,
      huffman: true,
      alpha: 0.9,
      group: 8,
      misfits: "int8",
      judged: 50,
      cacheGranularity: "channel",
    };
    expect(normalise({ ...DEFAULT_CHOICE, ...settings }, catalog)).toEqual(DEFAULT_CHOICE);
    expect(normalise({ ...DEFAULT_CHOICE, mode: "dynamic", percentile: 99, watched: 8 }, catalog)).toEqual({
      ...DEFAULT_CHOICE,
      mode: "dynamic",
    });
  });

  it("name the data only when it is a part of the split", () => {
    expect(recipeOf({ ...DEFAULT_CHOICE, count: 1000 }, catalog).data).toEqual({
      set: "fashion",
      split: "test",
      count: 1000,
    });
    expect(normalise({ ...DEFAULT_CHOICE, count: 10_000 }, catalog).count).toBe(0);
    expect(normalise({ ...DEFAULT_CHOICE, model: "mlp-digits", count: 1000 }, catalog).count).toBe(0);
  });

  it("run every weight format of the curve once, widest first, full precision as the baseline", () => {
    const cells = allWidths(DEFAULT_CHOICE, catalog);
    expect(new Set(cells.map(choiceKey)).size).toBe(cells.length);
    expect(cells.map((cell) => cell.weights).join(" ")).toBe(
      "fp32 fp16 bf16 int16 fp8-e4m3 fp8-e5m2 int8 int7 int6 int5 int4 int3 int2 ternary binary",
    );
    expect(cells[0]).toEqual(baselineOf(DEFAULT_CHOICE));
    for (const cell of cells.slice(1)) expect(cell.activations).toBe("int8");
  });

  it("stop once per width, and keep the chosen format", () => {
    const stops = widthStops(catalog, "bf16");
    expect(stops.map((format) => format.id)).toContain("bf16");
    expect(new Set(stops.map((format) => format.bits)).size).toBe(stops.length);
    expect(stops[0]?.id).toBe("fp32");
    expect(stops.at(-1)?.id).toBe("binary");
    expect(widthStops(catalog, "mxfp4").map((format) => format.id)).toContain("mxfp4");
    expect(widthStops(catalog, "int4").every((format) => format.curve)).toBe(true);
  });

  it("have readable codes", () => {
    expect(encodeRecipe(DEFAULT_CHOICE, catalog)).toBe("lenet5-fashion.q4a8");
    expect(encodeRecipe(baselineOf(DEFAULT_CHOICE), catalog)).toBe("lenet5-fashion");
  });
});

describe("settings", () => {
  const broken = browserKeep({
    get localStorage(): Storage {
      throw new Error("denied");
    },
  });

  it("survive storage that throws, and say that nothing was kept", () => {
    expect(storedTheme(broken)).toBe("auto");
    expect(startLanguage(broken, ["ko-KR"])).toBe("ko");
    expect(broken.set("a", "b")).toBe(false);
  });

  it("follow the system's languages in order, else English", () => {
    expect(startLanguage(broken, ["fr-FR", "ko", "en"])).toBe("ko");
    expect(startLanguage(broken, ["fr-FR"])).toBe("en");
  });

  it("take turns through the themes", () => {
    expect([nextTheme("auto"), nextTheme("light"), nextTheme("dark")]).toEqual(["light", "dark", "auto"]);
  });
});
