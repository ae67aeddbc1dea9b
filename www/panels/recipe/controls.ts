/** The recipe's first controls, made from the catalog and the choice. Nothing here names a format or a model. */

import type { Speech } from "../../i18n";
import {
  type Choice,
  dataOf,
  formatOf,
  NO_ACTIVATIONS,
  quantizes,
  readsText,
  testImages,
  weightFormats,
  widthStops,
} from "../../state/choice";
import type { Catalog } from "../../state/schema";
import { ORIGINAL, recipeTeachers, UNTAUGHT } from "../../state/teachers";
import type { Control, Option } from "./control";

/** Epochs of training offered besides none. */
export const EPOCHS = [1, 2, 5];
const QUANTIZED_STUDENTS = "Polino et al. 2018, arXiv 1802.05668";
/** Counts of images offered besides the whole split. */
const COUNTS = [1000, 2000];
/** The same for passages of text, which take longer. */
const TEXT_COUNTS = [100, 300];

export function named(entries: readonly { readonly id: string }[], kind: string, speech: Speech): Option[] {
  return entries.map((entry) => ({ value: entry.id, name: speech.name(kind, entry.id) }));
}

export function sourceOf(entries: readonly { readonly id: string; readonly source: string }[], id: string): string {
  return entries.find((entry) => entry.id === id)?.source ?? "";
}

export function modelControl(choice: Choice, catalog: Catalog, speech: Speech): Control {
  const model = catalog.models.find((entry) => entry.id === choice.model);
  return {
    id: "model",
    options: named(catalog.models, "model", speech),
    value: choice.model,
    look: "list",
    detail: model
      ? speech.t("about.model.size", {
          name: model.name,
          parameters: speech.whole(model.parameters),
          layers: model.layers.length,
          macs: speech.whole(model.macs),
        })
      : "",
    source: model?.source ?? "",
    to: (value) => ({ model: value, count: 0 }),
  };
}

/** Who teaches a training of the recipe. */
export function teacherControl(
  field: "teacher" | "tunedTeacher",
  source: string,
  choice: Choice,
  catalog: Catalog,
  speech: Speech,
): Control {
  return {
    id: field,
    words: "teacher",
    options: [
      { value: UNTAUGHT, name: speech.t("recipe.teacher.none") },
      ...recipeTeachers(choice.model, catalog).map(({ id }) => ({
        value: id,
        name: id === ORIGINAL ? speech.t("recipe.teacher.original") : speech.name("model", id),
      })),
    ],
    value: choice[field],
    look: "list",
    detail: speech.t(field === "teacher" ? "about.teacher.quantized" : "about.teacher.pruned"),
    source,
    to: (value) => ({ [field]: value }),
  };
}

/** What a format is, in a sentence. */
export function explained(id: string, levels: number | null | undefined, speech: Speech): string {
  return speech.has(`explain.${id}`) ? speech.t(`explain.${id}`, { levels: speech.whole(levels ?? 0) }) : "";
}

/** The quantize step at first sight, and what it is tried on. */
export function firstControls(choice: Choice, catalog: Catalog, speech: Speech): Control[] {
  const format = formatOf(catalog, choice.weights);
  const inputs = formatOf(catalog, choice.activations);
  const all = testImages(choice, catalog);
  const text = readsText(choice, catalog);
  const counts = (text ? TEXT_COUNTS : COUNTS).filter((count) => count < all);
  const epochs = [...new Set([...EPOCHS, choice.epochs])].filter((count) => count > 0).sort((a, b) => a - b);
  return [
    {
      id: "width",
      options: widthStops(catalog, choice.weights).map((stop) => ({
        value: stop.id,
        name: String(Math.ceil(stop.bits) === stop.bits ? stop.bits : stop.bits.toFixed(1)),
      })),
      value: choice.weights,
      look: "segments",
      source: "",
      to: (value) => ({ weights: value }),
    },
    {
      id: "format",
      options: named(weightFormats(catalog), "format", speech),
      value: choice.weights,
      look: "list",
      detail: explained(choice.weights, format?.levels, speech),
      source: format?.source ?? "",
      to: (value) => ({ weights: value }),
    },
    {
      id: "activations",
      options: [
        { value: NO_ACTIVATIONS, name: speech.t("recipe.none") },
        ...named(
          catalog.formats.filter((entry) => entry.activations),
          "format",
          speech,
        ),
      ],
      value: choice.activations,
      look: "list",
      detail: inputs ? explained(choice.activations, inputs.levels, speech) : "",
      source: inputs?.source ?? "",
      to: (value) => ({ activations: value }),
    },
    {
      id: "train",
      options: [
        { value: "0", name: speech.t("recipe.train.none") },
        ...epochs.map((count) => ({ value: String(count), name: speech.t("recipe.train.epochs", { epochs: count }) })),
      ],
      value: String(choice.epochs),
      look: "segments",
      unused: !quantizes(choice)
        ? speech.t("recipe.notUsed", { format: speech.name("format", choice.weights) })
        : undefined,
      source: "",
      to: (value) => ({ epochs: Number(value) }),
    },
    ...(choice.epochs > 0 ? [teacherControl("teacher", QUANTIZED_STUDENTS, choice, catalog, speech)] : []),
    {
      id: "count",
      words: text ? "count.text" : "count",
      options: [
        ...counts.map((count) => ({ value: String(count), name: speech.whole(count) })),
        { value: "0", name: speech.t("recipe.count.all") },
      ],
      value: String(choice.count),
      look: "segments",
      source: dataOf(choice, catalog)?.source ?? "",
      to: (value) => ({ count: Number(value) }),
    },
  ];
}
