/** The recipe's controls, made from the catalog and the choice. Nothing here names a format or a model. */

import type { Speech } from "../../i18n";
import {
  type Choice,
  estimatorsFor,
  formatOf,
  isBaseline,
  NO_ACTIVATIONS,
  readsText,
  testImages,
  weightFormats,
  widthStops,
} from "../../state/choice";
import type { Catalog } from "../../state/schema";
import type { Control } from "./control";

export type Change = (change: Partial<Choice>) => void;

/** Epochs of training offered besides none. */
const EPOCHS = [1, 2, 5];
/** Counts of images offered besides the whole split. */
const COUNTS = [1000, 2000];
/** The same for passages of text, which take longer. */
const TEXT_COUNTS = [100, 300];

export function modelControl(choice: Choice, catalog: Catalog, speech: Speech, change: Change): Control {
  const model = catalog.models.find((entry) => entry.id === choice.model);
  return {
    id: "model",
    options: catalog.models.map((entry) => ({ value: entry.id, name: speech.name("model", entry.id) })),
    value: choice.model,
    look: "list",
    unused: undefined,
    detail: model
      ? speech.t("about.model.size", {
          name: model.name,
          parameters: speech.whole(model.parameters),
          layers: model.layers.length,
          macs: speech.whole(model.macs),
        })
      : "",
    source: model?.source ?? "",
    choose: (value) => change({ model: value, count: 0 }),
  };
}

/** Widths side by side, then the full list of formats and what each can be given. */
export function quantizeControls(choice: Choice, catalog: Catalog, speech: Speech, change: Change): Control[] {
  const format = formatOf(catalog, choice.weights);
  const inputs = formatOf(catalog, choice.activations);
  const unused = (applies: boolean | undefined) =>
    applies ? undefined : speech.t("recipe.notUsed", { format: speech.name("format", choice.weights) });
  const sourceOf = (entries: readonly { readonly id: string; readonly source: string }[], id: string) =>
    entries.find((entry) => entry.id === id)?.source ?? "";
  const named = (entries: readonly { readonly id: string }[], kind: string) =>
    entries.map((entry) => ({ value: entry.id, name: speech.name(kind, entry.id) }));
  const explain = (id: string, levels: number | null | undefined) =>
    speech.has(`explain.${id}`) ? speech.t(`explain.${id}`, { levels: speech.whole(levels ?? 0) }) : "";
  // What is not used shows all there is.
  const ranges = catalog.ranges.filter((entry) => !format?.ranged || format.ranges.includes(entry.id));
  const estimators = catalog.estimators.filter((entry) => estimatorsFor(choice, catalog).includes(entry.id));
  const all = testImages(choice, catalog);
  const text = readsText(choice, catalog);
  const counts = (text ? TEXT_COUNTS : COUNTS).filter((count) => count < all);
  return [
    {
      id: "width",
      options: widthStops(catalog, choice.weights).map((stop) => ({
        value: stop.id,
        name: String(Math.ceil(stop.bits) === stop.bits ? stop.bits : stop.bits.toFixed(1)),
      })),
      value: choice.weights,
      look: "segments",
      unused: undefined,
      detail: "",
      source: "",
      choose: (value) => change({ weights: value }),
    },
    {
      id: "format",
      options: named(weightFormats(catalog), "format"),
      value: choice.weights,
      look: "list",
      unused: undefined,
      detail: explain(choice.weights, format?.levels),
      source: format?.source ?? "",
      choose: (value) => change({ weights: value }),
    },
    {
      id: "granularity",
      options: named(catalog.granularities, "granularity"),
      value: choice.granularity,
      look: "segments",
      unused: unused(format?.scaled),
      detail: "",
      source: sourceOf(catalog.granularities, choice.granularity),
      choose: (value) => change({ granularity: value }),
    },
    {
      id: "symmetric",
      options: [
        { value: "yes", name: speech.t("recipe.symmetric.yes") },
        { value: "no", name: speech.t("recipe.symmetric.no") },
      ],
      value: choice.symmetric ? "yes" : "no",
      look: "segments",
      unused: unused(format?.asymmetric),
      detail: "",
      source: format?.source ?? "",
      choose: (value) => change({ symmetric: value === "yes" }),
    },
    {
      id: "range",
      options: named(ranges, "range"),
      value: choice.range,
      look: "segments",
      unused: unused(format?.ranged),
      detail: "",
      source: sourceOf(catalog.ranges, choice.range),
      choose: (value) => change({ range: value }),
    },
    {
      id: "activations",
      options: [
        { value: NO_ACTIVATIONS, name: speech.t("recipe.none") },
        ...named(
          catalog.formats.filter((entry) => entry.activations),
          "format",
        ),
      ],
      value: choice.activations,
      look: "list",
      unused: undefined,
      detail: inputs ? explain(choice.activations, inputs.levels) : "",
      source: inputs?.source ?? "",
      choose: (value) => change({ activations: value }),
    },
    {
      id: "calibration",
      options: named(catalog.calibrations, "calibration"),
      value: choice.calibration,
      look: "list",
      unused: inputs?.ranged
        ? undefined
        : speech.t("recipe.notUsed", { format: inputs ? speech.name("format", inputs.id) : speech.t("recipe.none") }),
      detail: "",
      source: sourceOf(catalog.calibrations, choice.calibration),
      choose: (value) => change({ calibration: value }),
    },
    {
      id: "train",
      options: [
        { value: "0", name: speech.t("recipe.train.none") },
        ...EPOCHS.map((epochs) => ({ value: String(epochs), name: speech.t("recipe.train.epochs", { epochs }) })),
      ],
      value: String(choice.epochs),
      look: "segments",
      unused: isBaseline(choice)
        ? speech.t("recipe.notUsed", { format: speech.name("format", choice.weights) })
        : undefined,
      detail: "",
      source: "",
      choose: (value) => change({ epochs: Number(value) }),
    },
    {
      id: "estimator",
      options: named(estimators, "estimator"),
      value: choice.estimator,
      look: "list",
      unused: choice.epochs > 0 ? undefined : speech.t("recipe.notTrained"),
      detail: "",
      source: sourceOf(catalog.estimators, choice.estimator),
      choose: (value) => change({ estimator: value }),
    },
    {
      id: "count",
      words: text ? "count.text" : "count",
      options: [
        ...counts.map((count) => ({ value: String(count), name: speech.whole(count) })),
        { value: "0", name: speech.t("recipe.count.all") },
      ],
      value: String(choice.count),
      look: "segments",
      unused: undefined,
      detail: "",
      source:
        catalog.data.find((set) => set.id === catalog.models.find((entry) => entry.id === choice.model)?.data)
          ?.source ?? "",
      choose: (value) => change({ count: Number(value) }),
    },
  ];
}
