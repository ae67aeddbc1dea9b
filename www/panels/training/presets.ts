/** Trainings worth watching, each by what it sets beyond the defaults. */

import type { Catalog } from "../../state/schema";
import { ALONE, DEFAULT_TRAINING, settleTraining, type TrainingChoice, teachersOf } from "../../state/training";

export interface TrainingPreset {
  readonly id: string;
  /** What it sets, for a model. */
  readonly settings: (model: string, catalog: Catalog) => Partial<TrainingChoice>;
  /** Whether it needs a student: the smallest model of the same data. */
  readonly student?: boolean;
  /** The one model that it is about. */
  readonly model?: string;
}

const just = (settings: Partial<TrainingChoice>) => () => settings;
/** A small rate for as long as it needs. */
const SMALL_STEPS = { precision: "pure-bf16", lr: 0.0001, epochs: 20 } as const;

/** As the table of distillation trains students of digits (`tools/tables/distillation/rows.mjs`): these show what it says. */
const TABLE = { batch: 32, lr: 0.005, rate: "cosine", teacher: "mlp-digits", seeds: 10 } as const;
const WHOLE = { ...TABLE, epochs: 60, count: 0 } as const;

export const TRAINING_PRESETS: readonly TrainingPreset[] = [
  { id: "plain", settings: just({}) },
  { id: "amp", settings: just({ precision: "amp-fp16" }) },
  { id: "unscaled", settings: just({ precision: "fp16", optimizer: "sgd", lr: 0.1, epochs: 20 }) },
  { id: "dies", settings: just({ precision: "pure-fp16" }) },
  { id: "coarse", settings: just(SMALL_STEPS) },
  { id: "chance", settings: just({ ...SMALL_STEPS, rounding: "stochastic" }) },
  { id: "fp8", settings: just({ precision: "fp8" }) },
  {
    id: "taught",
    student: true,
    settings: (model, catalog) => ({ teacher: teachersOf(model, catalog)[0]?.id ?? ALONE, epochs: 20, lr: 0.003 }),
  },
  {
    id: "few",
    model: "mlp16-digits",
    settings: just({ ...TABLE, epochs: 200, count: 100, temperature: 8 }),
  },
  {
    id: "missing",
    model: "mlp16-digits",
    settings: just({ ...WHOLE, exclude: ["3"], temperature: 8, alpha: 1 }),
  },
  { id: "noise", model: "mlp32-digits", settings: just({ ...WHOLE, transfer: "noise", temperature: 4 }) },
  { id: "assistant", model: "mlp8-digits", settings: just({ ...WHOLE, assistant: "mlp16-digits", temperature: 2 }) },
  { id: "workers", settings: just({ workers: 4, message: "top-k" }) },
];

/** The model that a preset is for. */
export function modelFor(preset: TrainingPreset, model: string, catalog: Catalog): string {
  if (preset.model) return preset.model;
  return preset.student ? (teachersOf(model, catalog).at(-1)?.id ?? model) : model;
}

/** The training it makes; images and seeds stay where it does not say them. */
export function presetTraining(
  preset: TrainingPreset,
  { count, seeds }: TrainingChoice,
  model: string,
  catalog: Catalog,
): TrainingChoice {
  return settleTraining({ ...DEFAULT_TRAINING, count, seeds, ...preset.settings(model, catalog) }, model, catalog);
}

/** The preset that a training is. */
export function trainingPresetOf(choice: TrainingChoice, model: string, catalog: Catalog): TrainingPreset | undefined {
  const same = JSON.stringify(choice);
  return TRAINING_PRESETS.find(
    (preset) =>
      modelFor(preset, model, catalog) === model &&
      JSON.stringify(presetTraining(preset, choice, model, catalog)) === same,
  );
}
