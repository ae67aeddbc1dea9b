/** What the recipe panel can set, flat; and the recipe it stands for. Ranges and ids come from the catalog alone. */

import type { Catalog, DataSet, Format, Quantize, Recipe, Train } from "./schema";

export interface Choice {
  readonly model: string;
  readonly weights: string;
  readonly granularity: string;
  readonly symmetric: boolean;
  readonly range: string;
  /** Format of the layers' inputs, or `none`. */
  readonly activations: string;
  readonly calibration: string;
  /** Epochs of training through the quantizer; 0 for none. */
  readonly epochs: number;
  /** How that training's gradients pass what is rounded. */
  readonly estimator: string;
  /** Test images to read; 0 for the whole split. */
  readonly count: number;
  readonly seed: number;
}

/** The part of a choice that says which network, not what it is tried on. */
export type RecipeChoice = Omit<Choice, "count" | "seed">;

/** The recipe of a choice, without its images and seed. */
export function recipeIn({ count: _, seed: __, ...recipe }: Choice): RecipeChoice {
  return recipe;
}

/** The view a bare address shows. Frozen with link version 1. */
export const DEFAULT_CHOICE: Choice = {
  model: "lenet5-fashion",
  weights: "int4",
  granularity: "channel",
  symmetric: true,
  range: "minmax",
  activations: "int8",
  calibration: "percentile",
  epochs: 0,
  estimator: "ste",
  count: 0,
  seed: 7,
};

export const NO_ACTIVATIONS = "none";
export const FULL_PRECISION = "fp32";

export function formatOf(catalog: Catalog, id: string): Format | undefined {
  return catalog.formats.find((format) => format.id === id);
}

/** Sets to its default whatever the chosen formats make meaningless, so that equal recipes are equal choices. */
export function normalise(choice: Choice, catalog: Catalog): Choice {
  const format = formatOf(catalog, choice.weights);
  const activations = formatOf(catalog, choice.activations);
  return {
    ...choice,
    granularity: format?.scaled ? choice.granularity : DEFAULT_CHOICE.granularity,
    symmetric: format?.asymmetric ? choice.symmetric : true,
    range: format?.ranged && format.ranges.includes(choice.range) ? choice.range : DEFAULT_CHOICE.range,
    calibration: activations?.ranged ? choice.calibration : DEFAULT_CHOICE.calibration,
    epochs: isBaseline(choice) ? 0 : choice.epochs,
    estimator:
      choice.epochs > 0 && estimatorsFor(choice, catalog).includes(choice.estimator)
        ? choice.estimator
        : DEFAULT_CHOICE.estimator,
    count: wholeSplit(choice, catalog) ? 0 : choice.count,
  };
}

/** Ids of the estimators that have something to learn in what the choice rounds. */
export function estimatorsFor(choice: Choice, catalog: Catalog): string[] {
  const inputs = formatOf(catalog, choice.activations);
  const family = formatOf(catalog, choice.weights)?.family ?? "float";
  const scales = inputs !== undefined || ["integer", "ternary", "binary"].includes(family);
  const clips = inputs !== undefined && inputs.family !== "binary";
  const learns: Readonly<Record<string, boolean>> = { lsq: scales, pact: clips };
  return catalog.estimators.map((entry) => entry.id).filter((id) => learns[id] ?? true);
}

function wholeSplit(choice: Choice, catalog: Catalog): boolean {
  return choice.count === 0 || choice.count >= testImages(choice, catalog);
}

/** The data set that the choice's model reads. */
export function dataOf(choice: Pick<Choice, "model">, catalog: Catalog | undefined): DataSet | undefined {
  const model = catalog?.models.find((entry) => entry.id === choice.model);
  return catalog?.data.find((entry) => entry.id === model?.data);
}

/** Whether the choice's model reads text. */
export function readsText(choice: Pick<Choice, "model">, catalog: Catalog | undefined): boolean {
  return dataOf(choice, catalog)?.kind === "text";
}

/** Images in the test split of the choice's data set. */
export function testImages(choice: Choice, catalog: Catalog): number {
  return dataOf(choice, catalog)?.splits.test ?? 0;
}

