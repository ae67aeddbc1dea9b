/** A mean and how sure it is. */

/** Student's t that 95 % of draws stay within, by degrees of freedom from 1 on; beyond these it is nearly the normal's. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093,
];
const NORMAL95 = 1.96;

export interface Interval {
  readonly mean: number;
  /** Half of the 95 % interval; absent for a single value. */
  readonly half: number | undefined;
}

/** Student's t of 95 % for so many degrees of freedom. */
export function t95(freedom: number): number {
  return T95[freedom - 1] ?? NORMAL95;
}

/** The mean with its 95 % t-interval; nothing of nothing. */
export function interval(values: readonly number[]): Interval | undefined {
  const { length } = values;
  if (length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  if (length === 1) return { mean, half: undefined };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (length - 1);
  return { mean, half: t95(length - 1) * Math.sqrt(variance / length) };
}
