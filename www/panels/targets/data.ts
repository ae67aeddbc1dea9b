/** What the panel shows, as data: a network on machines, by the model of www/targets. No words but names. */

import type { Bound, BoundRow } from "../../charts/bounds";
import type { Ceiling, RooflinePoint } from "../../charts/roofline";
import { type Choice, FULL_PRECISION, NO_ACTIVATIONS } from "../../state/choice";
import { type MachinesView, OWN } from "../../state/machines";
import type { Catalog, Model } from "../../state/schema";
import {
  type Cost,
  classOf,
  type Fitted,
  type LayerCost,
  networkCost,
  type Plan,
  sustained,
} from "../../targets/cost.mjs";
import { kindOf } from "../../targets/formats.mjs";
import { floatOf, has, judge, type Verdict } from "../../targets/legality.mjs";
import { copyId, edited, FORMATS, type Registry, type Target } from "../../targets/registry.mjs";
import { costOfBaseline, costOfReport, layersOf, mainLayer } from "../../targets/report.mjs";
import type { Layer } from "../../targets/shapes.mjs";
import { findWorkload, WORKLOADS, type Workload } from "../../targets/workloads.mjs";
import { formatName } from "./names";

/** The data the model runs on: a chunk of its own. */
export interface Facts {
  readonly registry: Registry;
  readonly fitted: Fitted;
}

/** The part of a report that the model reads. */
export interface OwnReport {
  readonly recipe: unknown;
  readonly layers: Parameters<typeof costOfReport>[1]["layers"];
  readonly cost: { readonly macs: number; readonly peak_activation_bytes?: number | undefined };
}

/** The page's own network: the model, and the recipe's result. */
export interface Own {
  readonly model: Model;
  readonly report: OwnReport;
}

/** Every machine, a person's copies behind the ones they are of. */
export function machinesOf(registry: Registry, view: MachinesView): readonly Target[] {
  return registry.targets.flatMap((target) => {
    const edit = view.edits.find(({ base }) => base === target.id);
    return edit ? [target, edited(target, edit)] : [target];
  });
}

/** Those compared, the one looked at first; ids that there are not are left out. */
export function chosenOf(registry: Registry, view: MachinesView): readonly Target[] {
  const all = machinesOf(registry, view);
  const found = view.chosen.flatMap((id) => all.filter((target) => target.id === id));
  return found.length > 0 ? found : all.slice(0, 1);
}

/** How a reference workload's layers are run: the recipe's formats, groups and zeros; what it leaves alone in floats. */
export function planOfChoice(target: Target, choice: Choice, catalog: Catalog): Plan {
  const float = floatOf(target) ?? FULL_PRECISION;
  const weights = choice.weights === FULL_PRECISION ? float : choice.weights;
  const activations = choice.activations === NO_ACTIVATIONS ? float : choice.activations;
  const known = catalog.formats.find(({ id }) => id === choice.weights);
  const bits = choice.weights === "kmeans" ? choice.codebook : Math.max(known?.bits ?? 0, kindOf(weights).bits);
  const grouped = choice.granularity === "group" && known?.groups === true;
  const plan: Plan = { weights, activations };
  if (choice.weights !== FULL_PRECISION) plan.stored_bits = bits + (grouped ? 16 / choice.group : 0);
  if (grouped) plan.group = choice.group;
  if (choice.cache !== NO_ACTIVATIONS) plan.cache_bits = kindOf(choice.cache).bits;
  if (choice.pattern === "nm" && choice.nm === "2:4") Object.assign(plan, { pattern: "2:4", density: 0.5 });
  if (choice.pattern === "unstructured") {
    Object.assign(plan, { pattern: "unstructured", density: 1 - choice.sparsity / 100 });
  }
  return plan;
}

/** A network on a machine, and the same in floats. */
export interface Pair {
  readonly target: Target;
  readonly cost: Cost;
  readonly base: Cost;
  readonly main: LayerCost;
}

export function pairOf(
  facts: Facts,
  target: Target,
  view: MachinesView,
  choice: Choice,
  catalog: Catalog,
  own: Own | undefined,
): Pair | undefined {
  const { fitted } = facts;
  const { batch } = view;
  if (view.workload === OWN) {
    if (!own) return undefined;
    const cost = costOfReport(target, own.report, own.model, fitted, batch);
    return { target, cost, base: costOfBaseline(target, own.model, fitted, batch), main: mainLayer(cost) };
  }
  const workload = workloadOf(view);
  if (!workload) return undefined;
  const sequence = view.sequence || workload.sequence;
  const layers = workload.layers({ batch, sequence });
  const float = floatOf(target) ?? FULL_PRECISION;
  const plan = planOfChoice(target, choice, catalog);
  const writes = workload.unit === "token";
  const held = (bits: number) => (workload.held(sequence) * batch * bits) / 8;
  const cost = networkCost(target, layers, () => plan, fitted, { batch, writes, held: held(plan.cache_bits ?? 16) });
  const floats = { weights: float, activations: float };
  const base = networkCost(target, layers, () => floats, fitted, { batch, writes, held: held(16) });
  return { target, cost, base, main: mainLayer(cost) };
}

