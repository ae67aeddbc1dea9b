/** The runs as rows: sorting and export. Pure. */

import { type Choice, dataOf } from "../../state/choice";
import { csv } from "../../state/csv";
import { score } from "../../state/quality";
import type { Run } from "../../state/runs";
import type { Catalog } from "../../state/schema";
import { mistakes, recipeCode } from "../words";

export interface Column {
  readonly id: "run" | "accuracy" | "mistakes" | "delta" | "bytes" | "bits" | "status";
  readonly numeric: boolean;
}

export const COLUMNS: readonly Column[] = [
  { id: "run", numeric: false },
  { id: "accuracy", numeric: true },
  { id: "mistakes", numeric: true },
  { id: "delta", numeric: true },
  { id: "bytes", numeric: true },
  { id: "bits", numeric: true },
  { id: "status", numeric: false },
];

export interface Row {
  readonly run: Run;
  readonly code: string;
  /** Change of the score against the baseline. */
  readonly delta: number | undefined;
}

/** Runs on the images that the choice is tried on: those that can be in one chart. */
export function runsOn(
  runs: ReadonlyMap<string, Run>,
  choice: Choice,
  catalog: Catalog | undefined,
): ReadonlyMap<string, Run> {
  const data = dataOf(choice, catalog);
  return new Map([...runs].filter(([, run]) => dataOf(run.choice, catalog) === data));
}

/** Rows of the runs; `baselineKey` finds what each is compared with. */
export function toRows(
  runs: ReadonlyMap<string, Run>,
  baselineKey: (run: Run) => string,
  catalog: Catalog | undefined,
): Row[] {
  return [...runs.values()].map((run) => {
    const before = runs.get(baselineKey(run))?.outcome;
    const delta = run.outcome && before ? score(run.outcome.accuracy) - score(before.accuracy) : undefined;
    return { run, code: recipeCode(run.choice, catalog), delta };
  });
}

export interface Order {
  readonly column: Column["id"];
  readonly descending: boolean;
}

function value(row: Row, column: Column["id"]): string | number | undefined {
  const { outcome } = row.run;
  switch (column) {
    case "run":
      return row.code;
    case "accuracy":
      return outcome && score(outcome.accuracy);
    case "mistakes":
      return outcome && mistakes(outcome.accuracy);
    case "delta":
      return row.delta;
    case "bytes":
      return outcome?.size.bytes;
    case "bits":
      return outcome?.size.bits_per_weight;
    case "status":
      return row.run.state;
  }
}

/** Sorted rows; those without a value come last either way. */
export function sortRows(rows: readonly Row[], order: Order): Row[] {
  const sign = order.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const left = value(a, order.column);
    const right = value(b, order.column);
    if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
    if (typeof left === "string" || typeof right === "string")
      return sign * String(left).localeCompare(String(right), "en", { numeric: true });
    return sign * (left - right);
  });
}

const HEADER = [
  "recipe",
  "state",
  "correct",
  "total",
  "top1",
  "wilson95_low",
  "wilson95_high",
  "delta",
  "bytes",
  "bits_per_weight",
  "outputs_digest",
];

/** The table for a spreadsheet. */
export function toCsv(rows: readonly Row[]): string {
  return csv(
    HEADER,
    rows.map(({ run, code, delta }) => {
      const { outcome } = run;
      return [
        code,
        run.state,
        outcome?.accuracy.correct,
        outcome?.accuracy.total,
        outcome?.accuracy.top1,
        outcome?.accuracy.wilson95[0],
        outcome?.accuracy.wilson95[1],
        delta,
        outcome?.size.bytes,
        outcome?.size.bits_per_weight,
        outcome?.digests.outputs,
      ];
    }),
  );
}

/** Whole reports where the run was made here, otherwise what was computed beforehand. */
export function toJson(rows: readonly Row[]): string {
  const entries = rows
    .filter((row) => row.run.outcome)
    .map(({ run, code }) => ({ recipe: code, state: run.state, report: run.report ?? run.outcome }));
  return `${JSON.stringify(entries, null, 1)}\n`;
}
