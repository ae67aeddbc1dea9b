/** What a recipe does beyond its formats, in short words: for its name and for what sets families of runs apart. */

import type { Speech } from "../i18n";
import { type Choice, DEFAULT_CHOICE, FIRST_IMAGES, GROUPED, NO_ACTIVATIONS, NONE, SAME } from "../state/choice";
import { AT_ONCE, NM, NO_PRUNING, prunes, takesUnits, USUAL } from "../state/pruning";
import { ORIGINAL, UNTAUGHT } from "../state/teachers";

/** How much is pruned: "80 %", "2:4". */
export function amountWords({ pattern, sparsity, nm }: Choice): string {
  if (pattern === NO_PRUNING) return "";
  return pattern === NM ? nm : `${sparsity}\u00a0%`;
}

/** What is pruned and how, and the training behind it; empty where nothing is. Without `amount`, neither how much nor the training. */
export function pruneWords(choice: Choice, speech: Speech, amount = true): string[] {
  const { pattern, block, score, unitScore, scope, schedule, rounds } = choice;
  if (!prunes(choice)) return [];
  const differs = (field: keyof Choice) => choice[field] !== DEFAULT_CHOICE[field];
  const units = takesUnits(choice);
  const what = speech.t(`trait.pruned.${pattern}`, { block: block.replace("x", "×") });
  const words = [amount ? speech.t("trait.pruned", { amount: amountWords(choice), what }) : what];
  if (units ? differs("unitScore") : differs("score"))
    words.push(
      speech.t("trait.by", { score: units ? speech.name("unitScore", unitScore) : speech.name("pruning", score) }),
    );
  const add = (used: boolean, key: string, values: Record<string, string | number> = {}) => {
    if (used) words.push(speech.t(key, values));
  };
  add(differs("shareOf"), "trait.ofMacs");
  add(scope !== USUAL, "trait.scope", { scope: speech.name("scope", scope) });
  add(choice.keepLast, "trait.keepLast");
  add(differs("looked"), "trait.looked", { count: choice.looked });
  const when = speech.t(`schedule.${schedule}`);
  if (["iterative", "lottery"].includes(schedule)) add(true, "trait.schedule.rounds", { name: when, rounds });
  else add(schedule !== AT_ONCE, "trait.schedule", { name: when });
  add(differs("rewind"), "trait.rewind");
  if (amount && choice.tuned > 0) words.push(tunedWords(choice, speech));
  add(differs("storage"), "trait.storage", { storage: speech.name("storage", choice.storage) });
  return words;
}

/** The training behind a pruning. */
export function tunedWords({ tuned, tunedTeacher }: Choice, speech: Speech): string {
  if (tuned === 0) return speech.t("trait.tuned.not");
  return [speech.t("trait.tuned", { epochs: tuned }), ...taughtWords(tunedTeacher, speech)].join(", ");
}

/** Who teaches a training; empty where nobody does. */
export function taughtWords(teacher: string, speech: Speech): string[] {
  if (teacher === UNTAUGHT) return [];
  if (teacher === ORIGINAL) return [speech.t("trait.taught.original")];
  return [speech.t("trait.taught", { name: speech.name("model", teacher) })];
}

/** How weights share scales, where it is not the usual way. */
export function granularityWords(choice: Choice, speech: Speech): string {
  if (choice.granularity === GROUPED) return speech.t("trait.group", { size: choice.group });
  return speech.t(choice.granularity === "tensor" ? "trait.tensor" : "trait.channel");
}

/** Transforms, rounding and all else that is done to weights; empty where nothing is. */
export function methodWords(choice: Choice, speech: Speech): string[] {
  const words = choice.transforms.map((id) => speech.name("transform", id));
  const add = (used: boolean, key: string, values: Record<string, string | number> = {}) => {
    if (used) words.push(speech.t(key, values));
  };
  const differs = (field: keyof Choice) => choice[field] !== DEFAULT_CHOICE[field];
  if (differs("rounding")) words.push(speech.name("rounding", choice.rounding));
  add(differs("scale"), "trait.power");
  add(differs("codebook"), "trait.codebook", { bits: choice.codebook });
  add(choice.huffman, "trait.huffman");
  add(choice.misfits !== NONE, "trait.misfits", { format: speech.name("format", choice.misfits) });
  for (const { name, weights, activations } of choice.layers) {
    const formats = [weights, activations].map((id) => (id === SAME ? "" : speech.name("format", id)));
    words.push(`${name} ${formats.filter(Boolean).join(" / ")}`);
  }
  add(choice.ends, "trait.ends");
  add(choice.budget > 0, "trait.budget", { bits: choice.budget });
  add(differs("correction"), "trait.correction");
  add(differs("images"), "trait.images", { count: choice.images });
  add(choice.draw !== FIRST_IMAGES, "trait.draw", { seed: choice.draw });
  add(choice.cache !== NONE, "trait.cache", { format: speech.name("format", choice.cache) });
  return words;
}

/** How inputs get their grids, where it is not the usual way. */
export function inputWords(choice: Choice, speech: Speech): string[] {
  if (choice.activations === NO_ACTIVATIONS) return [];
  const words: string[] = [];
  if (choice.mode !== DEFAULT_CHOICE.mode)
    words.push(speech.t("trait.mode", { name: speech.t(`mode.${choice.mode}`) }));
  if (!choice.inputsSymmetric) words.push(speech.t("trait.inputsShifted"));
  return words;
}
