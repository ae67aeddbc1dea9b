/**
 * What goes together, by the engine's own word. A change that the engine refuses is settled by setting the other fields it names
 * back to their defaults; a change that it refuses for itself stays refused, with the engine's reason. No rule of the engine is
 * repeated here: only which field of a choice a path of its errors belongs to.
 */

import { type Choice, DEFAULT_CHOICE, misfitting, NONE, normalise, recipeOf } from "./choice";
import { AT_ONCE, TUNED, UNSTRUCTURED, USUAL } from "./pruning";
import type { Catalog, CoreError, Recipe } from "./schema";

export type Change = Partial<Choice>;

/** Where a change ends. */
export interface Settled {
  /** The choice that the engine takes; with a refusal, the one it was refused for. */
  readonly choice: Choice;
  readonly refusal: CoreError | undefined;
}

/** The engine's answer to a recipe: why it refuses it, or nothing. */
export type Ask = (recipe: Recipe) => CoreError | undefined;

/** More than these are never needed: one for each field that can be in the way. */
const MOST_REPAIRS = 12;
/** The format for layers that blocks do not fit, where one has to be found. */
const ROOMY = "int8";

/**
 * What to change, by what the path named and the engine found; nothing where the path means something else. Of several ways the
 * first is taken that changes anything and no field that is to stay.
 */
type Repair = (choice: Choice, catalog: Catalog, at: string, found: string) => Change | readonly Change[];

const reset =
  <K extends keyof Choice>(field: K): Repair =>
  () => ({ [field]: DEFAULT_CHOICE[field] });

/** Where blocks or groups do not fit every layer: the others get a roomy format; where that is not it, `field` its default. */
const roomy =
  (field: "weights" | "granularity"): Repair =>
  (choice, catalog) =>
    misfitting({ ...choice, misfits: ROOMY }, catalog).length > 0 && choice.misfits === NONE
      ? { misfits: ROOMY }
      : { [field]: DEFAULT_CHOICE[field] };

/** What an error's path says about the choice, tried in this order. */
const REPAIRS: readonly (readonly [RegExp, Repair])[] = [
  [
    /\.prune\.pattern/,
    () => [
      { score: DEFAULT_CHOICE.score },
      { unitScore: DEFAULT_CHOICE.unitScore },
      { pattern: DEFAULT_CHOICE.pattern },
    ],
  ],
  [
    /\.prune\.schedule$/,
    ({ schedule, tuned }) => [
      schedule === AT_ONCE ? { schedule: "gradual", tuned: tuned || TUNED } : { schedule: AT_ONCE },
      { score: DEFAULT_CHOICE.score },
      { pattern: UNSTRUCTURED },
    ],
  ],
  [/\.prune\.(?:ratios|sparsity)/, () => [{ scope: USUAL }, { score: DEFAULT_CHOICE.score }]],
  [/\.prune\.scope$/, () => [{ scope: USUAL }, { score: DEFAULT_CHOICE.score }]],
  [/\.prune\.method$/, () => [{ unitScore: DEFAULT_CHOICE.unitScore }, { pattern: DEFAULT_CHOICE.pattern }]],
  [/\.prune\.images$/, reset("looked")],
  [
    /\.layers\.(.+?)(?:\.(?:weights|activations)\b.*)?$/,
    ({ layers }, _, at) =>
      layers.some(({ name }) => name === at) ? { layers: layers.filter(({ name }) => name !== at) } : {},
  ],
  [
    /\.transforms\.(\d+)$/,
    ({ transforms }, _, at) => ({ transforms: transforms.filter((_id, index) => String(index) !== at) }),
  ],
  [
    /\.transforms$/,
    ({ transforms }, _, __, found) => ({ transforms: transforms.filter((id) => !found.startsWith(id)) }),
  ],
  [/\.alpha$/, reset("alpha")],
  [/\.weights\.granularity/, roomy("granularity")],
  [/\.weights\.symmetric$/, ({ symmetric }) => ({ symmetric: !symmetric })],
  [/\.weights\.range$/, reset("range")],
  [/\.weights\.scale$/, reset("scale")],
  [/\.weights\.rounding$/, reset("rounding")],
  [/\.weights\.damping$/, reset("damping")],
  [/\.weights\.act_order$/, reset("actOrder")],
  [/\.weights\.iterations$/, reset("iterations")],
  [/\.weights\.bits$/, reset("codebook")],
  [/\.weights\.huffman$/, reset("huffman")],
  [/\.weights\.format$/, roomy("weights")],
  [/\.activations\.(?:granularity|mode)$/, ({ mode }) => ({ mode: mode === "token" ? "dynamic" : "token" })],
  [/\.activations\.symmetric$/, reset("inputsSymmetric")],
  [/\.activations\.calibration$/, reset("calibration")],
  [/\.activations\.percentile$/, reset("percentile")],
  [/\.activations\.images$/, reset("watched")],
  [/\.ends$/, reset("ends")],
  [/\.bits(?:\.\w+)?$/, reset("budget")],
  [/\.kv_cache(?:\.\w+)?$/, reset("cache")],
  [/\.seed$/, reset("draw")],
  [/\.correction$/, reset("correction")],
  [/\.images$/, reset("images")],
  [/\.estimator$/, reset("estimator")],
  [/\.train$/, reset("epochs")],
];

