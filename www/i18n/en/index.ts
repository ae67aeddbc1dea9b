/** English. */
import { catalog } from "./catalog";
import { errors } from "./errors";
import { inside } from "./inside";
import { page } from "./page";

export const en = { ...page, ...catalog, ...errors, ...inside };
export type Key = keyof typeof en;
