import { describe, expect, it } from "vitest";
import { Speech } from "../../i18n";
import { DEFAULT_CHOICE, NO_ACTIVATIONS } from "../../state/choice";
import { DEFAULT_MACHINES, type MachinesView, readChosen, readEdits, readWorkload } from "../../state/machines";
import { readConstants, readRegistry } from "../../targets/facts.mjs";
import { ROWS, RULES } from "../../targets/legality.mjs";
import { findTarget } from "../../targets/registry.mjs";
import { realCatalog } from "../../testing/catalog";
import {
  ceilingsOf,
  chosenOf,
  generationsOf,
  lookingAt,
  machinesOf,
  type Own,
  pairOf,
  partsOf,
  planOfChoice,
  pointsOf,
  speedOf,
  withEdit,
  withoutEdit,
} from "./data";
import { nameOf } from "./names";
import { duration, energy, gigabytes, rate } from "./numbers";

const catalog = realCatalog();
const facts = { registry: readRegistry(), fitted: readConstants() };
const at = (id: string) => findTarget(facts.registry, id);
const decode = (batch: number): MachinesView => ({
  ...DEFAULT_MACHINES,
  workload: "llama-2-7b-decode",
  batch,
  sequence: 128,
});
const w4 = { ...DEFAULT_CHOICE, weights: "int4", activations: NO_ACTIVATIONS, granularity: "group", group: 128 };

function own(): Own {
  const model = catalog.models.find(({ id }) => id === DEFAULT_CHOICE.model);
  if (!model) throw new Error("no model");
  const layers = model.layers.map(({ name, op, parameters, macs }) => ({
    name,
    op,
    parameters,
    macs,
    weight_format: "int4",
    activation_format: "int8",
    bytes: parameters,
  }));
  return { model, report: { recipe: { steps: [] }, layers, cost: { macs: model.macs } } };
}

describe("machines", () => {
  it("are those of the facts, with a person's copy behind its own", () => {
    const view = withEdit(DEFAULT_MACHINES, at("h100_sxm"), "bw", 6700);
    const all = machinesOf(facts.registry, view);
    expect(all).toHaveLength(38);
    expect(chosenOf(facts.registry, view)[0]).toMatchObject({ id: "h100_sxm*", bandwidth_gb_per_s: 6700 });
    const [copy] = chosenOf(facts.registry, view);
    if (!copy) throw new Error("no copy");
    // A second change keeps the first; going back leaves the machine itself.
    const twice = withEdit(view, copy, "int4", 3958);
    expect(twice.edits).toEqual([{ base: "h100_sxm", values: { bw: 6700, int4: 3958 } }]);
    expect(withoutEdit(twice, "h100_sxm")).toMatchObject({ edits: [], chosen: expect.arrayContaining(["h100_sxm"]) });
    expect(nameOf(copy)).toBe("H100 SXM5 *");
  });

  it("that a link names and nobody knows are left out, never all", () => {
    const view = { ...DEFAULT_MACHINES, chosen: ["nothing", "t4"] };
    expect(chosenOf(facts.registry, view).map(({ id }) => id)).toEqual(["t4"]);
    expect(chosenOf(facts.registry, { ...view, chosen: ["nothing"] })).toHaveLength(1);
    expect(lookingAt(["a", "b", "c"], "c", 3)).toEqual(["c", "a", "b"]);
    expect(lookingAt(["a", "b", "c"], "d", 3)).toEqual(["d", "a", "b"]);
  });

  it.each(["A", "a b", "a+b+", `${"a+".repeat(16)}a`])("are not read from %j", (text) => {
    expect(readChosen(text)).toBeUndefined();
  });

  it("and their networks are refused out of range", () => {
    for (const text of ["bert-base", "bert-base,0,1", "bert-base,5000,1", "bert-base,1,200000", "x y,1,1"]) {
      expect(readWorkload(text), text).toBeUndefined();
    }
    expect(readEdits("t4;bw:1+t4;bw:2")).toBeUndefined();
    expect(readEdits("t4;x:1")).toBeUndefined();
  });
});

