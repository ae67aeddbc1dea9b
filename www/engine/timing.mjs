// Times on this machine: the layers of a compressed network, and the kernels. Generators, so that the host may do something else
// between two samples. The page's worker and the command line share them.

const SAMPLES = 7;
/** A sample is as many calls as take about this long: a page without special headers has a clock of 0.1 ms. */
const SAMPLE_MS = 4;
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
 * Milliseconds of one call of each of `runs`, the medians of seven samples. Samples are taken in turn, so that a machine that slows
 * down slows all of them. Yields after each, with how many there were.
 *
 * @param {((times: number) => void)[]} runs
 * @param {() => number} now
 * @param {number} [sample_ms]
 * @returns {Generator<number, number[]>}
 */
function* race(runs, now, sample_ms = SAMPLE_MS) {
  const counts = [];
  for (const run of runs) {
    const from = now();
    let times = 1;
    let took = 0;
    while (now() - from < WARMUP_MS || took < sample_ms / 2) {
      const before = now();
      run(times);
      took = now() - before;
      if (took < sample_ms / 2) times *= 2;
      yield 0;
    }
    counts.push(Math.max(1, Math.round((times * sample_ms) / took)));
  }
  /** @type {number[][]} */
  const samples = runs.map(() => []);
  for (let round = 0; round < SAMPLES; round++) {
    for (const [index, run] of runs.entries()) {
      const before = now();
      run(counts[index]);
      samples[index].push((now() - before) / counts[index]);
      yield round + 1;
    }
  }
  return samples.map(median);
}

/**
 * The share of zeros from which a kernel that skips them takes no longer than the dense one: where the line through the measured
 * times crosses the dense time, between the two measured shares around it. `undefined` where it does not cross.
 *
 * @param {readonly {zeros: number, ms: number}[]} points by ascending share
 * @param {number} dense_ms
 * @returns {number | undefined}
 */
export function breakEven(points, dense_ms) {
  const after = points.findIndex(({ ms }) => ms <= dense_ms);
  if (after < 0) return undefined;
  // Faster from the first share on: the line through the first two goes on to where it crosses.
  const [a, b] = after === 0 ? points : points.slice(after - 1);
  const slope = (b.ms - a.ms) / (b.zeros - a.zeros);
  const at = slope < 0 ? a.zeros + (dense_ms - a.ms) / slope : a.zeros;
  return Math.min(1, Math.max(0, at));
}

/** Images of one block, which all kernels work on. */
export const BATCH = 8;

/**
 * The steps of two plans of one network, by index, in groups that cover the same layers: a kernel may take more of them into one
 * step than another does. Steps of layers that the first network no longer has are left out.
 *
 * @param {readonly {name: string}[]} own
 * @param {readonly {name: string}[]} others
 * @returns {[number[], number[]][]}
 */
export function alike(own, others) {
  const layersOf = ({ name }) => name.split(" + ");
  const kept = new Set(own.flatMap(layersOf));
  const left = others
    .map((step, index) => ({ index, layers: layersOf(step).filter((layer) => kept.has(layer)) }))
    .filter(({ layers }) => layers.length > 0);
  /** @type {[number[], number[]][]} */
  const groups = [];
  /** Layers that one side of the open group has and the other has not yet. */
  const open = new Set();
  const toggle = (layer) => {
    if (!open.delete(layer)) open.add(layer);
  };
  for (const [index, step] of own.entries()) {
    if (open.size === 0) groups.push([[], []]);
    const [mine, theirs] = groups[groups.length - 1];
    mine.push(index);
    layersOf(step).forEach(toggle);
    while (left.length > 0 && left[0].layers.some((layer) => open.has(layer))) {
      const { index: other, layers } = left.shift();
      theirs.push(other);
      layers.forEach(toggle);
    }
  }
  return groups;
}

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
  const [steps, floats] = [job.timedSteps(), baseline.timedSteps()];
  for (const [own, others] of alike(steps, floats)) {
    const weighted = own.find((index) => steps[index].reason !== "no-weights") ?? own[0];
    const { requested, executed, single, support, reason } = steps[weighted];
    const name = own.map((index) => steps[index].name).join(" + ");
    const all = (each, indices) => (times) => {
      for (const index of indices) each.runSteps(index, times);
    };
    const [ms, baseline_ms] = /** @type {[number, number]} */ (
      yield* race([all(job, own), all(baseline, others)], now)
    );
    layers.push({ name, requested, executed, single, support, reason, ms, baseline_ms });
  }
  const whole = [job, baseline].map((each) => (times) => each.runSteps(undefined, times));
  const [latency_ms, baseline_latency_ms] = /** @type {[number, number]} */ (yield* race(whole, now, 3 * SAMPLE_MS));
  const sparse_layers = yield* sparseLayers(job, now);
  return { id: "this-browser", measured: true, batch: BATCH, latency_ms, baseline_latency_ms, layers, sparse_layers };
}

/** A recipe's own start, without steps and with one image: what `baseline` is made from. */
export function startOf(recipe) {
  return { ...recipe, steps: [], data: { ...recipe.data, count: 1 } };
}

/** Shares of zeros, in a hundred, at which each layer is timed, and about how long a sample of it takes. */
const SHARES = [50, 70, 80, 90, 95];
const LAYER_MS = 2;

