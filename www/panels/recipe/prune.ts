/** The prune step: what goes, how much, by what, when, and how the rest is stored. Made from the catalog and the choice. */

import type { Speech } from "../../i18n";
import type { Choice } from "../../state/choice";
import {
  AT_ONCE,
  BLOCK,
  BLOCKS,
  INPUT,
  NM,
  NMS,
  NO_PRUNING,
  prunes,
  RATIOS,
  REWINDS,
  SCHEDULES,
  SHARES_OF,
  STORAGES,
  TUNED,
  takesUnits,
  USUAL,
  WEIGHT_PATTERNS,
} from "../../state/pruning";
import type { Catalog } from "../../state/schema";
import type { Control } from "./control";
import { EPOCHS, named, sourceOf, teacherControl } from "./controls";
import { Maker, type Section } from "./more";

/** Sources of what the catalog has no entry for; those of docs/methods.md. */
const SOURCES: Readonly<Record<string, string>> = {
  unstructured: "Han et al. 2015, arXiv 1506.02626",
  input: "Liu et al. 2024, arXiv 2408.14690",
  ratios: "Li et al. 2017, arXiv 1608.08710",
  nm: "Mishra et al. 2021, arXiv 2104.08378",
  block: "Narang et al. 2017, arXiv 1711.02782",
  tuned: "Han et al. 2015, arXiv 1506.02626",
  teacher: "Hinton et al. 2015, arXiv 1503.02531",
  keepLast: "Gale et al. 2019, arXiv 1902.09574",
  "one-shot": "Han et al. 2015, arXiv 1506.02626",
  gradual: "Zhu and Gupta 2017, arXiv 1710.01878",
  iterative: "Han et al. 2015, arXiv 1506.02626",
  lottery: "Frankle and Carbin 2019, arXiv 1803.03635",
  weights: "Frankle et al. 2019, arXiv 1903.01611",
  "learning-rate": "Renda et al. 2020, arXiv 2003.02389",
  storage: "Han et al. 2016, arXiv 1510.00149",
  macs: "Molchanov et al. 2019, arXiv 1906.10771",
};

/** The prune step at first sight. */
export function pruneControls(choice: Choice, catalog: Catalog, speech: Speech): Control[] {
  const maker = new Maker(choice, catalog, speech);
  const { pattern } = choice;
  const structure = catalog.structures.find((entry) => entry.id === pattern);
  const controls: Control[] = [
    {
      id: "pattern",
      options: [
        { value: NO_PRUNING, name: speech.t("pattern.none") },
        ...[...WEIGHT_PATTERNS, ...catalog.structures.map((entry) => entry.id), INPUT].map((id) => ({
          value: id,
          name: speech.t(`pattern.${id}`),
        })),
      ],
      value: pattern,
      look: "list",
      detail: prunes(choice) ? speech.t(`about.pattern.${pattern}`) : "",
      source: structure?.source ?? SOURCES[pattern] ?? "",
      to: (value) => ({ pattern: value }),
    },
  ];
  if (!prunes(choice)) return controls;
  controls.push(...amount(maker), tuned(maker));
  if (choice.tuned > 0) controls.push(teacherControl("tunedTeacher", SOURCES.teacher ?? "", choice, catalog, speech));
  return controls;
}

function amount(maker: Maker): Control[] {
  const { choice, speech } = maker;
  if (choice.pattern === NM)
    return [
      {
        id: "nm",
        options: NMS.map((id) => ({ value: id, name: id })),
        value: choice.nm,
        look: "segments",
        source: SOURCES.nm ?? "",
        to: (value) => ({ nm: value }),
      },
    ];
  const controls: Control[] = [
    maker.number("sparsity", "prune.percent", 0.5, SOURCES.unstructured ?? "", {
      look: "slider",
      words: choice.shareOf === "macs" ? "sparsity.macs" : "sparsity",
    }),
  ];
  if (choice.pattern === BLOCK)
    controls.push({
      id: "block",
      options: BLOCKS.map((id) => ({ value: id, name: id.replace("x", "×") })),
      value: choice.block,
      look: "segments",
      source: SOURCES.block ?? "",
      to: (value) => ({ block: value }),
    });
  if (takesUnits(choice) || choice.scope === RATIOS)
    controls.push({
      id: "shareOf",
      options: SHARES_OF.map((id) => ({
        value: id,
        name: speech.t(id === "units" && !takesUnits(choice) ? "shareOf.weights" : `shareOf.${id}`),
      })),
      value: choice.shareOf,
      look: "segments",
      source: SOURCES.macs ?? "",
      to: (value) => ({ shareOf: value }),
    });
  return controls;
}