describe("a network on a machine", () => {
  const pair = (id: string, view: MachinesView, choice = w4, mine?: Own) => {
    const found = pairOf(facts, at(id), view, choice, catalog, mine);
    if (!found) throw new Error("nothing");
    return found;
  };

  it("is faster with weights of 4 bits for one sequence, and not for many", () => {
    for (const id of ["a100_sxm_80", "h100_sxm"]) {
      expect(speedOf(pair(id, decode(1)), facts.fitted)?.ratio, id).toBeGreaterThan(1.5);
      expect(speedOf(pair(id, decode(256)), facts.fitted)?.ratio, id).toBeLessThanOrEqual(1.02);
    }
  });

  it("has a band around its speed, and none where it does not run", () => {
    const { ratio, band } = speedOf(pair("h100_sxm", decode(1)), facts.fitted) ?? { ratio: 0, band: [0, 0] };
    expect(band[0]).toBeLessThan(ratio);
    expect(band[1]).toBeGreaterThan(ratio);
    expect(speedOf(pair("coral_edgetpu", decode(1)), facts.fitted)).toBeUndefined();
  });

  it("moves its points and what bounds them with recipe and machine", () => {
    const points = (id: string, choice: typeof w4) => pointsOf(pair(id, decode(1), choice).cost);
    const [wide] = points("h100_sxm", { ...w4, weights: "fp32" });
    const [narrow] = points("h100_sxm", w4);
    // A quarter of the bytes, so nearly four times the operations for each.
    expect((narrow?.intensity ?? 0) / (wide?.intensity ?? 1)).toBeGreaterThan(3.5);
    expect(points("t4", w4)[0]?.tops).toBeLessThan(narrow?.tops ?? 0);
    const { target, cost } = pair("h100_sxm", decode(1), { ...w4, activations: "int4" });
    const used = ceilingsOf(target, facts.fitted, cost).filter((each) => each.used);
    expect(used.map(({ name }) => name)).toContain("INT8");
  });

  it("adds up in parts, of time and of energy", () => {
    for (const view of [decode(1), { ...DEFAULT_MACHINES, batch: 8 }]) {
      for (const id of ["h100_sxm", "cortex_m7", "xeon_amx"]) {
        const { cost } = pair(id, view, w4, own());
        const sum = (of: "ms" | "energy_mj") =>
          Object.values(partsOf(cost, of)).reduce((total, part) => total + part, 0);
        expect(sum("ms") / cost.latency_ms, id).toBeCloseTo(1, 6);
        expect(sum("energy_mj") / cost.energy_mj, id).toBeCloseTo(1, 6);
      }
    }
  });

  it("is nothing before the page's own model has layers, or with a workload that there is not", () => {
    expect(pairOf(facts, at("t4"), DEFAULT_MACHINES, w4, catalog, undefined)).toBeUndefined();
    expect(pairOf(facts, at("t4"), { ...decode(1), workload: "gpt-9" }, w4, catalog, undefined)).toBeUndefined();
  });

  it("runs every format of the page on every machine, or says why not", () => {
    for (const { id } of catalog.formats.filter((format) => format.weights)) {
      for (const target of facts.registry.targets) {
        const plan = planOfChoice(target, { ...DEFAULT_CHOICE, weights: id }, catalog);
        expect(plan.stored_bits ?? 16, `${id} ${target.id}`).toBeGreaterThan(0);
        const { cost, main } = pair(target.id, decode(1), { ...DEFAULT_CHOICE, weights: id });
        expect(Number.isNaN(cost.latency_ms), `${id} ${target.id}`).toBe(false);
        expect(RULES).toContain(main.verdict.rule);
      }
    }
  });
});

describe("the matrix", () => {
  it("has a row for every generation, whose chosen machine stands for it", () => {
    const rows = generationsOf(facts.registry, [at("rtx3090"), at("h100_pcie")], ROWS);
    expect(rows).toHaveLength(facts.registry.families.length);
    expect(rows.find(({ id }) => id === "ampere")?.machine.id).toBe("rtx3090");
    const hopper = rows.find(({ id }) => id === "hopper");
    expect(hopper?.cells[ROWS.findIndex(({ id }) => id === "int4")]).toMatchObject({
      support: "fallback",
      executed: "w8a8",
    });
  });
});

describe("words and numbers", () => {
  it.each(["en", "ko"] as const)("%s has a sentence for every rule and kind of support", (language) => {
    const speech = new Speech(language);
    for (const rule of RULES) expect(speech.has(`target.rule.${rule}`), rule).toBe(true);
    for (const support of ["native", "weight-only", "fallback", "emulated", "absent"]) {
      expect(speech.has(`target.support.${support}`)).toBe(true);
      expect(speech.has(`target.tag.${support}`)).toBe(true);
    }
  });

  it("are short, with a unit", () => {
    const plain = (text: string) => text.replace("\u00a0", " ");
    expect([0.0000005, 0.0123, 5.25, 123, 12345].map(duration).map(plain)).toEqual([
      "0.5 ns",
      "12.3 µs",
      "5.3 ms",
      "123 ms",
      "12.3 s",
    ]);
    expect([energy(0.5), rate(0.00024), gigabytes(13.5e9), gigabytes(0)].map(plain)).toEqual([
      "500 µJ",
      "240 MOP/s",
      "13.5 GB",
      "0 B",
    ]);
  });
});
