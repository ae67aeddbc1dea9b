import { describe, expect, it } from "vitest";
import { Speech } from "../../i18n";
import { DEFAULT_CHOICE, FULL_PRECISION, NO_ACTIVATIONS } from "../../state/choice";
import { DEFAULT_MACHINES, readAim, writeAim } from "../../state/machines";
import { readRegistry } from "../../targets/facts.mjs";
import { findTarget } from "../../targets/registry.mjs";
import { realCatalog } from "../../testing/catalog";
import { ruleWords } from "../targets/rules";
import { judgedOn, pairsOf, standsInTheWay, supported } from "./verdicts";

const registry = readRegistry();
const at = (id: string) => findTarget(registry, id);
const w4a4 = { ...DEFAULT_CHOICE, weights: "int4", activations: "int4" };

describe("a recipe's target", () => {
  it("judges every pair of formats in the recipe, equal verdicts once", () => {
    const layers = [
      { name: "conv1", weights: "int8", activations: "same" },
      { name: "fc3", weights: "int8", activations: "int8" },
      { name: "fc2", weights: "int8", activations: "int8" },
    ];
    const choice = { ...w4a4, layers };
    expect(pairsOf(choice).map(({ weights, activations }) => `${weights} ${activations}`)).toEqual([
      "int4 int4",
      "int8 int4",
      "int8 int8",
      "int8 int8",
    ]);
    const judged = judgedOn(at("h100_sxm"), choice);
    expect(judged.map(({ layers: names, verdict }) => [names, verdict.support])).toEqual([
      [[], "fallback"],
      [["conv1"], "fallback"],
      [["fc3", "fc2"], "native"],
    ]);
  });

  it("warns with the machine's name and why, in both languages", () => {
    const [first] = judgedOn(at("h100_sxm"), w4a4);
    if (!first) throw new Error("nothing judged");
    expect(ruleWords(at("h100_sxm"), first.verdict, new Speech("en"))).toMatch(
      /W4A4 runs as W8A8: H100 SXM5 has no INT4/,
    );
    expect(ruleWords(at("h100_sxm"), first.verdict, new Speech("ko"))).toMatch(/W4A4는 W8A8로.*INT4/);
  });

  it("takes numbers that are left alone as the machine's floats", () => {
    const floats = { ...DEFAULT_CHOICE, weights: FULL_PRECISION, activations: NO_ACTIVATIONS };
    for (const { id } of registry.targets.filter(({ family }) => family !== "edge-tpu" && family !== "hexagon")) {
      expect(
        judgedOn(at(id), floats).map(({ verdict }) => verdict.support),
        id,
      ).toEqual(["native"]);
    }
    expect(judgedOn(at("coral_edgetpu"), floats)[0]?.verdict.support).toBe("absent");
  });
});

describe("choosing only what it runs", () => {
  const catalog = realCatalog();

  it("leaves exactly the formats that are native or weight-only", () => {
    for (const id of ["h100_sxm", "a100_sxm_80", "b200", "coral_edgetpu", "cortex_m4"]) {
      for (const { id: weights } of catalog.formats.filter((format) => format.weights)) {
        const next = { ...w4a4, weights, activations: "int8" };
        const [judged] = judgedOn(at(id), next);
        expect(standsInTheWay(at(id), w4a4, next) === undefined, `${id} ${weights}`).toBe(
          judged && supported(judged.verdict),
        );
      }
    }
    const allowed = (id: string, activations: string) =>
      standsInTheWay(at(id), DEFAULT_CHOICE, { ...w4a4, activations }) === undefined;
    expect([allowed("a100_sxm_80", "int4"), allowed("h100_sxm", "int4"), allowed("h100_sxm", "int8")]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("is in no way of a change that leaves formats alone", () => {
    expect(standsInTheWay(at("h100_sxm"), w4a4, { ...w4a4, range: "mse" })).toBeUndefined();
  });

  it("travels in the link", () => {
    for (const text of ["h100_sxm", "h100_sxm,only", "t4*"]) {
      expect(writeAim({ ...DEFAULT_MACHINES, ...readAim(text) })).toBe(text);
    }
    expect(writeAim(DEFAULT_MACHINES)).toBeUndefined();
    for (const text of ["", ",only", "H100", "a b"]) expect(readAim(text), text).toBeUndefined();
  });
});
