// Times on this machine: the layers of a compressed network, and the kernels. Generators, so that the host may do something else
// between two samples. The page's worker and the command line share them.

const SAMPLES = 7;
/** A sample is as many calls as take about this long. */
const SAMPLE_MS = 1;
/** WebAssembly has no on-stack replacement: many short calls first. */
const WARMUP_MS = 4;

/**
 * @param {number[]} values
 * @returns {number}
 */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Milliseconds of one call of `run(times)`, the median of seven samples.
 *
 * @param {(times: number) => void} run
 * @param {() => number} now
 * @param {number} [sample_ms]
 * @returns {Generator<void, number>}
 */
function* callTime(run, now, sample_ms = SAMPLE_MS) {
  const from = now();
  let times = 1;
  let took = 0;
  while (now() - from < WARMUP_MS || took < sample_ms / 2) {
    const before = now();
    run(times);
    took = now() - before;
    if (took < sample_ms / 2) times *= 2;
    yield;
  }
  times = Math.max(1, Math.round((times * sample_ms) / took));
  const samples = [];
  for (let i = 0; i < SAMPLES; i++) {
    const before = now();
    run(times);
    samples.push((now() - before) / times);
    yield;
  }
  return median(samples);
}

/** Images of one block, which all kernels work on. */
export const BATCH = 8;

/**
 * The entry `this-browser` of a report's targets: the finished `job`'s layers, and `baseline`, the same network before any step.
 *
 * @param {import("./wasm/featherweight.js").Job} job
 * @param {import("./wasm/featherweight.js").Job} baseline
 * @param {() => number} now
 */
export function* thisBrowser(job, baseline, now) {
  const layers = [];
  for (const each of [job, baseline]) each.runSteps(undefined, 1);
  const floats = baseline.timedSteps();
  for (const [index, step] of job.timedSteps().entries()) {
    const { name, requested, executed, support, reason } = step;
    const ms = yield* callTime((times) => job.runSteps(index, times), now);
    const float = floats.findIndex((other) => other.name === name);
    if (float < 0) throw new Error(`the network before any step has no layer ${name}`);
    const baseline_ms = yield* callTime((times) => baseline.runSteps(float, times), now);
    layers.push({ name, requested, executed, support, reason, ms, baseline_ms });
  }
  const whole = (each) => callTime((times) => each.runSteps(undefined, times), now);
  // In turn, so that a machine that slows down slows both.
  const pairs = [];
  for (let i = 0; i < 3; i++) pairs.push([yield* whole(job), yield* whole(baseline)]);
  return {
    id: "this-browser",
    measured: true,
    batch: BATCH,
    latency_ms: median(pairs.map(([own]) => own)),
    baseline_latency_ms: median(pairs.map(([, other]) => other)),
    layers,
  };
}

/** A recipe's own start, without steps and with one image: what `baseline` is made from. */
export function startOf(recipe) {
  return { ...recipe, steps: [], data: { ...recipe.data, count: 1 } };
}

/** Kernels that are timed for people: square products of this side. */
const SIDE = "512";

/**
 * Giga-operations a second of every kernel, results checked first. Yields after each sample; `done` and `total` count kernels.
 *
 * @param {{Workload: typeof import("./wasm/featherweight.js").Workload}} bindings
 * @param {() => number} now
 * @returns {Generator<{done: number, total: number}, {id: string, gops: number}[]>}
 */
export function* kernelSpeeds({ Workload }, now) {
  const ids = Workload.ids().filter((id) => id.startsWith("gemm-") && id.endsWith(`-${SIDE}`));
  const speeds = [];
  for (const id of ids) {
    const workload = new Workload(id, 7);
    try {
      const input = workload.input();
      workload.run(input);
      const { found, allowed } = workload.check();
      if (!(found <= allowed)) throw new Error(`${id} is off by ${found}, allowed ${allowed}`);
      const { macs } = workload.describe();
      const timed = callTime(
        (times) => {
          for (let i = 0; i < times; i++) workload.run(input);
        },
        now,
        15,
      );
      for (;;) {
        const { value, done } = timed.next();
        if (done) {
          speeds.push({ id: id.slice("gemm-".length, -SIDE.length - 1), gops: (2 * macs) / value / 1e6 });
          break;
        }
        yield { done: speeds.length, total: ids.length };
      }
    } finally {
      workload.free();
    }
  }
  return speeds;
}
