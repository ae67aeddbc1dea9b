/** The rest of what a quantize step can be told, in the order it is done. Made from the catalog and the choice. */

import type { Speech } from "../../i18n";
import {
  CACHE_GRANULARITIES,
  type Choice,
  DEFAULT_CHOICE,
  estimatorsFor,
  FIRST_IMAGES,
  formatOf,
  GROUPED,
  type LayerChoice,
  MODES,
  misfitting,
  NONE,
  ownCodebook,
  rowsDivided,
  SAME,
  weightedLayers,
  weightFormats,
} from "../../state/choice";
import type { Catalog, Format } from "../../state/schema";
import type { Change } from "../../state/settle";
import type { Control, Option } from "./control";
import { explained, named, sourceOf } from "./controls";

export interface Section {
  readonly id: string;
  readonly controls: readonly Control[];
}

/** Sources of what the catalog has no entry for; those of docs/methods.md. */
const SOURCES = {
  dynamic: "Yao et al. 2022, arXiv 2206.01861",
  static: "Jacob et al. 2018, arXiv 1712.05877",
  ends: "Esser et al. 2019, arXiv 1902.08153",
  budget: "Wang et al. 2019, arXiv 1811.08886",
  cache: "Liu et al. 2024, arXiv 2402.02750",
  groups: "Dettmers et al. 2023, arXiv 2305.14314",
} as const;

/** Sizes of groups proposed before any other. */
const SIZES = [64, 128, 32, 16, 8, 4, 2];
/** The budget proposed. */
const BUDGET = 4;

type Field = keyof Choice;

/** Makes controls of one field. */
export class Maker {
  constructor(
    readonly choice: Choice,
    readonly catalog: Catalog,
    readonly speech: Speech,
  ) {}

  get format(): Format | undefined {
    return formatOf(this.catalog, this.choice.weights);
  }

  get inputs(): Format | undefined {
    return formatOf(this.catalog, this.choice.activations);
  }

  /** Said of a control that the format of the weights has no use for. */
  unused(applies: boolean | undefined): string | undefined {
    return applies
      ? undefined
      : this.speech.t("recipe.notUsed", { format: this.speech.name("format", this.choice.weights) });
  }

  /** A number within the limits of a name. */
  number(field: Field, limit: string, step: number, source: string, more: Partial<Control> = {}): Control {
    const [least = 0, most = Number.MAX_SAFE_INTEGER] = this.catalog.limits[limit] ?? [];
    const value = Number(this.choice[field]);
    const other = String(value < most ? value + Math.min(step, most - value) : value - step);
    return {
      id: field,
      options: [],
      value: String(value),
      look: "number",
      source,
      number: { least, most, step, other },
      to: (text) => ({ [field]: Number(text) }),
      ...more,
    };
  }

  /** A yes or no. */
  flag(field: Field, source: string, more: Partial<Control> = {}): Control {
    return {
      id: field,
      options: this.#answers(),
      value: this.choice[field] === true ? "yes" : "no",
      look: "segments",
      source,
      to: (value) => ({ [field]: value === "yes" }),
      ...more,
    };
  }

  /** The same for a number that is `off` where it is not asked for. */
  toggle(field: Field, off: number, on: number, source: string): Control {
    return {
      ...this.flag(field, source),
      value: this.choice[field] === off ? "no" : "yes",
      to: (value) => ({ [field]: value === "yes" ? on : off }),
    };
  }

  #answers(): Option[] {
    return [
      { value: "no", name: this.speech.t("recipe.no") },
      { value: "yes", name: this.speech.t("recipe.yes") },
    ];
  }
}

/** Which layer the controls of a single one are for. */
export interface Picked {
  readonly name: string | undefined;
  readonly pick: (name: string) => void;
}

/** The settings behind the fold: only those that the chosen methods have. */
export function sections(choice: Choice, catalog: Catalog, speech: Speech, picked: Picked): Section[] {
  const maker = new Maker(choice, catalog, speech);
  return [
    { id: "before", controls: before(maker) },
    { id: "weights", controls: [...grid(maker), ...rounding(maker), ...layers(maker)] },
    { id: "inputs", controls: inputs(maker) },
    { id: "after", controls: after(maker) },
    { id: "images", controls: images(maker) },
    { id: "cache", controls: cache(maker) },
    { id: "layers", controls: single(maker, picked) },
  ];
}

