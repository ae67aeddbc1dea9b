/** The numbers that a training computes with: how far they reach and how fine they are. */

/** A float of few bits, by powers of two. */
export interface Range {
  /** Written on the chart, such as `FP16`. */
  readonly name: string;
  /** Largest finite value. */
  readonly most: number;
  /** Exponents of the least normal number, and of the least there is. */
  readonly normal: number;
  readonly least: number;
  /** Bits behind the leading one. */
  readonly mantissa: number;
  /** Whether each tensor has a scale of its own, so that only the distance to its largest value counts. */
  readonly scaled: boolean;
}

const FP16: Range = { name: "FP16", most: 65504, normal: -14, least: -24, mantissa: 10, scaled: false };
const BF16: Range = { name: "BF16", most: 3.3895314e38, normal: -126, least: -133, mantissa: 7, scaled: false };
const E4M3: Range = { name: "E4M3", most: 448, normal: -6, least: -9, mantissa: 3, scaled: true };
const E5M2: Range = { name: "E5M2", most: 57344, normal: -14, least: -16, mantissa: 2, scaled: true };
const INT8: Range = { name: "INT8", most: 127, normal: 0, least: 0, mantissa: 0, scaled: true };

/** What gradients are computed in, and what weights are computed with; f32 where there is none (src/methods/train/lowered.rs). */
const RANGES: Readonly<Record<string, { readonly gradients: Range; readonly weights: Range }>> = {
  "amp-fp16": { gradients: FP16, weights: FP16 },
  fp16: { gradients: FP16, weights: FP16 },
  "pure-fp16": { gradients: FP16, weights: FP16 },
  "amp-bf16": { gradients: BF16, weights: BF16 },
  "pure-bf16": { gradients: BF16, weights: BF16 },
  fp8: { gradients: E5M2, weights: E4M3 },
  int8: { gradients: INT8, weights: INT8 },
};

export function rangeOf(precision: string, what: "gradients" | "weights"): Range | undefined {
  return RANGES[precision]?.[what];
}
