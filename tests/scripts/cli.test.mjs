import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { root, run } from "../../tools/setup/lib.mjs";

const folder = mkdtempSync(join(tmpdir(), "featherweight-"));
afterAll(() => rmSync(folder, { recursive: true }));

const recipe = { version: 1, model: "mlp-digits", seed: 7, steps: [{ quantize: { weights: { format: "int4" } } }] };
const formats = ["int8", "int4", "int2", "binary"];
const sweep = { ...recipe, sweep: { "steps.0.quantize.weights.format": formats } };

function file(name, content) {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const featherweight = (...args) => run(process.execPath, [join(root, "bin", "featherweight.mjs"), ...args]);
const lines = (text) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const formatOf = (report) => report.recipe.steps[0].quantize.weights.format;

describe("run", () => {
  it("prints the report and nothing else, the same each time", async () => {
    const path = file("recipe.json", recipe);
    const [first, second] = [await featherweight("run", path), await featherweight("run", path)];
    expect(first.code).toBe(0);
    const report = JSON.parse(first.stdout);
    expect(report).toMatchObject({ version: 1, accuracy: { total: 500 }, recipe: { model: "mlp-digits" } });
    expect(report.measured).toBeUndefined();
    expect(second.stdout).toBe(first.stdout);
  });

  it("writes the report to a file, with times when asked", async () => {
    const out = join(folder, "report.json");
    const { code, stdout } = await featherweight("run", file("recipe.json", recipe), "--out", out, "--measure");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(JSON.parse(readFileSync(out, "utf8")).measured.total_ms).toBeGreaterThan(0);
  });
});

describe("targets", () => {
  it("adds what is modelled to a report, in the recipe's order", async () => {
    const quantize = { weights: { format: "int4" }, activations: { format: "int4" } };
    const asked = { ...recipe, steps: [{ quantize }], targets: ["h100_sxm", "a100_sxm_80"] };
    const { code, stdout } = await featherweight("run", file("targets.json", asked));
    expect(code).toBe(0);
    const { targets } = JSON.parse(stdout);
    expect(targets.map(({ id, measured, layers }) => [id, measured, layers[0].executed, layers[0].support])).toEqual([
      ["h100_sxm", false, "w8a8", "fallback"],
      ["a100_sxm_80", false, "w4a4", "native"],
    ]);
  });

  it("prints rows of reference workloads: weights of 4 bits pay for one sequence and not for many", async () => {
    const asked = [
      "--workload",
      "llama-2-7b-decode",
      "--weights",
      "int4",
      "--activations",
      "fp16",
      "--sequence",
      "128",
    ];
    for (const [batch, pays] of [
      ["1", true],
      ["256", false],
    ]) {
      const { code, stdout } = await featherweight(
        "targets",
        ...asked,
        "--targets",
        "a100_sxm_80,h100_sxm",
        "--batch",
        batch,
      );
      expect(code).toBe(0);
      for (const row of JSON.parse(stdout)) {
        expect(row).toMatchObject({ support: "weight-only", executed: "w4a16", measured: false, fits: true });
        expect(row.speedup > 1.5, `${row.id} ${row.speedup}`).toBe(pays);
        expect(row.speedup <= 1.02, `${row.id} ${row.speedup}`).toBe(!pays);
      }
    }
  });

  it("prints every workload on every target, and training steps", async () => {
    const rows = JSON.parse((await featherweight("targets")).stdout);
    expect(rows).toHaveLength(7 * 37);
    const { stdout } = await featherweight(
      "targets",
      "--training",
      "--workload",
      "resnet-50",
      "--targets",
      "h100_sxm",
      "--batch",
      "64",
    );
    expect(JSON.parse(stdout).map(({ precision, support }) => [precision, support])).toEqual(
      ["fp32", "tf32", "fp16", "bf16", "fp8"].map((precision) => [precision, "native"]),
    );
  });

  it("refuses what there is not, and says what there is", async () => {
    for (const [option, value, allowed] of [
      ["--workload", "gpt-9", "resnet-50"],
      ["--targets", "h100", "h100_sxm"],
      ["--weights", "int99", "int4"],
      ["--batch", "0", "from 1"],
    ]) {
      const { code, stdout, stderr } = await featherweight("targets", option, value);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(allowed);
    }
  });
});

describe("export", () => {
  it("writes a file that is the report's bytes and a header long", async () => {
    const [path, out] = [file("recipe.json", recipe), join(folder, "model.safetensors")];
    expect((await featherweight("export", path, out)).code).toBe(0);
    const bytes = readFileSync(out);
    const report = JSON.parse((await featherweight("run", path)).stdout);
    expect(bytes.length - 8 - Number(bytes.readBigUInt64LE(0))).toBe(report.size.bytes);
  });
});

describe("sensitivity", () => {
  it("prints a row for each layer, width and mode, judged on validation images", async () => {
    const path = file("recipe.json", recipe);
    const { code, stdout } = await featherweight("sensitivity", path, "--bits", "8,2", "--images", "100");
    expect(code).toBe(0);
    const rows = JSON.parse(stdout);
    expect(rows.map(({ layer, mode, bits }) => `${layer} ${mode} ${bits}`)).toEqual(
      ["only", "all-but"].flatMap((mode) =>
        ["fc1", "fc2", "fc3"].flatMap((layer) => [8, 2].map((bits) => `${layer} ${mode} ${bits}`)),
      ),
    );
    for (const row of rows) {
      expect(row.total).toBe(100);
      expect(row.top1).toBe(row.correct / 100);
    }
    const at = (layer, bits) => rows.find((row) => row.layer === layer && row.bits === bits && row.mode === "only");
    expect(at("fc1", 8).sqnr_db).toBeGreaterThan(at("fc1", 2).sqnr_db + 20);
    const pruned = await featherweight("sensitivity", path, "--sparsity", "0.5,0.9", "--images", "100");
    const shares = JSON.parse(pruned.stdout).map(({ layer, mode, sparsity, bits }) => [layer, mode, sparsity, bits]);
    expect(shares.slice(0, 3)).toEqual([
      ["fc1", "only", 0.5, undefined],
      ["fc1", "only", 0.9, undefined],
      ["fc2", "only", 0.5, undefined],
    ]);
    const usual = await featherweight("sensitivity", path, "--sparsity", "--images", "20");
    expect(JSON.parse(usual.stdout).length).toBe(2 * 3 * 10);
    // 200 images are all there are.
    for (const [option, value, allowed] of [
      ["--bits", "9", "from 2 to 8"],
      ["--images", "201", "from 1 to 200"],
      ["--bits", "four", "whole numbers"],
      ["--sparsity", "0.9999", "from 0 to 0.999"],
      ["--sparsity", "all", "numbers below 1"],
    ]) {
      const refused = await featherweight("sensitivity", path, option, value);
      expect([refused.code, refused.stdout]).toEqual([2, ""]);
      expect(refused.stderr).toContain(allowed);
    }
  });
});

describe("sweep", () => {
  it("prints a line for each recipe, on one thread or two", async () => {
    const path = file("sweep.json", sweep);
    for (const jobs of ["1", "2"]) {
      const { code, stdout } = await featherweight("sweep", path, "--jobs", jobs);
      expect(code).toBe(0);
      expect(lines(stdout).map(formatOf).sort()).toEqual([...formats].sort());
    }
  });

  it("goes on where a file was cut off, and then has nothing left to do", async () => {
    const [path, out] = [file("sweep.json", sweep), join(folder, "resumed.jsonl")];
    await featherweight("sweep", path, "--out", out);
    const whole = readFileSync(out, "utf8");
    const [first, second] = whole.split("\n");
    writeFileSync(out, `${first}\n${second.slice(0, 100)}`);
    expect((await featherweight("sweep", path, "--out", out)).code).toBe(0);
    expect(readFileSync(out, "utf8")).toBe(whole);
    const { mtimeMs } = statSync(out);
    const again = await featherweight("sweep", path, "--out", out);
    expect(again.code).toBe(0);
    expect(again.output).toContain("4 of 4 recipes are in");
    expect(statSync(out).mtimeMs).toBe(mtimeMs);
  });

  it("parts into shards that make the whole", async () => {
    const path = file("sweep.json", sweep);
    const shards = [];
    for (const shard of ["1/3", "2/3", "3/3"]) {
      const { stdout } = await featherweight("sweep", path, "--shard", shard);
      shards.push(...lines(stdout).map(formatOf));
    }
    expect(shards.sort()).toEqual([...formats].sort());
  });

  it("gives an illegal cell an error line and runs the rest", async () => {
    const axes = { "steps.0.quantize.weights.format": ["int8", "int99"] };
    const { code, stdout } = await featherweight("sweep", file("part.json", { ...recipe, sweep: axes }));
    expect(code).toBe(0);
    const [good, bad] = lines(stdout).sort((a, b) => Number("error" in a) - Number("error" in b));
    expect(formatOf(good)).toBe("int8");
    expect(bad).toMatchObject({ error: { code: "unknown-id" }, axes: { "steps.0.quantize.weights.format": "int99" } });
  });

  it("refuses to go on in a file that is not its own", async () => {
    const out = file("foreign.jsonl", '{"recipe":{}}\n');
    const { code, output } = await featherweight("sweep", file("sweep.json", sweep), "--out", out);
    expect(code).toBe(2);
    expect(output).toMatch(/foreign\.jsonl line 1 is not a report/);
  });
});

describe("bad input ends with exit code 2, nothing on stdout and one line that says", () => {
  const recipes = [
    ["what is no JSON", '{"version": 1,', /not JSON/],
    ["what is no object", "[]", /allowed/],
    ["an unknown field", { ...recipe, colour: "red" }, /colour/],
    ["a missing field", { ...recipe, seed: undefined }, /seed/],
    ["a wrong type", { ...recipe, steps: {} }, /steps/],
    ["a number out of range", { ...recipe, seed: -1 }, /seed.*-1/],
    ["a version to come", { ...recipe, version: 2 }, /version.*2/],
    ["an unknown model", { ...recipe, model: "gpt-9" }, /model.*gpt-9.*mlp-digits/],
    [
      "an unknown format",
      { ...recipe, steps: [{ quantize: { weights: { format: "int99" } } }] },
      /steps.*format.*int99.*int8/,
    ],
    ["an unknown step", { ...recipe, steps: [{ shrink: {} }] }, /steps.*shrink/],
  ];
  it.each(recipes)("%s", async (_name, content, words) => {
    const { code, stdout, stderr } = await featherweight("run", file("bad.json", content));
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(words);
    expect(stderr).toContain("bad.json");
  });

  const calls = [
    ["a file that is not there", ["run", "nowhere.json"], /nowhere\.json.*no such file/],
    ["a command that is none", ["squash"], /squash.*run, sweep, sensitivity, export/],
    ["an option that is none", ["run", "a.json", "--fast"], /--fast/],
    ["too few files", ["export", "a.json"], /takes 2 file names, found 1/],
    ["a shard beyond the last", ["sweep", "package.json", "--shard", "3/2"], /--shard is 3\/2; allowed/],
    ["no number of jobs", ["sweep", "package.json", "--jobs", "many"], /--jobs is many; allowed/],
  ];
  it.each(calls)("%s", async (_name, args, words) => {
    const { code, stdout, stderr } = await featherweight(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(words);
  });
});
