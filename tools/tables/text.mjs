// The words around the table. Numbers come from its cells, and what the sentences say of them is in CLAIMS, which a test holds.
import { nameOf } from "./cells.mjs";

const LENET = "lenet5-fashion";
const MOBILE = "mobilenet-fashion";
const RESNET = "resnet8-fashion";
const TEXT = "transformer-shakespeare";

/** Right answers of a cell, or of a network in f32 for the row "f32". */
export function lookup({ baselines, cells }) {
  const known = new Map(cells.map((cell) => [nameOf(cell), cell.correct]));
  return (row, model, bits) => {
    const found = row === "f32" ? baselines[model]?.correct : known.get(nameOf({ row, model, bits }));
    if (found === undefined) throw new Error(`${row} of ${model} at ${bits} bits is not computed`);
    return found;
  };
}

/** Pairs of cells of which the first has fewer right answers than the second, by at least so many. */
export const CLAIMS = [
  // One scale for a folded tensor ruins the network of depthwise layers at four bits, and equalizing or leaving norms alone does not.
  [["fold-tensor", MOBILE, 4], ["nearest-tensor", MOBILE, 4], 4000],
  [["fold-tensor", MOBILE, 4], ["equalize-tensor", MOBILE, 4], 5000],
  [["fold-tensor", MOBILE, 4], ["fold-channel", MOBILE, 4], 4000],
  [["fold-channel", MOBILE, 4], ["equalize-tensor", MOBILE, 4], 500],
  [["fold-channel", MOBILE, 4], ["nearest-tensor", MOBILE, 4], 500],
  [["fold-channel", MOBILE, 4], ["asymmetric-channel", MOBILE, 4], 1000],
  [["fold-channel", MOBILE, 4], ["bias-channel", MOBILE, 4], 1000],
  [["equalize-tensor", MOBILE, 4], ["equalize-bias-tensor", MOBILE, 4], 50],
  [["equalize-tensor", MOBILE, 3], ["equalize-bias-tensor", MOBILE, 3], 1000],
  [["equalize-tensor", RESNET, 4], ["fold-tensor", RESNET, 4], 100],
  // Less error of the layers' outputs: more right answers where rounding does harm …
  [["nearest-channel", LENET, 3], ["gptq", LENET, 3], 1000],
  [["nearest-channel", RESNET, 3], ["gptq", RESNET, 3], 900],
  [["nearest-channel", RESNET, 2], ["gptq", RESNET, 2], 6000],
  [["nearest-channel", MOBILE, 4], ["gptq", MOBILE, 4], 1000],
  [["nearest-channel", TEXT, 3], ["gptq", TEXT, 3], 9000],
  [["gptq", LENET, 3], ["adaround", LENET, 3], 0],
  // … and not where there is nothing to gain, or too little left.
  [["gptq", TEXT, 8], ["nearest-channel", TEXT, 8], 0],
  [["gptq", LENET, 8], ["nearest-channel", LENET, 8], 0],
  [["adaround", LENET, 2], ["gptq", LENET, 2], 100],
  [["gptq", LENET, 2], ["mse-channel", LENET, 2], 500],
  [["gptq", LENET, 2], ["gptq-mse", LENET, 2], 1500],
  // The error of weights says less still.
  [["mse-channel", RESNET, 3], ["nearest-channel", RESNET, 3], 1000],
  [["nearest-channel", RESNET, 2], ["mse-channel", RESNET, 2], 500],
  [["a8-entropy", LENET, 8], ["a8", LENET, 8], 300],
  [["a4", LENET, 8], ["smoothquant-a4", LENET, 8], 0],
  // Training gives back most of what two bits take.
  ...[LENET, MOBILE, RESNET].flatMap((model) => [
    [["nearest-channel", model, 2], ["ste", model, 2], 6000],
    [["ste", model, 2], ["lsq", model, 2], 100],
  ]),
  [["lsq", TEXT, 2], ["ste-mse", TEXT, 2], 1000],
  [["ste-mse", TEXT, 2], ["adaround-mse", TEXT, 2], 2000],
  [["lsq-inputs", MOBILE, 2], ["lsq-inputs", LENET, 2], 3000],
  [["lsq-inputs", RESNET, 2], ["lsq-inputs", LENET, 2], 3000],
  [["lsq", RESNET, 3], ["ste", RESNET, 3], 50],
  [["lsq", MOBILE, 3], ["ste", MOBILE, 3], 50],
];

