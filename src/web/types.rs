//! TypeScript types of recipes, which are plain JSON to the engine.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const RECIPE_TYPES: &str = r#"
/** How weights are quantized. */
export interface WeightSpec {
  format: string; granularity?: string | { group: number }; symmetric?: boolean; range?: string;
  bits?: number; huffman?: boolean; scale?: string; rounding?: string; damping?: number; act_order?: boolean; iterations?: number;
}
/** How inputs are quantized. */
export interface ActivationSpec {
  format: string; mode?: string; granularity?: string; symmetric?: boolean; calibration?: string; images?: number; percentile?: number;
}
/** A quantize step. */
export interface QuantizeStep {
  transforms?: string[]; alpha?: number; ends?: string; seed?: number; correction?: string; images?: number;
  kv_cache?: { format: string; granularity?: string };
  bits?: { budget: number; by?: string; images?: number };
  weights?: WeightSpec; activations?: ActivationSpec;
  layers?: Record<string, { weights?: Partial<WeightSpec>; activations?: Partial<ActivationSpec> }>;
}
/** A prune step. */
export interface PruneStep {
  method?: string; pattern?: string | { nm: [number, number] } | { block: [number, number] }; scope?: string; sparsity?: number; macs?: number;
  threshold?: number; ratios?: { budget: number; of?: string; images?: number };
  layers?: Record<string, "keep" | { sparsity: number }>; keep_last?: boolean; images?: number; seed?: number;
  schedule?: { kind: string; from?: number; end?: number; every?: number; rounds?: number; rewind?: string };
}
/** A teacher, and what is learned from it. */
export interface Distill {
  teacher: string | { model: string; init?: string; steps?: Recipe["steps"] };
  method?: string; temperature?: number; alpha?: number; beta?: number; layers?: [string, string][];
}
/** A train step. */
export interface TrainStep {
  epochs?: number; batch?: number; optimizer?: string; lr?: number; momentum?: number; schedule?: string;
  weight_decay?: number; flip?: boolean; shift?: number; set?: string;
  nesterov?: boolean; label_smoothing?: number; freeze?: string[]; patience?: number; count?: number; exclude?: string[];
  estimator?: string; clip_decay?: number; distill?: Distill; transfer?: string;
  epsilon?: number; record?: boolean;
  precision?: string | { mode: string; loss_scale?: number; growth?: number; rounding?: string };
  exchange?: { workers?: number; method: string; levels?: number; clip?: number; share?: number };
}
/** A recipe, version 1; canonical recipes have every default written out. */
export interface Recipe {
  version: 1; model: string; seed: number; steps: ({ quantize: QuantizeStep } | { train: TrainStep } | { prune: PruneStep })[];
  data?: { set?: string; split?: string; count?: number; train?: number; validation?: number; test?: number }; init?: string; execution?: string; storage?: string;
  targets?: string[];
}
/** One recipe of a sweep, or why it is none. */
export interface SweepCell { axes: Record<string, unknown>; recipe: Recipe | null; error: CoreError | null }
"#;
