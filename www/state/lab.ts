/** The Lab: the view, the runs and the engine behind them. Panels read it, call its methods and listen for `change`. */

import {
  allWidths,
  baselineOf,
  type Choice,
  choiceKey,
  dataOf,
  normalise,
  readsText,
  recipeIn,
  recipeOf,
} from "./choice";
import { DEFAULT_VIEW, type LinkProblem, readHash, type View, writeHash } from "./hash";
import { coreError, type EnginePort } from "./port";
import { allShares, prunes } from "./pruning";
import { scoreOf } from "./quality";
import { newRun, type Outcome, type Run, smallestReaching } from "./runs";
import type { Catalog, CoreError, Progress } from "./schema";
import { type Change, fieldsOf, Prospects, type Settled, settle } from "./settle";
import { Spread } from "./spread";

export type Problem =
  | LinkProblem
  | { readonly kind: "engine"; readonly error: CoreError }
  | { readonly kind: "storage" }
  | { readonly kind: "run"; readonly choice: Choice; readonly error: CoreError };

/** What is under way, or was last: how many recipes, and how long. */
export interface Batch {
  readonly keys: readonly string[];
  readonly started: number;
  readonly finished: number | undefined;
  readonly cancelled: boolean;
}

/** The part of `window` the Lab writes the address with. */
export interface Address {
  hash(): string;
  push(hash: string): void;
  replace(hash: string): void;
}

/** A quick run starts by itself this long after the last change. */
const SETTLE_MS = 180;

export class Lab extends EventTarget {
  view: View = DEFAULT_VIEW;
  catalog: Catalog | undefined;
  ready = false;
  problem: Problem | undefined;
  batch: Batch | undefined;
  /** What the search for the smallest found: a key, or nothing reaches the target. */
  found: { readonly target: number; readonly key: string | undefined } | undefined;
  /** The choice before a change that changed more than what was touched: what it set is marked until the next. */
  before: Choice | undefined;
  /** Why a choice is not to be had for the machine that the recipe is meant for, in words; nothing where it is. */
  limit: ((choice: Choice) => string | undefined) | undefined;
  readonly runs = new Map<string, Run>();
  readonly engine: EnginePort;
  readonly spread: Spread;
  readonly #prospects: Prospects;
  readonly #address: Address;
  readonly #now: () => number;
  #cancel: AbortController | undefined;
  #settle: ReturnType<typeof setTimeout> | undefined;
  #announced = false;
  /** The choice before the weights' format alone was changed: what one format has no use for comes back with another. */
  #wish: Choice | undefined;

  constructor(engine: EnginePort, address: Address, now: () => number) {
    super();
    this.engine = engine;
    this.#address = address;
    this.#now = now;
    this.#prospects = new Prospects(
      (recipe) => engine.refusal(recipe),
      () => this.#changed(),
      now,
    );
    this.spread = new Spread(engine, () => this.#changed());
  }

  /** Results computed beforehand, shown until live ones replace them. */
  seed(entries: readonly { readonly choice: Choice; readonly outcome: Outcome }[]): void {
    for (const { choice, outcome } of entries) {
      const run = { ...newRun(choice, "precomputed"), outcome };
      if (!this.runs.has(run.key)) this.runs.set(run.key, run);
    }
    this.#changed();
  }

  /** Starts the engine, reads the address and runs what it names. Never throws: failures become `problem`. */
  async start(): Promise<void> {
    try {
      this.catalog = await this.engine.catalog();
    } catch (error) {
      this.problem = { kind: "engine", error: coreError(error) };
      this.#changed();
      return;
    }
    this.ready = true;
    this.#readAddress();
    this.#changed();
    this.runCurrent();
    if (this.view.widths) this.runWidths();
    if (this.view.sparsities) this.runSparsities();
  }

  /** The address was changed from outside: Back, Forward or typing. */
  addressChanged(): void {
    if (!this.catalog) return;
    this.before = undefined;
    this.#prospects.renew();
    this.#readAddress();
    this.#changed();
    this.#settled();
  }

  #readAddress(): void {
    if (!this.catalog) return;
    const { view, problem } = readHash(this.#address.hash(), this.catalog);
    this.view = view;
    this.#wish = undefined;
    if (problem) this.problem = problem;
    else if (this.problem && this.problem.kind !== "storage") this.problem = undefined;
  }

  get current(): Run | undefined {
    return this.runs.get(choiceKey(this.view.choice));
  }

  get baseline(): Run | undefined {
    return this.runs.get(choiceKey(baselineOf(this.view.choice)));
  }

  /** What the chosen recipe is compared with: the pinned one, otherwise its baseline. */
  get referenceChoice(): Choice {
    const { choice, pinned } = this.view;
    return pinned ? { ...choice, ...pinned } : baselineOf(choice);
  }

