/** Several seeds: what each choice came to, and which of two is better. */

import { html, nothing, type TemplateResult } from "lit";
import type { IntervalRow, IntervalsData } from "../../charts/intervals";
import type { Speech } from "../../i18n";
import type { Catalog } from "../../state/schema";
import { interval } from "../../state/statistics";
import { ALONE, DEFAULT_TRAINING, isNoise, settleTraining, type TrainingChoice } from "../../state/training";
import { type Result, type Seeds, type Subject, subjectKey } from "../../state/trainings";
import { letterOf } from "./data";

type Field = keyof TrainingChoice;

const FIELDS = Object.keys(DEFAULT_TRAINING) as Field[];

export const percentOf = ({ correct, total }: Result) => (100 * correct) / Math.max(1, total);

const plusMinus = (mean: number, half: number | undefined) =>
  half === undefined ? mean.toFixed(1) : `${mean.toFixed(1)} ± ${half.toFixed(1)}`;

/** What a group is about: the student that was taught, or the network where nobody teaches. */
const mainOf = (group: Seeds) => (group.choice.teacher === ALONE ? group.alone : group.taught);

/** Those groups that are judged by the same images as the newest. */
export function groupsBeside(groups: readonly Seeds[], catalog: Catalog): Seeds[] {
  const dataOf = ({ model }: Subject) => catalog.models.find(({ id }) => id === model)?.data;
  const newest = groups.at(-1);
  return groups.filter((group) => newest && dataOf(group) === dataOf(newest));
}

type Value = TrainingChoice[Field];

/** The kinds of names that values of a field go by. */
const KINDS: Partial<Record<Field, string>> = { teacher: "model", assistant: "model", exclude: "class" };

/** The value of a setting, by its name if it has one. */
function valueWords(field: Field, value: Value, speech: Speech): string {
  const kinds = [`training.${field}`, field, KINDS[field] ?? field];
  const one = (each: string | number) => {
    const kind = kinds.find((kind) => speech.has(`${kind}.${each}`));
    return kind === undefined ? String(each) : speech.name(kind, String(each));
  };
  if (typeof value === "string" || typeof value === "number") return one(value);
  return value.length > 0 ? value.map(one).join(", ") : "–";
}

/** What tells a group from the others: each setting that is not the same in all and has a meaning in this one. */
export function differenceWords(own: Seeds, groups: readonly Seeds[], catalog: Catalog, speech: Speech): string {
  const counts = (field: Field, value: Value) =>
    String(value) !== String(own.choice[field]) &&
    String(settleTraining({ ...own.choice, [field]: value }, own.model, catalog)[field]) === String(value);
  const words = FIELDS.filter(
    (field) => field !== "seeds" && groups.some(({ choice }) => counts(field, choice[field])),
  ).map((field) => `${speech.t(`recipe.training.${field}`)} ${valueWords(field, own.choice[field], speech)}`);
  if (groups.some(({ model }) => model !== own.model)) words.unshift(speech.name("model", own.model));
  if (groups.some(({ seed }) => seed !== own.seed)) words.push(speech.t("training.runs.seed", { seed: own.seed }));
  return words.join(" · ");
}

/** The same student without its teacher. */
function aloneKey({ choice, model, seed }: Seeds, catalog: Catalog): string {
  return subjectKey({ choice: settleTraining({ ...choice, teacher: ALONE }, model, catalog), model, seed });
}

