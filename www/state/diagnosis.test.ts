import { describe, expect, it } from "vitest";
import { realCatalog } from "../testing/catalog";
import { realRun } from "../testing/run";
import { coarse, diagnose, ends } from "./diagnosis";
import { DEFAULT_TRAINING, type TrainingChoice, trainingRecipe } from "./training";

const catalog = realCatalog();

/** The record of a training on digits. */
function trained(change: Partial<TrainingChoice>, model = "mlp-digits") {
  const choice = { ...DEFAULT_TRAINING, count: 0, ...change };
  const report = realRun(trainingRecipe(choice, model, 1, catalog));
  const record = report.steps[0]?.training;
  if (!record) throw new Error("no record");
  const findings = diagnose(record, choice);
  return { choice, report, record, findings, ids: findings.map(({ id }) => id) };
}

describe("the diagnosis of recorded trainings", () => {
  it.each(["fp32", "amp-fp16", "fp16", "amp-bf16", "fp8"])(
    "finds nothing wrong with %s at usual settings",
    (precision) => {
      const { ids, record } = trained({ precision });
      expect(ids[0]).toBe("well");
      expect(ids.filter((id) => !["well", "settled"].includes(id))).toEqual([]);
      const loss = ends(record);
      expect(loss?.last).toBeLessThan((loss?.first ?? 0) / 2);
    },
  );

  it("says that pure FP16 under Adam dies by its second moments, and at which step", () => {
    const { findings, record, report } = trained({ precision: "pure-fp16" });
    expect(record.diverged).toBeGreaterThan(0);
    expect(findings[0]).toMatchObject({ id: "moments", tone: "bad", values: { step: record.diverged } });
    expect(report.accuracy.top1).toBeLessThan(0.2);
  });

  it("names the same cause where the loss explodes without an end", () => {
    const { ids, record } = trained({ precision: "pure-fp16" }, "mlp32-digits");
    expect(record.diverged ?? null).toBeNull();
    expect(ids[0]).toBe("moments.worse");
  });

  it("has the cure right: with a larger epsilon the same training lives", () => {
    const { ids, report } = trained({ precision: "pure-fp16", epsilon: 1e-4 });
    expect(ids).not.toContain("moments");
    expect(report.accuracy.top1).toBeGreaterThan(0.8);
  });

  const LATE = { optimizer: "sgd", lr: 0.1, epochs: 20 } as const;

  it("finds gradients below the least FP16 late in a training, and the layer", () => {
    const { findings, record } = trained({ ...LATE, precision: "fp16" });
    const found = findings.find(({ id }) => id === "underflow");
    expect(found?.values.layer).toBe("fc3");
    // It learns nevertheless, and that is said too.
    expect(findings.map(({ id }) => id)).toContain("still");
    const tail = record.layers.find(({ layer }) => layer === "fc3")?.underflow.slice(-20) ?? [];
    expect(Math.min(...tail)).toBeGreaterThan(0.05);
  });

  it("has that cure right too: a loss scale takes away most of what is lost", () => {
    const lost = ({ record }: ReturnType<typeof trained>) =>
      record.layers.flatMap(({ underflow }) => underflow).reduce((sum, share) => sum + share, 0);
    const scaled = trained({ ...LATE, precision: "amp-fp16" });
    expect(lost(scaled)).toBeLessThan(lost(trained({ ...LATE, precision: "fp16" })) / 2);
    expect(scaled.ids).not.toContain("underflow");
    expect(scaled.ids[0]).toBe("well");
  });

  it("says that a scale which keeps falling is the rate's fault", () => {
    const { findings, record } = trained({ optimizer: "sgd", lr: 10, epochs: 10, precision: "amp-fp16" });
    expect(findings[0]).toMatchObject({ id: "collapse", values: { skipped: record.skipped.length } });
    expect(record.scale.at(-1)).toBeLessThan(1);
  });

  it("tells a scale that found its size from one that collapsed", () => {
    const { ids } = trained({ precision: "amp-fp16", lossScale: 16_777_216, epochs: 10 });
    expect(ids).toContain("settled");
    expect(ids).not.toContain("collapse");
    expect(ids[0]).toBe("well");
  });

  it("says that the rate is too high where FP16 without a scale ends in infinities", () => {
    expect(trained({ optimizer: "sgd", lr: 10, epochs: 10, precision: "fp16" }).ids[0]).toBe("diverged");
    expect(trained({ optimizer: "sgd", lr: 10, epochs: 2 }).ids[0]).toBe("worse");
  });

  const SMALL = { precision: "pure-bf16", lr: 0.0001, epochs: 20 } as const;

  it("finds weights too coarse for their steps, and that chance lets them move", () => {
    const nearest = trained(SMALL);
    expect(nearest.ids[0]).toBe("coarse");
    expect(coarse(nearest.record, nearest.choice)).toBeGreaterThan(0.5);
    const chance = trained({ ...SMALL, rounding: "stochastic" });
    expect(chance.ids[0]).toBe("chance");
    expect(chance.report.accuracy.top1).toBeGreaterThan(nearest.report.accuracy.top1 + 0.2);
    expect(trained({ ...SMALL, lr: 0.001 }).ids).not.toContain("coarse");
    // The last steps of a training that went well are small too, and that is no fault.
    expect(trained({ ...LATE, precision: "pure-bf16" }).ids[0]).toBe("well");
  });

  it("calls a training well whose formats lose what is too small beside the rest", () => {
    for (const precision of ["fp8", "int8"]) {
      const { ids } = trained({ ...LATE, precision });
      expect(ids[0]).toBe("well");
      expect(ids).toContain("underflow.tensor");
    }
  });

  it("blames the rate where the loss jumped and stayed high", () => {
    const { findings, record } = trained({ lr: 0.3 });
    expect(findings[0]?.id).toBe("jumped");
    const known = record.loss.filter((loss) => typeof loss === "number");
    expect(Math.max(...known)).toBeGreaterThan(2 * (known[0] ?? 0));
  });

  it("does not call small losses worse or unmoved: a trained network that goes on training is well", () => {
    const { ids, report } = trained({ start: "zoo", optimizer: "sgd", lr: 0.01 });
    expect(ids).toEqual(["done"]);
    expect(report.accuracy.top1).toBeGreaterThan(0.95);
  });

  it("tells a student that is not done from one that is", () => {
    const slow = trained({ teacher: "mlp-digits", epochs: 10 }, "mlp8-digits");
    expect(slow.ids[0]).toBe("slow");
    expect(trained({ epochs: 20, lr: 0.01 }, "mlp8-digits").ids[0]).toBe("well");
  });

  it("says when next to nothing was learned", () => {
    expect(trained({ lr: 1e-6, epochs: 1 }).ids[0]).toBe("flat");
  });
});
