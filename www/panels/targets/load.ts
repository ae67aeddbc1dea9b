/** Everything that the panel of modelled machines is made of beside its frame: a chunk of its own, fetched when it comes near the screen. */

import fitted from "../../../data/targets/constants.json";
import instructions from "../../../data/targets/instructions.json";
import facts from "../../../data/targets/targets.json";
import { readTargets } from "../../targets/registry.mjs";
import type { Facts } from "./data";

export { Content } from "./content";
export { machinesOf } from "./data";
export { KINDS, nameOf } from "./names";

export const FACTS: Facts = { registry: readTargets(facts, instructions), fitted };
