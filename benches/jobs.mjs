// Rows that are whole recipes rather than calls of a kernel.
import { RECORDED } from "./rows.mjs";
import { quartiles } from "./table.mjs";

const LENET_MACS = 416_520;
const TRAIN_IMAGES = 10_000;
const TRAIN = {
  version: 1,
  model: "lenet5-fashion",
  seed: 7,
  init: "random",
  data: { set: "fashion", split: "test", count: 8 },
  steps: [{ train: { epochs: 1, batch: 64, optimizer: "adam", lr: 0.001, set: "fashion" } }],
};

const row = (title, unit, ours, rival, rivals, goal, least) => {
  const ratio = Number((unit === "s" ? rivals / ours : ours / rivals).toPrecision(4));
  return { title, unit, ours, rival, rivals, ratio, goal, met: ratio >= least, beyond: null };
};

/** Training LeNet-5: against TensorFlow.js here, and against what was recorded elsewhere. */
export async function training(ask, only) {
  const title = "training LeNet-5, Adam, batch 64";
  if (!title.includes(only)) return [];
  const { samples, losses, epochLoss } = await ask("training", {
    rounds: 15,
    peer_steps: 7,
    slice_images: 640,
    recipe: TRAIN,
    images: TRAIN_IMAGES,
    macs: LENET_MACS,
  });
  // Both must learn: the loss falls from chance, ln 10.
  if (!(epochLoss[0] < 1.5)) throw new Error(`our training ends its first epoch at a loss of ${epochLoss[0]}`);
  if (!(losses.at(-1) < losses[0])) throw new Error(`TensorFlow.js does not learn: ${losses}`);
  const ours = quartiles(samples.ours);
  const tfjs = quartiles(samples["tfjs-cpu"]);
  const recorded = (name) => RECORDED[name].value;
  const speed = ours.median;
  const first = row(title, "images/s", speed, "tfjs-cpu", tfjs.median, "100 × tfjs", 100);
  const candle = "candle 0.11, wasm: training LeNet-5, batch 64";
  const torch = "PyTorch, native, 1 thread: training LeNet-5, batch 64";
  return [
    { ...first, rates: { ours, "tfjs-cpu": tfjs }, deviations: { epoch_loss: epochLoss[0] } },
    row(title, "images/s", speed, "candle (recorded elsewhere)", recorded(candle), "8 × candle", 8),
    row(title, "images/s", speed, "PyTorch, 1 thread (recorded elsewhere)", recorded(torch), "1 × native PyTorch", 1),
  ];
}
