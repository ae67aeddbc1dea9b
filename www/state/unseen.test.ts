import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { realCatalog } from "../testing/catalog";
import { realResult } from "../testing/run";
import type { EnginePort } from "./port";
import type { RunResult } from "./schema";
import { DEFAULT_TRAINING, type TrainingChoice, trainingRecipe } from "./training";
import { Answers, classResults } from "./unseen";

interface Cell {
  readonly row: string;
  readonly model: string;
  readonly seed: number;
  readonly correct: number;
  readonly seen: number;
  readonly of: number;
}

const catalog = realCatalog();
const MODEL = "mlp16-digits";
const CLASSES = catalog.data.find(({ id }) => id === "digits")?.classes ?? [];
/** As the table of distillation trains without a class. */
const CHOICE: TrainingChoice = {
  ...DEFAULT_TRAINING,
  epochs: 60,
  batch: 32,
  lr: 0.005,
  rate: "cosine",
  count: 0,
  exclude: ["3"],
};

describe("classes that were left out", () => {
  it.each([
    ["missing alone", {}],
    ["missing t8", { teacher: "mlp-digits", temperature: 8, alpha: 1 }],
  ])("are counted as the table counts them: %s", (row, change) => {
    const path = new URL("../../docs/tables/distillation.json", import.meta.url);
    const cells: Cell[] = JSON.parse(readFileSync(path, "utf8")).cells;
    const cell = cells.find((each) => each.row === row && each.model === MODEL && each.seed === 1);
    const result = realResult(trainingRecipe({ ...CHOICE, ...change }, MODEL, 1, catalog));
    expect(result.report.accuracy.correct).toBe(cell?.correct);
    expect(classResults(["3"], CLASSES, result)).toEqual([{ id: "3", correct: cell?.seen, total: cell?.of }]);
    const all = classResults(CLASSES, CLASSES, result);
    expect(all.reduce((sum, { correct }) => sum + correct, 0)).toBe(result.report.accuracy.correct);
    expect(all.reduce((sum, { total }) => sum + total, 0)).toBe(result.report.accuracy.total);
  });

  it("have their answers kept by the report that they are of, and by no other", async () => {
    const run = async () =>
      ({ report: {}, predictions: Uint8Array.of(1, 0), labels: Uint8Array.of(1, 1) }) as unknown as RunResult;
    const answers = new Answers();
    const engine = answers.kept({ run } as unknown as EnginePort);
    const options = { signal: new AbortController().signal, onProgress: () => {} };
    const recipe = trainingRecipe(CHOICE, MODEL, 1, catalog);
    const { report } = await engine.run(recipe, options);
    expect(classResults(["b", "a"], ["a", "b"], answers.of(report) ?? (await run()))).toEqual([
      { id: "b", correct: 1, total: 2 },
      { id: "a", correct: 0, total: 0 },
    ]);
    expect(answers.of((await run()).report)).toBeUndefined();
  });
});
