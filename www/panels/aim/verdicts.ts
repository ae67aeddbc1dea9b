/** What a recipe comes to on the machine it is meant for: a verdict for each pair of formats it uses. */

import { type Choice, FULL_PRECISION, NO_ACTIVATIONS } from "../../state/choice";
import { floatOf, judge, type Verdict } from "../../targets/legality.mjs";
import type { Target } from "../../targets/registry.mjs";

export interface Judged {
  /** Layers that have these formats; none where all others have. */
  readonly layers: readonly string[];
  readonly verdict: Verdict;
}

const SAME = "same";
/** What first and last layer keep where the recipe keeps them. */
const ENDS = "int8";

/** Pairs of formats that a choice uses, with the layers that differ. */
export function pairsOf(
  choice: Choice,
): readonly { readonly weights: string; readonly activations: string; readonly layers: readonly string[] }[] {
  const own = choice.layers.map((layer) => ({
    weights: layer.weights === SAME ? choice.weights : layer.weights,
    activations: layer.activations === SAME ? choice.activations : layer.activations,
    layers: [layer.name],
  }));
  const ends = choice.ends ? [{ weights: ENDS, activations: choice.activations, layers: [] }] : [];
  return [{ weights: choice.weights, activations: choice.activations, layers: [] }, ...own, ...ends];
}

/** Verdicts on all of them, equal ones once. */
export function judgedOn(target: Target, choice: Choice): readonly Judged[] {
  const float = floatOf(target) ?? FULL_PRECISION;
  const found = new Map<string, { layers: string[]; verdict: Verdict }>();
  for (const { weights, activations, layers } of pairsOf(choice)) {
    const verdict = judge(target, {
      weights: weights === FULL_PRECISION ? float : weights,
      activations: activations === NO_ACTIVATIONS || activations === FULL_PRECISION ? float : activations,
    });
    const key = `${verdict.requested} ${verdict.rule} ${verdict.missing}`;
    const known = found.get(key);
    if (known) known.layers.push(...layers);
    else found.set(key, { layers: [...layers], verdict });
  }
  return [...found.values()];
}

/** Whether a machine runs what was asked: as it is, or with weights that are stored narrower. */
export const supported = ({ support }: Verdict): boolean => support === "native" || support === "weight-only";

/** Formats of a choice in one text: what a limit looks at. */
const formatsIn = (choice: Choice): string => JSON.stringify(pairsOf(choice));

/**
 * What stands in the way of a choice on a machine: the first verdict that is not supported. Nothing where formats stay what they are,
 * so that a recipe the machine does not run can still be changed.
 */
export function standsInTheWay(target: Target, now: Choice, next: Choice): Verdict | undefined {
  if (formatsIn(now) === formatsIn(next)) return undefined;
  return judgedOn(target, next).find(({ verdict }) => !supported(verdict))?.verdict;
}
