/** A training by itself: what is chosen, and the recipe it makes. */

import { readsText } from "./choice";
import type { Catalog, CoreError, Model, Recipe, Train } from "./schema";

/** In place of a teacher. */
export const ALONE = "none";
export const STARTS = ["random", "zoo"] as const;
export const STEPS = ["momentum", "nesterov"] as const;
export const MIRRORED = ["no", "yes"] as const;
export const TRANSFERS = ["images", "noise"] as const;
export const ROUNDINGS = ["nearest", "stochastic"] as const;

export interface TrainingChoice {
  /** Fresh weights, or the trained ones. */
  readonly start: string;
  readonly epochs: number;
  readonly batch: number;
  readonly optimizer: string;
  readonly lr: number;
  /** Of SGD: the share of its last step that a step goes on with, and whether it looks ahead by it. */
  readonly momentum: number;
  readonly ahead: string;
  /** Times the parameter, added to its gradient; with AdamW taken off the parameter, times the rate. */
  readonly decay: number;
  /** Pixels that images are moved by at random, each way. */
  readonly shift: number;
  /** Whether images are mirrored at random. */
  readonly flip: string;
  /** Classes whose images are left out, by label. */
  readonly exclude: readonly string[];
  /** Layers that stay as they are, in the model's order. */
  readonly freeze: readonly string[];
  /** Adam's ε. */
  readonly epsilon: number;
  /** How the learning rate runs. */
  readonly rate: string;
  /** The first so many training images; 0: all. */
  readonly count: number;
  /** Epochs without a gain before it ends early; 0: never. */
  readonly patience: number;
  readonly smoothing: number;
  readonly precision: string;
  /** What the loss is multiplied by at first; 0: as the mode has it. */
  readonly lossScale: number;
  /** Good steps after which it doubles; 0: as the mode has it. */
  readonly growth: number;
  /** Of weights that are kept in fewer bits. */
  readonly rounding: string;
  /** 1: no exchange. */
  readonly workers: number;
  readonly message: string;
  /** Of QSGD: how many numbers there are between 0 and the vector's length. */
  readonly levels: number;
  /** Of TernGrad: standard deviations beyond which a gradient is cut off; 0: none is. */
  readonly clip: number;
  /** Of the largest: which share of the gradients they are. */
  readonly share: number;
  /** A model of the same data, or `ALONE`. */
  readonly teacher: string;
  /** Epochs that the teacher is trained for here, from fresh weights; 0: it teaches as it is. */
  readonly teacherEpochs: number;
  /** A model that the teacher teaches first, and that teaches in its place; or `ALONE`. */
  readonly assistant: string;
  readonly imitation: string;
  readonly temperature: number;
  readonly alpha: number;
  /** Times the loss of what is imitated beside the answers; 0: as that has it. */
  readonly beta: number;
  /** What the teacher is asked about: images, or noise in their place. */
  readonly transfer: string;
  /** How many seeds "several" are. */
  readonly seeds: number;
}

export const DEFAULT_TRAINING: TrainingChoice = {
  start: "random",
  epochs: 5,
  batch: 64,
  optimizer: "adam",
  lr: 0.001,
  momentum: 0.9,
  ahead: "momentum",
  decay: 0,
  shift: 0,
  flip: "no",
  exclude: [],
  freeze: [],
  epsilon: 1e-8,
  rate: "constant",
  count: 1000,
  patience: 0,
  smoothing: 0,
  precision: "fp32",
  lossScale: 0,
  growth: 0,
  rounding: "nearest",
  workers: 1,
  message: "8-bit",
  levels: 4,
  clip: 2.5,
  share: 0.01,
  teacher: ALONE,
  teacherEpochs: 0,
  assistant: ALONE,
  imitation: "logits",
  temperature: 4,
  alpha: 0.9,
  beta: 0,
  transfer: "images",
  seeds: 5,
};

export type NumberField = {
  [K in keyof TrainingChoice]: TrainingChoice[K] extends number ? K : never;
}[keyof TrainingChoice];

