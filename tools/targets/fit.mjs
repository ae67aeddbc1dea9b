// The constants of the cost model from published measurements: a handful for each kind of hardware, by Nelder–Mead on logarithms.
// Deterministic: no clock, no random numbers.

/** A factor or a share that is to be found: where it starts. Shares stay below 1. */
const share = (start) => ({ start, share: true });
const factor = (start) => ({ start, share: false });

/** What is fitted for each kind, and what is not because nothing measured depends on it. */
export const PARAMETERS = {
  gpu: {
    free: {
      peak: share(0.85),
      network: share(0.7),
      network_plain: share(0.5),
      bandwidth: share(0.85),
      bandwidth_stacked: share(0.75),
      launch_us: factor(5),
      step_us: factor(500),
      sequence_us: factor(30),
      usable: share(0.8),
      unpack: factor(2),
      group: factor(20),
      sparse: factor(1.6),
      pj_per_op: factor(1.3),
      pj_per_year: share(0.85),
      pj_narrow: share(0.55),
    },
    fixed: { floats: 1, rounding: 0, output: 0, winograd: 1, threads: 1 },
  },
  cpu: {
    free: {
      peak: share(0.7),
      bandwidth: share(0.6),
      launch_us: factor(10),
      output: factor(5),
      rounding: factor(10),
      winograd: factor(2),
      threads: share(0.6),
    },
    fixed: {
      network: 1,
      network_plain: 1,
      floats: 1,
      step_us: 0,
      sequence_us: 0,
      group: 1,
      sparse: 1,
      pj_per_op: 0,
      pj_per_year: 1,
      pj_narrow: 1,
    },
  },
  mcu: {
    free: { peak: share(0.5), floats: share(0.7), bandwidth: share(0.12), launch_us: factor(20), output: factor(5) },
    fixed: {
      rounding: 0,
      network: 1,
      network_plain: 1,
      step_us: 0,
      sequence_us: 0,
      group: 1,
      sparse: 1,
      winograd: 1,
      threads: 1,
      pj_per_op: 0,
      pj_per_year: 1,
      pj_narrow: 1,
    },
  },
  npu: {
    free: { peak: share(0.5), bandwidth: share(0.9), step_us: factor(1900) },
    fixed: {
      network: 1,
      network_plain: 1,
      floats: 1,
      rounding: 0,

      launch_us: 0,
      sequence_us: 0,
      output: 0,
      unpack: 0,
      group: 0,
      sparse: 1,
      winograd: 1,
      threads: 1,
      pj_per_op: 0,
      pj_per_year: 1,
      pj_narrow: 1,
    },
  },
};

/** Of a GPU, where nothing measured says it of another kind: what it takes to decode a weight. */
const LENT = ["unpack"];

const toFree = ({ share: bounded }, value) => (bounded ? Math.log(value / (1 - value)) : Math.log(value));
const fromFree = ({ share: bounded }, x) => (bounded ? 1 / (1 + Math.exp(-x)) : Math.exp(x));

/** A squared error that grows linearly from a factor of 1.5 on: one odd measurement does not move the rest. */
const ODD = Math.log(1.5);
const loss = (error) => (Math.abs(error) <= ODD ? error * error : ODD * (2 * Math.abs(error) - ODD));

/** How much a constant is held to where it starts, which is what a person would guess: what hardly matters to the cases stays there. */
const HOLD = 0.005;

/** Ratios are what compression is about: they weigh twice a time. */
const RATIO_WEIGHT = 2;

/**
 * What a set of constants says of cases: predicted over published, as logarithms.
 *
 * @param {readonly import("./points.mjs").Case[]} cases
 * @param {any} fitted
 */
export function errorsOf(cases, fitted) {
  const predicted = new Map(cases.map((each) => [each.point.id, each.predict(fitted)]));
  return cases.map((each) => {
    const own = predicted.get(each.point.id) ?? Number.NaN;
    const base = each.implied ? each.implied(fitted) : predicted.get(each.baseline);
    const ratio = each.ratio !== undefined && base !== undefined ? base / own : undefined;
    return {
      case: each,
      seconds: own,
      time: each.seconds === undefined ? undefined : Math.log(own / each.seconds),
      predicted_ratio: ratio,
      ratio: ratio === undefined ? undefined : Math.log(ratio / each.ratio),
    };
  });
}

/** Measurements of one target and kind share a weight that grows with the root of their number, so that long series do not rule. */
function weightsOf(cases) {
  const counts = new Map();
  const key = (each) => `${each.target} ${each.point.kind}`;
  for (const each of cases) counts.set(key(each), (counts.get(key(each)) ?? 0) + 1);
  return cases.map((each) => 1 / Math.sqrt(counts.get(key(each))));
}

