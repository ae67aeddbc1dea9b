import type { Plugin } from "vite";

/** Puts the static first paint into index.html. */
export function firstPaint(): Plugin;