export type ListField = {
  [K in keyof TrainingChoice]: TrainingChoice[K] extends readonly string[] ? K : never;
}[keyof TrainingChoice];

/** Limits that are the page's own, and those of recipes that the catalog does not name (docs/recipe.md). */
const OWN_LIMITS: Partial<Record<NumberField, readonly [number, number]>> = {
  epsilon: [0, 1],
  momentum: [0, 0.999],
  decay: [0, 1],
  shift: [0, 8],
  patience: [0, 200],
  smoothing: [0, 0.9],
  seeds: [2, 20],
  growth: [0, 1_000_000],
  levels: [1, 127],
  clip: [0, 100],
  share: [0.0001, 1],
  beta: [0, 1_000_000],
};
const CATALOG_LIMITS: Partial<Record<NumberField, string>> = {
  epochs: "train.epochs",
  teacherEpochs: "train.epochs",
  batch: "train.batch",
  lr: "train.lr",
  count: "train.count",
  lossScale: "train.loss_scale",
  workers: "train.workers",
  temperature: "distill.temperature",
  alpha: "distill.alpha",
};
const MESSAGE_SETTINGS: Readonly<Record<string, "levels" | "clip" | "share">> = {
  qsgd: "levels",
  terngrad: "clip",
  "top-k": "share",
};
/** Fields in which 0 stands for what the engine does by itself. */
const OR_ZERO: readonly string[] = ["count", "lossScale", "teacherEpochs"];

/** Least and greatest of a number. */
export function limitsOf(field: NumberField, catalog: Catalog): readonly [number, number] {
  const [least, most] = OWN_LIMITS[field] ??
    catalog.limits[CATALOG_LIMITS[field] ?? ""] ?? [0, Number.MAX_SAFE_INTEGER];
  return [OR_ZERO.includes(field) ? 0 : least, most];
}

/** Whether gradients have so short a range that a loss scale has a meaning. */
export function isScaled(precision: string): boolean {
  return precision.endsWith("fp16");
}

/** Whether weights themselves are kept in fewer bits. */
export function keepsFewBits(precision: string): boolean {
  return precision.startsWith("pure-");
}

/** The setting that a message between workers has, if it has one. */
export function messageSetting(message: string): "levels" | "clip" | "share" | undefined {
  return MESSAGE_SETTINGS[message];
}

export function isAdam(optimizer: string): boolean {
  return optimizer.startsWith("adam");
}

const modelOf = (id: string, catalog: Catalog) => catalog.models.find((model) => model.id === id);
const dataOf = (model: string, catalog: Catalog) => catalog.data.find(({ id }) => id === modelOf(model, catalog)?.data);

/** Models that may teach this one: those that see the same data, the largest first. */
export function teachersOf(model: string, catalog: Catalog): Model[] {
  const data = modelOf(model, catalog)?.data;
  return catalog.models.filter((each) => each.data === data).sort((a, b) => b.parameters - a.parameters);
}

/** Models that may stand between a teacher and this one. */
export function assistantsOf(model: string, teacher: string, catalog: Catalog): Model[] {
  return teacher === ALONE ? [] : teachersOf(model, catalog).filter(({ id }) => id !== teacher);
}

/** Whether who teaches is trained first, rather than known. */
export function makesTeacher({ teacher, teacherEpochs, assistant }: TrainingChoice): boolean {
  return teacher !== ALONE && (teacherEpochs > 0 || assistant !== ALONE);
}

/** Names of the layers that a training changes. */
export function layerNames(model: string, catalog: Catalog): string[] {
  return modelOf(model, catalog)?.layers.map(({ name }) => name) ?? [];
}

/** Ids of the classes that can be left out: those of images. */
export function classesOf(model: string, catalog: Catalog): readonly string[] {
  return readsText({ model }, catalog) ? [] : (dataOf(model, catalog)?.classes ?? []);
}

/** Training images there are for a model. */
export function trainImages(model: string, catalog: Catalog): number {
  return dataOf(model, catalog)?.splits.train ?? 0;
}

