// The words around the table of distillation. Numbers come from its cells; who is better and who is worse is counted here, not written.
import { nameOf } from "../cells.mjs";
import { CHAINS, COMPRESSED, FEW, MAP, MISSING, mapRow, ORIGINALS, STUDENTS, seedsOf } from "./rows.mjs";
import { meanOf, pairedOf, signOf } from "./stats.mjs";

export const HEAD = `# What a teacher is worth

Right answers on whole test splits (500 \`digits\`, 10,000 \`fashion\`): means over seeds with 95 % intervals by Student's t, ten seeds for \`digits\`, five for \`fashion\` and the maps.
In brackets the difference to the student that learned alone from the same start in the same order of images, and half its interval; in bold where the interval does not hold 0,
which of twenty comparisons without any difference one does by chance.
The teacher of \`digits\` is \`mlp-digits\`, trained on the same 1,097 images; that of \`fashion\` is \`convnet-large-fashion\`, which has seen 58,000 images where students see
12,000, so some of what they gain may be those images. Students start fresh. α is 0.9 unless said otherwise; what is imitated beside logits has *T* 2 and counts as usual
([methods.md](../methods.md#distillation)). Training is Adam with \`cosine\`, the same for all rows of a table. Recipes are in \`tools/tables/distillation/rows.mjs\`, the cells in
\`docs/tables/distillation.json\`.`;

/** Values of a row by seed; throws where one is not computed. */
export function lookup({ cells }) {
  const known = new Map(cells.map((cell) => [nameOf(cell), cell]));
  return (row, model, field = "correct", seeds = seedsOf(model)) =>
    seeds.map((seed) => {
      const found = known.get(nameOf({ row, model, seed }));
      if (found === undefined) throw new Error(`${row} of ${model}, seed ${seed}, is not computed`);
      return found[field];
    });
}

export const rounded = (value) => (Math.abs(value) < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));
export const signed = (value) => `${value < 0 ? "−" : "+"}${rounded(Math.abs(value))}`;
export const mapSeeds = Array.from({ length: MAP.seeds }, (_, i) => i + 1);

/** Who of the students is better, worse or no different by `row` than by `other`. */
function verdicts(get, row, other, models) {
  const by = { 1: [], "-1": [], 0: [] };
  for (const model of models) {
    const difference = pairedOf(get(row, model), get(other, model));
    by[signOf(difference)].push(`\`${model}\` (${signed(difference.mean)} ± ${rounded(difference.half)})`);
  }
  const say = (list, word) => (list.length > 0 ? `${word}: ${list.join(", ")}` : "");
  return [say(by[1], "better"), say(by["-1"], "worse"), say(by[0], "no difference that these seeds show")]
    .filter((part) => part !== "")
    .join("; ");
}

/** Pairs of rows of a model of which the first is less, beyond the interval of their difference: what the sentences below say in words. */
export const CLAIMS = [
  ["few alone", "few t4", "mlp16-digits"],
  ["few alone", "few t4", "lenet-small-fashion"],
  ["few alone", "few t2", "mlp16-fashion"],
  ["few alone", "few t2", "lenet5-fashion"],
  ["all t4", "all alone", "conv-tiny-fashion"],
  ["all t4", "all alone", "mlp16-fashion"],
];