function before(maker: Maker): Control[] {
  const { choice, catalog, speech } = maker;
  const { transforms } = choice;
  const turn = (id: string) => {
    const chosen = transforms.includes(id) ? transforms.filter((other) => other !== id) : [...transforms, id];
    // In the order they are done, which is the catalog's.
    return { transforms: catalog.transforms.map((entry) => entry.id).filter((other) => chosen.includes(other)) };
  };
  const controls: Control[] = [
    {
      id: "transforms",
      options: named(catalog.transforms, "transform", speech),
      value: transforms.join(" "),
      look: "checks",
      detail: transforms.map((id) => speech.t(`about.transform.${id}`)).join(" "),
      source: transforms.map((id) => sourceOf(catalog.transforms, id)).join("; "),
      to: turn,
    },
  ];
  if (transforms.includes("smoothquant"))
    controls.push(maker.number("alpha", "quantize.alpha", 0.05, sourceOf(catalog.transforms, "smoothquant")));
  return controls;
}

/** The greatest number that divides all of some numbers. */
function common(numbers: readonly number[]): number {
  const both = (a: number, b: number): number => (b === 0 ? a : both(b, a % b));
  return numbers.reduce(both, 0);
}

function grid(maker: Maker): Control[] {
  const { choice, catalog, speech, format } = maker;
  const rows = weightedLayers(choice, catalog).map(({ row }) => row);
  const every = SIZES.find((size) => rows.every((row) => row % size === 0));
  const proposed = every ?? SIZES.find((size) => rows.some((row) => row % size === 0)) ?? DEFAULT_CHOICE.group;
  const divisors = common(rows);
  const sizes = Array.from({ length: divisors }, (_, index) => index + 1).filter(
    (size) => size > 1 && divisors % size === 0,
  );
  const grouped = choice.granularity === GROUPED;
  // What is not used shows all there is.
  const ranges = catalog.ranges.filter((entry) => !format?.ranged || format.ranges.includes(entry.id));
  const controls: Control[] = [
    {
      id: "granularity",
      options: [
        ...named(catalog.granularities, "granularity", speech),
        ...(format && !format.groups && format.scaled ? [] : [{ value: GROUPED, name: speech.t("recipe.groups") }]),
      ],
      value: choice.granularity,
      look: "segments",
      unused: maker.unused(format?.scaled),
      source: grouped ? SOURCES.groups : sourceOf(catalog.granularities, choice.granularity),
      to: (value) => ({ granularity: value, ...(value === GROUPED ? { group: proposed } : {}) }),
    },
  ];
  if (grouped) {
    const size = maker.number("group", "weights.group", 1, SOURCES.groups);
    controls.push({
      ...size,
      // That another size does not fit says nothing about the setting; one that is typed is refused, not the groups.
      ...(size.number ? { number: { ...size.number, other: size.value } } : {}),
      to: (text) => ({ granularity: GROUPED, group: Number(text) }),
      detail:
        sizes.length > 0 ? speech.t("about.group.fits", { sizes: sizes.join(", ") }) : speech.t("about.group.unfit"),
    });
  }
  controls.push(
    {
      id: "symmetric",
      options: zeros(speech),
      value: choice.symmetric ? "yes" : "no",
      look: "segments",
      unused: maker.unused(format?.asymmetric),
      source: format?.source ?? "",
      to: (value) => ({ symmetric: value === "yes" }),
    },
    {
      id: "range",
      options: named(ranges, "range", speech),
      value: choice.range,
      look: "segments",
      unused: maker.unused(format?.ranged),
      source: sourceOf(catalog.ranges, choice.range),
      to: (value) => ({ range: value }),
    },
    {
      id: "scale",
      options: named(catalog.scales, "scale", speech),
      value: choice.scale,
      look: "segments",
      unused: maker.unused(format?.asymmetric),
      source: sourceOf(catalog.scales, choice.scale),
      to: (value) => ({ scale: value }),
    },
  );
  if (ownCodebook(format))
    controls.push(
      maker.number("codebook", "weights.bits", 1, format?.source ?? ""),
      maker.flag("huffman", format?.source ?? ""),
    );
  return controls;
}

