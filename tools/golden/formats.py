#!/usr/bin/env python3
"""Writes what other implementations make of small floats, blocks and clusters, for the engine's tests:

    pip install ml_dtypes==0.5.4 gguf==0.19.0 numpy==2.4.6 scikit-learn==1.9.1
    python tools/golden/formats.py

tests/vectors/fp6_fp4.json  like fp8.json (tests/scripts/fp8_vectors.py): for FP6 and FP4 `values`, the f32 bits of every code, and
                            `rounded`, f32 bits and the code that ml_dtypes rounds them to, at every code, every midpoint, and one
                            f32 on either side of each.
tests/vectors/blocks.json   `input`, f32 bits, a third of it hard cases; for the blocks of GGUF `bytes` and the digest of the
                            decoded values; for MX and NVFP4 f32 bits of `scales` and that digest, elements rounded by ml_dtypes.
tests/vectors/kmeans.json   values in 4096ths and the objective that scikit-learn reaches from centroids at equal distances; the
                            table of NF4 from quantiles of the normal distribution (QLoRA, appendix E; offset as in its code).
"""
import hashlib
import json
import pathlib

import gguf
import ml_dtypes
import numpy as np
from scipy.stats import norm
from sklearn.cluster import KMeans

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "tests" / "vectors"


def hexed(values):
    return [f"{bits:08x}" for bits in np.asarray(values, dtype=np.float32).ravel().view(np.uint32)]


def write(name, value):
    (VECTORS / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def rounded(dtype, count):
    values = np.arange(count, dtype=np.uint8).view(dtype).astype(np.float32)
    finite = values[: count // 2]
    middles = ((finite[:-1] + finite[1:]) / 2).astype(np.float32)
    down, up = np.float32(0), np.float32(np.inf)
    around = [middles, np.nextafter(middles, down), np.nextafter(middles, up), finite]
    around = np.concatenate([*around, np.nextafter(finite[1:], down), np.nextafter(finite[:-1], up)])
    codes = around.astype(dtype).view(np.uint8)
    return {"values": hexed(values), "rounded": [[bits, f"{code:02x}"] for bits, code in zip(hexed(around), codes)]}


def inputs():
    """1,536 values: weights as they are, then what blocks stumble over."""
    rng = np.random.default_rng(7)
    rows = [rng.normal(0, 0.1, 256), rng.standard_t(3, 256), rng.uniform(-2, 1, 256)]
    # Ends that are equal in magnitude, exact midpoints, blocks of zeros, one value, tiny and large values, all of one sign.
    rows.append(np.tile([-1.0, 1.0, 0.5, -0.5, 0.25, 0.0, -0.75, 0.125], 32))
    hard = np.concatenate([np.zeros(32), -np.zeros(32), np.full(32, 0.3), rng.normal(0, 1e-6, 32)])
    hard = np.concatenate([hard, rng.normal(0, 900, 32), rng.uniform(0.5, 0.6, 32), -rng.uniform(0, 1, 32), np.eye(32)[3]])
    rows.append(hard)
    rows.append(rng.normal(0, 1, 256) * np.exp2(np.repeat(np.arange(-8, 8), 16)))
    return np.stack(rows).astype(np.float32)


def digest(values):
    return hashlib.sha256(np.asarray(values).astype("<f4").tobytes()).hexdigest()


def ggml(values, name):
    kind = gguf.GGMLQuantizationType[name]
    stored = gguf.quants.quantize(values, kind)
    return {"bytes": stored.tobytes().hex(), "decoded_sha256": digest(gguf.quants.dequantize(stored, kind))}


def elements(scaled, dtype):
    """Saturating conversion, to nearest even."""
    most = float(ml_dtypes.finfo(dtype).max)
    return np.clip(scaled, -most, most).astype(dtype).astype(np.float32)


def mx(values, dtype):
    blocks = values.reshape(-1, 32)
    most = np.abs(blocks).max(axis=1).astype(np.float64)
    largest = np.floor(np.log2(float(ml_dtypes.finfo(dtype).max)))
    with np.errstate(divide="ignore"):
        exponents = np.maximum(np.floor(np.log2(most)) - largest, -127)
    scales = np.exp2(exponents).astype(np.float32)
    assert (scales.astype(ml_dtypes.float8_e8m0fnu).astype(np.float32) == scales).all()
    return scales, elements(blocks / scales[:, None], dtype) * scales[:, None]


def nv(values):
    blocks = values.reshape(-1, 16)
    unit = np.float32(np.abs(values).max() / np.float32(6 * 448))
    scales = np.abs(blocks).max(axis=1) / np.float32(6) / unit
    scales = np.clip(scales, np.float32(2**-9), 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * unit
    return scales, elements(blocks / scales[:, None], ml_dtypes.float4_e2m1fn) * scales[:, None]


def blocks():
    values = inputs()
    found = {name: ggml(values, name.upper()) for name in ("q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "tq2_0", "tq1_0")}
    shared = {
        "mxfp8": mx(values, ml_dtypes.float8_e4m3fn),
        "mxfp6": mx(values, ml_dtypes.float6_e2m3fn),
        "mxfp4": mx(values, ml_dtypes.float4_e2m1fn),
        "nvfp4": nv(values),
    }
    for name, (scales, decoded) in shared.items():
        found[name] = {"scales": hexed(scales), "decoded_sha256": digest(decoded)}
    # gguf reads the same numbers (it knows no −0) from its own MXFP4 blocks, where no value lies midway between two elements.
    kind = gguf.GGMLQuantizationType.MXFP4
    theirs = gguf.quants.dequantize(gguf.quants.quantize(values[:3], kind), kind).ravel()
    assert (theirs == shared["mxfp4"][1].ravel()[: theirs.size]).all()
    return {"input": hexed(values), **found}


def kmeans():
    rng = np.random.default_rng(11)
    whole = np.rint(np.concatenate([rng.normal(0, 0.05, 1000), rng.standard_t(3, 200) * 0.1]) * 4096)
    data = (whole / 4096).reshape(-1, 1)
    objectives = []
    for clusters in (4, 8, 16, 32, 64, 256):
        start = np.linspace(data.min(), data.max(), clusters).reshape(-1, 1)
        fitted = KMeans(clusters, init=start, n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(data)
        centres = np.sort(fitted.cluster_centers_.ravel())
        objective = float((np.abs(data - centres).min(axis=1) ** 2).sum())
        objectives.append({"clusters": clusters, "objective": objective})
    # One quantile more above 0 than below, which leaves room for 0 itself.
    offset = 0.9677083
    above = norm.ppf(np.linspace(offset, 0.5, 9)[:-1])
    below = -norm.ppf(np.linspace(offset, 0.5, 8)[:-1])
    table = np.sort(np.concatenate([above, [0.0], below]))
    return {
        "values_4096ths": [int(value) for value in whole],
        "objectives": objectives,
        "nf4": list(table / table.max()),
    }


FLOATS = {
    "fp6-e2m3": (ml_dtypes.float6_e2m3fn, 64),
    "fp6-e3m2": (ml_dtypes.float6_e3m2fn, 64),
    "fp4-e2m1": (ml_dtypes.float4_e2m1fn, 16),
}
write("fp6_fp4.json", {name: rounded(*kind) for name, kind in FLOATS.items()})
write("blocks.json", blocks())
write("kmeans.json", kmeans())