/** The same choice without compression: what it is compared with. */
export function baselineOf(choice: Choice): Choice {
  return {
    ...DEFAULT_CHOICE,
    model: choice.model,
    count: choice.count,
    seed: choice.seed,
    weights: FULL_PRECISION,
    activations: NO_ACTIVATIONS,
  };
}

export function isBaseline(choice: Choice): boolean {
  return choice.weights === FULL_PRECISION && choice.activations === NO_ACTIVATIONS;
}

/** The recipe of a choice, in the engine's words. */
export function recipeOf(choice: Choice, catalog: Catalog): Recipe {
  const set = catalog.models.find((entry) => entry.id === choice.model)?.data;
  const data =
    choice.count > 0 && set !== undefined ? { data: { set, split: "test", count: choice.count } as const } : {};
  return {
    version: 1,
    model: choice.model,
    ...data,
    seed: choice.seed,
    steps: isBaseline(choice) ? [] : [{ quantize: quantizeOf(choice, catalog) }, ...trainOf(choice, catalog)],
  };
}

/** Rates for weights of 2 bits and fewer, and of more: those that docs/methods.md has measured. */
const RATES = { narrow: 0.002, wide: 0.001 } as const;

function trainOf(choice: Choice, catalog: Catalog): { train: Train }[] {
  const { epochs, estimator } = normalise(choice, catalog);
  if (epochs === 0) return [];
  const narrow = (formatOf(catalog, choice.weights)?.bits ?? 32) <= 2;
  return [{ train: { epochs, estimator, lr: narrow ? RATES.narrow : RATES.wide, schedule: "cosine" } }];
}

function quantizeOf(choice: Choice, catalog: Catalog): Quantize {
  const format = formatOf(catalog, choice.weights);
  const weights = {
    format: choice.weights,
    ...(format?.scaled ? { granularity: choice.granularity } : {}),
    ...(format?.asymmetric ? { symmetric: choice.symmetric } : {}),
    ...(format?.ranged ? { range: format.ranges.includes(choice.range) ? choice.range : DEFAULT_CHOICE.range } : {}),
  };
  if (choice.activations === NO_ACTIVATIONS) return { weights };
  return {
    weights,
    activations: { format: choice.activations, granularity: "tensor", calibration: choice.calibration },
  };
}

/** One choice per weight format of the curve, widest first: what "All widths" runs. Full precision is the plain baseline. */
export function allWidths(choice: Choice, catalog: Catalog): Choice[] {
  const seen = new Map<string, Choice>();
  for (const format of weightFormats(catalog).filter((entry) => entry.curve)) {
    const cell =
      format.id === FULL_PRECISION ? baselineOf(choice) : normalise({ ...choice, weights: format.id }, catalog);
    seen.set(choiceKey(cell), cell);
  }
  return [...seen.values()];
}

/** Formats weights may take, widest first. */
export function weightFormats(catalog: Catalog): Format[] {
  return catalog.formats
    .map((format, index) => ({ format, index }))
    .filter(({ format }) => format.weights)
    .sort((a, b) => b.format.bits - a.format.bits || a.index - b.index)
    .map(({ format }) => format);
}

/** One format of the curve per number of bits, widest first; `keep` stays in even if another has its width. */
export function widthStops(catalog: Catalog, keep: string): Format[] {
  const stops: Format[] = [];
  for (const format of weightFormats(catalog).filter((entry) => entry.curve || entry.id === keep)) {
    const index = stops.findIndex((stop) => stop.bits === format.bits);
    if (index < 0) stops.push(format);
    else if (format.id === keep) stops[index] = format;
  }
  return stops;
}

/** A key that is equal exactly for equal choices. */
export function choiceKey(choice: Choice): string {
  return JSON.stringify([
    choice.model,
    choice.weights,
    choice.granularity,
    choice.symmetric,
    choice.range,
    choice.activations,
    choice.calibration,
    choice.epochs,
    choice.estimator,
    choice.count,
    choice.seed,
  ]);
}

/** The family a choice belongs to: everything but the weights' format. */
export function familyKey(choice: Choice): string {
  return choiceKey({ ...choice, weights: "" });
}