function zeros(speech: Speech): Option[] {
  return [
    { value: "yes", name: speech.t("recipe.symmetric.yes") },
    { value: "no", name: speech.t("recipe.symmetric.no") },
  ];
}

/** Of each rounding, its settings. */
const SETTINGS: Readonly<Record<string, (maker: Maker, source: string) => Control[]>> = {
  gptq: (maker, source) => [maker.number("damping", "weights.damping", 0.01, source), maker.flag("actOrder", source)],
  adaround: (maker, source) => [maker.number("iterations", "weights.iterations", 100, source)],
};

function rounding(maker: Maker): Control[] {
  const { choice, catalog, speech } = maker;
  const source = sourceOf(catalog.roundings, choice.rounding);
  return [
    {
      id: "rounding",
      options: named(catalog.roundings, "rounding", speech),
      value: choice.rounding,
      look: "list",
      detail: speech.t(`about.rounding.${choice.rounding}`),
      source,
      to: (value) => ({ rounding: value }),
    },
    ...(SETTINGS[choice.rounding]?.(maker, source) ?? []),
  ];
}

function layers(maker: Maker): Control[] {
  const { choice, catalog, speech } = maker;
  const roomy = catalog.formats.filter((entry) => entry.block === null && entry.family !== "codebook");
  const names = misfitting(choice, catalog);
  const controls: Control[] = [
    {
      id: "misfits",
      options: [{ value: NONE, name: speech.t("recipe.misfits.none") }, ...named(roomy, "format", speech)],
      value: choice.misfits,
      look: "list",
      unused: rowsDivided(choice, catalog) === undefined ? speech.t("recipe.noBlocks") : undefined,
      detail: names.length > 0 ? speech.t("about.misfits.names", { names: names.join(", ") }) : "",
      source: "",
      to: (value) => ({ misfits: value }),
    },
    maker.flag("ends", SOURCES.ends),
    maker.toggle("budget", 0, BUDGET, SOURCES.budget),
  ];
  if (choice.budget > 0)
    controls.push(
      maker.number("budget", "bits.budget", 0.25, SOURCES.budget, { id: "budgetBits", words: "budget.bits" }),
      maker.number("judged", "bits.images", 8, SOURCES.budget),
    );
  return controls;
}

function inputs(maker: Maker): Control[] {
  const { choice, catalog, speech, inputs: format } = maker;
  const name = format ? speech.name("format", format.id) : speech.t("recipe.none");
  const unused = format?.ranged ? undefined : speech.t("recipe.notUsed", { format: name });
  const calibrated = choice.mode === DEFAULT_CHOICE.mode;
  const controls: Control[] = [
    {
      id: "mode",
      options: MODES.map((id) => ({ value: id, name: speech.t(`mode.${id}`) })),
      value: choice.mode,
      look: "list",
      unused,
      source: calibrated ? SOURCES.static : SOURCES.dynamic,
      to: (value) => ({ mode: value }),
    },
    {
      id: "inputsSymmetric",
      options: zeros(speech),
      value: choice.inputsSymmetric ? "yes" : "no",
      look: "segments",
      unused,
      source: format?.source ?? "",
      to: (value) => ({ inputsSymmetric: value === "yes" }),
    },
    {
      id: "calibration",
      options: named(catalog.calibrations, "calibration", speech),
      value: choice.calibration,
      look: "list",
      unused: unused ?? (calibrated ? undefined : speech.t("recipe.notCalibrated")),
      source: sourceOf(catalog.calibrations, choice.calibration),
      to: (value) => ({ calibration: value }),
    },
  ];
  const source = sourceOf(catalog.calibrations, choice.calibration);
  if (unused === undefined && calibrated && choice.calibration === "percentile")
    controls.push(maker.number("percentile", "activations.percentile", 0.01, source));
  if (format && calibrated) controls.push(maker.number("watched", "activations.images", 1, source));
  return controls;
}

