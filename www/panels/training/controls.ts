/** What a training can be given, made from the catalog and the choice. */

import type { Speech } from "../../i18n";
import { readsText } from "../../state/choice";
import type { Catalog } from "../../state/schema";
import type { Change } from "../../state/settle";
import {
  ALONE,
  assistantsOf,
  classesOf,
  DEFAULT_TRAINING,
  isAdam,
  isInside,
  isNoise,
  isScaled,
  keepsFewBits,
  type LayerPair,
  type ListField,
  layerNames,
  limitsOf,
  MIRRORED,
  messageSetting,
  type NumberField,
  ROUNDINGS,
  STARTS,
  STEPS,
  TRANSFERS,
  type TrainingChoice,
  teachersOf,
  trainImages,
} from "../../state/training";
import type { Control, Option } from "../recipe/control";
import { named, sourceOf } from "../recipe/controls";

export type TrainingChange = Partial<TrainingChoice>;

/** Controls hand on what choosing a value changes; here that is a part of a training, not of a recipe. */
const carry = (change: TrainingChange) => change as Change;
export const carried = (change: Change) => change as TrainingChange;

/** A control of one field. */
interface Setting extends Control {
  readonly field: keyof TrainingChoice;
}

export interface Group {
  readonly id: "training" | "numbers" | "teacher" | "workers";
  readonly controls: readonly Setting[];
  /** Those that are seldom needed. */
  readonly more: readonly Setting[];
}

/** Whether a setting is another than it is by itself. */
export function isSet({ field }: Setting, choice: TrainingChoice): boolean {
  return String(choice[field]) !== String(DEFAULT_TRAINING[field]);
}

/** Batches and workers offered. */
const BATCHES = [16, 32, 64, 128, 256];
const WORKERS = [1, 2, 4, 8, 16];
const SCALED = "Micikevicius et al. 2018, arXiv 1710.03740";
const HINTON = "Hinton, Vinyals and Dean 2015, arXiv 1503.02531";
const AUGMENTED = "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks";

interface Place {
  /** Layers that belong together, where the imitation looks at any. */
  readonly pair: LayerPair | undefined;
  readonly choice: TrainingChoice;
  readonly model: string;
  readonly catalog: Catalog;
  readonly speech: Speech;
}

function number(field: NumberField, source: string, { choice, catalog }: Place, step = 1): Setting {
  const [least, most] = limitsOf(field, catalog);
  const value = String(choice[field]);
  return {
    field,
    id: `training-${field}`,
    words: `training.${field}`,
    options: [],
    value,
    look: "number",
    source,
    number: { least, most, step, other: value },
    to: (typed) => carry({ [field]: Number(typed) }),
  };
}

function choices(
  field: keyof TrainingChoice,
  options: readonly Option[],
  source: string,
  { choice }: Place,
  look: "segments" | "list" = "list",
): Setting {
  const numeric = typeof choice[field] === "number";
  return {
    field,
    id: `training-${field}`,
    words: `training.${field}`,
    options,
    value: String(choice[field]),
    look,
    source,
    to: (value) => carry({ [field]: numeric ? Number(value) : value }),
  };
}

/** Any number of things, each of which can be turned over. */
function checks(field: ListField, options: readonly Option[], source: string, { choice }: Place): Setting {
  const chosen = choice[field];
  return {
    field,
    id: `training-${field}`,
    words: `training.${field}`,
    options,
    value: chosen.join(" "),
    look: "checks",
    source,
    to: (id) => carry({ [field]: chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id] }),
  };
}

/** Numbers offered, and the one that is chosen. */
function offered(numbers: readonly number[], chosen: number): Option[] {
  const all = [...new Set([...numbers, chosen])].sort((a, b) => a - b);
  return all.map((each) => ({ value: String(each), name: String(each) }));
}

/** A few ways, side by side, with the words `training.<field>.<id>`. */
function ways(field: keyof TrainingChoice, ids: readonly string[], source: string, place: Place): Setting {
  const options = ids.map((id) => ({ value: id, name: place.speech.t(`training.${field}.${id}`) }));
  return choices(field, options, source, place, "segments");
}

/** A list of the catalog, what is chosen explained. */
function listOf(
  field: "optimizer" | "rate" | "precision" | "message" | "imitation",
  entries: Catalog["optimizers"],
  options: readonly Option[],
  place: Place,
): Setting & { readonly detail: string } {
  const { choice, speech } = place;
  return {
    ...choices(field, options, sourceOf(entries, choice[field]), place),
    detail: speech.t(`about.${field}.${choice[field]}`),
  };
}

