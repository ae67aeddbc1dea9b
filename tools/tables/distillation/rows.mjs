// The rows of the table of distillation: each a recipe for every seed, most of them beside a student that learns alone.

export const MODELS = ["mlp-digits", "lenet5-fashion", "convnet-large-fashion"];
const TEACHERS = { digits: "mlp-digits", fashion: "convnet-large-fashion" };
/** Seeds of small networks, and of those that take longer. */
const SEEDS = { digits: 10, fashion: 5 };
export const setOf = (model) => model.slice(model.lastIndexOf("-") + 1);
export const seedsOf = (model) => Array.from({ length: SEEDS[setOf(model)] }, (_, i) => i + 1);

/** How students are trained: on the whole train split, and on the first few images of it. */
export const FEW = { digits: 100, fashion: 500 };
const TRAIN = {
  digits: { all: { epochs: 60, batch: 32, lr: 0.005 }, few: { epochs: 200, batch: 32, lr: 0.005, count: FEW.digits } },
  fashion: { all: { epochs: 8, batch: 64, lr: 0.003 }, few: { epochs: 40, batch: 32, lr: 0.003, count: FEW.fashion } },
};
const trainOf = (model, images, more = {}) => ({ ...TRAIN[setOf(model)][images], schedule: "cosine", ...more });

export const STUDENTS = {
  digits: ["mlp8-digits", "mlp16-digits", "mlp32-digits"],
  fashion: ["mlp16-fashion", "lenet-small-fashion", "conv-tiny-fashion", "lenet5-fashion"],
};

/** The last hidden layer of a student and of its teacher, and the first maps of both, where there are any. */
const HIDDEN = {
  "mlp8-digits": ["relu1", "relu2"],
  "mlp16-digits": ["relu1", "relu2"],
  "mlp32-digits": ["relu1", "relu2"],
  "mlp16-fashion": ["relu1", "relu2"],
  "lenet-small-fashion": ["relu3", "relu2"],
  "conv-tiny-fashion": ["pool", "relu2"],
  "lenet5-fashion": ["relu4", "relu2"],
};
const MAPS = {
  "lenet-small-fashion": ["pool1", "pool1"],
  "conv-tiny-fashion": ["relu1", "pool1"],
  "lenet5-fashion": ["pool1", "pool1"],
};

const softened = (temperature, alpha = 0.9) => ({
  id: `t${temperature}`,
  label: `logits, *T* ${temperature}`,
  distill: () => ({ temperature, alpha }),
});
/** Trainings of seconds; the others are run with fewer variants. */
const isShort = (model, images) => images === "few" || setOf(model) === "digits";
export const ALONE = { id: "alone", label: "alone", distill: () => undefined };
/** What stands below each other for every student. `distill` gives nothing where it cannot be. */
export const VARIANTS = [
  ALONE,
  softened(1),
  softened(2),
  softened(4),
  { ...softened(8), distill: (model, images) => isShort(model, images) && { temperature: 8, alpha: 0.9 } },
  {
    id: "hint",
    label: "and hints of the last hidden layer",
    distill: (model) => ({ method: "hint", temperature: 2, layers: [HIDDEN[model]] }),
  },
  {
    id: "attention",
    label: "and attention of the first maps",
    // For the whole train split the teacher's maps would not be kept, and it would be asked again at every step.
    distill: (model, images) =>
      images === "few" && MAPS[model] && { method: "attention", temperature: 2, layers: [MAPS[model]] },
  },
  {
    id: "relational",
    label: "and distances",
    distill: (model, images) => isShort(model, images) && { method: "relational", temperature: 2 },
  },
];

/** No image at all: the teacher is asked about noise. As many images as the train split has. */
export const NOISE = {
  id: "noise",
  label: "noise in place of images, *T* 4, no labels",
  distill: () => ({ temperature: 4, alpha: 1 }),
};

const cell = (row, model, seed, steps, init) => ({
  row,
  model,
  seed,
  recipe: { version: 1, model, seed, ...(init && { init }), steps },
});

function students() {
  const all = [];
  for (const [set, models] of Object.entries(STUDENTS)) {
    for (const model of models) {
      for (const images of ["all", "few"]) {
        for (const { id, distill } of images === "all" ? [...VARIANTS, NOISE] : VARIANTS) {
          const own = distill(model, images);
          if (id !== ALONE.id && !own) continue;
          const taught = own && { distill: { teacher: TEACHERS[set], ...own } };
          const train = { ...trainOf(model, images), ...taught, ...(id === NOISE.id && { transfer: "noise" }) };
          for (const seed of seedsOf(model)) all.push(cell(`${images} ${id}`, model, seed, [{ train }], "random"));
        }
      }
    }
  }
  return all;
}

