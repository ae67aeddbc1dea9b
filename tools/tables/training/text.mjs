// The words around the table of training. Numbers come from its cells, and what the sentences say of them is in CLAIMS, which a test holds.
import { meanOf } from "../distillation/stats.mjs";
import { messagesRow, numbersRow, SEEDS } from "./rows.mjs";

export const HEAD = `# What numbers of fewer bits, and shorter messages, do to a training

Right answers on whole test splits (\`mlp-digits\` 500, \`lenet5-fashion\` 10,000 images), trained from scratch: the mean of ${SEEDS.length} seeds and half of its 95 % interval (Student's *t*). Recipes are in \`tools/tables/training/rows.mjs\`; the cells in
\`docs/tables/training.json\`. *Underflow* is the share of gradients that were not 0 and became it, in the layer where that is most, over the whole training.`;

/** Values of a row by seed. */
export const lookup =
  (table) =>
  (row, model, field = "correct") =>
    SEEDS.map((seed) => {
      const cell = table.cells.find((each) => each.row === row && each.model === model && each.seed === seed);
      if (cell === undefined) throw new Error(`no cell ${row} ${model} ${seed}`);
      return cell[field];
    });

const LENET5 = "lenet5-fashion";
const DIGITS = "mlp-digits";
export const rounded = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 1000 ? 1 : 0 });
const percent = (values) => `${(100 * meanOf(values).mean).toFixed(1)} %`;

const range = (values) => [...new Set([Math.min(...values), Math.max(...values)])].join(" to ");

/** Rows of which the first has fewer right answers than the second with every seed. */
export const CLAIMS = [
  [numbersRow("pure-fp16"), numbersRow("fp32"), LENET5],
  [numbersRow("pure-fp16"), numbersRow("amp-fp16"), LENET5],
  [numbersRow("pure-fp16"), numbersRow("amp-bf16"), LENET5],
  [numbersRow("pure-fp16"), numbersRow("pure-fp16-epsilon"), LENET5],
  [messagesRow("top-1"), messagesRow("dense"), LENET5],
];

export function findings(table) {
  const get = lookup(table);
  const n = (row, model = LENET5) => rounded(meanOf(get(row, model)).mean);
  const ended = get(numbersRow("pure-fp16"), LENET5, "diverged");
  const kept = ended.filter((step) => step === null).length;
  const steps = ended.filter((step) => step !== null);
  const layer = table.cells.find(({ row, model }) => row === numbersRow("fp16") && model === LENET5)?.layer;
  const ratio = (id) => {
    const bytes = (own) => get(messagesRow(own), LENET5, "bytes_per_step")[0];
    return `${(bytes("dense") / bytes(id)).toFixed(0)} ×`;
  };
  return [
    "## What it shows",
    `**An FP16 run that fails.** \`lenet5-fashion\` with Adam at a batch of 512, all of it in FP16 and no loss scale: ${steps.length} of ${SEEDS.length} seeds end with parameters that are not numbers, after ${range(steps.map((step) => step + 1))} steps${kept > 0 ? `, and the other ${kept} learn little` : ""}. On average ${percent(get(numbersRow("pure-fp16"), LENET5, "underflow"))} of the gradients of the worst layer underflow.
What kills it is Adam's second moment: the square of a gradient below 2^-12 is below the least FP16, so it is kept as 0, and the step is divided by ε alone. With ε at 0.001 the same run gets ${n(numbersRow("pure-fp16-epsilon"))} right, f32 ${n(numbersRow("fp32"))}, mixed precision ${n(numbersRow("amp-fp16"))}, BF16 with f32 weights ${n(numbersRow("amp-bf16"))}. A loss scale of 1024
does not help by itself (${n(numbersRow("pure-fp16-scaled"))}), since it is taken off before the moments. With SGD nothing is squared, and pure FP16 gets ${n(numbersRow("pure-fp16-sgd"))}, f32 ${n(numbersRow("fp32-sgd"))}.`,
    `**FP16 with f32 weights and no scale did not fail** in anything we tried: here it gets ${n(numbersRow("fp16"))}, although ${percent(get(numbersRow("fp16"), LENET5, "underflow"))} of the gradients of \`${layer}\` become 0. What is lost are the gradients of images that are already right. A loss scale brings the share to ${percent(get(numbersRow("amp-fp16"), LENET5, "underflow"))} and is free.`,
    `**BF16 weights** to the nearest get ${n(numbersRow("pure-bf16"))}, rounded by chance ${n(numbersRow("pure-bf16-stochastic"))}; FP8 ${n(numbersRow("fp8"))}, INT8 ${n(numbersRow("int8"))}.`,
    `**Messages.** f32 gets ${n(messagesRow("dense"))}. Eight bits, ${ratio("8-bit")} smaller, ${n(messagesRow("8-bit"))}; QSGD with 4 levels, ${ratio("qsgd-4")}, ${n(messagesRow("qsgd-4"))}; TernGrad, ${ratio("terngrad")}, ${n(messagesRow("terngrad"))}; one bit with the rest sent later, ${ratio("1-bit")}, ${n(messagesRow("1-bit"))}; the greatest 1 %, ${ratio("top-1")}, ${n(messagesRow("top-1"))}. On \`mlp-digits\`: f32 ${n(messagesRow("dense"), DIGITS)}, QSGD ${n(messagesRow("qsgd-4"), DIGITS)}, one bit ${n(messagesRow("1-bit"), DIGITS)}, the greatest 1 % ${n(messagesRow("top-1"), DIGITS)}.
The optimizer is Adam, which none of the papers had in mind: it gives every value a step of the same size, so that chance in small values weighs as much as the signal in large ones.`,
  ];
}
