/** Trainings that were asked for: one, several seeds beside each other, or a map of temperatures and shares. */

import { Holder } from "./hold";
import { coreError, type EnginePort } from "./port";
import type { Catalog, CoreError, Hold, Progress, Recipe, Report } from "./schema";
import { ALONE, type LayerPair, layerPair, settleTraining, type TrainingChoice, trainingRecipe } from "./training";

/** Trainings that are remembered, and as many groups of seeds. */
const KEPT = 6;
export const TEMPERATURES = [1, 2, 4, 8] as const;
export const ALPHAS = [0, 0.3, 0.6, 0.9, 1] as const;

/** What is trained. */
export interface Subject {
  readonly choice: TrainingChoice;
  readonly model: string;
  readonly seed: number;
}

export interface Training extends Subject {
  /** Counts up from 1. */
  readonly number: number;
  readonly recipe: Recipe;
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly progress: Progress | undefined;
  readonly report: Report | undefined;
  readonly error: CoreError | undefined;
  /** When it began and how long it took, in milliseconds and seconds. */
  readonly began: number;
  readonly seconds: number;
}

/** One result of a group: a seed's. */
export interface Result {
  readonly seed: number;
  readonly correct: number;
  readonly total: number;
}

/** The same training with several seeds, and beside it the student alone. */
export interface Seeds extends Subject {
  /** Counts up with the trainings. */
  readonly number: number;
  readonly alone: readonly Result[];
  readonly taught: readonly Result[];
  /** The teacher itself, as it is. */
  readonly teacher: Result | undefined;
  readonly wanted: number;
}

/** Results on the validation split, by temperature and share of the teacher. */
export interface TeacherMap extends Subject {
  readonly cells: ReadonlyMap<string, Result>;
  readonly wanted: number;
}

/** The name of a cell. Without a part of the teacher its temperature has no meaning. */
export function cellKey(temperature: number, alpha: number): string {
  return alpha === 0 ? "0" : `${temperature} ${alpha}`;
}

/** Tells subjects apart; how many seeds are wanted makes no other training. */
export function subjectKey({ choice, model, seed }: Subject): string {
  return JSON.stringify([model, seed, { ...choice, seeds: 0 }]);
}

type Kind = "one" | "seeds" | "map";

/** What is under way. */
export interface Work {
  readonly kind: Kind;
  /** When it began; later by as long as it was paused. */
  readonly began: number;
  /** Since when it is paused, if it is. */
  readonly paused: number | undefined;
  /** 0 to 1. */
  readonly share: number;
  readonly done: number;
  readonly wanted: number;
}

/** Seconds that were worked so far. */
export function workedFor({ began, paused }: Pick<Work, "began" | "paused">, now: number): number {
  return ((paused ?? now) - began) / 1000;
}

/** What stops and holds the runs of a work. */
interface Reins {
  readonly signal: AbortSignal;
  readonly hold: Hold;
}

export class Trainings extends EventTarget {
  /** The newest last. */
  runs: readonly Training[] = [];
  /** Groups of seeds that have a result, the newest last. */
  groups: readonly Seeds[] = [];
  map: TeacherMap | undefined;
  work: Work | undefined;
  error: CoreError | undefined;
  readonly #engine: EnginePort;
  readonly #now: () => number;
  #stop: AbortController | undefined;
  #holder = new Holder();
  #count = 0;

  constructor(engine: EnginePort, now: () => number) {
    super();
    this.#engine = engine;
    this.#now = now;
  }

  /** The recipe of a subject, its layers paired where the imitation needs them. */
  recipe(subject: Subject, catalog: Catalog, split: "test" | "validation" = "test"): Recipe {
    const { choice, model, seed } = subject;
    return trainingRecipe(choice, model, seed, catalog, { pair: this.pair(subject, catalog), split });
  }