function after(maker: Maker): Control[] {
  const { choice, catalog, speech } = maker;
  const estimators = catalog.estimators.filter((entry) => estimatorsFor(choice, catalog).includes(entry.id));
  return [
    {
      id: "correction",
      options: named(catalog.corrections, "correction", speech),
      value: choice.correction,
      look: "segments",
      source: sourceOf(catalog.corrections, choice.correction === NONE ? "bias" : choice.correction),
      to: (value) => ({ correction: value }),
    },
    {
      id: "estimator",
      options: named(estimators, "estimator", speech),
      value: choice.estimator,
      look: "list",
      unused: choice.epochs > 0 ? undefined : speech.t("recipe.notTrained"),
      source: sourceOf(catalog.estimators, choice.estimator),
      to: (value) => ({ estimator: value }),
    },
  ];
}

function images(maker: Maker): Control[] {
  const drawn = maker.choice.draw !== FIRST_IMAGES;
  const first: Control = {
    ...maker.toggle("draw", FIRST_IMAGES, 0, ""),
    options: [
      { value: "no", name: maker.speech.t("recipe.draw.first") },
      { value: "yes", name: maker.speech.t("recipe.draw.drawn") },
    ],
  };
  const seed = maker.number("draw", "seed", 1, "", { id: "drawSeed", words: "draw.seed" });
  return [maker.number("images", "quantize.images", 1, ""), first, ...(drawn ? [seed] : [])];
}

function cache(maker: Maker): Control[] {
  const { choice, catalog, speech } = maker;
  const format = formatOf(catalog, choice.cache);
  const controls: Control[] = [
    {
      id: "cache",
      options: [
        { value: NONE, name: speech.t("recipe.none") },
        ...named(
          catalog.formats.filter((entry) => entry.cache),
          "format",
          speech,
        ),
      ],
      value: choice.cache,
      look: "list",
      detail: format ? explained(format.id, format.levels, speech) : "",
      source: SOURCES.cache,
      to: (value): Change => ({ cache: value }),
    },
  ];
  if (choice.cache !== NONE)
    controls.push({
      id: "cacheGranularity",
      options: CACHE_GRANULARITIES.map((id) => ({ value: id, name: speech.t(`cacheGranularity.${id}`) })),
      value: choice.cacheGranularity,
      look: "segments",
      source: SOURCES.cache,
      to: (value) => ({ cacheGranularity: value }),
    });
  return controls;
}

/** One layer after the other: what it has instead of what all others have. */
function single(maker: Maker, picked: Picked): Control[] {
  const { choice, catalog, speech } = maker;
  const names = weightedLayers(choice, catalog).map(({ name }) => name);
  const name = names.find((each) => each === picked.name) ?? names[0] ?? "";
  const own = choice.layers.find((entry) => entry.name === name);
  const words = ({ name: layer, weights, activations }: LayerChoice) =>
    `${layer} ${[
      ...(weights === SAME ? [] : [speech.name("format", weights)]),
      ...(activations === SAME ? [] : [speech.t("trait.inputs", { format: speech.name("format", activations) })]),
    ].join(", ")}`;
  const change = (part: Partial<LayerChoice>) => {
    const changed = { name, weights: SAME, activations: SAME, ...own, ...part };
    return { layers: [...choice.layers.filter((entry) => entry.name !== name), changed] };
  };
  const same = { value: SAME, name: speech.t("recipe.same") };
  const [weights, activations] = [own?.weights ?? SAME, own?.activations ?? SAME];
  const inputs = catalog.formats.filter((entry) => entry.activations);
  return [
    {
      id: "layers",
      options: [],
      value: JSON.stringify(choice.layers),
      shown: choice.layers.map(words).join("; ") || speech.t("recipe.nothing"),
      look: "list",
      source: "",
      to: (): Change => ({ layers: [] }),
    },
    {
      id: "layer",
      options: names.map((each) => ({ value: each, name: each })),
      value: name,
      look: "list",
      source: "",
      pick: picked.pick,
      to: (): Change => ({}),
    },
    {
      id: "layerWeights",
      options: [same, ...named(weightFormats(catalog), "format", speech)],
      value: weights,
      look: "list",
      detail: weights === SAME ? "" : explained(weights, formatOf(catalog, weights)?.levels, speech),
      source: formatOf(catalog, weights)?.source ?? "",
      to: (value) => change({ weights: value }),
    },
    {
      id: "layerInputs",
      options: [same, ...named(inputs, "format", speech)],
      value: activations,
      look: "list",
      source: formatOf(catalog, activations)?.source ?? "",
      to: (value) => change({ activations: value }),
    },
  ];
}
