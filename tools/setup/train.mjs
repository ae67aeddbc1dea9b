// npm run train [-- id …] [-- --force]: trains the model zoo with the engine itself, natively on all cores.
// A model is trained by models/zoo/<id>.json; what is up to date is skipped. An interrupted training goes on from its
// last checkpoint (target/zoo/<id>.checkpoint). Writes models/<id>.safetensors, models/manifest.json and the report of
// the training, models/zoo/<id>.report.json.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main, root, run, Stop } from "./lib.mjs";
import { checkNode, ensureRust } from "./steps.mjs";

const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");
const at = (path) => join(root, path);

await main(async () => {
  checkNode();
  await ensureRust();
  const args = process.argv.slice(2);
  const force = args.includes("--force");
  const known = readdirSync(at("models/zoo"))
    .filter((name) => name.endsWith(".json") && !name.endsWith(".report.json"))
    .map((name) => name.replace(".json", ""));
  const asked = args.filter((arg) => !arg.startsWith("-"));
  for (const id of asked) {
    if (!known.includes(id)) throw new Stop(`No recipe models/zoo/${id}.json; there are: ${known.join(", ")}.`);
  }
  const wanted = asked.length > 0 ? asked : known;
  // Sets that are not committed are packed here.
  const local = (id) => JSON.parse(readFileSync(at(`models/zoo/${id}.json`), "utf8")).steps[0].train.set !== undefined;
  if (wanted.some(local) && !existsSync(at("data/local/manifest.json")))
    throw new Stop("The full training sets are not packed yet: run `npm run data` first.");

  // For this machine's own vectors: wider ones are faster and give the same bits.
  const build = ["build", "--release", "--bin", "featherweight-native", "--target-dir", "target/train"];
  const built = await run("cargo", build, { show: true, env: { RUSTFLAGS: "-C target-cpu=native" } });
  if (built.code !== 0) throw new Stop("The native engine does not compile.");
  mkdirSync(at("target/zoo"), { recursive: true });
  for (const id of wanted) await train(id, force);
});

/** Trains one model and records what it reached. */
async function train(id, force) {
  const manifestPath = at("models/manifest.json");
  const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));
  const recipe = `models/zoo/${id}.json`;
  const entry = manifest.models[id];
  const present = entry !== undefined && existsSync(at(entry.path)) && entry.sha256 === sha256(at(entry.path));
  if (present && entry.recipe === sha256(at(recipe)) && !force) {
    console.log(`${id}: up to date, ${entry.correct} of ${entry.total}`);
    return;
  }
  const trained = `target/zoo/${id}.safetensors`;
  const reportPath = `models/zoo/${id}.report.json`;
  const program = at("target/train/release/featherweight-native");
  // glibc would give every freed activation back to the system and take it again at the next step.
  const env = { MALLOC_MMAP_THRESHOLD_: "1000000000", MALLOC_TRIM_THRESHOLD_: "4000000000" };
  const done = await run(program, ["train", recipe, trained, reportPath], { show: true, env });
  if (done.code !== 0) throw new Stop(`${id}: training stopped; started again, it goes on from its checkpoint.`);
  const path = `models/${id}.safetensors`;
  copyFileSync(at(trained), at(path));
  const { correct, total } = JSON.parse(readFileSync(at(reportPath), "utf8")).accuracy;
  const bytes = statSync(at(path)).size;
  manifest.models[id] = { path, bytes, sha256: sha256(at(path)), recipe: sha256(at(recipe)), correct, total };
  const models = Object.fromEntries(Object.entries(manifest.models).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(manifestPath, `${JSON.stringify({ version: 1, models }, null, 1)}\n`);
  console.log(`\n${id}: ${correct} of ${total}`);
}
