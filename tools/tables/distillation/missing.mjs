// What a network gets right of a class it has never seen, and after the bias of that class is raised: by as much as gives the most right
// answers on the validation split, the least such raise. Adding b to a class's bias multiplies its probability by e^b before all are scaled again,
// so the probabilities of the network as it is are enough.
import { loadEngine } from "../../../bin/engine.mjs";

/** Raises that are tried, in tenths. */
const RAISES = Array.from({ length: 201 }, (_, i) => i / 10);
let loaded;

const greatest = (values) => values.indexOf(Math.max(...values));

/** Right answers of the class and of all, with the bias of `missing` raised. */
function count(images, missing, raise) {
  let [own, all] = [0, 0];
  for (const { logs, label } of images) {
    const right = greatest(logs.map((value, i) => (i === missing ? value + raise : value))) === label;
    own += right && label === missing ? 1 : 0;
    all += right ? 1 : 0;
  }
  return { own, all };
}

/** For a cell whose students have not seen a class: what a table says of it beside its result. */
export async function missingOf(cell) {
  if (cell.missing === undefined) return {};
  loaded ??= await loadEngine();
  const { engine } = loaded;
  const { job } = loaded.finish(cell.recipe, { evaluate: false });
  const set = engine.catalog().data.find(({ id }) => cell.model.endsWith(id));
  const split = (name) =>
    Array.from({ length: set.splits[name] }, (_, i) => {
      for (const { path } of engine.imageAsset(set.id, name, i)) loaded.provide(path);
      const logs = [...job.probabilities(engine.image(set.id, name, i))].map((p) => Math.log(p));
      return { logs, label: engine.label(set.id, name, i) };
    });
  const missing = set.classes.indexOf(cell.missing);
  const [validation, test] = [split("validation"), split("test")];
  job.free();
  const found = RAISES.map((raise) => count(validation, missing, raise).all);
  const raise = RAISES[greatest(found)];
  const [before, after] = [count(test, missing, 0), count(test, missing, raise)];
  return {
    of: test.filter(({ label }) => label === missing).length,
    seen: before.own,
    raise,
    raised: after.own,
    raised_correct: after.all,
  };
}