/** Which fields a repair may not touch: those of the change itself. */
export function fieldsOf(change: Change): ReadonlySet<keyof Choice> {
  return new Set(Object.keys(change) as (keyof Choice)[]);
}

function repairOf(refusal: CoreError, choice: Choice, catalog: Catalog, kept: ReadonlySet<keyof Choice>): Change {
  for (const [path, repair] of REPAIRS) {
    const match = path.exec(refusal.path);
    if (!match) continue;
    const found = repair(choice, catalog, match[1] ?? "", refusal.found);
    const changes = (Array.isArray(found) ? found : [found]) as readonly Change[];
    const fields = (change: Change) => Object.keys(change) as (keyof Choice)[];
    if (changes.every((change) => fields(change).length === 0)) continue;
    const wanted = changes.find(
      (change) =>
        fields(change).some((field) => change[field] !== choice[field]) &&
        fields(change).every((field) => !kept.has(field)),
    );
    return wanted ?? {};
  }
  return {};
}

/** Settles a choice: `kept` fields stay as they are. */
export function settle(start: Choice, kept: ReadonlySet<keyof Choice>, catalog: Catalog, ask: Ask): Settled {
  let choice = normalise(start, catalog);
  let refusal = ask(recipeOf(choice, catalog));
  for (let round = 0; refusal !== undefined && round < MOST_REPAIRS; round += 1) {
    const repair = repairOf(refusal, choice, catalog, kept);
    const next = normalise({ ...choice, ...repair }, catalog);
    if (Object.keys(repair).every((field) => next[field as keyof Choice] === choice[field as keyof Choice])) break;
    choice = next;
    refusal = ask(recipeOf(choice, catalog));
  }
  return { choice, refusal };
}

/** Milliseconds of questions at a time, so that the page answers its visitor in between. */
const SLICE_MS = 8;
/** Questions start this long after the last change. */
const PAUSE_MS = 80;
/** Answers remembered. */
const MOST_ANSWERS = 5000;

/**
 * Answers what could be chosen next: at once where it is known, otherwise later, a slice at a time, saying so by `answered`.
 * Refusals are remembered by recipe, so that one is never asked twice. Until an answer is there the last one to the same change stands,
 * so that the page does not move under its visitor's hand after every change.
 */
export class Prospects {
  readonly #ask: Ask;
  readonly #answered: () => void;
  readonly #now: () => number;
  readonly #refusals = new Map<string, CoreError | undefined>();
  readonly #known = new Map<string, Settled>();
  /** What was last answered to a change, whatever the choice was. */
  readonly #last = new Map<string, Settled>();
  readonly #waiting = new Map<string, () => Settled>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ask: Ask, answered: () => void, now: () => number) {
    this.#ask = ask;
    this.#answered = answered;
    this.#now = now;
  }

  /** Why the engine refuses a recipe; asked at most once for each. Neither its seed nor its images matter. */
  refusal(recipe: Recipe): CoreError | undefined {
    const { data: _, ...asked } = { ...recipe, seed: 0 };
    const key = JSON.stringify(asked);
    if (!this.#refusals.has(key)) {
      if (this.#refusals.size >= MOST_ANSWERS) this.#refusals.clear();
      this.#refusals.set(key, this.#ask(asked));
    }
    return this.#refusals.get(key);
  }

  /** Whether something was asked and is not answered yet. */
  get asking(): boolean {
    return this.#waiting.size > 0;
  }

  /** Where `change` to `choice` would end; as long as that is not known, where it last ended, or nothing. */
  of(choice: Choice, change: Change, catalog: Catalog): Settled | undefined {
    const start = { ...choice, ...change, count: 0, seed: 0 };
    const kept = fieldsOf(change);
    const key = JSON.stringify([start, [...kept]]);
    const known = this.#known.get(key);
    const asked = JSON.stringify(change);
    if (known) {
      if (this.#last.size >= MOST_ANSWERS) this.#last.clear();
      this.#last.set(asked, known);
      return known;
    }
    this.#waiting.set(key, () => settle(start, kept, catalog, (recipe) => this.refusal(recipe)));
    this.#timer ??= setTimeout(() => this.#work(), PAUSE_MS);
    return this.#last.get(asked);
  }

  /** Forgets what was asked and not answered: the choice is another now. */
  renew(): void {
    this.#waiting.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #work(): void {
    const until = this.#now() + SLICE_MS;
    for (const [key, answer] of this.#waiting) {
      if (this.#known.size >= MOST_ANSWERS) this.#known.clear();
      this.#known.set(key, answer());
      this.#waiting.delete(key);
      if (this.#now() >= until) break;
    }
    const more = this.#waiting.size > 0;
    this.#timer = more ? setTimeout(() => this.#work(), 0) : undefined;
    if (!more) this.#answered();
  }
}
