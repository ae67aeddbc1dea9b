// The file of cells beside a table, a line of JSON each, so that a change shows as the lines it changed.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup/lib.mjs";

export const fileOf = (table) => `docs/tables/${table}.json`;
export const pageOf = (table) => `docs/tables/${table}.md`;

/** First digits of a SHA-256, enough to tell recipes and outputs apart. */
const DIGITS = 16;
export const recipeKey = (recipe) => createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, DIGITS);
/** Columns are bits of a weight, the share that is pruned, in percent, or seeds. */
export const nameOf = ({ row, model, bits, sparsity, seed }) => `${row} ${model} ${bits ?? sparsity ?? seed}`;

/** What the table keeps of an answer of the engine to a cell's recipe. */
export function resultOf(cell, answer) {
  const { row, model, bits, sparsity, seed, recipe } = cell;
  const column = { bits, sparsity, seed };
  const place = { row, model, ...column, recipe: recipeKey(recipe) };
  if (answer.error !== undefined) return { ...place, refused: answer.error };
  const { accuracy, size, cost, numerics, steps, digests } = answer;
  const share = steps.at(-1)?.teacher_share?.at(-1);
  return {
    ...place,
    numerics,
    correct: accuracy.correct,
    total: accuracy.total,
    ...(accuracy.bits_per_character === undefined ? {} : { bits_per_character: accuracy.bits_per_character }),
    ...(share === undefined ? {} : { share: Number(share.toFixed(4)) }),
    ...(steps.length > 1 ? { before: steps.at(-2).accuracy.correct } : {}),
    ...(recipe.init === "random" && steps.length > 1 ? { trained: steps[0].accuracy.correct } : {}),
    ...(sparsity === undefined ? {} : { macs: cost.macs }),
    bytes: size.bytes,
    ...(recipe.storage === undefined ? {} : { ledger: size.ledger, alternatives: size.alternatives }),
    outputs: digests.outputs.slice(0, DIGITS),
  };
}

/** The file's content; an empty one where there is none. */
export function readTable(table) {
  const path = join(root, fileOf(table));
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { date: "", engine: "", baselines: {}, cells: [] };
}

export function writeTable(table, { date, engine, baselines, cells }) {
  const lines = cells.map((cell) => `  ${JSON.stringify(cell)}`).join(",\n");
  const head = Object.entries(baselines).map(([model, each]) => `  ${JSON.stringify(model)}: ${JSON.stringify(each)}`);
  const text = `{\n "date": ${JSON.stringify(date)},\n "engine": ${JSON.stringify(engine)},\n "baselines": {\n${head.join(",\n")}\n },\n "cells": [\n${lines}\n ]\n}\n`;
  const path = join(root, fileOf(table));
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