/** The reference workload that is looked at; none for the page's own model, or an id that there is not. */
export function workloadOf(view: MachinesView): Workload | undefined {
  return WORKLOADS.some(({ id }) => id === view.workload) ? findWorkload(view.workload) : undefined;
}

/** Layers of a training batch: of the page's model, or of a workload that reads whole sequences. */
export function trainedLayers(view: MachinesView, model: Model): readonly Layer[] | undefined {
  const workload = workloadOf(view);
  if (!workload) return layersOf(model, view.batch);
  if (workload.unit === "token") return undefined;
  return workload.layers({ batch: view.batch, sequence: view.sequence || workload.sequence });
}

/** How many times faster than floats, with its band. */
export function speedOf(
  { target, cost, base }: Pair,
  { ratio_band }: Fitted,
): { readonly ratio: number; readonly band: readonly [number, number] } | undefined {
  const ratio = base.latency_ms / cost.latency_ms;
  const off = ratio_band[classOf(target)];
  return Number.isFinite(ratio) && ratio > 0 ? { ratio, band: [ratio / off, ratio * off] } : undefined;
}

/** Layers as points of a roofline; layers alike are one. */
export function pointsOf({ layers }: Cost): readonly RooflinePoint[] {
  return layers
    .filter(({ macs, touched, ms }) => macs > 0 && touched > 0 && Number.isFinite(ms))
    .map(({ name, macs, touched, ms, bound }) => ({
      name,
      intensity: (2 * macs) / touched,
      tops: (2 * macs) / ms / 1e9,
      bound,
    }));
}

/** The rates that large products reach in each format that the machine has. */
export function ceilingsOf(target: Target, { constants }: Fitted, cost: Cost): readonly Ceiling[] {
  const used = new Set(cost.layers.filter(({ macs }) => macs > 0).map(({ verdict }) => verdict.compute));
  return FORMATS.filter((format) => has(target, format)).map((format) => ({
    name: formatName(format),
    tops: sustained(target, format, constants[classOf(target)]),
    used: used.has(format),
  }));
}

/** Milliseconds, or millijoules, by what bounds the layers that take them. What is no layer's is overhead. */
export function partsOf(cost: Cost, of: "ms" | "energy_mj"): Readonly<Record<Bound, number>> {
  const parts = { compute: 0, memory: 0, overhead: 0 };
  for (const layer of cost.layers) parts[layer.bound] += layer.count * layer[of];
  const whole = of === "ms" ? cost.latency_ms : cost.energy_mj;
  parts.overhead += Math.max(0, whole - parts.compute - parts.memory - parts.overhead);
  return parts;
}

export function boundRows(
  rows: readonly { readonly name: string; readonly cost: Cost; readonly label: string }[],
  of: "ms" | "energy_mj",
): readonly BoundRow[] {
  return rows
    .filter(({ cost }) => Number.isFinite(of === "ms" ? cost.latency_ms : cost.energy_mj))
    .map(({ name, cost, label }) => ({ name, label, parts: partsOf(cost, of) }));
}

/** A row of the support matrix: a generation, the machines of it, and what each request comes to on the one that stands for it. */
export interface Generation {
  readonly id: string;
  readonly name: string;
  readonly kind: Target["kind"];
  readonly machine: Target;
  readonly cells: readonly Verdict[];
}

/** Generations, those of the chosen machines standing for theirs. */
export function generationsOf(
  registry: Registry,
  chosen: readonly Target[],
  rows: readonly { readonly weights: string; readonly activations: string }[],
): readonly Generation[] {
  return registry.families.flatMap(({ id, name }) => {
    const machine = chosen.find(({ family }) => family === id) ?? registry.targets.find(({ family }) => family === id);
    return machine ? [{ id, name, kind: machine.kind, machine, cells: rows.map((row) => judge(machine, row)) }] : [];
  });
}

/** The machines compared when one is looked at: it comes first, and others stay. */
export function lookingAt(chosen: readonly string[], id: string, most: number): readonly string[] {
  return [id, ...chosen.filter((each) => each !== id)].slice(0, most);
}

/** The view with a number of a machine changed: in its copy, which is made if there is none, and looked at. */
export function withEdit(view: MachinesView, target: Target, code: string, value: number | null): MachinesView {
  const base = target.copy_of ?? target.id;
  const before = view.edits.find((edit) => edit.base === base)?.values ?? {};
  const edit = { base, values: { ...before, [code]: value } };
  const edits = [...view.edits.filter((each) => each.base !== base), edit];
  return {
    ...view,
    edits,
    chosen: lookingAt(
      view.chosen.filter((id) => id !== target.id),
      copyId(edit),
      Number.POSITIVE_INFINITY,
    ),
  };
}

/** The view without a machine's copy: the machine itself in its place. */
export function withoutEdit(view: MachinesView, base: string): MachinesView {
  const chosen = view.chosen.map((id) => (id === `${base}*` ? base : id));
  return { ...view, chosen: [...new Set(chosen)], edits: view.edits.filter((each) => each.base !== base) };
}
