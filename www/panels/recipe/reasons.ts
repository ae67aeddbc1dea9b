/**
 * Why the engine refuses a choice, in one line. The engine says it in its own words (`found`), in English; here each of its sentences
 * has a key, so that every language has it. What has none is said in the words of the error.
 */

import type { Speech } from "../../i18n";
import type { CoreError } from "../../state/schema";
import { errorWords } from "../words";

/** Kinds of ids among the words of a sentence, and how each is named. */
const KINDS = ["format", "pruning", "rounding", "transform", "model"] as const;

/** What the engine says, with the ids in it as groups. */
const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^(?<format>\S+) in blocks of (?<size>\d+), and (?<row>\d+) weights per output of (?<layer>\S+)$/, "reason.blocks"],
  [/^(?<size>\d+), and (?<row>\d+) weights per output of (?<layer>\S+)$/, "reason.groups"],
  [/^(?<rounding>gptq|adaround|hqq) with (?<format>\S+)$/, "reason.rounding"],
  [/^a symmetric grid with hqq/, "reason.hqq"],
  [/^power-of-two with \S+ around a zero-point$/, "reason.power"],
  [/^entropy with an asymmetric grid$/, "reason.entropy"],
  [/^one dynamic range for a whole text/, "reason.wholeText"],
  [/^a range for each token of an image$/, "reason.tokenImage"],
  [/^a range for each token from calibration$/, "reason.tokenStatic"],
  [/^dynamic with (?<format>\S+)$/, "reason.dynamicFormat"],
  [/^fold-batchnorm, but (?<model>\S+) has no batch norm/, "reason.noNorm"],
  [/^equalize, but no two layers of (?<model>\S+) have/, "reason.noPair"],
  [/^hadamard, but no layer of (?<model>\S+) has/, "reason.noRotation"],
  [/^(?<transform>smoothquant|awq), but no layer of (?<model>\S+) reads/, "reason.noSeam"],
  [/^hadamard with awq/, "reason.hadamardAwq"],
  [/^(?<transform>\S+) with (?<other>\S+): both scale/, "reason.bothScale"],
  [/^smoothquant, which makes inputs easier/, "reason.smoothquantInputs"],
  [/^awq, which scales by what rounding the weights does/, "reason.awqWeights"],
  [/^awq with range mse/, "reason.awqRange"],
  [/^bits to share out, but weights have no width/, "reason.budgetWidth"],
  [/^bits to share out with awq/, "reason.budgetAwq"],
  [/^int8 for ends of at least 8 bits/, "reason.ends"],
  [/^a seed for images that nothing looks at$/, "reason.unseen"],
  [/^bias correction with adaround/, "reason.biasAdaround"],
  [/^nothing is rounded that would need correction$/, "reason.nothingRounded"],
  [/^kv_cache, but (?<model>\S+) keeps no keys/, "reason.noCache"],
  [/^train after quantize with dynamic inputs/, "reason.trainDynamic"],
  [/^train after quantize with kmeans/, "reason.trainCodebook"],
  [/^train after quantize with (?<method>[\w-]+), whose codes/, "reason.trainCodes"],
  [/^images with (?<pruning>\w+), which looks at none$/, "reason.onlyImages"],
  [/^(?:global|layer|row) with (?<pruning>lamp|wanda|sparsegpt)$/, "reason.scopeWith"],
  [/^a pattern with lamp/, "reason.patternLamp"],
  [/^blocks with sparsegpt/, "reason.blocksSparsegpt"],
  [/^(?:gradual|iterative|lottery|one-shot) with nm/, "reason.nmAtOnce"],
  [/^(?:gradual|iterative|lottery|one-shot) with (?<pruning>\w+)$/, "reason.scheduleWith"],
  [/^ratios\b/, "reason.ratiosWith"],
  [/with ratios|beside ratios/, "reason.ratiosWith"],
  [/^a transform of what layers read, after thresholds/, "reason.inputTransform"],
  [/^hadamard after prune/, "reason.hadamardPruned"],
  [/^a scope with nm/, "reason.nmScope"],
  [/^movement, whose scores are summed up/, "reason.movementFirst"],
  [/^(?:channel|neuron|head|layer), and (?<model>\S+) has none that can go$/, "reason.noUnits"],
  [/^[\w-]+, and (?<layer>\S+) has no batch norm$/, "reason.noBatchNorm"],
  [/^a scope with layer$/, "reason.branchScope"],
  [/^[\w-]+ with layer$/, "reason.branchScore"],
  [/^images that nothing looks at$/, "reason.unlooked"],
];

/** The reason in the page's words, if the engine's sentence is known. */
export function knownReason(error: CoreError, speech: Speech): string | undefined {
  for (const [sentence, key] of SENTENCES) {
    const match = sentence.exec(error.found);
    if (!match) continue;
    const values: Record<string, string> = { ...match.groups };
    for (const kind of KINDS) if (values[kind] !== undefined) values[kind] = speech.name(kind, values[kind]);
    if (values.other !== undefined) values.other = speech.name("transform", values.other);
    // A rounding or a transform: whichever has words.
    const { method } = values;
    if (method !== undefined)
      values.method = speech.has(`rounding.${method}`)
        ? speech.name("rounding", method)
        : speech.name("transform", method);
    return speech.t(key, values);
  }
  return undefined;
}

/** The reason in one line. */
export function reasonWords(error: CoreError, speech: Speech): string {
  return knownReason(error, speech) ?? errorWords(error, speech);
}
