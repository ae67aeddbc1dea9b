import { describe, expect, it } from "vitest";
import { Speech } from "../../i18n";
import { ALONE, DEFAULT_TRAINING, settleTraining, type TrainingChoice } from "../../state/training";
import type { Result, Seeds } from "../../state/trainings";
import { realCatalog } from "../../testing/catalog";
import { comparedWords, differenceWords, groupsBeside, seedsData, seedsWords } from "./seeds";

const catalog = realCatalog();
const speech = new Speech("en");
const MODEL = "mlp16-digits";

const results = (correct: readonly number[], first = 3): Result[] =>
  correct.map((each, at) => ({ seed: first + at, correct: each, total: 500 }));

/** A group whose student alone came to `alone`; a taught one to `taught`. */
function group(number: number, change: Partial<TrainingChoice>, part: Partial<Seeds> = {}): Seeds {
  const model = part.model ?? MODEL;
  const choice = settleTraining({ ...DEFAULT_TRAINING, ...change }, model, catalog);
  const teacher = choice.teacher === ALONE ? undefined : { seed: 3, correct: 490, total: 500 };
  return { number, choice, model, seed: 3, alone: results([400, 410]), taught: [], teacher, wanted: 2, ...part };
}
const TAUGHT = { teacher: "mlp-digits" };
const named = (groups: readonly Seeds[]) => seedsData(groups, catalog, speech).rows.map(({ name }) => name);

describe("one group of seeds", () => {
  it("is its student and its teacher, without a letter", () => {
    expect(named([group(1, {})])).toEqual(["this training"]);
    const taught = group(1, TAUGHT, { taught: results([420, 440]) });
    expect(named([taught])).toEqual([
      `teacher, ${speech.name("model", "mlp-digits")}`,
      "student alone",
      "student taught",
    ]);
    // Gains of 4 and 6 points: 5 ± 12.706 · 1.
    expect(seedsWords(taught, speech)).toMatch(/^No difference that 2 seeds can show: \+5\.0\s±\s12\.7 points/);
    expect(seedsWords({ ...taught, taught: results([420, 430]) }, speech)).toMatch(
      /^The teacher helps: \+4\.0\s±\s0\.0/,
    );
    expect(seedsWords({ ...taught, taught: results([390, 400]) }, speech)).toMatch(/^The teacher harms here: −2\.0/);
    // What it is set beside had more to see.
    const noise = group(1, { ...TAUGHT, transfer: "noise" }, { taught: results([420, 430]) });
    expect(seedsWords(noise, speech)).toMatch(/^The teacher helps.* saw noise only\.$/s);
  });
});