/** Share of what rounding lost that came back, in percent. */
function recovered(get, model, trained) {
  const [float, before, after] = [get("f32", model), get("nearest-channel", model, 2), get(trained, model, 2)];
  return Math.round((100 * (after - before)) / (float - before));
}

export function text(get) {
  const n = (...cell) => get(...cell).toLocaleString("en");
  const head = `# What each method of quantization keeps

Right answers on whole test splits: 10,000 images, or 128,000 characters of text with bits per character in brackets. Rows are methods, columns bits
of a weight. Inputs of layers stay in f32 but in the last section, biases always. Methods that look at data see the first 256 images of the train split; \`adaround\` takes
1,000 steps for each layer. Training ([methods.md](../methods.md#estimators)) is on the train split with Adam, \`cosine\`, at 0.001, at 2 bits 0.002: two epochs for \`lenet5-fashion\`, one for the others. Everything
has seed 1. Recipes are in \`tools/tables/rows.mjs\`; the cells, with the bytes of each network and a digest of its outputs, in \`docs/tables/quantization.json\`.
Each cell is one run. The count of right answers has a standard deviation of 28 near 9,100 of 10,000 and of 50 near half, so small differences mean little.`;

  const findings = `**One scale for a tensor, and who is hurt by it.** Folding batch norms gives every channel of a layer a factor of its own. In \`mobilenet-fashion\`, where a
channel of a depthwise layer has nine weights and nothing to average with, one scale for a folded tensor leaves ${n("fold-tensor", MOBILE, 4)} right answers of ${n("f32", MOBILE)} at 4 bits; with norms
that are not folded it is ${n("nearest-tensor", MOBILE, 4)}. Equalizing brings ${n("equalize-tensor", MOBILE, 4)}, with bias correction ${n("equalize-bias-tensor", MOBILE, 4)}. A scale for each channel
cures it in part, ${n("fold-channel", MOBILE, 4)}, and the same whether norms are folded or not, since a channel's factor then goes into its scale. That is less than with one scale and plain norms, although
each layer's own error is smaller: nearly all of the loss comes from the first depthwise layer (\`sensitivity\` on the command line shows it), whose rounding shifts
what its channels give on average. Bias correction takes that away, ${n("bias-channel", MOBILE, 4)}, and an asymmetric grid hardly has it, ${n("asymmetric-channel", MOBILE, 4)}. At 3 bits: ${n("fold-tensor", MOBILE, 3)} folded, ${n("equalize-tensor", MOBILE, 3)}
equalized, ${n("equalize-bias-tensor", MOBILE, 3)} with bias correction, ${n("fold-channel", MOBILE, 3)} per channel. At 8 bits there is no collapse here (${n("fold-tensor", MOBILE, 8)} folded, ${n("equalize-tensor", MOBILE, 8)} equalized):
the ImageNet networks of the paper (Nagel et al. 2019, arXiv 1906.04721) collapse at 8 already, this small one at 4. And equalizing is no cure for all: \`resnet8-fashion\` goes from ${n("fold-tensor", RESNET, 4)}
to ${n("equalize-tensor", RESNET, 4)} at 4 bits. Only the pairs of layers inside its three stacks can be equalized; why that harms it this table does not say.

**Where a smaller error of the outputs turns into right answers.** GPTQ and AdaRound leave an error of a layer's outputs that is never above that of the nearest codes, on any layer of the five networks tried, at 4, 3 and 2 bits
(\`src/methods/quantize/inform/layer_errors.rs\` holds that). Where rounding does harm, that pays: at 3 bits \`gptq\` takes \`lenet5-fashion\` from ${n("nearest-channel", LENET, 3)} to ${n("gptq", LENET, 3)} and \`adaround\` to ${n("adaround", LENET, 3)},
\`resnet8-fashion\` from ${n("nearest-channel", RESNET, 3)} to ${n("gptq", RESNET, 3)}, \`transformer-shakespeare\` from ${n("nearest-channel", TEXT, 3)} to ${n("gptq", TEXT, 3)}; at 2 bits \`resnet8-fashion\` from ${n("nearest-channel", RESNET, 2)} to ${n("gptq", RESNET, 2)}; and \`mobilenet-fashion\`
at 4 bits from ${n("nearest-channel", MOBILE, 4)} to ${n("gptq", MOBILE, 4)}.

**Where it does not.** At 8 bits nothing is left to win, and what changes is chance: ${n("nearest-channel", LENET, 8)} to ${n("gptq", LENET, 8)}, and for the transformer ${n("nearest-channel", TEXT, 8)} to ${n("gptq", TEXT, 8)}. At 2 bits the better
error does not give the better network: of \`lenet5-fashion\`, \`adaround\` has ${n("adaround", LENET, 2)} right answers, \`gptq\` ${n("gptq", LENET, 2)}, and the nearest codes of a range chosen by the weights alone
${n("mse-channel", LENET, 2)}. Both keep to a range of the largest magnitude, of whose three values two are hardly used: with the \`mse\` range, \`gptq\` has ${n("gptq-mse", LENET, 2)}. Errors of layers also add up in ways that no layer sees.
The error of the weights says less still: the \`mse\` range makes it smaller everywhere, and \`resnet8-fashion\` at 3 bits falls from ${n("nearest-channel", RESNET, 3)} to ${n("mse-channel", RESNET, 3)} by it, at 2 bits it rises from ${n("nearest-channel", RESNET, 2)} to ${n("mse-channel", RESNET, 2)}.

**What training brings back.** At 2 bits an epoch or two of training through the rounding gives back most of what it took: of the answers lost by the nearest codes per channel, \`lsq\` recovers ${recovered(get, LENET, "lsq")} % in
\`lenet5-fashion\` (${n("nearest-channel", LENET, 2)} to ${n("lsq", LENET, 2)}; in f32 ${n("f32", LENET)}), ${recovered(get, MOBILE, "lsq")} % in \`mobilenet-fashion\` (${n("nearest-channel", MOBILE, 2)} to ${n("lsq", MOBILE, 2)}) and ${recovered(get, RESNET, "lsq")} % in \`resnet8-fashion\`
(${n("nearest-channel", RESNET, 2)} to ${n("lsq", RESNET, 2)}), \`ste\` ${recovered(get, LENET, "ste")}, ${recovered(get, MOBILE, "ste")} and ${recovered(get, RESNET, "ste")} %. At 3 bits \`ste\` is ahead of \`lsq\` in the two networks with batch norms.
One epoch on the windows that are committed gives \`transformer-shakespeare\` less: ${n("nearest-channel", TEXT, 2)} becomes ${n("lsq", TEXT, 2)}, ${recovered(get, TEXT, "lsq")} % of what was lost of ${n("f32", TEXT)}, and with \`ste\` and the \`mse\` range ${n("ste-mse", TEXT, 2)}.
\`adaround\` with that range, which moves no weight further than to the next code, has more there, ${n("adaround-mse", TEXT, 2)}. With inputs of two bits as well an epoch brings next to nothing back where there are batch norms: ${n("lsq-inputs", MOBILE, 2)} in
\`mobilenet-fashion\` and ${n("lsq-inputs", RESNET, 2)} in \`resnet8-fashion\`, but ${n("lsq-inputs", LENET, 2)} in \`lenet5-fashion\`.`;
  const inputs = `**Inputs.** With 8-bit inputs \`lenet5-fashion\` keeps ${n("a8", LENET, 8)} (\`minmax\`), ${n("a8-mse", LENET, 8)} (\`mse\`) and ${n("a8-dynamic", LENET, 8)} (\`dynamic\`) right answers, but ${n("a8-entropy", LENET, 8)} by \`entropy\`, probably because
behind a ReLU most inputs are 0, and a divergence that counts them like all others cuts off too much at the top. SmoothQuant with 8-bit inputs has ${n("smoothquant-a8", LENET, 8)}; 4-bit inputs cost more, ${n("a4", LENET, 8)}, and ${n("smoothquant-a4", LENET, 8)} smoothed.`;
  return { head, findings: `${findings}\n\n${inputs}` };
}
