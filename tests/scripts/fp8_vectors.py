#!/usr/bin/env python3
"""Writes tests/vectors/fp8.json with ml_dtypes 0.5.4 (pip install ml_dtypes==0.5.4 numpy).

For each format: `values`, the f32 bits of all 256 codes; `rounded`, pairs of f32 bits and the code they round to, at every
non-negative
code, at the midpoint of every two neighbours, and one f32 on either side of each. ml_dtypes rounds to nearest even but does
not saturate; inputs here stay below the largest finite value, beyond which the engine saturates by its own rule.
"""
import json
import pathlib

import ml_dtypes
import numpy as np

FORMATS = {"fp8-e4m3": (ml_dtypes.float8_e4m3fn, 0x7E), "fp8-e5m2": (ml_dtypes.float8_e5m2, 0x7B)}


def vectors(dtype, largest):
    values = np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32)
    finite = values[: largest + 1]
    middles = ((finite[:-1].astype(np.float64) + finite[1:].astype(np.float64)) / 2).astype(np.float32)
    around = np.concatenate([middles, np.nextafter(middles, np.float32(0)), np.nextafter(middles, np.float32(np.inf))])
    around = np.concatenate([around, np.nextafter(finite[1:], np.float32(0)), np.nextafter(finite[:-1], np.float32(np.inf))])
    codes = around.astype(dtype).view(np.uint8)
    return {
        "values": [f"{bits:08x}" for bits in values.view(np.uint32)],
        "rounded": [[f"{bits:08x}", f"{code:02x}"] for bits, code in zip(around.view(np.uint32), codes)],
    }


path = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "fp8.json"
path.write_text(json.dumps({id: vectors(*format) for id, format in FORMATS.items()}, separators=(",", ":")) + "\n")