function tuned({ choice, speech }: Maker): Control {
  const epochs = [...new Set([...EPOCHS, choice.tuned])].filter((count) => count > 0).sort((a, b) => a - b);
  return {
    id: "tuned",
    options: [
      { value: "0", name: speech.t("recipe.train.none") },
      ...epochs.map((count) => ({ value: String(count), name: speech.t("recipe.train.epochs", { epochs: count }) })),
    ],
    value: String(choice.tuned),
    look: "segments",
    source: SOURCES.tuned ?? "",
    to: (value) => ({ tuned: Number(value) }),
  };
}

/** The settings behind the fold: only those that the pattern has. */
export function pruneSections(choice: Choice, catalog: Catalog, speech: Speech): Section[] {
  if (!prunes(choice)) return [];
  const maker = new Maker(choice, catalog, speech);
  const units = takesUnits(choice);
  if (choice.pattern === INPUT)
    return [{ id: "scores", controls: [maker.number("looked", "prune.images", 1, SOURCES.input ?? "")] }];
  return [
    { id: "scores", controls: units ? unitScores(maker) : weightScores(maker) },
    ...(units
      ? []
      : [
          { id: "schedule", controls: schedule(maker) },
          { id: "storage", controls: [storage(maker)] },
        ]),
  ];
}

function scope({ choice, catalog, speech }: Maker): Control {
  // Units have no outputs of their own to be compared in.
  const scopes = catalog.scopes.filter(({ id }) => !takesUnits(choice) || id !== "row");
  return {
    id: "scope",
    options: [
      { value: USUAL, name: speech.t("scope.usual") },
      ...named(scopes, "scope", speech),
      ...(takesUnits(choice) ? [] : [{ value: RATIOS, name: speech.t("scope.ratios") }]),
    ],
    value: choice.scope,
    look: "list",
    detail: choice.scope === RATIOS ? speech.t("about.scope.ratios") : "",
    source:
      choice.scope === RATIOS
        ? (SOURCES.ratios ?? "")
        : sourceOf(catalog.scopes, choice.scope === USUAL ? "global" : choice.scope),
    to: (value) => ({ scope: value }),
  };
}

function unitScores(maker: Maker): Control[] {
  const { choice, catalog, speech } = maker;
  const source = sourceOf(catalog.unit_scores, choice.unitScore);
  return [
    {
      id: "unitScore",
      options: named(catalog.unit_scores, "unitScore", speech),
      value: choice.unitScore,
      look: "list",
      detail: speech.t(`about.unitScore.${choice.unitScore}`),
      source,
      to: (value) => ({ unitScore: value }),
    },
    scope(maker),
    maker.number("looked", "prune.images", 1, source),
  ];
}

function weightScores(maker: Maker): Control[] {
  const { choice, catalog, speech } = maker;
  const source = sourceOf(catalog.prunings, choice.score);
  return [
    {
      id: "score",
      options: named(catalog.prunings, "pruning", speech),
      value: choice.score,
      look: "list",
      detail: speech.t(`about.pruning.${choice.score}`),
      source,
      to: (value) => ({ score: value }),
    },
    ...(choice.pattern === NM ? [] : [scope(maker)]),
    maker.flag("keepLast", SOURCES.keepLast ?? ""),
    maker.number("looked", "prune.images", 1, source),
  ];
}

function schedule(maker: Maker): Control[] {
  const { choice, speech } = maker;
  const source = SOURCES[choice.schedule] ?? "";
  const controls: Control[] = [
    {
      id: "schedule",
      options: SCHEDULES.map((id) => ({ value: id, name: speech.t(`schedule.${id}`) })),
      value: choice.schedule,
      look: "list",
      detail: speech.t(`about.schedule.${choice.schedule}`),
      source,
      // What goes while training needs a training.
      to: (value) => ({ schedule: value, ...(value === AT_ONCE ? {} : { tuned: choice.tuned || TUNED }) }),
    },
  ];
  if (["iterative", "lottery"].includes(choice.schedule))
    controls.push(maker.number("rounds", "prune.rounds", 1, source));
  if (choice.schedule === "lottery")
    controls.push({
      id: "rewind",
      options: REWINDS.map((id) => ({ value: id, name: speech.t(`rewind.${id}`) })),
      value: choice.rewind,
      look: "segments",
      source: SOURCES[choice.rewind] ?? "",
      to: (value) => ({ rewind: value }),
    });
  return controls;
}

function storage({ choice, speech }: Maker): Control {
  return {
    id: "storage",
    options: STORAGES.map((id) => ({ value: id, name: speech.t(`storage.${id}`) })),
    value: choice.storage,
    look: "list",
    detail: speech.t(`about.storage.${choice.storage}`),
    source: SOURCES.storage ?? "",
    to: (value) => ({ storage: value }),
  };
}
