/** Links that were once valid and must stay so: each with what it means. Add; never change or remove. */

import { type Choice, DEFAULT_CHOICE, FULL_PRECISION, NO_ACTIVATIONS, recipeIn } from "./choice";
import type { View } from "./hash";

export interface Link {
  readonly hash: string;
  /** What differs from the default choice and view. */
  readonly choice: Partial<Choice>;
  readonly more: Partial<Omit<View, "choice">>;
}

export const LINKS: readonly Link[] = [
  { hash: "", choice: {}, more: {} },
  { hash: "#r1=lenet5-fashion", choice: { weights: FULL_PRECISION, activations: NO_ACTIVATIONS }, more: {} },
  { hash: "#r1=lenet5-fashion.q4", choice: { activations: NO_ACTIVATIONS }, more: {} },
  { hash: "#r1=lenet5-fashion.q2a8", choice: { weights: "int2" }, more: {} },
  {
    hash: "#r1=lenet5-fashion.q8a4~gt~asym~rm~cm",
    choice: {
      weights: "int8",
      activations: "int4",
      granularity: "tensor",
      symmetric: false,
      range: "mse",
      calibration: "mse",
    },
    more: {},
  },
  { hash: "#r1=lenet300-fashion.qta8", choice: { model: "lenet300-fashion", weights: "ternary" }, more: {} },
  {
    hash: "#r1=mlp-digits.q1&x=bits",
    choice: { model: "mlp-digits", weights: "binary", activations: NO_ACTIVATIONS },
    more: { axis: "bits" },
  },
  { hash: "#n=1000&run=widths", choice: { count: 1000 }, more: { widths: true } },
  { hash: "#seed=11&x=bits&tab=lost", choice: { seed: 11 }, more: { axis: "bits", tab: "lost" } },
  {
    hash: "#r1=lenet5-fashion.q3a8&a=lenet300-fashion.q8a8&tab=lost",
    choice: { weights: "int3" },
    more: { tab: "lost", pinned: recipeIn({ ...DEFAULT_CHOICE, model: "lenet300-fashion", weights: "int8" }) },
  },
  {
    hash: "#r1=lenet5-fashion.q2.t2~el",
    choice: { weights: "int2", activations: NO_ACTIVATIONS, epochs: 2, estimator: "lsq" },
    more: {},
  },
  {
    hash: "#r1=mlp-digits.qta4~rb.t5&x=bits",
    choice: { model: "mlp-digits", weights: "ternary", activations: "int4", range: "absmean", epochs: 5 },
    more: { axis: "bits" },
  },
  { hash: "#unknown=1&x=bits", choice: {}, more: { axis: "bits" } },
];
