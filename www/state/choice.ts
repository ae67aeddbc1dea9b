/** What the recipe panel can set, flat; and the recipe it stands for. Ranges and ids come from the catalog alone. */

import {
  DEFAULT_PRUNING,
  normalisePruning,
  type PruneChoice,
  pruneSteps,
  prunes,
  pruningOf,
  shareless,
} from "./pruning";
import type { Catalog, DataSet, Format, Model, Quantize, Recipe, Train } from "./schema";
import { distillBy, settledTeacher, UNTAUGHT } from "./teachers";

/** What one layer has instead of what all others have: formats, or `same`. */
export interface LayerChoice {
  readonly name: string;
  readonly weights: string;
  readonly activations: string;
}

export interface Choice extends PruneChoice {
  readonly model: string;
  readonly weights: string;
  readonly granularity: string;
  readonly symmetric: boolean;
  readonly range: string;
  /** Format of the layers' inputs, or `none`. */
  readonly activations: string;
  readonly calibration: string;
  /** Inputs that share a scale where granularity is `group`. */
  readonly group: number;
  readonly scale: string;
  readonly rounding: string;
  /** Of GPTQ: the share of the mean diagonal that is added to it, and whether columns go by falling diagonal. */
  readonly damping: number;
  readonly actOrder: boolean;
  /** Of AdaRound: steps for each layer. */
  readonly iterations: number;
  /** Of a codebook: bits of a place in it, and whether places are stored under a Huffman code. */
  readonly codebook: number;
  readonly huffman: boolean;
  /** Format of the layers whose rows the blocks or groups of `weights` do not divide, or `none`. */
  readonly misfits: string;
  /** Single layers that differ, in the model's order. */
  readonly layers: readonly LayerChoice[];
  /** Whether first and last layer keep 8 bits. */
  readonly ends: boolean;
  /** Mean bits to share out among the layers, 0 for none; and the validation images that judge widths. */
  readonly budget: number;
  readonly judged: number;
  /** What is done before rounding, in the catalog's order. */
  readonly transforms: readonly string[];
  /** Of SmoothQuant: how much moves from inputs to weights. */
  readonly alpha: number;
  readonly correction: string;
  /** Training images that methods look at. */
  readonly images: number;
  /** Seed that draws the training images; `FIRST_IMAGES` takes the first. */
  readonly draw: number;
  /** Where an input's range comes from: `static` (calibration), `dynamic` (each input), `token` (each token). */
  readonly mode: string;
  readonly inputsSymmetric: boolean;
  readonly percentile: number;
  /** Training images that calibration watches. */
  readonly watched: number;
  /** Format of kept keys and values, or `none`; and what has a scale there. */
  readonly cache: string;
  readonly cacheGranularity: string;
  /** Epochs of training through the quantizer; 0 for none. */
  readonly epochs: number;
  /** How that training's gradients pass what is rounded. */
  readonly estimator: string;
  /** Whose answers that training follows in place of labels, or `none`. */
  readonly teacher: string;
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
  group: 64,
  scale: "float",
  rounding: "nearest",
  damping: 0.01,
  actOrder: false,
  iterations: 1000,
  codebook: 5,
  huffman: false,
  misfits: "none",
  layers: [],
  ends: false,
  budget: 0,
  judged: 200,
  transforms: [],
  alpha: 0.5,
  correction: "none",
  images: 256,
  draw: -1,
  mode: "static",
  inputsSymmetric: true,
  percentile: 99.9,
  watched: 256,
  cache: "none",
  cacheGranularity: "token",
  epochs: 0,
  estimator: "ste",
  teacher: UNTAUGHT,
  ...DEFAULT_PRUNING,
  count: 0,
  seed: 7,
};

