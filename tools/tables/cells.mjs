// The file of cells beside the table, a line of JSON each, so that a change shows as the lines it changed.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup/lib.mjs";

export const FILE = "docs/tables/quantization.json";
export const PAGE = "docs/tables/quantization.md";

/** First digits of a SHA-256, enough to tell recipes and outputs apart. */
const DIGITS = 16;
export const recipeKey = (recipe) => createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, DIGITS);
export const nameOf = ({ row, model, bits }) => `${row} ${model} ${bits}`;

/** What the table keeps of an answer of the engine to a cell's recipe. */
export function resultOf(cell, answer) {
  const { row, model, bits, recipe } = cell;
  const place = { row, model, bits, recipe: recipeKey(recipe) };
  if (answer.error !== undefined) return { ...place, refused: answer.error };
  const { accuracy, size, numerics, steps, digests } = answer;
  return {
    ...place,
    numerics,
    correct: accuracy.correct,
    total: accuracy.total,
    ...(accuracy.bits_per_character === undefined ? {} : { bits_per_character: accuracy.bits_per_character }),
    ...(steps.length > 1 ? { before: steps[0].accuracy.correct } : {}),
    bytes: size.bytes,
    outputs: digests.outputs.slice(0, DIGITS),
  };
}

/** The file's content; an empty one where there is none. */
export function readTable() {
  const path = join(root, FILE);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { date: "", engine: "", baselines: {}, cells: [] };
}

export function writeTable({ date, engine, baselines, cells }) {
  const lines = cells.map((cell) => `  ${JSON.stringify(cell)}`).join(",\n");
  const head = Object.entries(baselines).map(([model, each]) => `  ${JSON.stringify(model)}: ${JSON.stringify(each)}`);
  const text = `{\n "date": ${JSON.stringify(date)},\n "engine": ${JSON.stringify(engine)},\n "baselines": {\n${head.join(",\n")}\n },\n "cells": [\n${lines}\n ]\n}\n`;
  const path = join(root, FILE);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
