#!/usr/bin/env python3
"""How much llama.cpp's Q4_K loses on some numbers: the measure for the own packer.

Writes tests/golden/files/quant-peer.bin, little-endian: sets of u32 n, f64 squared error, n values f32.
Needs: numpy, llama_cpp (for its libggml-base, 0.3.36).
"""
import ctypes
import pathlib
import struct
import sys

import llama_cpp
import numpy as np

Q4_K = 12


def main():
    ggml = ctypes.CDLL(str(next(pathlib.Path(llama_cpp.__file__).parent.glob("lib/libggml-base.so"))))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    ggml.dequantize_row_q4_K.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    rng = np.random.default_rng(5)
    n = 8 * 256
    sets = [
        rng.normal(0, 0.02, n),  # as trained weights are
        rng.standard_t(3, n) * 0.01,  # with outliers
        rng.uniform(-1, 1, n) * np.repeat(10.0 ** rng.uniform(-3, 0, n // 32), 32),  # scales far apart
        rng.normal(0.5, 0.1, n),  # all of one sign
        -np.abs(rng.normal(0, 1, n)),
    ]
    out = bytearray()
    for values in sets:
        values = np.ascontiguousarray(values, dtype="<f4")
        packed = np.zeros(n // 256 * 144, dtype=np.uint8)
        back = np.zeros(n, dtype="<f4")
        ggml.ggml_quantize_chunk(Q4_K, values.ctypes.data, packed.ctypes.data, 0, 1, n, None)
        ggml.dequantize_row_q4_K(packed.ctypes.data, back.ctypes.data, n)
        out.extend(struct.pack("<Id", n, float(((values.astype("f8") - back) ** 2).sum())))
        out.extend(values.tobytes())
    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/files/quant-peer.bin").write_bytes(out)


main()