export const NO_ACTIVATIONS = "none";
export const FULL_PRECISION = "fp32";
/** The granularity of groups, whose size is a number of its own. */
export const GROUPED = "group";
/** No format, where a choice of one is optional. */
export const NONE = "none";
/** Of a single layer: as all others. */
export const SAME = "same";
/** Of `draw`: the first images of the split, not drawn ones. */
export const FIRST_IMAGES = -1;
/** Where an input's range comes from, as {@link Choice.mode} has it. */
export const MODES = ["static", "dynamic", "token"] as const;
/** What has a scale in kept keys and values. */
export const CACHE_GRANULARITIES = ["token", "channel"] as const;

export function formatOf(catalog: Catalog, id: string): Format | undefined {
  return catalog.formats.find((format) => format.id === id);
}

/**
 * Sets to its default whatever the chosen formats and methods make meaningless, so that equal recipes are equal choices. What goes
 * together beyond that the engine knows: see `www/state/settle.ts`.
 */
export function normalise(choice: Choice, catalog: Catalog): Choice {
  const pruning = normalisePruning(choice, catalog);
  if (prunes(choice) && !quantizes(choice))
    return { ...baselineOf(choice), ...pruning, count: wholeSplit(choice, catalog) ? 0 : choice.count };
  const format = formatOf(catalog, choice.weights);
  const inputs = formatOf(catalog, choice.activations);
  const grouped = choice.granularity === GROUPED;
  const rounding = format?.roundings.includes(choice.rounding) ? choice.rounding : DEFAULT_CHOICE.rounding;
  const ranged = inputs?.ranged ?? false;
  const cached = choice.cache !== NONE;
  const result = {
    ...choice,
    ...pruning,
    granularity: format?.scaled && (!grouped || format.groups) ? choice.granularity : DEFAULT_CHOICE.granularity,
    symmetric: format?.asymmetric ? choice.symmetric : true,
    range: format?.ranged && format.ranges.includes(choice.range) ? choice.range : DEFAULT_CHOICE.range,
    scale: format?.asymmetric ? choice.scale : DEFAULT_CHOICE.scale,
    rounding,
    mode: ranged ? choice.mode : DEFAULT_CHOICE.mode,
    inputsSymmetric: ranged ? choice.inputsSymmetric : true,
    transforms: catalog.transforms.map((entry) => entry.id).filter((id) => choice.transforms.includes(id)),
    layers: weightedLayers(choice, catalog).flatMap(({ name }) => {
      const own = choice.layers.find((entry) => entry.name === name);
      return own && (own.weights !== SAME || own.activations !== SAME) ? [own] : [];
    }),
    epochs: quantizes(choice) ? choice.epochs : 0,
    count: wholeSplit(choice, catalog) ? 0 : choice.count,
  };
  const calibrated = ranged && result.mode === DEFAULT_CHOICE.mode;
  const estimated = result.epochs > 0 && estimatorsFor(choice, catalog).includes(choice.estimator);
  return {
    ...result,
    teacher: settledTeacher(choice.teacher, result.epochs, choice.model, catalog),
    ...unless(result.granularity === GROUPED, "group"),
    ...unless(rounding === "gptq", "damping", "actOrder"),
    ...unless(rounding === "adaround", "iterations"),
    ...unless(ownCodebook(format), "codebook", "huffman"),
    ...unless(rowsDivided(result, catalog) !== undefined, "misfits"),
    ...unless(choice.budget > 0, "judged"),
    ...unless(result.transforms.includes("smoothquant"), "alpha"),
    ...unless(calibrated, "calibration"),
    ...unless(calibrated && choice.calibration === "percentile", "percentile"),
    ...unless(inputs !== undefined && result.mode === DEFAULT_CHOICE.mode, "watched"),
    ...unless(cached, "cacheGranularity"),
    ...unless(estimated, "estimator"),
  };
}

/** Whether a format's values are a codebook of the layer's own, of so many bits as one likes. */
export function ownCodebook(format: Format | undefined): boolean {
  return format?.family === "codebook" && !format.scaled;
}

/** Defaults of fields, unless they are used. */
function unless<K extends keyof Choice>(used: boolean, ...fields: K[]): Partial<Pick<Choice, K>> {
  const defaults: Partial<Pick<Choice, K>> = {};
  if (!used) for (const field of fields) defaults[field] = DEFAULT_CHOICE[field];
  return defaults;
}

