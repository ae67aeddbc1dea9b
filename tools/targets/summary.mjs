// Errors in words and numbers.

/** What the model shall hold: speed-ups within a share, times within a factor. */
export const RATIO_WITHIN = 0.4;
export const TIME_WITHIN = 2;

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
const share = (values, test) => values.filter(test).length / values.length;
const percent = (value) => `${(100 * value).toFixed(0)} %`;

/** Numbers of a list of errors: speed-ups as shares of the published one, times as factors. */
export function numbers(errors) {
  const ratios = errors.filter(({ ratio }) => ratio !== undefined).map(({ ratio }) => Math.abs(Math.exp(ratio) - 1));
  const times = errors.filter(({ time }) => time !== undefined).map(({ time }) => Math.exp(Math.abs(time)));
  return {
    ratios: ratios.length,
    ratio_median: ratios.length > 0 ? median(ratios) : undefined,
    ratio_within: ratios.length > 0 ? share(ratios, (value) => value <= RATIO_WITHIN) : undefined,
    times: times.length,
    time_median: times.length > 0 ? median(times) : undefined,
    time_within: times.length > 0 ? share(times, (value) => value <= TIME_WITHIN) : undefined,
  };
}

/** The same in words for a terminal. */
export function summary(errors) {
  const n = numbers(errors);
  const ratios =
    n.ratios > 0
      ? `${n.ratios} speed-ups: median error ${(100 * n.ratio_median).toFixed(1)} %, ${percent(n.ratio_within)} within ${percent(RATIO_WITHIN)}`
      : "no speed-ups";
  const times =
    n.times > 0
      ? `${n.times} times: median factor ${n.time_median.toFixed(2)}, ${percent(n.time_within)} within ${TIME_WITHIN} ×`
      : "no times";
  return `${ratios}; ${times}`;
}

/** Everything, then each kind, then each target. */
export function groups(errors) {
  const of = (key) => [...new Set(errors.map(key))].map((name) => [name, errors.filter((each) => key(each) === name)]);
  return [["all", errors], ...of((each) => each.case.kind), ...of((each) => each.case.target)];
}

/** Points that the model misses by more than it may, the worst first. */
export function misses(errors) {
  const off = ({ time, ratio }) =>
    Math.max(
      time === undefined ? 0 : Math.abs(time) / Math.log(TIME_WITHIN),
      ratio === undefined ? 0 : Math.abs(Math.exp(ratio) - 1) / RATIO_WITHIN,
    );
  return errors.filter((each) => off(each) > 1).sort((a, b) => off(b) - off(a));
}
