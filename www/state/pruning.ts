/** The part of a choice that prunes: what it is by default, what of it matters, and the steps it stands for. */

import type { Catalog, Prune, Train } from "./schema";
import { distillBy, settledTeacher, UNTAUGHT } from "./teachers";

export interface PruneChoice {
  /** What goes: `none`, single weights, {@link NM}, {@link BLOCK}, or one of the catalog's structures. */
  readonly pattern: string;
  /** Percent of it that goes. */
  readonly sparsity: number;
  /** Of a structure: whether that is a share of its units, or of the multiply-adds. */
  readonly shareOf: string;
  /** Of {@link NM}: how many of how many neighbours stay. */
  readonly nm: string;
  /** Of {@link BLOCK}: outputs by inputs of a rectangle. */
  readonly block: string;
  /** By what single weights are scored, and by what structures are. */
  readonly score: string;
  readonly unitScore: string;
  /** What is compared with what; `usual` is the score's own way. */
  readonly scope: string;
  readonly keepLast: boolean;
  /** Training images that scores look at. */
  readonly looked: number;
  /** When it goes: at once, or while {@link PruneChoice.tuned} epochs are trained. */
  readonly schedule: string;
  readonly rounds: number;
  readonly rewind: string;
  /** Epochs of training behind the pruning. */
  readonly tuned: number;
  /** Whose answers that training follows in place of labels, or `none`. */
  readonly tunedTeacher: string;
  /** How what stays is stored. */
  readonly storage: string;
}

export const DEFAULT_PRUNING: PruneChoice = {
  pattern: "none",
  sparsity: 80,
  shareOf: "units",
  nm: "2:4",
  block: "4x4",
  score: "magnitude",
  unitScore: "l1",
  scope: "usual",
  keepLast: false,
  looked: 256,
  schedule: "one-shot",
  rounds: 5,
  rewind: "weights",
  tuned: 0,
  tunedTeacher: UNTAUGHT,
  storage: "auto",
};

export const NO_PRUNING = "none";
export const UNSTRUCTURED = "unstructured";
/** Small inputs of layers become 0, and no weight goes. */
export const INPUT = "input";
export const NM = "nm";
export const BLOCK = "block";
/** Patterns of single weights. All others take whole units. */
export const WEIGHT_PATTERNS = [UNSTRUCTURED, NM, BLOCK] as const;
export const SHARES_OF = ["units", "macs"] as const;
export const NMS = ["1:4", "2:4", "4:8"] as const;
export const BLOCKS = ["1x4", "4x1", "4x4", "8x8"] as const;
export const USUAL = "usual";
/** Of {@link PruneChoice.scope}: each layer's share by what pruning it alone does to the loss. */
export const RATIOS = "ratios";
/** Validation images that judge those shares, as the engine has them by itself. */
const JUDGED = 200;
export const AT_ONCE = "one-shot";
export const SCHEDULES = [AT_ONCE, "gradual", "iterative", "lottery"] as const;
export const REWINDS = ["weights", "learning-rate"] as const;
export const STORAGES = ["auto", "dense", "bitmask", "csr5", "nm", "block"] as const;
/** Percent of weights, and of units, that are run side by side. */
const WEIGHT_STOPS = [30, 50, 70, 80, 90, 95, 98] as const;
const UNIT_STOPS = [12.5, 25, 37.5, 50, 62.5, 75, 87.5] as const;
/** Epochs of training that are set beside none, where a choice has none of its own. */
export const TUNED = 1;

export function prunes({ pattern }: Pick<PruneChoice, "pattern">): boolean {
  return pattern !== NO_PRUNING;
}

/** Whether a pattern takes whole units, so that the network becomes smaller. */
export function takesUnits({ pattern }: Pick<PruneChoice, "pattern">): boolean {
  return prunes({ pattern }) && pattern !== INPUT && !(WEIGHT_PATTERNS as readonly string[]).includes(pattern);
}

/** What the choice says of pruning and nothing else. */
export function pruningOf(choice: PruneChoice): PruneChoice {
  const fields = Object.keys(DEFAULT_PRUNING) as (keyof PruneChoice)[];
  return Object.fromEntries(fields.map((field) => [field, choice[field]])) as unknown as PruneChoice;
}

