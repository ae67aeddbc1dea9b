// The documents against the repository and the engine: paths, commands, ids, defaults, bounds and fields.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import * as wasm from "../../www/engine/wasm/featherweight.js";
import { root } from "../setup/lib.mjs";

const at = (path) => join(root, path);
const read = (path) => readFileSync(at(path), "utf8");
const PAGES = ["README.md", ...readdirSync(at("docs"), { recursive: true }).map((name) => `docs/${name}`)].filter(
  (path) => path.endsWith(".md"),
);

wasm.initSync({ module: readFileSync(at("www/engine/wasm/featherweight_bg.wasm")) });
const engine = new wasm.Engine();
const catalog = engine.catalog();

const inlineCode = (text) =>
  [...text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);
const jsonBlocks = (text) => [...text.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map((match) => JSON.parse(match[1]));

/** The part of a page under a heading, up to the next one of any level. */
function section(page, heading) {
  const lines = page.split("\n");
  const from = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (from < 0) throw new Error(`no section ${heading}`);
  const length = lines.slice(from + 1).findIndex((line) => line.startsWith("#"));
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length).join("\n");
}

/** Rows of the tables in a text, as cells; each starts with something in backticks. */
const rows = (text) =>
  [...text.matchAll(/^\| `.*\|$/gm)].map(([line]) =>
    line
      .slice(1, -1)
      .split(" | ")
      .map((cell) => cell.trim()),
  );
const code = (cell) => cell.match(/^`([^`]+)`/)?.[1];

const BASE = { version: 1, model: "mlp-digits", seed: 1, steps: [] };
const withStep = (step) => ({ ...BASE, steps: [step] });

/** What the engine allows in place of what is wrong with a recipe. */
function allowed(recipe) {
  try {
    engine.canonical(recipe);
  } catch (error) {
    return error.allowed;
  }
  throw new Error(`${JSON.stringify(recipe)} is not refused`);
}
const allowedIds = (recipe) =>
  allowed(recipe)
    .replace(/^one of /, "")
    .split(", ")
    .sort();

describe("paths", () => {
  const FILE = /\.(css|fws|html|json|md|mjs|rs|safetensors|toml|ts)$/;
  const OTHERS = /^(application|text|image)\/|^(i\/n)$/;
  /** Made by a command, so not always there. */
  const MADE = /^(data\/local|dist|target|node_modules|\.cache|www\/engine\/wasm)(\/|$)/;
  const isPath = (text) => /^[\w.@/-]+$/.test(text) && (text.includes("/") || FILE.test(text)) && !OTHERS.test(text);
  const names = new Set(
    ["src", "www", "tools", "tests", "docs", "models", "bin"].flatMap((folder) =>
      readdirSync(at(folder), { recursive: true }).map((name) => basename(name)),
    ),
  );

  // A path starts at the root; a bare file name is one that the text has placed before, or one of many.
  const isThere = (path) => existsSync(at(path)) || MADE.test(path) || (!path.includes("/") && names.has(path));
  const missing = (texts) => texts.filter(isPath).filter((path) => !isThere(path));

  it.each(PAGES)("in %s are there", (path) => {
    expect(missing(inlineCode(read(path)))).toEqual([]);
  });

  it.each(PAGES)("linked from %s are there", (path) => {
    const links = [...read(path).matchAll(/\[[^\]]*\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1]);
    const local = links.filter((link) => !/^https?:/.test(link));
    expect(local.filter((link) => !existsSync(at(normalize(join(dirname(path), link)))))).toEqual([]);
  });

  it("would be missed if they were wrong", () => {
    expect(missing(["src/lib.rs", "client.ts", "scr/lib.rs", "www/nowhere", "nothing.ts", "i/n", "www/*.ts"])).toEqual([
      "scr/lib.rs",
      "www/nowhere",
      "nothing.ts",
    ]);
  });
});

it("commands are in package.json", () => {
  const { scripts } = JSON.parse(read("package.json"));
  const asked = PAGES.flatMap((path) => [...read(path).matchAll(/\bnpm (?:run )?(start|test|(?<=run )[a-z]+)/g)]);
  expect(asked.length).toBeGreaterThan(10);
  for (const [command, name] of asked) expect(Object.keys(scripts), command).toContain(name);
});

it("the map of modules is the engine's own list, in its order", () => {
  const listed = rows(section(read("docs/ARCHITECTURE.md"), "The engine's modules")).map(([name]) => code(name));
  const modules = [...read("src/lib.rs").matchAll(/^pub mod (\w+);/gm)].map((match) => match[1]);
  expect(listed).toEqual(modules);
});

describe("docs/recipe.md", () => {
  const page = read("docs/recipe.md");
  const fields = (heading) => new Map(rows(section(page, heading)).map((row) => [code(row[0]), row]));
  const canonicalStep = (step) => Object.values(engine.canonical(withStep(step)).steps[0])[0];
  /** A training of rounded inputs. */
  const through = (train) =>
    engine.canonical({ ...BASE, steps: [{ quantize: { activations: { format: "int8" } } }, { train }] }).steps[1].train;
  const weights = { format: "int4" };
  const activations = { format: "int8", calibration: "percentile" };
  const asked = canonicalStep({ quantize: { weights, activations } });
  const plain = canonicalStep({ quantize: { activations: { format: "int8" } } });
  const rounded = (rounding) => canonicalStep({ quantize: { weights: { ...weights, rounding } } }).weights;
  const [gptq, adaround] = ["gptq", "adaround"].map(rounded);
  const smoothed = canonicalStep({ quantize: { transforms: ["smoothquant"] } });
  const kmeans = canonicalStep({ quantize: { weights: { format: "kmeans" } } }).weights;
  /** What the engine writes out for each table, and what of it the recipe itself had said. */
  const tables = [
    ["recipe", engine.canonical(BASE), ["version", "model", "seed", "steps", "data"]],
    ["data", engine.canonical(BASE).data, ["set", "count"]],
    [
      "train",
      {
        ...canonicalStep({ train: { optimizer: "sgd" } }),
        ...through({ estimator: "pact" }),
        ...through({}),
        ...canonicalStep({ train: {} }),
      },
      [],
    ],
    ["weights", { ...gptq, ...adaround, ...kmeans, ...asked.weights, scale: "float", rounding: "nearest" }, ["format"]],
    ["quantize", { alpha: smoothed.alpha, images: smoothed.images }, []],
    ["activations", { ...asked.activations, ...plain.activations, mode: "static" }, ["format"]],
  ];

  it.each(tables)("has every field of %s, with its default", (heading, canonical, given) => {
    const table = fields(heading);
    // The set a training uses is written out only where it is not the model's own, targets only where there are any; what trainings
    // were taught to do later only where it says something.
    const later = [
      "count",
      "distill",
      "epsilon",
      "exchange",
      "exclude",
      "freeze",
      "label_smoothing",
      "nesterov",
      "patience",
      "transfer",
    ];
    const unwritten = { train: ["set", "precision", "record", ...later], recipe: ["targets"] };
    // Most of a quantize step is written out only where it is asked for.
    if (heading !== "quantize") {
      const written = [...table.keys()].filter((name) => !unwritten[heading]?.includes(name)).sort();
      expect(written).toEqual(Object.keys(canonical).sort());
    }
    for (const [name, value] of Object.entries(canonical)) {
      if (!given.includes(name)) expect(JSON.parse(code(table.get(name)[2])), `${heading}.${name}`).toEqual(value);
    }
  });

  it("names the fields the engine says it knows", () => {
    const quantize = (part) => withStep({ quantize: part });
    expect([...fields("recipe").keys()].sort()).toEqual(allowedIds({ ...BASE, none: 1 }));
    expect([...fields("train").keys()].sort()).toEqual(allowedIds(withStep({ train: { none: 1 } })));
    const taught = withStep({ train: { distill: { teacher: "mlp-digits", none: 1 } } });
    expect([...fields("distill").keys()].sort()).toEqual(allowedIds(taught));
    expect([...fields("quantize").keys()].sort()).toEqual(allowedIds(quantize({ none: 1 })));
    expect([...fields("weights").keys()].sort()).toEqual(allowedIds(quantize({ weights: { ...weights, none: 1 } })));
    expect([...fields("activations").keys()].sort()).toEqual(
      allowedIds(quantize({ activations: { ...activations, none: 1 } })),
    );
  });

  it("has the bounds of every number", () => {
    const numbers = [
      ["recipe", "seed", (value) => ({ ...BASE, seed: value })],
      ...["epochs", "batch", "lr", "momentum", "weight_decay", "shift", "clip_decay"].map((name) => [
        "train",
        name,
        (value) => withStep({ train: { optimizer: "sgd", [name]: value } }),
      ]),
      ...["count", "epsilon", "label_smoothing", "patience"].map((name) => [
        "train",
        name,
        (value) => withStep({ train: { [name]: value } }),
      ]),
      ...["temperature", "alpha", "beta"].map((name) => [
        "distill",
        name,
        (value) => withStep({ train: { distill: { teacher: "mlp-digits", method: "relational", [name]: value } } }),
      ]),
      ...["images", "alpha", "seed"].map((name) => [
        "quantize",
        name,
        (value) => withStep({ quantize: { [name]: value } }),
      ]),
      ["weights", "bits", (value) => withStep({ quantize: { weights: { format: "kmeans", bits: value } } })],
      ["weights", "damping", (value) => withStep({ quantize: { weights: { ...weights, damping: value } } })],
      ["weights", "iterations", (value) => withStep({ quantize: { weights: { ...weights, iterations: value } } })],
      ...["images", "percentile"].map((name) => [
        "activations",
        name,
        (value) => withStep({ quantize: { activations: { ...activations, [name]: value } } }),
      ]),
    ];
    const typed = ["recipe", "train", "distill", "quantize", "weights", "activations"].flatMap((heading) =>
      [...fields(heading)].filter(([name, row]) => /integer|number/.test(row[1]) && name !== "version"),
    );
    expect(numbers.map(([, name]) => name).sort()).toEqual(typed.map(([name]) => name).sort());
    for (const [heading, name, recipe] of numbers) {
      const [, bounds] = allowed(recipe(-1)).match(/ from (.*)/) ?? [];
      expect(fields(heading).get(name)[3], name).toContain(bounds);
    }
  });

  it("lists every id, and no other", () => {
    const quantize = (part) => withStep({ quantize: part });
    const ids = [
      ["recipe", "model", { ...BASE, model: "none" }],
      ["recipe", "init", { ...BASE, init: "none" }],
      ["recipe", "execution", { ...BASE, execution: "none" }],
      ["recipe", "targets", { ...BASE, targets: ["none"] }],
      ["recipe", "storage", { ...BASE, storage: "none" }],
      ["data", "set", { ...BASE, data: { set: "none" } }],
      ["data", "split", { ...BASE, data: { split: "none" } }],
      ["train", "optimizer", withStep({ train: { optimizer: "none" } })],
      ["train", "schedule", withStep({ train: { schedule: "none" } })],
      ["train", "transfer", withStep({ train: { transfer: "none" } })],
      ["distill", "method", withStep({ train: { distill: { teacher: "mlp-digits", method: "none" } } })],
      ["quantize", "ends", quantize({ ends: "none" })],
      ["train", "estimator", withStep({ train: { estimator: "none" } })],
      ["quantize", "correction", quantize({ correction: "none at all" })],
      ["quantize", "transforms", quantize({ transforms: ["none"] })],
      ...["format", "granularity", "range", "scale", "rounding"].map((name) => [
        "weights",
        name,
        quantize({ weights: { ...weights, [name]: "none" } }),
      ]),
      ...["format", "mode", "granularity", "calibration"].map((name) => [
        "activations",
        name,
        quantize({ activations: { ...activations, [name]: "none" } }),
      ]),
    ];
    for (const [heading, name, recipe] of ids) {
      const said = fields(heading).get(name)[3].split(";")[0];
      const listed = [...said.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
      expect(listed.sort(), `${heading}.${name}`).toEqual(allowedIds(recipe));
    }
    const choices = [
      catalog.formats,
      catalog.granularities,
      catalog.ranges,
      catalog.scales,
      catalog.calibrations,
      catalog.roundings,
      catalog.transforms,
      catalog.corrections,
      catalog.estimators,
      catalog.imitations,
    ].flat();
    for (const { id } of [...choices, ...catalog.models, ...catalog.data]) expect(page).toContain(`\`${id}\``);
  });

  it("names every error code", () => {
    const [, codes] = read("src/error.rs").match(/enum ErrorCode \{([\s\S]*?)^\}/m) ?? [];
    const kebab = (name) => name.replaceAll(/(?<!^)[A-Z]/g, "-$&").toLowerCase();
    const names = [...codes.matchAll(/^ {4}(\w+),$/gm)].map((match) => kebab(match[1]));
    expect(rows(section(page, "What is refused")).map(([name]) => code(name))).toEqual(names);
  });

  it("has every field of a report, and no other", () => {
    const leaves = (value, path) => {
      if (path === "recipe" || path === "accuracy.wilson95") return [path];
      if (Array.isArray(value)) {
        // An empty list says nothing of its entries; other reports have some.
        if (value.length > 0 && typeof value[0] !== "object") return [path];
        return value.flatMap((each) => leaves(each, `${path}[]`));
      }
      if (value === null || typeof value !== "object") return [path];
      return Object.entries(value).flatMap(([name, each]) => leaves(each, path === "" ? name : `${path}.${name}`));
    };
    // These stand for fields that are written out elsewhere in the table.
    const short = (path) => path.replace(/^baseline\..*/, "baseline").replace(/^(steps\[\]\.accuracy)\..*/, "$1");
    const golden = readdirSync(at("tests/golden"));
    const found = golden.flatMap((name) => leaves(JSON.parse(read(`tests/golden/${name}/report.json`)), "").map(short));
    const listed = rows(section(page, "The report")).map(([name]) => code(name));
    expect([...listed].sort()).toEqual([...new Set([...found, "measured"])].sort());
  });
});

it("recipes and sweeps in the documents are legal", () => {
  const blocks = PAGES.flatMap((path) => jsonBlocks(read(path)));
  expect(blocks.length).toBeGreaterThan(3);
  for (const block of blocks) {
    const cells = engine.expand(block);
    expect(cells.map((cell) => cell.error)).toEqual(cells.map(() => null));
  }
});

describe("docs/methods.md", () => {
  const page = read("docs/methods.md");
  const number = (value) => value.toLocaleString("en");
  const models = new Map(rows(section(page, "Models")).map((row) => [code(row[0]), row.join(" | ")]));

  it("has every format and choice, with its source", () => {
    for (const { id, source } of [
      catalog.formats,
      catalog.granularities,
      catalog.ranges,
      catalog.scales,
      catalog.calibrations,
      catalog.roundings,
      catalog.transforms,
      catalog.corrections,
      catalog.estimators,
      catalog.imitations,
    ].flat()) {
      const row = page
        .split("\n")
        .find((line) => line.startsWith("| `") && line.includes(`\`${id}\``) && line.includes(source));
      expect(row, `${id}: ${source}`).toBeDefined();
    }
  });

  it("has every trained model with its size and its recorded right answers", () => {
    for (const { id, parameters, macs, baseline, source } of catalog.models) {
      const row = models.get(id);
      for (const text of [parameters, macs].map(number)) expect(row, id).toContain(`| ${text} |`);
      expect(row, id).toContain(`${number(baseline.correct)} of ${number(baseline.total)}`);
      expect(row, id).toContain(source);
    }
    // The catalog leaves out a network whose images are not here; its weights are in the manifest all the same.
    const trained = JSON.parse(read("models/manifest.json")).models;
    for (const [id, row] of models) {
      const { correct, total } = trained[id] ?? {};
      expect(row, id).toContain(id in trained ? `${number(correct)} of ${number(total)}` : "not trained yet");
    }
  });

  it("has every op", () => {
    const kinds = readdirSync(at("src/ops"))
      .filter((name) => name !== "mod.rs")
      .flatMap((name) => {
        const [, body = ""] =
          read(`src/ops/${name}`).match(/fn kind\(&self\) -> &'static str \{([\s\S]*?)\n {4}\}/) ?? [];
        return [...body.matchAll(/"(\w+)"/g)].map((match) => match[1]);
      });
    const listed = rows(section(page, "Ops")).flatMap(([ids]) =>
      [...ids.matchAll(/`(\w+)`/g)].map((match) => match[1]),
    );
    expect(kinds.length).toBeGreaterThan(5);
    expect(listed.sort()).toEqual(kinds.sort());
  });

  it("has every data set with the number of its images", () => {
    for (const { id, splits } of catalog.data) {
      const row = rows(section(page, "Data sets")).find(([name]) => code(name) === id);
      expect(row?.slice(2, 5), id).toEqual([splits.train, splits.validation, splits.test].map(number));
    }
  });

  it("has every kind of step", () => {
    expect(
      rows(section(page, "Steps"))
        .map(([name]) => code(name))
        .sort(),
    ).toEqual(allowedIds(withStep({})));
  });
});