  get reference(): Run | undefined {
    return this.runs.get(choiceKey(this.referenceChoice));
  }

  get busy(): boolean {
    return this.batch !== undefined && this.batch.finished === undefined;
  }

  /** Whether the engine is still being asked what could be chosen next. */
  get asking(): boolean {
    return this.#prospects.asking;
  }

  /** Where a change would end, as the engine says, or last said; nothing as long as it has not been asked. */
  prospect(change: Change): Settled | undefined {
    return this.catalog && this.#prospects.of(this.view.choice, change, this.catalog);
  }

  /** Why the engine refuses a change, asked now. */
  refusal(change: Change): CoreError | undefined {
    return this.catalog && this.#end(this.view.choice, change, this.catalog).refusal;
  }

  /** What a choice is known by among the runs. */
  keyOf(choice: Choice): string {
    return choiceKey(this.catalog ? normalise(choice, this.catalog) : choice);
  }

  #end(choice: Choice, change: Change, catalog: Catalog): Settled {
    return settle({ ...choice, ...change }, fieldsOf(change), catalog, (recipe) => this.#prospects.refusal(recipe));
  }

  /**
   * Changes the recipe, and with it what the engine does not take beside the change. `gesture` changes that belong to one drag share
   * one entry of the history. With `whole`, everything is marked that changed.
   */
  choose(change: Change, gesture = false, whole = false): void {
    if (!this.catalog) return;
    const old = this.view.choice;
    const alone = Object.keys(change).every((field) => field === "weights");
    const start = (alone && this.#wish) || old;
    const { choice } = this.#end(start, change, this.catalog);
    if (choiceKey(choice) === choiceKey(old)) return;
    this.#wish = alone ? start : undefined;
    const plain = normalise({ ...start, ...change }, this.catalog);
    this.before = whole || choiceKey(plain) !== choiceKey(choice) ? old : undefined;
    this.#prospects.renew();
    this.found = undefined;
    if (this.problem?.kind !== "storage") this.problem = undefined;
    const { pinned } = this.view;
    // Answers to other images cannot be compared.
    const kept = pinned && dataOf(pinned, this.catalog) === dataOf(choice, this.catalog) ? pinned : undefined;
    this.#show({ ...this.view, choice, pinned: kept }, gesture);
    this.#settled();
  }

  /** Compares the chosen recipe with this one from now on; with its baseline when there is none. */
  pin(choice: Choice | undefined): void {
    if (!this.catalog) return;
    const { view } = this;
    const wanted = choice && normalise({ ...view.choice, ...recipeIn(choice) }, this.catalog);
    const pinned = wanted && choiceKey(wanted) !== choiceKey(baselineOf(view.choice)) ? recipeIn(wanted) : undefined;
    if (pinned === undefined && view.pinned === undefined) return;
    this.#show({ ...this.view, pinned }, false);
    this.#settled();
  }

  /** Changes what makes no other recipe: axis, tab, what the panel of machines shows, or the training by itself. */
  show(change: Partial<Pick<View, "axis" | "tab" | "machines" | "training">>): void {
    this.#show({ ...this.view, ...change }, true);
  }

  /** Sets what the machine that the recipe is meant for allows. */
  limitTo(limit: ((choice: Choice) => string | undefined) | undefined): void {
    this.limit = limit;
    this.#changed();
  }

  dismiss(): void {
    this.problem = undefined;
    this.#changed();
  }

  report(problem: Problem): void {
    this.problem = problem;
    this.#changed();
  }

  #show(view: View, replace: boolean): void {
    this.view = view;
    if (this.catalog) {
      const hash = writeHash(view, this.catalog);
      if (hash !== this.#address.hash()) {
        if (replace) this.#address.replace(hash);
        else this.#address.push(hash);
      }
    }
    this.#changed();
  }

  /** Runs the chosen recipe and its baseline, unless their live results are there already. */
  runCurrent(again = false): void {
    if (!this.catalog) return;
    const { choice } = this.view;
    // The baseline first: everything is measured against it.
    const wanted = new Map(
      [baselineOf(choice), this.referenceChoice, choice].map((entry) => [choiceKey(entry), entry] as const),
    );
    this.#run(
      [...wanted.values()].filter((entry) => (again && choiceKey(entry) === choiceKey(choice)) || !this.#fresh(entry)),
    );
  }

  /** Runs the chosen recipe at every width. */
  runWidths(): void {
    if (!this.catalog) return;
    this.#show({ ...this.view, widths: true }, true);
    this.#run(this.#family(this.view.choice, this.catalog).filter((entry) => !this.#fresh(entry)));
  }

