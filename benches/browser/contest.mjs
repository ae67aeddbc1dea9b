// Contenders on the same work, interleaved: each round times every one of them, in turn, for about the same time.

const PEERS = {
  "ort-float": (parts, workload) => parts.ort.ortFloat(workload),
  "ort-integer": (parts, workload) => parts.ort.ortInteger(workload),
  "ort-product": (parts, workload) => parts.ort.ortProduct(workload),
  tfjs: (parts, workload) => parts.tfjs.tfjsFloat(workload),
};

/** Greatest difference as a share of the greatest magnitude. */
function apart(expected, found) {
  if (expected.length !== found.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    most = Math.max(most, Math.abs(expected[i]));
    const here = Math.abs(expected[i] - found[i]);
    difference = Number.isNaN(here) ? Number.POSITIVE_INFINITY : Math.max(difference, here);
  }
  return difference / most;
}

/** A workload of ours; `id@kernel` with an integer kernel that this machine would not choose. */
function ours({ glue, kernel: chosen }, name, seed) {
  const [id, kernel = chosen] = name.split("@");
  glue.useKernel(kernel);
  const workload = new glue.Workload(id, seed);
  glue.useKernel(chosen);
  const input = workload.input();
  const words = workload.words();
  const { batch, outputs } = workload.describe();
  const output = new Float32Array(batch * outputs);
  const call = () => {
    if (words.length > 0) workload.runWords(words, output);
    else workload.run(input, output);
    return output;
  };
  return { name, workload, call, free: () => workload.free() };
}

/** Runs for about `ms`, at least once; answers milliseconds of one call. */
async function time(contender, ms, calls) {
  const from = performance.now();
  for (let i = 0; i < calls; i++) await contender.call();
  const once = (performance.now() - from) / calls;
  contender.calls = Math.max(1, Math.round(ms / once));
  return once;
}

/**
 * Times `workloads` of ours and `peers` on the first of them. Every result is checked before it counts: ours against naive
 * kernels, peers against ours, within `tolerance`.
 */
export async function contest(parts, { workloads, peers, seed, rounds, sample_ms, warmup_ms, tolerance }) {
  const own = workloads.map((name) => ours(parts, name, seed));
  const checks = {};
  for (const each of own) {
    await each.call();
    const { found, allowed } = each.workload.check();
    checks[each.name] = found;
    if (!(found <= allowed)) throw new Error(`${each.name} is off by ${found}, allowed ${allowed}`);
  }
  const expected = (await own[0].call()).slice();
  const others = [];
  for (const peer of peers) {
    const contender = await PEERS[peer](parts, own[0].workload);
    const answer = await contender.call();
    const found = apart(expected, contender.finish ? contender.finish(answer) : answer);
    checks[contender.name] = found;
    if (!(found <= tolerance))
      throw new Error(`${contender.name} on ${own[0].name} is off by ${found}, allowed ${tolerance}`);
    others.push(contender);
  }
  const all = [...own, ...others];
  // Many short calls first: WebAssembly has no on-stack replacement.
  for (const contender of all) {
    const until = performance.now() + warmup_ms;
    for (let i = 0; i < 3 || performance.now() < until; i++) await contender.call();
    await time(contender, sample_ms, 1);
  }
  const samples_ms = Object.fromEntries(all.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < all.length; i++) {
      const contender = all[(i + round) % all.length];
      samples_ms[contender.name].push(await time(contender, sample_ms, contender.calls));
    }
  }
  const about = Object.fromEntries(own.map(({ name, workload }) => [name, workload.describe()]));
  for (const contender of all) await contender.free();
  return { about, samples_ms, checks };
}
