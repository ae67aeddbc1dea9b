/** English. */
import { catalog } from "./catalog";
import { errors } from "./errors";
import { inside } from "./inside";
import { methods } from "./methods";
import { page } from "./page";

export const en = { ...page, ...catalog, ...errors, ...inside, ...methods };
export type Key = keyof typeof en;