  /** Runs the chosen pruning at every sparsity, without training behind it and with it. */
  runSparsities(): void {
    const { catalog } = this;
    if (!catalog) return;
    this.#show({ ...this.view, sparsities: true, axis: this.view.axis === "macs" ? "macs" : "sparsity" }, true);
    const { choice } = this.view;
    if (!prunes(choice)) return;
    // Whatever else the engine would want changed makes it another recipe.
    const kept = fieldsOf(choice);
    const ends = allShares(choice).map((share) =>
      settle({ ...choice, ...share }, kept, catalog, (recipe) => this.#prospects.refusal(recipe)),
    );
    const cells = new Map(
      ends.filter(({ refusal }) => refusal === undefined).map((end) => [choiceKey(end.choice), end.choice]),
    );
    this.#run([baselineOf(choice), ...cells.values()].filter((entry) => !this.#fresh(entry)));
  }

  /** A choice at every width, without what the engine does not take at one, and without those it takes at none. */
  #family(choice: Choice, catalog: Catalog): Choice[] {
    const settled = allWidths(choice, catalog).map((entry) => this.#end(entry, { weights: entry.weights }, catalog));
    return settled.filter(({ refusal }) => refusal === undefined).map((entry) => entry.choice);
  }

  /** Runs every width, then restores the smallest that reaches `target`: percent, or bits per character. */
  async findSmallest(target: number): Promise<void> {
    if (!this.catalog) return;
    const family = this.#family({ ...this.view.choice, count: 0 }, this.catalog);
    const missing = family.filter((entry) => !this.runs.get(choiceKey(entry))?.outcome);
    await this.#run(missing);
    const keys = new Set(family.map(choiceKey));
    const best = smallestReaching(
      [...this.runs.values()].filter((run) => keys.has(run.key)),
      scoreOf(target, readsText(this.view.choice, this.catalog)),
    );
    if (best) this.choose(best.choice);
    this.found = { target, key: best?.key };
    this.#changed();
  }

  #fresh(choice: Choice): boolean {
    const run = this.runs.get(choiceKey(choice));
    return run?.state === "done" || run?.state === "queued" || run?.state === "running";
  }

  #settled(): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.runCurrent(), SETTLE_MS);
  }

  /** Stops everything under way. Results already there stay. */
  cancel(): void {
    clearTimeout(this.#settle);
    if (!this.busy || !this.batch) return;
    this.#cancel?.abort();
    this.batch = { ...this.batch, finished: this.#now(), cancelled: true };
    this.#changed();
  }

  async #run(choices: readonly Choice[]): Promise<void> {
    if (choices.length === 0) return;
    const now = this.#now();
    const going = this.busy && this.batch ? this.batch : undefined;
    if (!going) this.#cancel = new AbortController();
    const signal = this.#cancel?.signal ?? new AbortController().signal;
    const keys = choices.map(choiceKey);
    this.batch = {
      keys: [...(going?.keys ?? []), ...keys],
      started: going?.started ?? now,
      finished: undefined,
      cancelled: false,
    };
    for (const choice of choices) this.#update(choice, { state: "queued", error: undefined, progress: undefined });
    await Promise.all(choices.map((choice) => this.#runOne(choice, signal)));
    const batch = this.batch;
    if (batch && batch.finished === undefined && batch.keys.every((key) => !this.#pending(key))) {
      this.batch = { ...batch, finished: this.#now() };
      this.#changed();
    }
  }

  #pending(key: string): boolean {
    const state = this.runs.get(key)?.state;
    return state === "queued" || state === "running";
  }

  async #runOne(choice: Choice, signal: AbortSignal): Promise<void> {
    const { catalog } = this;
    if (!catalog) return;
    const submitted = this.#now();
    let began: number | undefined;
    try {
      const onProgress = (progress: Progress) => {
        began ??= this.#now();
        this.#update(choice, { state: "running", progress });
      };
      const result = await this.engine.run(recipeOf(choice, catalog), { signal, onProgress });
      const { report, predictions, labels } = result;
      const seconds = (this.#now() - (began ?? submitted)) / 1000;
      this.#update(choice, {
        state: "done",
        outcome: report,
        report,
        predictions,
        labels,
        progress: undefined,
        seconds,
      });
    } catch (error) {
      if (signal.aborted) {
        // What was there before stays what it was.
        const before = this.runs.get(choiceKey(choice));
        this.#update(choice, {
          state: before?.report ? "done" : before?.outcome ? "precomputed" : "cancelled",
          progress: undefined,
        });
        return;
      }
      const reason = coreError(error);
      this.problem = { kind: "run", choice, error: reason };
      this.#update(choice, { state: "failed", error: reason, progress: undefined });
    }
  }

  #update(choice: Choice, change: Partial<Run>): void {
    const key = choiceKey(choice);
    this.runs.set(key, { ...(this.runs.get(key) ?? newRun(choice, "queued")), ...change });
    this.#changed();
  }

  /** Tells the listeners once per turn, however many changes there were. */
  #changed(): void {
    if (this.#announced) return;
    this.#announced = true;
    queueMicrotask(() => {
      this.#announced = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}