export function findings(table) {
  const get = lookup(table);
  const every = Object.values(STUDENTS).flat();
  const mean = (...cell) => rounded(meanOf(get(...cell)).mean);
  const share = (row, model) => `${Math.round(100 * meanOf(get(row, model, "share")).mean)} %`;
  const best = (images) => {
    const all = MAP.temperatures.flatMap((temperature) =>
      MAP.alphas.map((alpha) => ({
        temperature,
        alpha,
        mean: meanOf(get(mapRow(images, temperature, alpha), MAP.model, "correct", mapSeeds)).mean,
      })),
    );
    return all.reduce((a, b) => (b.mean > a.mean ? b : a));
  };
  const [few, all] = [best("few"), best("all")];
  const mapAlone = (images) => rounded(meanOf(get(`${images} alone`, MAP.model, "correct", mapSeeds)).mean);
  const [student] = MISSING.models;
  const missing = (row, field) => meanOf(get(row, student, field)).mean;
  const threes = MISSING.temperatures.map((temperature) => {
    const row = `missing t${temperature}`;
    return `*T* ${temperature}: ${rounded(missing(row, "seen"))}, raised ${rounded(missing(row, "raised"))}`;
  });
  const of = missing("missing alone", "of");
  const compressed = COMPRESSED.map(({ id, label, model }) => {
    const sorts = ORIGINALS.slice(1).map(({ id: by, label: how }) => {
      const difference = pairedOf(get(`${id} ${by}`, model), get(`${id} alone`, model));
      return `${how} ${signed(difference.mean)} ± ${rounded(difference.half)}`;
    });
    return `${label}: ${mean(`${id} alone`, model)} alone, ${sorts.join(", ")}`;
  });
  const chains = CHAINS.flatMap(({ model, assistant }) =>
    ["all", "few"].map((images) => {
      const difference = pairedOf(get(`${images} by ${assistant}`, model), get(`${images} t2`, model));
      const number = images === "all" ? "all images" : `${FEW[model.endsWith("digits") ? "digits" : "fashion"]}`;
      return `\`${model}\` by \`${assistant}\`, ${number}: ${signed(difference.mean)} ± ${rounded(difference.half)}`;
    }),
  );
  return [
    "## What it shows",
    `**With few labels a teacher helps most of these students.** The first ${FEW.digits} images of \`digits\` and ${FEW.fashion} of \`fashion\`, logits at *T* 2 against alone: ${verdicts(get, "few t2", "few alone", every)}. At *T* 4: ${verdicts(get, "few t4", "few alone", every)}.
\`mlp16-digits\` goes from ${mean("few alone", "mlp16-digits")} to ${mean("few t8", "mlp16-digits")} of 500 at *T* 8.`,
    `**With all labels it mostly does not.** The whole train split, *T* 2: ${verdicts(get, "all t2", "all alone", every)}. At *T* 4: ${verdicts(get, "all t4", "all alone", every)}.
A likely reason: these students are short of room, not of labels. What the teacher knows beside the label is more to fit, and the warmer its answers, the more of it. At *T* 1, where its answers are nearly labels: ${verdicts(get, "all t1", "all alone", every)}.`,
    `**It is not that nothing was taught.** At *T* 4 and α 0.9, ${share("all t4", "mlp16-fashion")} of the gradient of \`mlp16-fashion\` in the last epoch comes from the teacher, at *T* 1 ${share("all t1", "mlp16-fashion")}.`,
    `**Temperature and α.** \`${MAP.model}\` on ${FEW.digits} images, five seeds: ${mapAlone("few")} alone, at best ${rounded(few.mean)} at *T* ${few.temperature}, α ${few.alpha}. On all images: ${mapAlone("all")} alone, at best ${rounded(all.mean)} at *T* ${all.temperature}, α ${all.alpha}. These were chosen by looking at the test split: they say where to look, not what to expect.`,
    `**No image at all.** Asked only about noise, the teacher of \`digits\` makes ${mean("all noise", "mlp32-digits")} of 500 of \`mlp32-digits\`. Fashion does not come through noise: ${STUDENTS.fashion.map((model) => `\`${model}\` ${mean("all noise", model)}`).join(", ")} of 10,000.`,
    `**A compressed network taught by what it was.** \`lenet5-fashion\`, two epochs: ${compressed.join("; ")}.`,
    `**An assistant between large and small** against the large teacher itself, both at *T* 2: ${chains.join("; ")}.`,
    `**A class never seen** (Hinton, Vinyals and Dean 2015, arXiv 1503.02531, §3). \`${student}\` without any "${MISSING.class}" among its images gets ${rounded(missing("missing alone", "seen"))} of the ${of} in the test split right when alone, ${rounded(missing("missing alone", "raised"))} with the bias of that class raised. With a teacher's
logits alone, on the same images: ${threes.join("; ")}. The paper, with a transfer set of MNIST without threes: 98.6 % after its bias is raised. Here the raise is chosen on the validation split.`,
  ];
}