/** Images a training uses. */
export function imagesUsed({ count }: TrainingChoice, model: string, catalog: Catalog): number {
  const all = trainImages(model, catalog);
  return count > 0 ? Math.min(count, all) : all;
}

/** Steps of all epochs. */
export function stepsOf(choice: TrainingChoice, model: string, catalog: Catalog): number {
  return choice.epochs * Math.ceil(imagesUsed(choice, model, catalog) / choice.batch);
}

/** The choice without what has no meaning for the model or beside the rest. */
export function settleTraining(choice: TrainingChoice, model: string, catalog: Catalog): TrainingChoice {
  const plain = DEFAULT_TRAINING;
  const teacher = teachersOf(model, catalog).some(({ id }) => id === choice.teacher) ? choice.teacher : ALONE;
  const taught = teacher !== ALONE;
  const assistants = assistantsOf(model, teacher, catalog);
  const message = choice.workers > 1 && !taught ? choice.message : plain.message;
  const own = messageSetting(message);
  const exclude = classesOf(model, catalog).filter((id) => choice.exclude.includes(id));
  const text = readsText({ model }, catalog);
  // Noise belongs to no class.
  const transfer = taught && !text && exclude.length === 0 ? choice.transfer : plain.transfer;
  const imitation = taught ? choice.imitation : plain.imitation;
  return {
    ...choice,
    teacher,
    teacherEpochs: taught ? choice.teacherEpochs : plain.teacherEpochs,
    assistant: assistants.some(({ id }) => id === choice.assistant) ? choice.assistant : plain.assistant,
    epsilon: isAdam(choice.optimizer) ? choice.epsilon : plain.epsilon,
    momentum: isAdam(choice.optimizer) ? plain.momentum : choice.momentum,
    ahead: isAdam(choice.optimizer) ? plain.ahead : choice.ahead,
    ...(text && { shift: plain.shift, flip: plain.flip }),
    exclude,
    freeze: layerNames(model, catalog).filter((name) => choice.freeze.includes(name)),
    lossScale: isScaled(choice.precision) ? choice.lossScale : plain.lossScale,
    growth: isScaled(choice.precision) ? choice.growth : plain.growth,
    rounding: keepsFewBits(choice.precision) ? choice.rounding : plain.rounding,
    // A teacher is asked by one machine.
    workers: taught ? 1 : choice.workers,
    message,
    levels: own === "levels" ? choice.levels : plain.levels,
    clip: own === "clip" ? choice.clip : plain.clip,
    share: own === "share" ? choice.share : plain.share,
    imitation,
    temperature: taught ? choice.temperature : plain.temperature,
    alpha: isNoise(transfer) ? 1 : taught ? choice.alpha : plain.alpha,
    beta: isInside(imitation) ? choice.beta : plain.beta,
    transfer,
  };
}

/** Layers of student and teacher that belong together. */
export type LayerPair = readonly [string, string];

/** Whether there are no images, and so no labels. */
export function isNoise(transfer: string): boolean {
  return transfer === "noise";
}

/** Whether more than answers is imitated, which counts by a number of its own. */
export function isInside(imitation: string): boolean {
  return imitation !== DEFAULT_TRAINING.imitation;
}

/** Whether an imitation looks at layers inside, which have to be named. */
export function needsLayers(imitation: string): boolean {
  return imitation === "hint" || imitation === "attention";
}

/** The precision as a recipe says it. */
function precisionOf({ precision, lossScale, growth, rounding }: TrainingChoice): NonNullable<Train["precision"]> {
  const settings = {
    ...(lossScale > 0 && { loss_scale: lossScale }),
    ...(growth > 0 && { growth }),
    ...(rounding !== DEFAULT_TRAINING.rounding && { rounding }),
  };
  return Object.keys(settings).length > 0 ? { mode: precision, ...settings } : precision;
}

/** What workers send each other, as a recipe says it. */
function exchangeOf(choice: TrainingChoice): NonNullable<Train["exchange"]> {
  const { workers, message } = choice;
  const own = messageSetting(message);
  return { workers, method: message, ...(own && choice[own] !== DEFAULT_TRAINING[own] && { [own]: choice[own] }) };
}

