/** Names of machines and formats, short. */

import type { Target } from "../../targets/registry.mjs";

const MAKERS = /^(NVIDIA|Google|Intel|Arm|AMD|Espressif|Qualcomm) /;

/** The name of a machine, with a star for a copy. */
export function nameOf(target: Target): string {
  const short = target.name.replace(MAKERS, "").replace(/ \(.*\)$/, "");
  return target.copy_of ? `${short} *` : short;
}

export const formatName = (format: string): string => format.toUpperCase().replace("_", " ");

/** Kinds of machines in the order of lists. */
export const KINDS = ["gpu", "npu", "cpu", "mcu"] as const;
