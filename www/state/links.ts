/** Links that were once valid and must stay so: each with what it means. Add; never change or remove. */

import { type Choice, DEFAULT_CHOICE, FULL_PRECISION, NO_ACTIVATIONS, recipeIn } from "./choice";
import type { View } from "./hash";
import { DEFAULT_MACHINES } from "./machines";
import { DEFAULT_TRAINING } from "./training";

export interface Link {
  readonly hash: string;
  /** What differs from the default choice and view. */
  readonly choice: Partial<Choice>;
  readonly more: Partial<Omit<View, "choice">>;
}

export const LINKS: readonly Link[] = [
  { hash: "", choice: {}, more: {} },
  { hash: "#r1=lenet5-fashion", choice: { weights: FULL_PRECISION, activations: NO_ACTIVATIONS }, more: {} },
  { hash: "#r1=lenet5-fashion.q4", choice: { activations: NO_ACTIVATIONS }, more: {} },
  { hash: "#r1=lenet5-fashion.q2a8", choice: { weights: "int2" }, more: {} },
  {
    hash: "#r1=lenet5-fashion.q8a4~gt~asym~rm~cm",
    choice: {
      weights: "int8",
      activations: "int4",
      granularity: "tensor",
      symmetric: false,
      range: "mse",
      calibration: "mse",
    },
    more: {},
  },
  { hash: "#r1=lenet300-fashion.qta8", choice: { model: "lenet300-fashion", weights: "ternary" }, more: {} },
  {
    hash: "#r1=mlp-digits.q1&x=bits",
    choice: { model: "mlp-digits", weights: "binary", activations: NO_ACTIVATIONS },
    more: { axis: "bits" },
  },
  { hash: "#n=1000&run=widths", choice: { count: 1000 }, more: { widths: true } },
  { hash: "#seed=11&x=bits&tab=lost", choice: { seed: 11 }, more: { axis: "bits", tab: "lost" } },
  {
    hash: "#r1=lenet5-fashion.q3a8&a=lenet300-fashion.q8a8&tab=lost",
    choice: { weights: "int3" },
    more: { tab: "lost", pinned: recipeIn({ ...DEFAULT_CHOICE, model: "lenet300-fashion", weights: "int8" }) },
  },
  {
    hash: "#r1=lenet5-fashion.q2.t2~el",
    choice: { weights: "int2", activations: NO_ACTIVATIONS, epochs: 2, estimator: "lsq" },
    more: {},
  },
  {
    hash: "#r1=mlp-digits.qta4~rb.t5&x=bits",
    choice: { model: "mlp-digits", weights: "ternary", activations: "int4", range: "absmean", epochs: 5 },
    more: { axis: "bits" },
  },
  {
    hash: "#r1=mobilenet-fashion.q8a8~gt~asym~cx~xf-e~bb~iasym",
    choice: {
      model: "mobilenet-fashion",
      weights: "int8",
      granularity: "tensor",
      symmetric: false,
      calibration: "minmax",
      transforms: ["fold-batchnorm", "equalize"],
      correction: "bias",
      inputsSymmetric: false,
    },
    more: {},
  },
  {
    hash: "#r1=lenet300-fashion.q4a8~xs~s0,75~og~d0,05~act~t128~z3~p99,99~n512",
    choice: {
      model: "lenet300-fashion",
      transforms: ["smoothquant"],
      alpha: 0.75,
      rounding: "gptq",
      damping: 0.05,
      actOrder: true,
      images: 128,
      draw: 3,
      percentile: 99.99,
      watched: 512,
    },
    more: {},
  },
  {
    hash: "#r1=lenet5-fashion.q4~g16~asym~oh~h8",
    choice: {
      activations: NO_ACTIVATIONS,
      granularity: "group",
      group: 16,
      symmetric: false,
      rounding: "hqq",
      misfits: "int8",
    },
    more: {},
  },
  {
    hash: "#r1=lenet5-fashion.qk~k6~huff",
    choice: { weights: "kmeans", activations: NO_ACTIVATIONS, codebook: 6, huffman: true },
    more: {},
  },
  {
    hash: "#r1=lenet5-fashion.q3a4~rm~wp~oa~i500~ends~u3,5~j100~md",
    choice: {
      weights: "int3",
      activations: "int4",
      range: "mse",
      scale: "power-of-two",
      rounding: "adaround",
      iterations: 500,
      ends: true,
      budget: 3.5,
      judged: 100,
      mode: "dynamic",
      calibration: "percentile",
    },
    more: {},
  },
  {
    hash: "#r1=transformer-shakespeare.q4a8~xh~mt~v4-c",
    choice: {
      model: "transformer-shakespeare",
      transforms: ["hadamard"],
      mode: "token",
      cache: "int4",
      cacheGranularity: "channel",
    },
    more: {},
  },
  {
    hash: "#r1=lenet5-fashion.q4a8~y0:f16,3::4,4:8:6",
    choice: {
      layers: [
        { name: "conv1", weights: "fp16", activations: "same" },
        { name: "fc2", weights: "same", activations: "int4" },
        { name: "fc3", weights: "int8", activations: "int6" },
      ],
    },
    more: {},
  },
  {
    hash: "#r1=lenet5-fashion.p80",
    choice: { weights: FULL_PRECISION, activations: NO_ACTIVATIONS, pattern: "unstructured" },
    more: {},
  },
  {
    hash: "#r1=lenet300-fashion.p90~ml~last~kl~n3~wl~sc.t2.qk~huff&x=sparsity&run=sparsities",
    choice: {
      model: "lenet300-fashion",
      pattern: "unstructured",
      sparsity: 90,
      score: "lamp",
      keepLast: true,
      schedule: "lottery",
      rounds: 3,
      rewind: "learning-rate",
      storage: "csr5",
      tuned: 2,
      weights: "kmeans",
      activations: NO_ACTIVATIONS,
      huffman: true,
    },
    more: { axis: "sparsity", sparsities: true },
  },
  {
    hash: "#r1=resnet8-fashion.p37,5~uc~vt~cg~om~i64.t1&x=macs",
    choice: {
      model: "resnet8-fashion",
      weights: FULL_PRECISION,
      activations: NO_ACTIVATIONS,
      pattern: "channel",
      sparsity: 37.5,
      unitScore: "taylor",
      scope: "global",
      shareOf: "macs",
      looked: 64,
      tuned: 1,
    },
    more: { axis: "macs" },
  },
  {
    hash: "#r1=lenet5-fashion.p2:4~mg~i128.q8a8",
    choice: { pattern: "nm", nm: "2:4", score: "sparsegpt", looked: 128, weights: "int8" },
    more: {},
  },
  {
    hash: "#r1=lenet5-fashion.p70~b4x4~cl",
    choice: {
      pattern: "block",
      block: "4x4",
      sparsity: 70,
      scope: "layer",
      weights: FULL_PRECISION,
      activations: NO_ACTIVATIONS,
    },
    more: {},
  },
  {
    hash: "#hw=h100_sxm*+cortex_m4&on=llama-2-7b-decode,256,128&own=h100_sxm;bw:4800;fp8_e4m3:-;int4:3958",
    choice: {},
    more: {
      machines: {
        chosen: ["h100_sxm*", "cortex_m4"],
        workload: "llama-2-7b-decode",
        batch: 256,
        sequence: 128,
        edits: [{ base: "h100_sxm", values: { bw: 4800, fp8_e4m3: null, int4: 3958 } }],
        aim: "",
        only: false,
      },
    },
  },
  {
    hash: "#for=h100_sxm,only",
    choice: {},
    more: { machines: { ...DEFAULT_MACHINES, aim: "h100_sxm", only: true } },
  },
  {
    hash: "#r1=lenet5-fashion.p90~ca~om.q8a8",
    choice: { pattern: "unstructured", sparsity: 90, scope: "ratios", shareOf: "macs", weights: "int8" },
    more: {},
  },
  {
    hash: "#r1=lenet300-fashion.p50~i64~in.t1",
    choice: {
      model: "lenet300-fashion",
      pattern: "input",
      sparsity: 50,
      looked: 64,
      tuned: 1,
      weights: FULL_PRECISION,
      activations: NO_ACTIVATIONS,
    },
    more: {},
  },
  {
    hash: "#r1=mlp-digits&t1=e20~os~l0,1~pf16",
    choice: { model: "mlp-digits", weights: FULL_PRECISION, activations: NO_ACTIVATIONS },
    more: { training: { ...DEFAULT_TRAINING, epochs: 20, optimizer: "sgd", lr: 0.1, precision: "fp16" } },
  },
  {
    hash: "#t1=zz~b128~l1e-7~x0,0001~ro~n0~w3~s0,1~ppf16~k1024~hs~tconvnet-large-fashion~ir~c2,5~a0,5~d10",
    choice: {},
    more: {
      training: {
        ...DEFAULT_TRAINING,
        start: "zoo",
        epochs: 5,
        batch: 128,
        optimizer: "adam",
        lr: 1e-7,
        momentum: 0.9,
        ahead: "momentum",
        decay: 0,
        shift: 0,
        flip: "no",
        epsilon: 0.0001,
        rate: "one-cycle",
        count: 0,
        patience: 3,
        smoothing: 0.1,
        precision: "pure-fp16",
        lossScale: 1024,
        rounding: "stochastic",
        workers: 1,
        message: "8-bit",
        teacher: "convnet-large-fashion",
        imitation: "relational",
        temperature: 2.5,
        alpha: 0.5,
        seeds: 10,
      },
    },
  },
  {
    hash: "#t1=m4~gk",
    choice: {},
    more: { training: { ...DEFAULT_TRAINING, workers: 4, message: "top-k" } },
  },
  {
    hash: "#t1=os~u0,8~jn~y0,0001~v2~fy",
    choice: {},
    more: {
      training: {
        ...DEFAULT_TRAINING,
        optimizer: "sgd",
        momentum: 0.8,
        ahead: "nesterov",
        decay: 0.0001,
        shift: 2,
        flip: "yes",
      },
    },
  },
  {
    hash: "#t1=pf16~k4096~G500~m8~gq~L15",
    choice: {},
    more: {
      training: {
        ...DEFAULT_TRAINING,
        precision: "fp16",
        lossScale: 4096,
        growth: 500,
        workers: 8,
        message: "qsgd",
        levels: 15,
      },
    },
  },
  {
    hash: "#t1=m4~gt~C0",
    choice: {},
    more: { training: { ...DEFAULT_TRAINING, workers: 4, message: "terngrad", clip: 0 } },
  },
  {
    hash: "#t1=m4~gk~S0,001",
    choice: {},
    more: { training: { ...DEFAULT_TRAINING, workers: 4, message: "top-k", share: 0.001 } },
  },
  {
    hash: "#t1=zz~F0,1",
    choice: {},
    more: { training: { ...DEFAULT_TRAINING, start: "zoo", freeze: ["conv1", "conv2"] } },
  },
  {
    hash: "#t1=X3,8",
    choice: {},
    more: { training: { ...DEFAULT_TRAINING, exclude: ["dress", "bag"] } },
  },
  {
    hash: "#t1=tconvnet-large-fashion~ih~B0,5",
    choice: {},
    more: { training: { ...DEFAULT_TRAINING, teacher: "convnet-large-fashion", imitation: "hint", beta: 0.5 } },
  },
  {
    hash: "#t1=tconvnet-large-fashion~a1~Nn",
    choice: {},
    more: { training: { ...DEFAULT_TRAINING, teacher: "convnet-large-fashion", alpha: 1, transfer: "noise" } },
  },
  {
    hash: "#r1=mlp8-digits&t1=tmlp-digits~T30~Amlp16-digits~c2",
    choice: { model: "mlp8-digits", weights: FULL_PRECISION, activations: NO_ACTIVATIONS },
    more: {
      training: {
        ...DEFAULT_TRAINING,
        teacher: "mlp-digits",
        teacherEpochs: 30,
        assistant: "mlp16-digits",
        temperature: 2,
      },
    },
  },
  {
    hash: "#r1=lenet5-fashion.p90.t1~do.q2.t2~el~dconvnet-large-fashion",
    choice: {
      pattern: "unstructured",
      sparsity: 90,
      tuned: 1,
      tunedTeacher: "original",
      weights: "int2",
      activations: NO_ACTIVATIONS,
      epochs: 2,
      estimator: "lsq",
      teacher: "convnet-large-fashion",
    },
    more: {},
  },
  {
    hash: "#r1=mlp-digits.q2.t1~do",
    choice: { model: "mlp-digits", weights: "int2", activations: NO_ACTIVATIONS, epochs: 1, teacher: "original" },
    more: {},
  },
  { hash: "#unknown=1&x=bits", choice: {}, more: { axis: "bits" } },
];
