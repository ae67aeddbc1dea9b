/** What a training can be given, made from the catalog and the choice. */

import type { Speech } from "../../i18n";
import { readsText } from "../../state/choice";
import type { Catalog } from "../../state/schema";
import type { Change } from "../../state/settle";
import {
  ALONE,
  classesOf,
  isAdam,
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

export interface Group {
  readonly id: "training" | "numbers" | "teacher" | "workers";
  readonly controls: readonly Control[];
}

/** Batches and workers offered. */
const BATCHES = [16, 32, 64, 128, 256];
const WORKERS = [1, 2, 4, 8, 16];
const SCALED = "Micikevicius et al. 2018, arXiv 1710.03740";
const AUGMENTED = "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks";

interface Place {
  /** Layers that belong together, where the imitation looks at any. */
  readonly pair: LayerPair | undefined;
  readonly choice: TrainingChoice;
  readonly model: string;
  readonly catalog: Catalog;
  readonly speech: Speech;
}

function number(field: NumberField, source: string, { choice, catalog }: Place, step = 1): Control {
  const [least, most] = limitsOf(field, catalog);
  const value = String(choice[field]);
  return {
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
): Control {
  const numeric = typeof choice[field] === "number";
  return {
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
function checks(field: ListField, options: readonly Option[], source: string, { choice }: Place): Control {
  const chosen = choice[field];
  return {
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

/** All controls that have a meaning beside the rest, by what they are about. */
export function trainingGroups(place: Place): Group[] {
  const { choice, model, catalog, speech } = place;
  const { optimizers, rates, precisions, messages, imitations } = catalog;
  const teachers = teachersOf(model, catalog);
  const teacherName = (id: string) =>
    id === model ? speech.t("training.teacher.self", { name: speech.name("model", id) }) : speech.name("model", id);
  const listOf = (
    field: "optimizer" | "rate" | "precision" | "message" | "imitation",
    entries: typeof optimizers,
    options: readonly Option[],
  ) => ({
    ...choices(field, options, sourceOf(entries, choice[field]), place),
    detail: speech.t(`about.${field}.${choice[field]}`),
  });
  const withPair = (control: Control & { readonly detail: string }): Control => {
    const { pair } = place;
    const layers = pair ? ` ${speech.t("training.pair", { own: pair[0], other: pair[1] })}` : "";
    return { ...control, detail: `${control.detail}${layers}` };
  };
  const own = messageSetting(choice.message);
  const all = trainImages(model, catalog);
  const text = readsText({ model }, catalog);
  return [
    {
      id: "training",
      controls: [
        choices(
          "start",
          STARTS.map((id) => ({ value: id, name: speech.t(`training.start.${id}`) })),
          "",
          place,
          "segments",
        ),
        number("epochs", "", place),
        {
          ...number("count", "", place),
          words: text ? "training.count.text" : "training.count",
          detail: speech.t("training.count.all", { all: speech.whole(all) }),
        },
        choices("batch", offered(BATCHES, choice.batch), "", place),
        listOf("optimizer", optimizers, named(optimizers, "optimizer", speech)),
        number("lr", "", place, 0),
        ...(isAdam(choice.optimizer)
          ? []
          : [
              number("momentum", sourceOf(optimizers, "sgd"), place, 0),
              choices(
                "ahead",
                STEPS.map((id) => ({ value: id, name: speech.t(`training.ahead.${id}`) })),
                sourceOf(optimizers, "sgd"),
                place,
                "segments",
              ),
            ]),
        listOf("rate", rates, named(rates, "rate", speech)),
        number("decay", "Loshchilov and Hutter 2019, arXiv 1711.05101", place, 0),
        ...(text
          ? []
          : [
              number("shift", AUGMENTED, place),
              choices(
                "flip",
                MIRRORED.map((id) => ({ value: id, name: speech.t(`training.flip.${id}`) })),
                AUGMENTED,
                place,
                "segments",
              ),
            ]),
        number("smoothing", "Szegedy et al. 2016, arXiv 1512.00567", place, 0),
        number("patience", "Prechelt 1998, Early Stopping, but When?", place),
        ...(text
          ? []
          : [
              checks(
                "exclude",
                named(
                  classesOf(model, catalog).map((id) => ({ id })),
                  "class",
                  speech,
                ),
                "Hinton, Vinyals and Dean 2015, arXiv 1503.02531",
                place,
              ),
            ]),
        checks(
          "freeze",
          layerNames(model, catalog).map((name) => ({ value: name, name })),
          "Yosinski et al. 2014, arXiv 1411.1792",
          place,
        ),
        number("seeds", "", place),
      ],
    },
    {
      id: "numbers",
      controls: [
        listOf("precision", precisions, named(precisions, "precision", speech)),
        ...(isScaled(choice.precision) ? [number("lossScale", SCALED, place, 0), number("growth", SCALED, place)] : []),
        ...(keepsFewBits(choice.precision)
          ? [
              choices(
                "rounding",
                ROUNDINGS.map((id) => ({ value: id, name: speech.t(`training.rounding.${id}`) })),
                "Gupta et al. 2015, arXiv 1502.02551",
                place,
                "segments",
              ),
            ]
          : []),
        ...(isAdam(choice.optimizer) ? [number("epsilon", sourceOf(optimizers, choice.optimizer), place, 0)] : []),
      ],
    },
    {
      id: "teacher",
      controls: [
        choices(
          "teacher",
          [
            { value: ALONE, name: speech.t("training.teacher.none") },
            ...teachers.map(({ id }) => ({ value: id, name: teacherName(id) })),
          ],
          sourceOf(imitations, "logits"),
          place,
        ),
        ...(choice.teacher === ALONE
          ? []
          : [
              withPair(listOf("imitation", imitations, named(imitations, "imitation", speech))),
              number("temperature", sourceOf(imitations, "logits"), place, 0),
              number("alpha", sourceOf(imitations, "logits"), place, 0),
            ]),
      ],
    },
    {
      id: "workers",
      controls: [
        {
          ...choices("workers", offered(WORKERS, choice.workers), sourceOf(messages, "dense"), place),
          unused: choice.teacher === ALONE ? undefined : speech.t("training.reason.alone"),
        },
        ...(choice.workers > 1 ? [listOf("message", messages, named(messages, "message", speech))] : []),
        ...(own ? [number(own, sourceOf(messages, choice.message), place, own === "levels" ? 1 : 0)] : []),
      ],
    },
  ];
}
