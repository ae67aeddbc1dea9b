// Trains the model zoo with the engine itself, natively on all cores: `npm run train [-- id …] [-- --force]`.
// A model is trained by models/zoo/<id>.json; what is up to date is skipped. An interrupted training goes on from its
// last checkpoint (target/zoo/<id>.checkpoint). Writes models/<id>.safetensors, models/manifest.json and the report of
// the training, models/zoo/<id>.report.json.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const MANIFEST = 'models/manifest.json';
const WORK = 'target/zoo';
const args = process.argv.slice(2);
const force = args.includes('--force');
const asked = args.filter((arg) => !arg.startsWith('-'));

const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
const fail = (line) => {
  console.error(line);
  process.exit(1);
};

const known = readdirSync('models/zoo')
  .filter((name) => name.endsWith('.json') && !name.endsWith('.report.json'))
  .map((name) => name.replace('.json', ''));
for (const id of asked) {
  if (!known.includes(id)) fail(`no recipe models/zoo/${id}.json; there are: ${known.join(', ')}`);
}
if (!existsSync('data/local/manifest.json')) fail('the full training sets are not packed yet: run npm run data first');

const build = spawnSync('cargo', ['build', '--release', '--bin', 'featherweight-native', '--target-dir', 'target/train'], {
  stdio: 'inherit',
  env: { ...process.env, RUSTFLAGS: '-C target-cpu=native' },
});
if (build.status !== 0) fail('the native engine did not build');
mkdirSync(WORK, { recursive: true });

const manifest = JSON.parse(readFileSync(MANIFEST, 'utf8'));
for (const id of asked.length > 0 ? asked : known) {
  const recipe = `models/zoo/${id}.json`;
  const entry = manifest.models[id];
  const current = entry && existsSync(entry.path) && entry.sha256 === sha256(entry.path) && entry.recipe === sha256(recipe);
  if (current && !force) {
    console.log(`${id}: up to date, ${entry.correct} of ${entry.total}`);
    continue;
  }
  const started = performance.now();
  const trained = `${WORK}/${id}.safetensors`;
  const run = spawnSync('target/train/release/featherweight-native', ['train', recipe, trained], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) fail(`${id}: training failed; it goes on from its checkpoint when started again`);
  const report = JSON.parse(run.stdout);
  const path = `models/${id}.safetensors`;
  copyFileSync(trained, path);
  writeFileSync(`models/zoo/${id}.report.json`, `${JSON.stringify(report, null, 1)}\n`);
  manifest.models[id] = {
    path,
    bytes: readFileSync(path).length,
    sha256: sha256(path),
    recipe: sha256(recipe),
    correct: report.accuracy.correct,
    total: report.accuracy.total,
  };
  const models = Object.fromEntries(Object.entries(manifest.models).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(MANIFEST, `${JSON.stringify({ version: 1, models }, null, 1)}\n`);
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`${id}: ${report.accuracy.correct} of ${report.accuracy.total} in ${seconds} s`);
}