export const MAP = { model: "mlp16-digits", temperatures: [1, 2, 4, 8, 20], alphas: [0.3, 0.5, 0.7, 0.9, 1], seeds: 5 };
export const mapRow = (images, temperature, alpha) => `map ${images} ${temperature} ${alpha}`;

function map() {
  const all = [];
  for (const images of ["all", "few"]) {
    for (const temperature of MAP.temperatures) {
      for (const alpha of MAP.alphas) {
        const distill = { teacher: TEACHERS.digits, temperature, alpha };
        for (let seed = 1; seed <= MAP.seeds; seed++) {
          const train = trainOf(MAP.model, images, { distill });
          all.push(cell(mapRow(images, temperature, alpha), MAP.model, seed, [{ train }], "random"));
        }
      }
    }
  }
  return all;
}

/** A network made smaller, then trained for two epochs: alone, and by what it was. */
export const COMPRESSED = [
  {
    id: "int2",
    label: "`int2` weights",
    model: "lenet5-fashion",
    step: { quantize: { weights: { format: "int2", range: "mse" } } },
  },
  {
    id: "pruned",
    label: "90 % of the weights pruned",
    model: "lenet5-fashion",
    step: { prune: { sparsity: 0.9 } },
  },
];
export const ORIGINALS = [
  { id: "alone", label: "alone", distill: undefined },
  { id: "t1", label: "logits alone, *T* 1", distill: { temperature: 1, alpha: 1 } },
  { id: "t2", label: "logits, *T* 2", distill: { temperature: 2, alpha: 0.9 } },
  { id: "t4", label: "logits, *T* 4", distill: { temperature: 4, alpha: 0.9 } },
];

function compressed() {
  return COMPRESSED.flatMap(({ id: way, model, step }) =>
    ORIGINALS.flatMap(({ id, distill }) =>
      seedsOf(model).map((seed) => {
        const taught = distill && { distill: { teacher: "original", ...distill } };
        return cell(`${way} ${id}`, model, seed, [
          step,
          { train: { epochs: 2, lr: 0.002, schedule: "cosine", ...taught } },
        ]);
      }),
    ),
  );
}

/** Large → medium → small: the medium one is fresh, and taught first. */
export const CHAINS = [
  { model: "mlp8-digits", assistant: "mlp16-digits", temperature: 2 },
  { model: "mlp8-digits", assistant: "mlp32-digits", temperature: 2 },
  { model: "lenet-small-fashion", assistant: "lenet5-fashion", temperature: 2 },
];

function chains() {
  return CHAINS.flatMap(({ model, assistant, temperature }) => {
    const teacher = TEACHERS[setOf(model)];
    const first = { train: trainOf(assistant, "all", { distill: { teacher, temperature } }) };
    const made = { model: assistant, init: "random", steps: [first] };
    return ["all", "few"].flatMap((images) => {
      const train = trainOf(model, images, { distill: { teacher: made, temperature } });
      return seedsOf(model).map((seed) => cell(`${images} by ${assistant}`, model, seed, [{ train }], "random"));
    });
  });
}

/** The class that students never see (Hinton, Vinyals and Dean 2015, §3). */
export const MISSING = { class: "3", models: ["mlp16-digits", "mlp32-digits"], temperatures: [2, 4, 8] };

function missing() {
  const exclude = [MISSING.class];
  return MISSING.models.flatMap((model) =>
    ["alone", ...MISSING.temperatures].flatMap((by) => {
      const distill = by === "alone" ? {} : { distill: { teacher: TEACHERS.digits, temperature: by, alpha: 1 } };
      const row = by === "alone" ? "missing alone" : `missing t${by}`;
      return seedsOf(model).map((seed) => ({
        ...cell(row, model, seed, [{ train: trainOf(model, "all", { exclude, ...distill }) }], "random"),
        missing: MISSING.class,
      }));
    }),
  );
}

export const cells = () => [...students(), ...map(), ...compressed(), ...chains(), ...missing()];

/** Small networks first; what one teacher knows follows each other. */
export function ordered(list) {
  const cost = ({ model, row }) => (setOf(model) === "digits" ? 0 : row.startsWith("few") ? 1 : 2);
  return [...list].sort((a, b) => cost(a) - cost(b));
}
