// npm run train: trains the model zoo natively, on every core; arguments go to the trainer.
import { main, run, Stop } from "./lib.mjs";
import { checkNode, ensureRust } from "./steps.mjs";

await main(async () => {
  checkNode();
  await ensureRust();
  const result = await run("cargo", ["run", "--release", "--bin", "train", "--", ...process.argv.slice(2)], {
    show: true,
  });
  if (result.code !== 0) throw new Stop("Training stopped before its end.");
});
