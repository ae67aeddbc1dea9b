/** English. */
import { catalog } from "./catalog";
import { errors } from "./errors";
import { methods } from "./methods";
import { page } from "./page";

export const en = { ...page, ...catalog, ...errors, ...methods };
export type Key = keyof typeof en;
