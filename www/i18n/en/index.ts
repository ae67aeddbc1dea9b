/** English. */
import { catalog } from "./catalog";
import { errors } from "./errors";
import { inside } from "./inside";
import { methods } from "./methods";
import { page } from "./page";
import { pruning } from "./pruning";
import { targets } from "./targets";

import { training } from "./training";

export const en = { ...page, ...catalog, ...errors, ...inside, ...methods, ...pruning, ...targets, ...training };
export type Key = keyof typeof en;