function training(place: Place): Group {
  const { choice, model, catalog, speech } = place;
  const { optimizers, rates } = catalog;
  const text = readsText({ model }, catalog);
  const classes = classesOf(model, catalog).map((id) => ({ id }));
  const layers = layerNames(model, catalog).map((name) => ({ value: name, name }));
  const all = speech.whole(trainImages(model, catalog));
  return {
    id: "training",
    controls: [
      ways("start", STARTS, "", place),
      number("epochs", "", place),
      {
        ...number("count", "", place),
        words: text ? "training.count.text" : "training.count",
        detail: speech.t("training.count.all", { all }),
      },
      choices("batch", offered(BATCHES, choice.batch), "", place),
      listOf("optimizer", optimizers, named(optimizers, "optimizer", speech), place),
      number("lr", "", place, 0),
      listOf("rate", rates, named(rates, "rate", speech), place),
      number("seeds", "", place),
    ],
    more: [
      ...(isAdam(choice.optimizer)
        ? []
        : [
            number("momentum", sourceOf(optimizers, "sgd"), place, 0),
            ways("ahead", STEPS, sourceOf(optimizers, "sgd"), place),
          ]),
      number("decay", "Loshchilov and Hutter 2019, arXiv 1711.05101", place, 0),
      ...(text ? [] : [number("shift", AUGMENTED, place), ways("flip", MIRRORED, AUGMENTED, place)]),
      number("smoothing", "Szegedy et al. 2016, arXiv 1512.00567", place, 0),
      number("patience", "Prechelt 1998, Early Stopping, but When?", place),
      ...(text
        ? []
        : [
            {
              ...checks("exclude", named(classes, "class", speech), HINTON, place),
              unused: isNoise(choice.transfer) ? speech.t("training.reason.noClasses") : undefined,
            },
          ]),
      checks("freeze", layers, "Yosinski et al. 2014, arXiv 1411.1792", place),
    ],
  };
}

function numbers(place: Place): Group {
  const { choice, catalog, speech } = place;
  const { optimizers, precisions } = catalog;
  const scaled = isScaled(choice.precision);
  return {
    id: "numbers",
    controls: [
      listOf("precision", precisions, named(precisions, "precision", speech), place),
      ...(scaled ? [number("lossScale", SCALED, place, 0)] : []),
      ...(keepsFewBits(choice.precision)
        ? [ways("rounding", ROUNDINGS, "Gupta et al. 2015, arXiv 1502.02551", place)]
        : []),
    ],
    more: [
      ...(scaled ? [number("growth", SCALED, place)] : []),
      ...(isAdam(choice.optimizer) ? [number("epsilon", sourceOf(optimizers, choice.optimizer), place, 0)] : []),
    ],
  };
}

function teacher(place: Place): Group {
  const { choice, model, catalog, speech, pair } = place;
  const { imitations } = catalog;
  const softened = sourceOf(imitations, "logits");
  const teachers = teachersOf(model, catalog);
  const nameOf = (id: string) =>
    id === model ? speech.t("training.teacher.self", { name: speech.name("model", id) }) : speech.name("model", id);
  const none = { value: ALONE, name: speech.t("training.teacher.none") };
  const options = [none, ...teachers.map(({ id }) => ({ value: id, name: nameOf(id) }))];
  const by = choices("teacher", options, softened, place);
  const assistants = assistantsOf(model, choice.teacher, catalog).map(({ id }) => ({ value: id, name: nameOf(id) }));
  if (choice.teacher === ALONE) return { id: "teacher", controls: [by], more: [] };
  const imitated = listOf("imitation", imitations, named(imitations, "imitation", speech), place);
  const layers = pair ? ` ${speech.t("training.pair", { own: pair[0], other: pair[1] })}` : "";
  const noise = isNoise(choice.transfer);
  const transfer = ways("transfer", TRANSFERS, "Lopes, Fenu and Starner 2017, arXiv 1710.07535", place);
  return {
    id: "teacher",
    controls: [
      by,
      { ...imitated, detail: `${imitated.detail}${layers}` },
      number("temperature", softened, place, 0),
      {
        ...number("alpha", softened, place, 0),
        unused: noise ? speech.t("training.reason.noLabels") : undefined,
      },
    ],
    more: [
      number("teacherEpochs", "", place),
      ...(assistants.length > 0
        ? [choices("assistant", [none, ...assistants], "Mirzadeh et al. 2020, arXiv 1902.03393", place)]
        : []),
      ...(isInside(choice.imitation) ? [number("beta", sourceOf(imitations, choice.imitation), place, 0)] : []),
      ...(readsText({ model }, catalog)
        ? []
        : [
            {
              ...transfer,
              unused: choice.exclude.length > 0 ? speech.t("training.reason.excluded") : undefined,
              // What noise takes to 1 comes back with images.
              to: (value: string) => carry({ transfer: value, alpha: isNoise(value) ? 1 : DEFAULT_TRAINING.alpha }),
            },
          ]),
    ],
  };
}

function workers(place: Place): Group {
  const { choice, catalog, speech } = place;
  const { messages } = catalog;
  const own = messageSetting(choice.message);
  return {
    id: "workers",
    controls: [
      {
        ...choices("workers", offered(WORKERS, choice.workers), sourceOf(messages, "dense"), place),
        unused: choice.teacher === ALONE ? undefined : speech.t("training.reason.alone"),
      },
      ...(choice.workers > 1 ? [listOf("message", messages, named(messages, "message", speech), place)] : []),
      ...(own ? [number(own, sourceOf(messages, choice.message), place, own === "levels" ? 1 : 0)] : []),
    ],
    more: [],
  };
}

/** All controls that have a meaning beside the rest, by what they are about. */
export function trainingGroups(place: Place): Group[] {
  return [training(place), numbers(place), teacher(place), workers(place)];
}
