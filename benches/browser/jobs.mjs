// Whole recipes in this worker: training and evaluation as the page runs them.

async function provide(engine, recipe) {
  for (const { path } of engine.needs(recipe)) {
    if (!engine.has(path)) engine.provide(path, new Uint8Array(await (await fetch(`/${path}`)).arrayBuffer()));
  }
}

/** Runs recipes one after another; answers milliseconds of each, files fetched beforehand, and the reports' digests. */
export async function evaluation({ glue }, { recipes }) {
  const engine = new glue.Engine();
  for (const recipe of recipes) await provide(engine, recipe);
  const from = performance.now();
  const results = recipes.map((recipe) => {
    const job = engine.start(recipe);
    while (!job.advance(50_000_000).done);
    const { accuracy, digests } = job.report();
    job.free();
    return { correct: accuracy.correct, outputs: digests.outputs };
  });
  const ms = performance.now() - from;
  engine.free();
  return { ms, results };
}

/**
 * Networks that recipes make, on eight images of the block that all kernels work on, in turn. Answers milliseconds of one block,
 * round by round, multiply-adds and right answers of each.
 */
export async function networks({ glue }, { recipes, rounds }) {
  const BLOCK_MS = 30;
  const engine = new glue.Engine();
  for (const recipe of recipes) await provide(engine, recipe);
  const jobs = recipes.map((recipe) => {
    const job = engine.start(recipe);
    while (!job.advance(50_000_000).done);
    return job;
  });
  const time = (job, times) => {
    const from = performance.now();
    job.runSteps(undefined, times);
    return (performance.now() - from) / times;
  };
  const times = jobs.map((job) => {
    for (let i = 0; i < 20; i++) time(job, 1);
    return Math.max(1, Math.ceil(BLOCK_MS / time(job, 10)));
  });
  const samples_ms = jobs.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, job] of jobs.entries()) samples_ms[i].push(time(job, times[i]));
  const reports = jobs.map((job) => job.report());
  for (const job of jobs) job.free();
  engine.free();
  return {
    samples_ms,
    macs: reports.map(({ cost }) => cost.macs),
    correct: reports.map(({ accuracy }) => accuracy.correct),
  };
}

/**
 * Training LeNet-5 with Adam, batch 64: ours by slices of a real run, TensorFlow.js by steps on as many images, interleaved.
 * Answers images per second, sample by sample.
 */
export async function training({ glue, tfjs }, { rounds, peer_steps, slice_images, recipe, images, macs }) {
  const engine = new glue.Engine();
  await provide(engine, recipe);
  const workload = new glue.Workload("lenet5-f32", 1);
  const peer = await tfjs.tfjsTraining(workload, 64);
  const losses = [];
  const samples = { ours: [], "tfjs-cpu": [] };
  let job = engine.start(recipe);
  let epochLoss = [];
  // Up to the training, and its first steps, for warm-up.
  const slice = () => {
    const before = job.advance(1);
    if (before.done || before.phase !== "train") return null;
    const from = performance.now();
    const after = job.advance(slice_images * 3 * macs);
    const ms = performance.now() - from;
    const done = (after.done_macs - before.done_macs) / (3 * macs);
    return after.phase === "train" ? (done / ms) * 1000 : null;
  };
  const next = () => {
    for (;;) {
      const speed = slice();
      if (speed !== null) return speed;
      let progress = job.advance(1_000_000);
      while (!progress.done && progress.phase !== "train") progress = job.advance(1_000_000);
      if (progress.done) {
        epochLoss = job.report().steps[0].epoch_loss;
        job.free();
        job = engine.start(recipe);
      }
    }
  };
  for (let i = 0; i < 4; i++) next();
  for (let round = 0; round < rounds; round++) {
    samples.ours.push(next());
    if (round < peer_steps) {
      const from = performance.now();
      losses.push(peer.step());
      samples["tfjs-cpu"].push(64_000 / (performance.now() - from));
    }
  }
  let progress = job.advance(1);
  while (!progress.done) progress = job.advance(50_000_000);
  epochLoss = job.report().steps[0].epoch_loss;
  job.free();
  await peer.free();
  workload.free();
  engine.free();
  return { samples, losses, epochLoss, images };
}
