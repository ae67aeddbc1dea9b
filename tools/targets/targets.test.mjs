// The cost model against published measurements, and the documents against the model.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readConstants, readMeasured, readRegistry } from "../../www/targets/facts.mjs";
import { root } from "../setup/lib.mjs";
import { fitAll, fitKind, minimise, PARAMETERS, rounded } from "./fit.mjs";
import { CONVOLUTIONAL } from "./networks.mjs";
import { page } from "./page.mjs";
import { scatter } from "./picture.mjs";
import { REASONS } from "./reasons.mjs";
import { misses, numbers } from "./summary.mjs";
import { bandsOf, results } from "./targets.mjs";

const all = results();
const read = (path) => readFileSync(join(root, path), "utf8");

describe("networks of measurements", () => {
  it("have their published multiply-adds", () => {
    const { ic, kws, ad, vww } = readMeasured().mlperf_tiny_macs;
    const macs = (name) => CONVOLUTIONAL[name]().reduce((sum, layer) => sum + layer.count * layer.macs, 0);
    expect(macs("mlperf tiny resnet-8 cifar-10")).toBe(ic);
    expect(macs("mlperf tiny ds-cnn kws")).toBe(kws);
    expect(macs("mlperf tiny fc autoencoder toyadmos")).toBe(ad);
    expect(macs("mlperf tiny mobilenetv1-0.25 96x96 vww")).toBe(vww);
    // torchvision's tables: 15.47, 1.81 and 0.35 GFLOPS; Howard et al. 2017: 569 million for MobileNet.
    for (const [name, published] of Object.entries({
      vgg16: 15.47e9,
      resnet18: 1.81e9,
      squeezenet: 0.35e9,
      mobilenet: 569e6,
    })) {
      expect(Math.abs(macs(name) / published - 1), name).toBeLessThan(0.01);
    }
  });
});

describe("the fit", () => {
  it("finds a minimum", () => {
    const bowl = ([x, y]) => (x - 1) ** 2 + 10 * (y + 2 + 0.1 * x) ** 2;
    const { x } = minimise(bowl, [0, 0]);
    expect(x[0]).toBeCloseTo(1, 3);
    expect(x[1]).toBeCloseTo(-2.1, 3);
  });

  it("gives the committed constants from the committed measurements", { timeout: 240_000 }, () => {
    expect(rounded(fitAll(all.cases))).toEqual(readConstants().constants);
  });

  it("recovers constants from times that the model itself made", () => {
    const made = readConstants();
    const truth = { ...made.constants.npu, peak: 0.4, step_us: 1500 };
    const cases = all.cases
      .filter(({ kind }) => kind === "npu")
      .map((each) => ({ ...each, seconds: each.predict({ constants: { npu: truth }, band: {} }) }));
    const found = fitKind("npu", cases);
    // Not exactly: constants are held a little to where they start.
    expect(Math.abs(found.peak / truth.peak - 1)).toBeLessThan(0.1);
    expect(Math.abs(found.step_us / truth.step_us - 1)).toBeLessThan(0.1);
  });

  it("has far fewer constants than measurements, and none of a target's own", () => {
    const { constants } = readConstants();
    expect(Object.keys(constants)).toEqual(["gpu", "cpu", "mcu", "npu"]);
    const free = Object.values(PARAMETERS).reduce((sum, kind) => sum + Object.keys(kind.free).length, 0);
    const numbersOf = (field) => all.errors.filter((each) => each[field] !== undefined).length;
    expect(free).toBeLessThan((numbersOf("time") + numbersOf("ratio")) / 10);
  });
});

describe("the model", () => {
  it("holds what it shall: speed-ups within 40 % for nine of ten, 20 % at the median; times within a factor of two", () => {
    const { ratios, ratio_median, ratio_within, times, time_within } = numbers(all.errors);
    expect(ratios).toBeGreaterThan(90);
    expect(ratio_median).toBeLessThan(0.2);
    expect(ratio_within).toBeGreaterThanOrEqual(0.9);
    expect(times).toBeGreaterThan(200);
    expect(time_within).toBeGreaterThan(0.95);
  });

  it("is as good on targets it was not fitted to, at the median", () => {
    expect(numbers(all.left).ratio_median).toBeLessThan(0.2);
    expect(numbers(all.left).time_within).toBeGreaterThan(0.95);
  });

  it("has a reason for every miss, and for nothing else", () => {
    expect(Object.keys(REASONS).sort()).toEqual(
      misses(all.errors)
        .map((each) => each.case.point.id)
        .sort(),
    );
  });

  it("predicts every case of data of good quality", () => {
    for (const each of all.errors) {
      expect(each.seconds, each.case.point.id).toBeGreaterThan(0);
      expect(["table", "csv"]).toContain(each.case.point.quality);
    }
    expect(all.cases.length + all.without.length).toBe(readMeasured().points.length);
  });

  it("states the band that its errors give", () => {
    const { band, ratio_band } = readConstants();
    expect(band).toEqual(bandsOf(all.errors, all.left, "time"));
    expect(ratio_band).toEqual(bandsOf(all.errors, all.left, "ratio"));
  });
});

describe("documents", () => {
  it("are what the script writes", () => {
    expect(existsSync(join(root, "docs/targets.md"))).toBe(true);
    expect(read("docs/targets.md")).toBe(page(all, readRegistry().targets));
    expect(read("docs/targets.svg")).toBe(scatter(all.errors));
  });
});
