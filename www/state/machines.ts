/** What the panel of modelled machines shows, as links hold it: which machines, which network, and a person's copies of machines. */

import { readEdit, writeEdit } from "../targets/registry.mjs";

export type Edit = { readonly base: string; readonly values: Readonly<Record<string, number | null>> };

export interface MachinesView {
  /** Ids of those compared, the one looked at first. A copy's id ends in `*`. */
  readonly chosen: readonly string[];
  /** `OWN`, or the id of a reference workload. */
  readonly workload: string;
  readonly batch: number;
  /** Characters; 0 for the workload's own length. */
  readonly sequence: number;
  readonly edits: readonly Edit[];
  /** The machine that the recipe is meant for, whose warnings stand in it; empty for none. */
  readonly aim: string;
  /** Whether only formats that this machine runs as they are, or as narrow weights, can be chosen. */
  readonly only: boolean;
}

/** The page's own model with its recipe. */
export const OWN = "own";
export const MOST_BATCH = 4096;
export const MOST_SEQUENCE = 131072;
/** Machines that are compared at once, and copies that a link holds. */
export const MOST_CHOSEN = 16;
const MOST_EDITS = 4;

export const DEFAULT_MACHINES: MachinesView = {
  chosen: ["a100_sxm_80", "h100_sxm", "b200", "rtx4090", "xeon_amx", "cortex_a76_rpi5", "cortex_m7", "coral_edgetpu"],
  workload: OWN,
  batch: 1,
  sequence: 0,
  edits: [],
  aim: "",
  only: false,
};

const ID = /^[a-z0-9_]{1,40}\*?$/;
const ONLY = ",only";

const same = (a: readonly string[], b: readonly string[]) => a.join() === b.join();

/** The machines compared, where they are not the usual ones. */
export function writeChosen({ chosen }: MachinesView): string | undefined {
  return same(chosen, DEFAULT_MACHINES.chosen) ? undefined : chosen.join("+");
}

/** Reads ids; `undefined` for a text that is none. Ids that no machine has are left out when they are shown. */
export function readChosen(value: string): readonly string[] | undefined {
  const ids = value.split("+");
  const legal = ids.length <= MOST_CHOSEN && ids.every((id) => ID.test(id));
  return legal ? [...new Set(ids)] : undefined;
}

/** The network with its batch and length, such as `llama-2-7b-decode,256,128`. */
export function writeWorkload({ workload, batch, sequence }: MachinesView): string | undefined {
  const parts = [workload, batch, sequence].map(String);
  const usual = [DEFAULT_MACHINES.workload, DEFAULT_MACHINES.batch, DEFAULT_MACHINES.sequence].map(String);
  return same(parts, usual) ? undefined : parts.join(",");
}

export function readWorkload(value: string): Pick<MachinesView, "workload" | "batch" | "sequence"> | undefined {
  const [, workload, batch, sequence] = /^([a-z0-9-]{1,40}),(\d{1,6}),(\d{1,6})$/.exec(value) ?? [];
  const view = { workload: workload ?? "", batch: Number(batch), sequence: Number(sequence) };
  return view.batch >= 1 && view.batch <= MOST_BATCH && view.sequence <= MOST_SEQUENCE ? view : undefined;
}

export function writeEdits({ edits }: MachinesView): string | undefined {
  return edits.length > 0 ? edits.map(writeEdit).join("+") : undefined;
}

/** Reads copies, at most one of each machine. */
export function readEdits(value: string): readonly Edit[] | undefined {
  const edits = value.split("+").map(readEdit);
  const bases = new Set(edits.map((edit) => edit?.base));
  if (edits.length > MOST_EDITS || bases.size < edits.length) return undefined;
  return edits.every((edit) => edit !== undefined) ? edits : undefined;
}

/** The machine that the recipe is meant for, such as `h100_sxm` or `h100_sxm,only`. */
export function writeAim({ aim, only }: MachinesView): string | undefined {
  return aim === "" ? undefined : `${aim}${only ? ONLY : ""}`;
}

export function readAim(value: string): Pick<MachinesView, "aim" | "only"> | undefined {
  const only = value.endsWith(ONLY);
  const aim = only ? value.slice(0, -ONLY.length) : value;
  return ID.test(aim) ? { aim, only } : undefined;
}
