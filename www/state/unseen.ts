/** Classes that a training left out: what its network makes of them all the same. */

import type { EnginePort } from "./port";
import type { Report, RunResult } from "./schema";

/** Answers of a run: the class predicted for each image, and its true one. */
type Answered = Pick<RunResult, "predictions" | "labels">;

/** One class: images of it that were judged, and those that were put into it. */
export interface ClassResult {
  readonly id: string;
  readonly correct: number;
  readonly total: number;
}

/** Results of some of the classes, whose labels are their places in `classes`. */
export function classResults(
  ids: readonly string[],
  classes: readonly string[],
  { predictions, labels }: Answered,
): ClassResult[] {
  return ids.map((id) => {
    const own = classes.indexOf(id);
    let [correct, total] = [0, 0];
    labels.forEach((label, at) => {
      if (label !== own) return;
      total += 1;
      if (predictions[at] === own) correct += 1;
    });
    return { id, correct, total };
  });
}

/** Keeps what networks answered beside the reports that say how many answers were right, as long as those are kept. */
export class Answers {
  readonly #kept = new WeakMap<Report, Answered>();

  /** The same engine, whose answers are kept. */
  kept(engine: EnginePort): EnginePort {
    return {
      ...engine,
      run: async (recipe, options) => {
        const result = await engine.run(recipe, options);
        this.#kept.set(result.report, { predictions: result.predictions, labels: result.labels });
        return result;
      },
    };
  }

  of(report: Report): Answered | undefined {
    return this.#kept.get(report);
  }
}
