#!/usr/bin/env python3
"""Block formats: packed bytes and the values that gguf-py gives for them.

Writes tests/golden/files/quant.bin, a list of records, little-endian:
  u32 type, u32 n, u32 packed bytes, u32 kind (0 unpack: packed -> values, 1 pack: values -> packed)
  packed bytes, n values f32.
Needs: numpy, gguf.
"""
import pathlib
import struct
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES

SCALES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0]}


def main():
    rng = np.random.default_rng(20240611)
    out = bytearray()

    def record(kind, type_, packed, values):
        packed = np.ascontiguousarray(packed).tobytes()
        values = np.ascontiguousarray(values, dtype="<f4")
        out.extend(struct.pack("<4I", int(type_), values.size, len(packed), kind))
        out.extend(packed)
        out.extend(values.tobytes())

    for type_, places in SCALES.items():
        block, size = GGML_QUANT_SIZES[type_]
        n = max(4, 512 // block)
        packed = rng.integers(0, 256, (n, size), dtype=np.uint8)
        for place in places:  # scales that are numbers: subnormal, usual, large, negative
            halves = (rng.normal(size=n) * 10.0 ** rng.integers(-7, 3, n)).astype("<f2")
            packed[:, place:place + 2] = halves.view(np.uint8).reshape(n, 2)
        record(0, type_, packed, quants.dequantize(packed, type_))

    halves = np.concatenate([np.arange(0, 65536, 61, dtype="<u2"),
                             np.array([0, 0x8000, 1, 0x3ff, 0x400, 0x7bff, 0x7c00, 0xfc00], dtype="<u2")])
    halves = halves[~np.isnan(halves.view("<f2"))]
    record(0, T.F16, halves, halves.view("<f2").astype("<f4"))

    values = (rng.normal(size=1024) * 10.0 ** rng.integers(-9, 6, 1024)).astype("<f4")
    values[:6] = [65519.9, 65520, 2.0 ** -25, 2.0 ** -25 * 1.0001, 1.00048828125, 1.00146484375]
    with np.errstate(over="ignore"):
        record(1, T.F16, values.astype("<f2"), values)
    record(1, T.BF16, quants.quantize(values, T.BF16), values)
    bits = quants.quantize(values, T.BF16)
    record(0, T.BF16, bits, quants.dequantize(bits, T.BF16))

    for type_ in (T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0):
        values = (rng.normal(size=(16, 32)) * 10.0 ** rng.integers(-3, 2, (16, 1))).astype("<f4")
        values[3] = 0
        values[4] = 0.25
        record(1, type_, quants.quantize(values, type_), values)

    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/files/quant.bin").write_bytes(out)


main()