/** The rows of all groups: teachers, students alone, and what the groups are about, the newest last. What is the same stands there once. */
export function seedsData(groups: readonly Seeds[], catalog: Catalog, speech: Speech): IntervalsData {
  const several = groups.length > 1;
  const taught = groups.filter(({ choice }) => choice.teacher !== ALONE);
  const row = (name: string, results: readonly Result[], strong: boolean): IntervalRow[] => {
    const values = results.map(percentOf);
    const found = interval(values);
    if (!found) return [];
    const { mean, half } = found;
    return [{ name, values, mean, half, note: `${plusMinus(mean, half)}\u00a0%`, strong }];
  };
  const teachers = new Map(taught.flatMap(({ choice, teacher }) => (teacher ? [[choice.teacher, teacher]] : [])));
  const known = new Set(groups.map((group) => subjectKey(group)));
  const alone = new Map<string, Seeds[]>();
  for (const group of taught) {
    const key = aloneKey(group, catalog);
    if (!known.has(key)) alone.set(key, [...(alone.get(key) ?? []), group]);
  }
  const aloneRow = (same: readonly Seeds[]) => {
    const results = new Map(same.flatMap((group) => group.alone.map((result) => [result.seed, result] as const)));
    const of = same.map(letterOf).join(", ");
    return row(
      speech.t(several ? "training.seeds.alone.of" : "training.seeds.alone", { of }),
      [...results.values()],
      false,
    );
  };
  const mainName = (group: Seeds) =>
    several
      ? speech.t("training.name", { letter: letterOf(group), what: differenceWords(group, groups, catalog, speech) })
      : speech.t(group.choice.teacher === ALONE ? "training.seeds.network" : "training.seeds.taught");
  const rows = [
    ...[...teachers].flatMap(([id, result]) =>
      row(speech.t("training.seeds.teacher", { name: speech.name("model", id) }), [result], false),
    ),
    ...[...alone.values()].flatMap(aloneRow),
    ...groups.flatMap((group) => row(mainName(group), mainOf(group), group === groups.at(-1))),
  ];
  return {
    rows,
    axis: speech.t("training.seeds.axis"),
    band: speech.t("training.seeds.band"),
    description: rows.map(({ name, note }) => `${name}: ${note}`).join("; "),
  };
}

interface Gain {
  readonly kind: "more" | "less" | "unclear";
  readonly points: string;
  readonly n: number;
}

/** By how much `after` is better than `before`, seed by seed; nothing from fewer than two seeds. */
function gainOf(before: readonly Result[], after: readonly Result[]): Gain | undefined {
  const known = new Map(before.map((result) => [result.seed, percentOf(result)]));
  const gains = after.flatMap((result) => {
    const other = known.get(result.seed);
    return other === undefined ? [] : [percentOf(result) - other];
  });
  const gain = interval(gains);
  if (gain?.half === undefined) return undefined;
  const { mean, half } = gain;
  const points = `${mean < 0 ? "−" : "+"}${Math.abs(mean).toFixed(1)}\u00a0±\u00a0${half.toFixed(1)}`;
  return { kind: mean - half > 0 ? "more" : mean + half < 0 ? "less" : "unclear", points, n: gains.length };
}

const TAUGHT = { more: "helps", less: "harms", unclear: "unclear" } as const;
const COMPARED = { more: "better", less: "worse", unclear: "even" } as const;

/** What the seeds show, and what they do not. */
export function seedsWords({ choice, alone, taught }: Seeds, speech: Speech): string {
  const gain = gainOf(alone, taught);
  if (!gain) return speech.t("training.seeds.words", { n: Math.max(alone.length, taught.length) });
  const words = speech.t(`training.seeds.${TAUGHT[gain.kind]}`, { points: gain.points, n: gain.n });
  return isNoise(choice.transfer) ? `${words} ${speech.t("training.seeds.noise")}` : words;
}

/** Which of two groups is better, as far as their common seeds can tell. */
export function comparedWords(newest: Seeds, older: Seeds, speech: Speech): string {
  const gain = gainOf(mainOf(older), mainOf(newest));
  const [letter, other] = [letterOf(newest), letterOf(older)];
  if (!gain) return speech.t("training.seeds.apart", { letter, other });
  return speech.t(`training.seeds.${COMPARED[gain.kind]}`, { letter, other, points: gain.points, n: gain.n });
}

/** The newest group against each before it, the last first; `forget` takes one away. */
export function comparedList(
  groups: readonly Seeds[],
  speech: Speech,
  forget: (number: number, at: number) => void,
): TemplateResult | typeof nothing {
  const [newest, ...older] = [...groups].reverse();
  if (!newest || older.length === 0) return nothing;
  return html`<ul class="training-compared">
      ${older.map(
        (group, at) => html`<li>
          ${comparedWords(newest, group, speech)}
          <button class="link" @click=${() => forget(group.number, at)}>${speech.t("training.seeds.remove", { letter: letterOf(group) })}</button>
        </li>`,
      )}
    </ul>
    ${older.length > 1 ? html`<p class="soft">${speech.t("training.seeds.chance")}</p>` : nothing}`;
}