  /** Layers of student and teacher that belong together, where the imitation needs any. */
  pair({ choice, model }: Subject, catalog: Catalog): LayerPair | undefined {
    return layerPair(choice, model, catalog, (recipe) => this.#engine.refusal(recipe));
  }

  /** Pauses what is under way, or lets it go on. */
  hold(held: boolean): void {
    const { work } = this;
    if (!work || held === this.#holder.held) return;
    const now = this.#now();
    const began = work.began + now - (work.paused ?? now);
    this.work = { ...work, began, paused: held ? now : undefined };
    this.#holder.held = held;
    this.#changed();
  }

  /** Stops what is under way. What is there already stays. */
  cancel(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.work = undefined;
    this.runs = this.runs.map((run) => (run.state === "running" ? { ...run, state: "cancelled" } : run));
    this.#changed();
  }

  /** Trains once, and remembers it beside those before. */
  async train(subject: Subject, catalog: Catalog): Promise<void> {
    const recipe = this.recipe(subject, catalog);
    this.#count += 1;
    const number = this.#count;
    const began = this.#now();
    const run: Training = {
      ...subject,
      choice: settleTraining(subject.choice, subject.model, catalog),
      number,
      recipe,
      state: "running",
      progress: undefined,
      report: undefined,
      error: undefined,
      began,
      seconds: 0,
    };
    await this.#all("one", 1, async (reins, step) => {
      this.runs = [...this.runs.filter(({ state }) => state === "done"), run].slice(-KEPT);
      const change = (part: Partial<Training>) => {
        this.runs = this.runs.map((each) => (each.number === number ? { ...each, ...part } : each));
        this.#changed();
      };
      try {
        const onProgress = (progress: Progress) => {
          if (step(0, progress)) change({ progress });
        };
        const { report } = await this.#engine.run(recipe, { ...reins, onProgress });
        const seconds = workedFor(this.work ?? { began, paused: undefined }, this.#now());
        change({ state: "done", report, progress: undefined, seconds });
      } catch (error) {
        change(reins.signal.aborted ? { state: "cancelled" } : { state: "failed", error: coreError(error) });
      }
    });
  }

  /** Forgets a group of seeds. */
  forget(number: number): void {
    this.groups = this.groups.filter((group) => group.number !== number);
    this.#changed();
  }

  /**
   * Trains with as many seeds as the choice says, and as often without its teacher. With its first result it stands beside the groups
   * before it, in place of an older one of the same training.
   */
  async several(subject: Subject, catalog: Catalog): Promise<void> {
    const choice = settleTraining(subject.choice, subject.model, catalog);
    const taught = choice.teacher !== ALONE;
    const seeds = Array.from({ length: choice.seeds }, (_, at) => subject.seed + at);
    // One that is made first is another with every seed.
    const asIs = taught && choice.teacherEpochs === 0;
    const wanted = seeds.length * (taught ? 2 : 1) + Number(asIs);
    const key = subjectKey({ ...subject, choice });
    const older = this.groups.find((group) => subjectKey(group) === key);
    if (!older) this.#count += 1;
    let own: Seeds = {
      ...subject,
      choice,
      number: older?.number ?? this.#count,
      alone: [],
      taught: [],
      teacher: undefined,
      wanted,
    };
    const add = (part: Partial<Seeds>) => {
      own = { ...own, ...part };
      if (own.alone.length + own.taught.length > 0)
        this.groups = [...this.groups.filter(({ number }) => number !== own.number), own].slice(-KEPT);
      this.#changed();
    };
    await this.#all("seeds", wanted, async (reins, step) => {
      const one = async (at: number, recipe: Recipe, seed: number): Promise<Result> => {
        const { report } = await this.#engine.run(recipe, { ...reins, onProgress: (now) => step(at, now) });
        step(at, undefined);
        return { seed, correct: report.accuracy.correct, total: report.accuracy.total };
      };
      const alone = { ...choice, teacher: ALONE };
      const work = seeds.flatMap((seed, at) => [
        one(2 * at, this.recipe({ ...subject, choice: alone, seed }, catalog), seed).then((result) =>
          add({ alone: inOrder(own.alone, result) }),
        ),
        ...(taught
          ? [
              one(2 * at + 1, this.recipe({ ...subject, choice, seed }, catalog), seed).then((result) =>
                add({ taught: inOrder(own.taught, result) }),
              ),
            ]
          : []),
      ]);
      if (asIs) {
        const { seed } = subject;
        const recipe: Recipe = { version: 1, model: choice.teacher, seed, steps: [] };
        work.push(one(2 * seeds.length, recipe, seed).then((teacher) => add({ teacher })));
      }
      await Promise.all(work);
    });
  }

  /** Trains at every temperature and share, each judged on the validation split. */
  async chart(subject: Subject, catalog: Catalog): Promise<void> {
    const choice = settleTraining(subject.choice, subject.model, catalog);
    const cells = new Map(
      ALPHAS.flatMap((alpha) =>
        TEMPERATURES.map((temperature) => [cellKey(temperature, alpha), { ...choice, temperature, alpha }] as const),
      ),
    );
    this.map = { ...subject, choice, cells: new Map(), wanted: cells.size };
    await this.#all("map", cells.size, async (reins, step) => {
      await Promise.all(
        [...cells].map(async ([key, cell], at) => {
          const recipe = this.recipe({ ...subject, choice: cell }, catalog, "validation");
          const { report } = await this.#engine.run(recipe, { ...reins, onProgress: (now) => step(at, now) });
          step(at, undefined);
          const { correct, total } = report.accuracy;
          const result = { seed: subject.seed, correct, total };
          if (this.map) this.map = { ...this.map, cells: new Map([...this.map.cells, [key, result]]) };
        }),
      );
    });
  }

  /**
   * Does `work`, which says how far each of its parts is; a part without progress is done. One work at a time. A part that goes on
   * after a pause may first do again what has no checkpoint: until it is where it was, its progress is none, and `step` says so.
   */
  async #all(
    kind: Kind,
    wanted: number,
    work: (reins: Reins, step: (part: number, progress: Progress | undefined) => boolean) => Promise<void>,
  ): Promise<void> {
    this.cancel();
    const stop = new AbortController();
    this.#stop = stop;
    this.#holder = new Holder();
    this.error = undefined;
    this.work = { kind, began: this.#now(), paused: undefined, share: 0, done: 0, wanted };
    const parts = new Map<number, number>();
    this.#changed();
    try {
      await work({ signal: stop.signal, hold: this.#holder }, (part, progress) => {
        if (stop.signal.aborted || !this.work) return false;
        const own = progress ? Math.min(0.999, progress.done_macs / Math.max(1, progress.total_macs)) : 1;
        if (own < (parts.get(part) ?? 0)) return false;
        parts.set(part, own);
        const shares = [...parts.values()];
        const share = shares.reduce((sum, each) => sum + each, 0) / wanted;
        this.work = { ...this.work, share, done: shares.filter((each) => each === 1).length };
        this.#changed();
        return true;
      });
    } catch (error) {
      if (!stop.signal.aborted) {
        this.error = coreError(error);
        // The others of the same work would answer a question that is void.
        stop.abort();
      }
    }
    if (this.#stop !== stop) return;
    this.#stop = undefined;
    this.work = undefined;
    this.#changed();
  }

  #changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}

function inOrder(results: readonly Result[], result: Result): Result[] {
  return [...results, result].sort((a, b) => a.seed - b.seed);
}