/** What has to divide the rows of every layer: inputs of a block or a group, if there are any. */
export function rowsDivided(choice: Choice, catalog: Catalog): number | undefined {
  const format = formatOf(catalog, choice.weights);
  return format?.block ?? (format?.groups && choice.granularity === GROUPED ? choice.group : undefined);
}

/** Layers of the choice's model that have weights. */
export function weightedLayers(choice: Pick<Choice, "model">, catalog: Catalog): Model["layers"] {
  return catalog.models.find((entry) => entry.id === choice.model)?.layers.filter(({ row }) => row > 0) ?? [];
}

/** Names of the choice's layers whose rows its blocks or groups do not divide; none where no layer would be left. */
export function misfitting(choice: Choice, catalog: Catalog): string[] {
  const size = rowsDivided(choice, catalog);
  const layers = weightedLayers(choice, catalog);
  if (size === undefined || choice.misfits === NONE) return [];
  const misfits = layers.filter(({ row }) => row % size !== 0);
  return misfits.length < layers.length ? misfits.map(({ name }) => name) : [];
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
  return !prunes(choice) && !quantizes(choice);
}

/** Whether a choice has a quantize step. */
export function quantizes(choice: Choice): boolean {
  return (
    choice.weights !== FULL_PRECISION ||
    choice.activations !== NO_ACTIVATIONS ||
    choice.transforms.length > 0 ||
    choice.layers.length > 0 ||
    choice.cache !== NONE
  );
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
    ...said("storage", choice.storage, DEFAULT_CHOICE.storage),
    steps: [
      ...pruneSteps(choice),
      ...(quantizes(choice) ? [{ quantize: quantizeOf(choice, catalog) }, ...trainOf(choice, catalog)] : []),
    ],
  };
}

/** Rates for weights of 2 bits and fewer, and of more: those that docs/methods.md has measured. */
const RATES = { narrow: 0.002, wide: 0.001 } as const;

function trainOf(choice: Choice, catalog: Catalog): { train: Train }[] {
  const { epochs, estimator, teacher } = normalise(choice, catalog);
  if (epochs === 0) return [];
  const narrow = (formatOf(catalog, choice.weights)?.bits ?? 32) <= 2;
  const lr = narrow ? RATES.narrow : RATES.wide;
  return [{ train: { epochs, estimator, lr, schedule: "cosine", ...distillBy(teacher) } }];
}

/** Fields that a recipe need not say are left out where they have their defaults: what is not used is then not named. */
function said<K extends string, T>(name: K, value: T, silent: T): Partial<Record<K, T>> {
  return value === silent ? {} : ({ [name]: value } as Record<K, T>);
}

function quantizeOf(choice: Choice, catalog: Catalog): Quantize {
  const { transforms, cache, activations, draw } = choice;
  const layers = layersOf(choice, catalog);
  return {
    ...(transforms.length > 0 ? { transforms: [...transforms] } : {}),
    ...said("alpha", choice.alpha, DEFAULT_CHOICE.alpha),
    weights: weightsOf(choice, catalog),
    ...(activations === NO_ACTIVATIONS ? {} : { activations: activationsOf(choice, catalog) }),
    ...(Object.keys(layers).length > 0 ? { layers } : {}),
    ...(choice.ends ? { ends: "int8" } : {}),
    ...(choice.budget > 0
      ? { bits: { budget: choice.budget, ...said("images", choice.judged, DEFAULT_CHOICE.judged) } }
      : {}),
    ...(cache === NONE ? {} : { kv_cache: { format: cache, granularity: choice.cacheGranularity } }),
    ...said("correction", choice.correction, DEFAULT_CHOICE.correction),
    ...said("images", choice.images, DEFAULT_CHOICE.images),
    ...said("seed", draw, FIRST_IMAGES),
  };
}

type Weights = NonNullable<Quantize["weights"]>;

