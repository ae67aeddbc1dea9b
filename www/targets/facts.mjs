// The registry and constants read from the repository's files, for Node: command line, scripts and tests. The page loads the same files
// as a chunk (www/targets/load.ts).
import { readFileSync } from "node:fs";
import { readTargets } from "./registry.mjs";

const read = (name) => JSON.parse(readFileSync(new URL(`../../data/targets/${name}`, import.meta.url), "utf8"));

/** @returns {import("./registry.mjs").Registry} */
export const readRegistry = () => readTargets(read("targets.json"), read("instructions.json"));
export const readConstants = () => read("constants.json");
export const readMeasured = () => read("measured.json");
