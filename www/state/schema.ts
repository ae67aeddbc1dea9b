/** The engine's data as the page uses it. One place, so that a change of the engine's types shows here first. */

export type {
  Asked,
  Catalog,
  CoreError,
  Hold,
  LayerInspection,
  Ledger,
  Measured,
  Picture,
  Piece,
  Place,
  Progress,
  Prune,
  Quantize,
  Recipe,
  Report,
  RunResult,
  SensitivityRow,
  Split,
  Train,
  TrainingRecord,
  WeightInspection,
  WeightMatrix,
  Writing,
} from "../engine/types";

export { FIXED } from "../engine/types";

import type { Catalog } from "../engine/types";

export type Format = Catalog["formats"][number];
export type Model = Catalog["models"][number];
export type DataSet = Catalog["data"][number];
