#!/usr/bin/env python3
"""Small files by the libraries that own the formats: first inputs of the fuzz targets, and what the readers are
checked with. Values of a tensor count up: i * 0.5 - 1 for floats, i - 1 for integers, i % 2 for booleans.

Run in the top folder. Needs: numpy, torch, onnx, gguf, safetensors.
"""
import json
import pathlib

import gguf
import numpy as np
import onnx
import safetensors.torch
import torch
from onnx import TensorProto, helper

CORPUS = pathlib.Path("tests/fuzz/corpus")


def counting(dtype, *shape):
    n = int(np.prod(shape, dtype=np.int64))
    i = torch.arange(n)
    if dtype == torch.bool:
        v = i % 2 == 1
    elif dtype.is_floating_point:
        v = (i * 0.5 - 1).to(dtype)
    elif dtype == torch.uint8:
        v = i.to(dtype)
    else:
        v = (i - 1).to(dtype)
    return v.reshape(shape)


def folder(name):
    path = CORPUS / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def torch_files():
    out = folder("torch")
    base = counting(torch.float32, 6)
    state = {
        "plain": counting(torch.float32, 2, 3),
        "turned": counting(torch.float32, 3, 2).t(),  # a view: strides 1, 2
        "half": counting(torch.float16, 4),
        "brain": counting(torch.bfloat16, 4),
        "double": counting(torch.float64, 2),
        "long": counting(torch.int64, 3),
        "int": counting(torch.int32, 3),
        "short": counting(torch.int16, 3),
        "char": counting(torch.int8, 3),
        "byte": counting(torch.uint8, 3),
        "bool": counting(torch.bool, 4),
        "scalar": torch.tensor(-1.0),
        "tied": base,
        "tail": base[2:],  # the same storage, from its third element on
        "parameter": torch.nn.Parameter(counting(torch.float32, 2)),
    }
    nested = {"model": {"inner": {"weight": state["plain"]}, "bias": state["half"]}, "epoch": 3, "rate": 0.5, "note": "x", "list": [1, None, (2, True)]}
    for name, value in (("state", state), ("nested", nested), ("ordered", torch.nn.Linear(2, 1).state_dict())):
        torch.save(value, out / f"{name}.zip.pt")
        torch.save(value, out / f"{name}.stream.pt", _use_new_zipfile_serialization=False)


def onnx_files():
    out = folder("onnx")
    f32 = np.arange(8, dtype=np.float32) * 0.5 - 1
    tensors = [
        onnx.numpy_helper.from_array(f32.reshape(2, 1, 2, 2), "raw"),
        onnx.numpy_helper.from_array(f32.astype(np.float16), "half"),
        onnx.numpy_helper.from_array(np.float32(-1), "scalar"),
        helper.make_tensor("floats", TensorProto.FLOAT, [8], f32.tolist()),
        helper.make_tensor("ints", TensorProto.INT32, [3], [-1, 0, 1]),
        helper.make_tensor("longs", TensorProto.INT64, [3], [-1, 0, 1]),
        helper.make_tensor("bytes", TensorProto.UINT8, [3], [0, 1, 2]),
        helper.make_tensor("halves", TensorProto.FLOAT16, [2], [-1.0, -0.5]),
    ]
    nodes = [helper.make_node("Conv", ["x", "raw", "bias"], ["y"], name="/a/Conv"), helper.make_node("Relu", ["y"], ["z"])]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 4, 4]) for n in "xz"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    (out / "tiny.onnx").write_bytes(helper.make_model(graph).SerializeToString())


def tfjs_files():
    out = folder("tfjs")
    weights = [
        {"name": "a/weights", "shape": [1, 1, 2, 3], "dtype": "float32", "quantization": {"dtype": "float16", "original_dtype": "float32"}},
        {"name": "a/bias", "shape": [3], "dtype": "float32"},
        {"name": "a/size", "shape": [2], "dtype": "int32"},
        {"name": "a/flag", "shape": [2], "dtype": "bool"},
        {"name": "a/one", "shape": [], "dtype": "float32"},
        {"name": "a/none", "shape": [0, 1], "dtype": "int32"},
    ]
    data = b"".join([
        (np.arange(6) * 0.5 - 1).astype("<f2").tobytes(), (np.arange(3) * 0.5 - 1).astype("<f4").tobytes(),
        (np.arange(2) - 1).astype("<i4").tobytes(), bytes([0, 1]), np.float32(-1).tobytes()])
    model = {"format": "graph-model", "modelTopology": {"node": []}, "weightsManifest": [{"paths": ["w.bin"], "weights": weights}]}
    (out / "tiny.json").write_text(json.dumps(model))
    folder("tfjs-data")
    (CORPUS / "tfjs-data" / "w.bin").write_bytes(data)


def gguf_files():
    out = folder("gguf")
    w = gguf.GGUFWriter(out / "tiny.gguf", "tiny")
    w.add_uint32("t.width", 4)
    w.add_float32("t.eps", 1e-5)
    w.add_bool("t.flag", True)
    w.add_array("t.words", ["a", "cup", ""])
    w.add_array("t.kinds", [1, 2, 3])
    w.add_array("t.scores", [0.5, -1.0])
    w.add_tensor("a.weight", (np.arange(6, dtype=np.float32) * 0.5 - 1).reshape(2, 3))
    w.add_tensor("b.weight", gguf.quants.quantize((np.arange(64, dtype=np.float32) * 0.5 - 1).reshape(2, 32), gguf.GGMLQuantizationType.Q8_0),
                 raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    w.add_tensor("c.weight", (np.arange(5) * 0.5 - 1).astype(np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def safetensors_files():
    out = folder("safetensors")
    safetensors.torch.save_file({"plain": counting(torch.float32, 2, 3), "half": counting(torch.float16, 4), "long": counting(torch.int64, 3),
                                 "bool": counting(torch.bool, 4), "scalar": torch.tensor(-1.0)}, out / "tiny.safetensors", {"format": "pt"})


torch_files()
onnx_files()
tfjs_files()
gguf_files()
safetensors_files()