/** Sets to its default what the pattern, the schedule or the model makes meaningless. */
export function normalisePruning(choice: PruneChoice & { readonly model: string }, catalog: Catalog): PruneChoice {
  const plain = DEFAULT_PRUNING;
  if (!prunes(choice)) return plain;
  const units = takesUnits(choice);
  const schedule = units || choice.tuned === 0 ? plain.schedule : choice.schedule;
  const { pattern, sparsity, looked, tuned, unitScore, shareOf, scope } = choice;
  const tunedTeacher = settledTeacher(choice.tunedTeacher, tuned, choice.model, catalog);
  if (pattern === INPUT) return { ...plain, pattern, sparsity, looked, tuned, tunedTeacher };
  if (units) return { ...plain, pattern, sparsity, looked, tuned, tunedTeacher, unitScore, shareOf, scope };
  return {
    ...pruningOf(choice),
    tunedTeacher,
    shareOf: scope === RATIOS && pattern !== NM ? shareOf : plain.shareOf,
    unitScore: plain.unitScore,
    sparsity: pattern === NM ? plain.sparsity : choice.sparsity,
    nm: pattern === NM ? choice.nm : plain.nm,
    scope: pattern === NM ? plain.scope : scope,
    block: pattern === BLOCK ? choice.block : plain.block,
    schedule,
    rounds: ["iterative", "lottery"].includes(schedule) ? choice.rounds : plain.rounds,
    rewind: schedule === "lottery" ? choice.rewind : plain.rewind,
  };
}

/** A share from percent, without what dividing adds in the last place. */
const share = (percent: number) => Number((percent / 100).toFixed(6));

/** Fields that a recipe need not say are left out. */
function pruneOf(choice: PruneChoice): Prune {
  const { pattern, schedule, scope, looked } = choice;
  const units = takesUnits(choice);
  const common = {
    ...(scope === USUAL || scope === RATIOS ? {} : { scope }),
    ...(looked === DEFAULT_PRUNING.looked ? {} : { images: looked }),
  };
  if (units) {
    const amount =
      choice.shareOf === "macs" ? { macs: share(100 - choice.sparsity) } : { sparsity: share(choice.sparsity) };
    return { pattern, method: choice.unitScore, ...amount, ...common };
  }
  if (pattern === INPUT) return { pattern, sparsity: share(choice.sparsity), ...common };
  const pair = (text: string) => text.split(/[:x]/).map(Number) as [number, number];
  const patterns: Record<string, Prune> = {
    [UNSTRUCTURED]: {},
    [NM]: { pattern: { nm: pair(choice.nm) } },
    [BLOCK]: { pattern: { block: pair(choice.block) } },
  };
  const { rounds, rewind } = choice;
  const details: Record<string, object> = { iterative: { rounds }, lottery: { rounds, rewind } };
  return {
    method: choice.score,
    ...patterns[pattern],
    ...(pattern === NM
      ? {}
      : scope === RATIOS
        ? {
            ratios: {
              budget: share(100 - choice.sparsity),
              of: choice.shareOf === "macs" ? "macs" : "weights",
              images: JUDGED,
            },
          }
        : { sparsity: share(choice.sparsity) }),
    ...common,
    ...(choice.keepLast ? { keep_last: true } : {}),
    ...(schedule === AT_ONCE ? {} : { schedule: { kind: schedule, ...details[schedule] } }),
  };
}

/** The rate that docs/tables/pruning.md was made with. */
const RATE = 0.001;

/** The steps of a choice's pruning: it, and the training behind it. */
export function pruneSteps(choice: PruneChoice): ({ prune: Prune } | { train: Train })[] {
  if (!prunes(choice)) return [];
  const { tuned, tunedTeacher } = choice;
  const train = { train: { epochs: tuned, lr: RATE, schedule: "cosine", ...distillBy(tunedTeacher) } };
  return [{ prune: pruneOf(choice) }, ...(tuned > 0 ? [train] : [])];
}

/** What differs along a line of more and more pruning. */
export function shareless(choice: PruneChoice): PruneChoice {
  return { ...pruningOf(choice), sparsity: DEFAULT_PRUNING.sparsity, nm: DEFAULT_PRUNING.nm };
}

/** The same pruning at every stop. */
function stops(choice: PruneChoice): Partial<PruneChoice>[] {
  if (choice.pattern === NM) return NMS.map((nm) => ({ nm }));
  const percents: readonly number[] = takesUnits(choice) ? UNIT_STOPS : WEIGHT_STOPS;
  return percents.map((sparsity) => ({ sparsity }));
}

/** Every stop, without training and with it: what "All sparsities" runs. */
export function allShares(choice: PruneChoice): Partial<PruneChoice>[] {
  const trainings = [{ tuned: 0, schedule: AT_ONCE }, { tuned: choice.tuned || TUNED }];
  return trainings.flatMap((training) => stops(choice).map((stop) => ({ ...stop, ...training })));
}
