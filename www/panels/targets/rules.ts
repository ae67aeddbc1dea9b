/** Why a machine runs something the way it does, in a sentence. */

import type { Speech } from "../../i18n";
import type { Verdict } from "../../targets/legality.mjs";
import type { Target } from "../../targets/registry.mjs";
import { formatName, nameOf } from "./names";

/** The reason of a verdict. */
export function ruleWords(target: Target, verdict: Verdict, speech: Speech): string {
  return speech.t(`target.rule.${verdict.rule}`, {
    name: nameOf(target),
    requested: verdict.requested.toUpperCase(),
    executed: verdict.executed.toUpperCase(),
    compute: verdict.compute ? formatName(verdict.compute) : "",
    missing: formatName(verdict.missing),
    instruction: verdict.instruction?.name ?? "",
  });
}