type Distill = NonNullable<Train["distill"]>;

/** Who teaches, as a recipe says it: as it is, or made first. An assistant learns as the student does (`lessons`), from answers alone. */
function teacherOf(choice: TrainingChoice, lessons: Train): Distill["teacher"] {
  const { teacher, teacherEpochs, assistant, temperature, alpha } = choice;
  const made = (model: string, train: Train) => ({ model, init: "random", steps: [{ train }] });
  const first = teacherEpochs > 0 ? made(teacher, { epochs: teacherEpochs }) : teacher;
  if (assistant === ALONE) return first;
  return made(assistant, { ...lessons, distill: { teacher: first, method: "logits", temperature, alpha } });
}

/** How it learns and from what: what a student has in common with an assistant. */
function lessonsOf(choice: TrainingChoice, model: string, catalog: Catalog): Train {
  const { epochs, batch, optimizer, lr, rate, epsilon, momentum, ahead, decay } = choice;
  const { shift, flip, exclude, transfer, patience, smoothing } = choice;
  const images = imagesUsed(choice, model, catalog);
  return {
    epochs,
    batch,
    optimizer,
    lr,
    schedule: rate,
    ...(isAdam(optimizer) && epsilon !== DEFAULT_TRAINING.epsilon && { epsilon }),
    ...(momentum !== DEFAULT_TRAINING.momentum && { momentum }),
    ...(ahead === "nesterov" && { nesterov: true }),
    ...(decay > 0 && { weight_decay: decay }),
    ...(shift > 0 && { shift }),
    ...(flip === "yes" && { flip: true }),
    ...(exclude.length > 0 && { exclude: [...exclude] }),
    ...(images < trainImages(model, catalog) && { count: images }),
    ...(patience > 0 && { patience }),
    ...(smoothing > 0 && { label_smoothing: smoothing }),
    ...(isNoise(transfer) && { transfer }),
  };
}

/** The recipe of a training of `model`; its record is always kept. `split` is what it is judged by. */
export function trainingRecipe(
  choice: TrainingChoice,
  model: string,
  seed: number,
  catalog: Catalog,
  { pair, split = "test" }: { readonly pair?: LayerPair | undefined; readonly split?: "test" | "validation" } = {},
): Recipe {
  const settled = settleTraining(choice, model, catalog);
  const { start, freeze, workers, teacher, imitation, temperature, alpha, beta } = settled;
  const lessons = lessonsOf(settled, model, catalog);
  const train: Train = {
    ...lessons,
    record: true,
    precision: precisionOf(settled),
    ...(freeze.length > 0 && { freeze: [...freeze] }),
    ...(workers > 1 && { exchange: exchangeOf(settled) }),
    ...(teacher !== ALONE && {
      distill: {
        teacher: teacherOf(settled, lessons),
        method: imitation,
        temperature,
        alpha,
        ...(beta > 0 && { beta }),
        ...(pair && needsLayers(imitation) && { layers: [[...pair]] }),
      },
    }),
  };
  return { version: 1, model, seed, init: start, data: { split }, steps: [{ train }] };
}

/** The last layers inside both networks that the engine lets belong together, where the imitation needs any. */
export function layerPair(
  choice: TrainingChoice,
  model: string,
  catalog: Catalog,
  refusal: (recipe: Recipe) => CoreError | undefined,
): LayerPair | undefined {
  const { teacher, assistant, imitation } = settleTraining(choice, model, catalog);
  if (teacher === ALONE || !needsLayers(imitation)) return undefined;
  const inside = (id: string) =>
    (modelOf(id, catalog)?.layers ?? [])
      .slice(0, -1)
      .map(({ name }) => name)
      .reverse();
  for (const own of inside(model))
    for (const other of inside(assistant === ALONE ? teacher : assistant)) {
      const pair: LayerPair = [own, other];
      if (!refusal(trainingRecipe(choice, model, 0, catalog, { pair }))) return pair;
    }
  return undefined;
}
