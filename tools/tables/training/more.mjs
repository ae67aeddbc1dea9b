// What the table of training keeps of a record beside right answers.

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** The mean share of gradients that became 0 in the layer where it is greatest; skipped steps; where it ended; bytes of a message. */
export function recordOf(answer) {
  const record = answer.steps?.at(-1)?.training;
  if (record === undefined) return {};
  const layers = record.layers.map(({ layer, underflow }) => ({ layer, share: mean(underflow) }));
  const worst = layers.reduce((most, own) => (own.share > most.share ? own : most), { layer: "", share: 0 });
  return {
    underflow: Number(worst.share.toFixed(4)),
    ...(worst.share > 0 ? { layer: worst.layer } : {}),
    skipped: record.skipped.length,
    diverged: record.diverged ?? null,
    ...(record.bytes_per_step > 0 ? { bytes_per_step: record.bytes_per_step } : {}),
  };
}
