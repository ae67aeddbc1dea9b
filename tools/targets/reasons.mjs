// Why the model misses what it misses, point by point: what the source says, or what the point has that the model does not.

/** By the point's id. */
export const REASONS = {
  m131: "The library's INT8 kernels for 64 rows run at a third of the bandwidth here, below its BF16 ones; at 256 rows they do not. FP8 beside it (m132) is met.",
  m331: "W4A4 in groups: the source puts it down to scaling groups on CUDA cores. The model counts that, but its attention with 4-bit keys costs nothing.",
  m321: "The source's W8A8 is slower than its own FP16 on this card and twice as fast on L40S: a matter of that release's kernels, not of the hardware.",
  m369: "A first INT4 convolution of CUTLASS (2020) with 64 terms to a sum: at 5 % of the peak and, if outputs are 4 bits, a fifth of the bandwidth; bound by neither.",
  m370: "As m369.",
  m204: "INT8 weight-only is a third slower than BF16 at this batch in the source; the model has weights decoded within a tuned product, which at worst costs a few per cent.",
  m167: "Both rows take 50 ms for 512 tokens, where products take 20: something fixed that the longer prompts of the series (m168 to m171) do not show.",
  m008: "Power: BF16 with 2:4 gains less and less as products grow (1.71, 1.52, 1.22 ×) at 300 W, INT8 does not (2.06 to 2.18 ×). The model has one factor.",
  m409: "Linear layers of one row, bound by weights from flash: four times fewer bytes, which the model takes to be four times as fast; the core issues one instruction a cycle, and bytes are loaded and widened one after the other.",
};
