import { beforeEach, describe, expect, it, vi } from "vitest";
import { changesOf, PRESETS } from "../panels/recipe/presets";
import { realCatalog, realRefusal } from "../testing/catalog";
import { DEFAULT_CHOICE, NO_ACTIVATIONS } from "./choice";
import { Lab } from "./lab";
import type { EnginePort } from "./port";
import type { Recipe } from "./schema";

const catalog = realCatalog();

/** A Lab over the real engine's questions; runs never end, and are kept in `ran`. */
async function lab(hash = "") {
  const ran: Recipe[] = [];
  const engine = {
    catalog: async () => catalog,
    refusal: realRefusal,
    run: (recipe: Recipe) => {
      ran.push(recipe);
      return new Promise(() => {});
    },
  } as unknown as EnginePort;
  let address = hash;
  const write = (next: string) => {
    address = next;
  };
  const made = new Lab(engine, { hash: () => address, push: write, replace: write }, () => 0);
  await made.start();
  return { made, ran, hash: () => address };
}

beforeEach(() => {
  vi.useFakeTimers();
});

describe("a change", () => {
  it("is marked when it changes more than what was touched, and only then", async () => {
    const { made } = await lab();
    made.choose({ rounding: "gptq" });
    expect(made.before).toBeUndefined();
    made.choose({ rounding: "hqq" });
    expect(made.before).toMatchObject({ rounding: "gptq", symmetric: true });
    expect(made.view.choice.symmetric).toBe(false);
    made.choose({ granularity: "tensor" });
    expect(made.before).toBeUndefined();
  });

  it("to a method is marked whole, and stands in the address", async () => {
    const { made, hash } = await lab();
    const preset = PRESETS.find(({ id }) => id === "kmeans");
    const [change] = preset ? changesOf(preset, made.view.choice, catalog) : [];
    made.choose(change ?? {}, false, true);
    expect(made.before).toEqual(DEFAULT_CHOICE);
    expect(hash()).toBe("#r1=lenet5-fashion.qk~huff");
  });

  it("of the format alone keeps what one format has no use for until another comes", async () => {
    const { made } = await lab("#r1=lenet5-fashion.q4~asym~og~d0,05");
    made.choose({ weights: "int3" });
    made.choose({ weights: "kmeans" }, true);
    expect(made.view.choice).toMatchObject({ symmetric: true, rounding: "gptq" });
    made.choose({ weights: "fp32" }, true);
    expect(made.view.choice.rounding).toBe("nearest");
    made.choose({ weights: "int4" }, true);
    expect(made.view.choice).toEqual({
      ...DEFAULT_CHOICE,
      activations: NO_ACTIVATIONS,
      symmetric: false,
      rounding: "gptq",
      damping: 0.05,
    });
    // Anything else is a change of what is there now.
    made.choose({ weights: "binary" });
    made.choose({ count: 1000 });
    made.choose({ weights: "int4" });
    expect(made.view.choice.symmetric).toBe(true);
  });
});

describe("all widths", () => {
  it("leave out what the engine does not take at a width, and run nothing that it refuses", async () => {
    const { made, ran } = await lab("#r1=lenet5-fashion.q4a8~asym~wp~oa~bb~ends~u4");
    made.choose({ granularity: "group", group: 16 });
    made.runWidths();
    expect(ran.length).toBeGreaterThan(12);
    const asked = ran.filter(({ steps }) => steps.length > 0);
    // The first was the link itself, which nobody has settled.
    for (const recipe of asked.slice(1)) expect(realRefusal(recipe), JSON.stringify(recipe)).toBeUndefined();
  });
});

describe("all sparsities", () => {
  it("run the pruning at every share, without training and with it, and nothing the engine refuses", async () => {
    const { made, ran, hash } = await lab("#r1=lenet5-fashion.p80.t2.q8");
    ran.length = 0;
    made.runSparsities();
    expect(hash()).toBe("#r1=lenet5-fashion.p80.t2.q8&x=sparsity&run=sparsities");
    const prunings = ran.filter(({ steps }) => steps.length > 0);
    // Seven shares, each twice; the chosen one was under way already.
    expect(prunings).toHaveLength(13);
    expect(new Set(prunings.map(({ steps }) => steps.length))).toEqual(new Set([2, 3]));
    for (const recipe of prunings) expect(realRefusal(recipe), JSON.stringify(recipe)).toBeUndefined();
  });

  it("leave out what goes only while training, where nothing is trained", async () => {
    const { made, ran } = await lab("#r1=lenet5-fashion.p80~mv~kg.t1");
    ran.length = 0;
    made.runSparsities();
    expect(ran.every(({ steps }) => steps.length === 2)).toBe(true);
    expect(ran).toHaveLength(6);
    made.choose({ pattern: "nm", score: "magnitude", schedule: "one-shot" });
    ran.length = 0;
    made.runSparsities();
    expect(ran.map(({ steps }) => JSON.stringify(steps)).filter((steps) => steps.includes('"nm":[2,4]'))).toHaveLength(
      2,
    );
  });
});

describe("a prospect", () => {
  it("is told to listeners once it is known, and has changed nothing", async () => {
    const { made } = await lab();
    const heard = vi.fn();
    made.addEventListener("change", heard);
    expect(made.prospect({ transforms: ["fold-batchnorm"] })).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1000);
    expect(heard).toHaveBeenCalled();
    expect(made.prospect({ transforms: ["fold-batchnorm"] })?.refusal?.found).toContain("no batch norm");
    expect(made.refusal({ transforms: ["fold-batchnorm"] })?.path).toContain("transforms");
    expect(made.view.choice).toEqual(DEFAULT_CHOICE);
  });
});
