// Means over seeds, with intervals by Student's t.

/** Quantiles of Student's t at 97.5 %, by degrees of freedom (Student 1908). */
const T975 = { 4: 2.776, 9: 2.262 };

/** The mean of values and half of its 95 % interval. */
export function meanOf(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, half: T975[values.length - 1] * Math.sqrt(variance / values.length) };
}

/** Differences seed by seed: a student is compared with the one of the same start and order of images. */
export const pairedOf = (values, others) => meanOf(values.map((value, i) => value - others[i]));

/** Whether a difference is one: 1 up, −1 down, 0 where its interval holds 0. */
export const signOf = ({ mean, half }) => (Math.abs(mean) > half ? Math.sign(mean) : 0);
