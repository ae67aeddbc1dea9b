/** English. */
import { catalog } from "./catalog";
import { errors } from "./errors";
import { page } from "./page";

export const en = { ...page, ...catalog, ...errors };
export type Key = keyof typeof en;
