/** Times, energies and rates in short, and how a verdict is called in a word. */

import type { Speech } from "../../i18n";
import type { Verdict } from "../../targets/legality.mjs";

const JOINED = "\u00a0";

/** Three digits with a unit, from a list of units a factor apart. */
function short(value: number, units: readonly (readonly [number, string])[]): string {
  const [size, unit] = units.find(([least]) => value >= least) ?? units[units.length - 1] ?? [1, ""];
  const number = value / size;
  return `${number >= 100 ? Math.round(number) : Number(number.toPrecision(number >= 10 ? 3 : 2))}${JOINED}${unit}`;
}

export const duration = (ms: number): string =>
  short(ms, [
    [1000, "s"],
    [1, "ms"],
    [1e-3, "µs"],
    [1e-6, "ns"],
  ]);

export const energy = (mj: number): string =>
  short(mj, [
    [1e6, "kJ"],
    [1000, "J"],
    [1, "mJ"],
    [1e-3, "µJ"],
    [1e-6, "nJ"],
  ]);

export const rate = (tops: number): string =>
  short(tops, [
    [1000, "POP/s"],
    [1, "TOP/s"],
    [1e-3, "GOP/s"],
    [1e-6, "MOP/s"],
  ]);

export const gigabytes = (bytes: number): string =>
  short(bytes, [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "KB"],
    [1, "B"],
  ]);

/** What a verdict is called beside a machine. */
export function tagOf({ support, executed }: Verdict, speech: Speech): string {
  return speech.t(`target.tag.${support}`, { executed: executed.toUpperCase() });
}