/**
 * Every layer of the finished `job` that a kernel which skips zeros serves, alone on made-up numbers, for one block: dense and at several
 * shares of zeros, and where the two cross. Layers of one shape are timed once.
 *
 * @param {import("./wasm/featherweight.js").Job} job
 * @param {() => number} now
 */
function* sparseLayers(job, now) {
  const layers = [];
  const known = new Map();
  const weighted = job.timedSteps().filter(({ reason }) => reason !== "no-weights");
  for (const layer of weighted.flatMap(({ name }) => name.split(" + "))) {
    const sample = job.layerWork(layer, SHARES[0]);
    if (!sample) continue;
    const [{ op, window, parameters }] = sample.layers();
    const key = JSON.stringify([op, window, parameters, sample.describe().input]);
    sample.free();
    if (!known.has(key)) {
      const works = [0, ...SHARES].map((percent) => [`${layer} ${percent}`, () => job.layerWork(layer, percent)]);
      const shares = SHARES.map((percent) => percent / 100);
      known.set(key, yield* crossing(works, shares, now, LAYER_MS));
    }
    const [rows, ...taps] = parameters[0][1];
    layers.push({ layer, rows, inputs: taps.reduce((all, each) => all * each, 1), ...known.get(key) });
  }
  return layers;
}

/**
 * Times of dense work and of the same with these shares of zeros, and where they cross.
 *
 * @param {readonly [string, () => import("./wasm/featherweight.js").Workload][]} works the dense one first
 * @param {readonly number[]} shares
 * @param {() => number} now
 * @param {number} sample_ms
 * @returns {Generator<number, {dense_ms: number, points: {zeros: number, ms: number}[], break_even?: number}>}
 */
function* crossing(works, shares, now, sample_ms) {
  const [dense, ...all] = yield* timed(works, now, sample_ms);
  const points = all.map(({ ms }, i) => ({ zeros: shares[i], ms }));
  return { dense_ms: dense.ms, points, break_even: breakEven(points, dense.ms) };
}

/** Kernels that are timed for people: square products of this side. */
const SIDE = "512";
const KERNEL_MS = 15;

/** Workloads of the engine's list, to be made with one seed. */
function listed({ Workload }, ids) {
  return ids.map((id) => /** @type {[string, () => any]} */ ([id, () => new Workload(id, 7)]));
}

/**
 * Milliseconds and multiply-adds of workloads, each with its name, results checked first. Yields the share that is done.
 *
 * @param {readonly [string, () => import("./wasm/featherweight.js").Workload][]} works
 * @param {() => number} now
 * @param {number} sample_ms
 * @returns {Generator<number, {ms: number, macs: number}[]>}
 */
function* timed(works, now, sample_ms) {
  /** @type {import("./wasm/featherweight.js").Workload[]} */
  const workloads = [];
  try {
    const runs = [];
    for (const [id, make] of works) {
      const workload = make();
      workloads.push(workload);
      const input = workload.input();
      const { batch, outputs } = workload.describe();
      const output = new Float32Array(batch * outputs);
      workload.run(input, output);
      const { found, allowed } = workload.check();
      if (!(found <= allowed)) throw new Error(`${id} is off by ${found}, allowed ${allowed}`);
      runs.push((times) => {
        for (let i = 0; i < times; i++) workload.run(input, output);
      });
      yield 0;
    }
    const timing = race(runs, now, sample_ms);
    for (;;) {
      const next = timing.next();
      if (!next.done) {
        yield next.value / SAMPLES;
        continue;
      }
      return workloads.map((workload, i) => ({ ms: next.value[i], macs: workload.describe().macs }));
    }
  } finally {
    for (const workload of workloads) workload.free();
  }
}

/**
 * Giga-operations a second of every kernel. Yields the share that is done.
 *
 * @param {{Workload: typeof import("./wasm/featherweight.js").Workload}} bindings
 * @param {() => number} now
 * @returns {Generator<number, {id: string, gops: number}[]>}
 */
export function* kernelSpeeds(bindings, now) {
  const ids = bindings.Workload.ids().filter((id) => id.startsWith("gemm-") && id.endsWith(`-${SIDE}`));
  const all = yield* timed(listed(bindings, ids), now, KERNEL_MS);
  return all.map(({ ms, macs }, i) => ({
    id: ids[i].slice("gemm-".length, -SIDE.length - 1),
    gops: (2 * macs) / ms / 1e6,
  }));
}

const SPARSE = /^sparse-(\d+)-(.*)$/;

/**
 * Times of the sparse product at several shares of zeros, of the dense one, and where they cross. Yields the share that is done.
 *
 * @param {{Workload: typeof import("./wasm/featherweight.js").Workload}} bindings
 * @param {() => number} now
 * @returns {Generator<number, {dense_ms: number, points: {zeros: number, ms: number}[], break_even?: number}>}
 */
export function* sparseSpeeds(bindings, now) {
  const ids = bindings.Workload.ids().filter((id) => SPARSE.exec(id)?.[2] === SIDE);
  const works = listed(bindings, [`gemm-f32-${SIDE}`, ...ids]);
  return yield* crossing(
    works,
    ids.map((id) => Number(SPARSE.exec(id)[1]) / 100),
    now,
    KERNEL_MS,
  );
}