describe("several groups of seeds", () => {
  it("are named by their letter and what tells them apart, the newest strong", () => {
    const groups = [group(1, {}), group(3, { lr: 0.01 }), group(4, { optimizer: "sgd", lr: 0.01, momentum: 0.5 })];
    const { rows, description } = seedsData(groups, catalog, speech);
    // Momentum is not Adam's.
    expect(rows.map(({ name }) => name)).toEqual([
      "A: Optimizer Adam · Rate 0.001",
      "C: Optimizer Adam · Rate 0.01",
      "D: Optimizer SGD · Rate 0.01 · Momentum 0.5",
    ]);
    expect(rows.map(({ strong }) => strong)).toEqual([false, false, true]);
    expect(description).toContain("A: Optimizer Adam · Rate 0.001: 81.0 ± 12.7");
  });

  it("say which model and which first seed, where these differ", () => {
    const groups = [group(1, {}), group(2, {}, { model: "mlp-digits", seed: 9 })];
    expect(groups.map((own) => differenceWords(own, groups, catalog, speech))).toEqual([
      `${speech.name("model", MODEL)} · seed 3`,
      `${speech.name("model", "mlp-digits")} · seed 9`,
    ]);
  });

  it.each(["en", "ko"] as const)("have words for every setting in %s", (language) => {
    const own = new Speech(language);
    const plain = group(1, {});
    const changes: Partial<TrainingChoice>[] = [
      ...Object.keys(DEFAULT_TRAINING)
        .filter((field) => typeof DEFAULT_TRAINING[field as keyof TrainingChoice] === "number" && field !== "seeds")
        .map((field) => ({ [field]: Number(DEFAULT_TRAINING[field as keyof TrainingChoice]) + 1 })),
      { start: "zoo" },
      { rate: "cosine" },
      { flip: "yes" },
      { precision: "fp8" },
      { workers: 4, message: "top-k" },
      { optimizer: "sgd", ahead: "nesterov" },
      { precision: "pure-bf16", rounding: "stochastic" },
      { ...TAUGHT, imitation: "relational" },
      { ...TAUGHT, teacherEpochs: 3, assistant: "mlp32-digits" },
      { ...TAUGHT, transfer: "noise" },
      { ...TAUGHT, exclude: ["3", "8"] },
      { freeze: ["fc1"] },
      { precision: "amp-fp16", growth: 100 },
    ];
    for (const change of changes) {
      const groups = [plain, group(2, change)];
      const settled = groups[1]?.choice;
      if (JSON.stringify(settled) === JSON.stringify(plain.choice)) continue;
      for (const each of groups) {
        const words = differenceWords(each, groups, catalog, own);
        expect(words, JSON.stringify(change)).not.toBe("");
        for (const part of words.split(" · ")) expect(part).not.toMatch(/recipe\.|training\.|undefined/);
      }
    }
  });

  it("share a teacher and a student alone, who stand there once with all their seeds", () => {
    const [cold, warm] = [
      group(1, { ...TAUGHT, temperature: 2 }, { taught: results([420, 440]) }),
      group(2, { ...TAUGHT, temperature: 8 }, { alone: results([400, 410, 405]), taught: results([430, 440, 435]) }),
    ];
    const rows = seedsData([cold, warm], catalog, speech).rows;
    expect(rows.map(({ name, values }) => [name, values.length])).toEqual([
      [`teacher, ${speech.name("model", "mlp-digits")}`, 1],
      ["A, B: student alone", 3],
      ["A: Temperature 2", 2],
      ["B: Temperature 8", 3],
    ]);
    const other = group(3, { ...TAUGHT, temperature: 8, epochs: 9 }, { taught: results([430, 440]) });
    expect(named([warm, other]).slice(1, 3)).toEqual(["B: student alone", "C: student alone"]);
  });

  it("have no student alone twice where a group is just that", () => {
    const [plain, taught] = [group(1, {}), group(2, TAUGHT, { taught: results([420, 440]) })];
    const self = speech.name("model", "mlp-digits");
    for (const groups of [
      [plain, taught],
      [taught, plain],
    ])
      expect([...named(groups)].sort()).toEqual([`A: Taught by none`, `B: Taught by ${self}`, `teacher, ${self}`]);
  });

  it("are those of one data set", () => {
    const groups = [group(1, {}), group(2, {}, { model: "lenet5-fashion" }), group(3, {}, { model: "mlp-digits" })];
    expect(groupsBeside(groups, catalog).map(({ number }) => number)).toEqual([1, 3]);
    expect(groupsBeside(groups.slice(0, 2), catalog).map(({ number }) => number)).toEqual([2]);
    expect(groupsBeside([], catalog)).toEqual([]);
  });

  it("are compared seed by seed, as far as they have seeds in common", () => {
    const older = group(1, {}, { alone: results([400, 410, 402]) });
    const words = (alone: readonly Result[]) => comparedWords(group(2, { lr: 0.01 }, { alone }), older, speech);
    // Seeds 4 and 5 are common: 418 − 410 and 412 − 402 of 500.
    expect(words(results([418, 412], 4))).toMatch(
      /^No difference between B and A that 2 seeds.*\+1\.8\s±\s2\.5 points/,
    );
    expect(words(results([420, 430, 422]))).toMatch(/^B is better than A: \+4\.0\s±\s0\.0 points over 3 seeds/);
    expect(words(results([390, 400, 392]))).toMatch(/^B is worse than A: −2\.0\s±\s0\.0 points/);
    expect(words(results([418, 412], 5))).toMatch(/too few seeds in common/);
    const taught = group(3, TAUGHT, { alone: results([0, 0]), taught: results([420, 430]) });
    expect(comparedWords(taught, older, speech)).toMatch(/^C is better than A: \+4\.0/);
  });
});