/** Nelder–Mead with the usual coefficients, begun anew from its best point until that gains nothing. */
export function minimise(cost, start, { rounds = 4, steps = 200 } = {}) {
  let best = { x: start, f: cost(start) };
  for (let round = 0; round < rounds; round++) {
    const size = 0.5 / (1 + round);
    const around = start.map((_, i) => best.x.map((value, j) => (i === j ? value + size : value)));
    let simplex = [best, ...around.map((x) => ({ x, f: cost(x) }))];
    const before = best.f;
    for (let step = 0; step < steps; step++) {
      simplex = simplex.sort((a, b) => a.f - b.f);
      const worst = simplex[simplex.length - 1];
      const rest = simplex.slice(0, -1);
      const centre = start.map((_, j) => rest.reduce((sum, { x }) => sum + x[j], 0) / rest.length);
      const at = (t) => {
        const x = centre.map((value, j) => value + t * (worst.x[j] - value));
        return { x, f: cost(x) };
      };
      const reflected = at(-1);
      if (reflected.f < simplex[0].f) {
        const further = at(-2);
        simplex[simplex.length - 1] = further.f < reflected.f ? further : reflected;
      } else if (reflected.f < rest[rest.length - 1].f) simplex[simplex.length - 1] = reflected;
      else {
        const inner = at(reflected.f < worst.f ? -0.5 : 0.5);
        if (inner.f < Math.min(reflected.f, worst.f)) simplex[simplex.length - 1] = inner;
        else {
          const [first] = simplex;
          simplex = simplex.map(({ x }, i) => {
            if (i === 0) return first;
            const near = x.map((value, j) => (value + first.x[j]) / 2);
            return { x: near, f: cost(near) };
          });
        }
      }
    }
    best = simplex.reduce((a, b) => (b.f < a.f ? b : a));
    if (before - best.f < 1e-7 * Math.max(1, before)) break;
  }
  return best;
}

/**
 * The constants of one kind from its cases. `lent` has what another kind's fit found.
 *
 * @param {"gpu" | "cpu" | "mcu" | "npu"} kind
 * @param {readonly import("./points.mjs").Case[]} cases
 * @param {Readonly<Record<string, number>>} lent
 */
export function fitKind(kind, cases, lent = {}, options = {}) {
  const { free, fixed } = PARAMETERS[kind];
  const names = Object.keys(free);
  const read = (x) => {
    const found = Object.fromEntries(names.map((name, i) => [name, fromFree(free[name], x[i])]));
    return { ...lent, ...fixed, ...found };
  };
  const own = cases.filter((each) => each.kind === kind);
  const weights = weightsOf(own);
  const cost = (x) => {
    const errors = errorsOf(own, { constants: { [kind]: read(x) }, band: {} });
    return errors.reduce((sum, { time, ratio }, i) => {
      const said = (time === undefined ? 0 : loss(time)) + (ratio === undefined ? 0 : RATIO_WEIGHT * loss(ratio));
      return sum + weights[i] * said;
    }, held(x));
  };
  const guess = names.map((name) => toFree(free[name], free[name].start));
  const held = (x) => HOLD * x.reduce((sum, value, i) => sum + (value - guess[i]) ** 2, 0);
  const from = options.from ? names.map((name) => toFree(free[name], options.from[name])) : guess;
  return read(minimise(cost, from, options).x);
}

/** Constants of every kind. */
export function fitAll(cases) {
  const gpu = fitKind("gpu", cases);
  const lent = Object.fromEntries(LENT.map((name) => [name, gpu[name]]));
  const others = ["cpu", "mcu", "npu"].map((kind) => [kind, fitKind(kind, cases, lent)]);
  return Object.fromEntries([["gpu", gpu], ...others]);
}

/**
 * Errors on every target of constants fitted without it. Kinds measured on one target alone have none.
 *
 * @param {readonly import("./points.mjs").Case[]} cases
 * @param {any} constants of all cases, from which each fit begins
 */
export function leaveOut(cases, constants) {
  const lent = Object.fromEntries(LENT.map((name) => [name, constants.gpu[name]]));
  const targets = [...new Set(cases.map((each) => each.target))];
  return targets.flatMap((target) => {
    const left = cases.filter((each) => each.target === target);
    const { kind } = left[0];
    const rest = cases.filter((each) => each.kind === kind && each.target !== target);
    if (rest.length === 0) return [];
    const found = fitKind(kind, rest, kind === "gpu" ? {} : lent, { from: constants[kind], rounds: 2, steps: 150 });
    return errorsOf(left, { constants: { [kind]: found }, band: {} });
  });
}

/** Constants with six digits: what is written is what is used. */
export function rounded(constants) {
  const digits = (values) => Object.fromEntries(Object.entries(values).map(([k, v]) => [k, Number(v.toPrecision(6))]));
  return Object.fromEntries(Object.entries(constants).map(([kind, values]) => [kind, digits(values)]));
}

/** The error that four of five of the values do not pass. */
export function fourOfFive(values) {
  const sorted = values.map(Math.abs).sort((a, b) => a - b);
  return sorted[Math.ceil(0.8 * sorted.length) - 1];
}