function weightsOf(choice: Choice, catalog: Catalog): Weights {
  const format = formatOf(catalog, choice.weights);
  const { granularity, rounding } = choice;
  return {
    format: choice.weights,
    ...(format?.scaled ? { granularity: granularity === GROUPED ? { group: choice.group } : granularity } : {}),
    ...(format?.asymmetric ? { symmetric: choice.symmetric } : {}),
    ...(format?.ranged ? { range: format.ranges.includes(choice.range) ? choice.range : DEFAULT_CHOICE.range } : {}),
    ...said("scale", choice.scale, DEFAULT_CHOICE.scale),
    ...said("rounding", rounding, DEFAULT_CHOICE.rounding),
    ...said("damping", choice.damping, DEFAULT_CHOICE.damping),
    ...said("act_order", choice.actOrder, false),
    ...said("iterations", choice.iterations, DEFAULT_CHOICE.iterations),
    ...said("bits", choice.codebook, DEFAULT_CHOICE.codebook),
    ...said("huffman", choice.huffman, false),
  };
}

/** Layers that differ: those that blocks do not fit, and those that were set one by one, which stand. */
function layersOf(choice: Choice, catalog: Catalog): NonNullable<Quantize["layers"]> {
  const size = rowsDivided(choice, catalog);
  const layers: NonNullable<Quantize["layers"]> = {};
  for (const name of misfitting(choice, catalog)) layers[name] = { weights: ownWeights(choice.misfits, true, catalog) };
  for (const { name, weights, activations } of choice.layers) {
    const row = weightedLayers(choice, catalog).find((layer) => layer.name === name)?.row ?? 0;
    const misfit = size !== undefined && row % size !== 0;
    layers[name] = {
      ...layers[name],
      ...(weights === SAME ? {} : { weights: ownWeights(weights, misfit, catalog) }),
      ...(activations === SAME ? {} : { activations: { format: activations } }),
    };
  }
  return layers;
}

/** The weights of one layer. Where the groups of the others do not fit it, it has a scale for each channel, if it has scales. */
function ownWeights(format: string, misfit: boolean, catalog: Catalog): Weights {
  return { format, ...(misfit && formatOf(catalog, format)?.scaled ? { granularity: "channel" } : {}) };
}

function activationsOf(choice: Choice, catalog: Catalog): NonNullable<Quantize["activations"]> {
  const { activations: format, mode } = choice;
  const ranged = formatOf(catalog, format)?.ranged;
  const symmetric = ranged ? said("symmetric", choice.inputsSymmetric, true) : {};
  if (mode !== DEFAULT_CHOICE.mode)
    return { format, mode: "dynamic", granularity: mode === "token" ? "token" : "tensor", ...symmetric };
  return {
    format,
    granularity: "tensor",
    calibration: choice.calibration,
    ...symmetric,
    ...said("percentile", choice.percentile, DEFAULT_CHOICE.percentile),
    ...said("images", choice.watched, DEFAULT_CHOICE.watched),
  };
}

/** One choice per weight format of the curve, widest first: what "All widths" runs. Full precision is the plain baseline. */
export function allWidths(choice: Choice, catalog: Catalog): Choice[] {
  const seen = new Map<string, Choice>();
  for (const format of weightFormats(catalog).filter((entry) => entry.curve)) {
    const cell =
      format.id === FULL_PRECISION
        ? { ...baselineOf(choice), ...pruningOf(choice) }
        : normalise({ ...choice, weights: format.id }, catalog);
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
  return JSON.stringify(FIELDS.map((field) => choice[field]));
}

const FIELDS = Object.keys(DEFAULT_CHOICE) as (keyof Choice)[];

/** The family a choice belongs to: everything but the weights' format. */
export function familyKey(choice: Choice): string {
  return choiceKey({ ...choice, weights: "" });
}

/** The line of more and more pruning that a choice is on: everything but how much goes. */
export function shareKey(choice: Choice): string {
  return choiceKey({ ...choice, ...shareless(choice) });
}
