#!/usr/bin/env python3
"""SHA-256 of every converted tensor, computed from the official files with numpy, torch and onnx.

  convert-digests.py EFFICIENTNET.pth MODELS_FOLDER SMALL.onnx MEDIUM.onnx > tests/golden/files/convert-digests.txt

MODELS_FOLDER holds nanodet.json/.bin and centernet.json/.bin. A line: network, tensor, type, shape, digest of
its bytes. This is a second implementation, from the papers of the formats: it shares nothing with ours.
"""
import hashlib
import json
import pathlib
import re
import sys

import numpy as np
import onnx
import onnx.numpy_helper
import torch


def line(network, name, values):
    kind = {"float32": "F32", "float16": "F16", "int8": "I8"}[values.dtype.name]
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    print(network, name, kind, "x".join(map(str, values.shape)), digest)


def efficientnet(path):
    state = {k: v.numpy() for k, v in torch.load(path, map_location="cpu", weights_only=True).items()}

    def fold(name, conv, norm):
        weight = state[conv + ".weight"].astype(np.float64)
        gamma, beta, mean, var = (state[f"{norm}.{p}"].astype(np.float64) for p in ("weight", "bias", "running_mean", "running_var"))
        scale = gamma / np.sqrt(var + 1e-3)
        line("efficientnet-lite", name + ".weight", (weight * scale[:, None, None, None]).astype(np.float32))
        line("efficientnet-lite", name + ".bias", (beta - mean * scale).astype(np.float32))

    fold("stem", "_conv_stem", "_bn0")
    for i in range(16):
        if i > 0:
            fold(f"blocks.{i}.expand", f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0")
        fold(f"blocks.{i}.depthwise", f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1")
        fold(f"blocks.{i}.project", f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2")
    fold("head", "_conv_head", "_bn1")
    line("efficientnet-lite", "fc.weight", state["_fc.weight"])
    line("efficientnet-lite", "fc.bias", state["_fc.bias"])


def read_tfjs(folder, name):
    group = json.loads((folder / f"{name}.json").read_text())["weightsManifest"][0]
    data = (folder / f"{name}.bin").read_bytes()
    weights, at = {}, 0
    for w in group["weights"]:
        dtype = np.dtype("<f2") if "quantization" in w else np.dtype("<i4")
        n = int(np.prod(w["shape"], dtype=np.int64)) * dtype.itemsize
        weights[w["name"]] = np.frombuffer(data[at:at + n], dtype).reshape(w["shape"])
        at += n
    assert at == len(data)
    return weights


def oihw(w):
    """HWIO, or HWC1 for depthwise."""
    return w.transpose(2, 3, 0, 1) if w.shape[3] == 1 else w.transpose(3, 2, 0, 1)


def nanodet(folder):
    weights = read_tfjs(folder, "nanodet")
    biases = {28: 60, 29: 62, 30: 66, 31: 68, 32: 70, 33: 72}
    for n in range(34):
        w = weights["PartitionedCall/split" + (f"_{n}" if n else "")]
        line("nanodet", f"conv.{n}.weight", oihw(w))
        line("nanodet", f"conv.{n}.bias", weights[f"unknown_{biases.get(n, 2 * n)}"].astype(np.float32))


def centernet(folder):
    """Names by rules on the source's names, not by a table."""
    for name, w in read_tfjs(folder, "centernet").items():
        if w.dtype != np.float16 or w.ndim == 0:
            continue
        n = name.removeprefix("tower_0/").removeprefix("MobilenetV3/").removeprefix("CenternetHead/")
        n = re.sub(r"^expanded_conv/", "blocks.0.", n)
        n = re.sub(r"^expanded_conv_(\d+)/", r"blocks.\1.", n)
        n = n.replace("squeeze_excite/Conv_1/", "se_expand/").replace("squeeze_excite/Conv/", "se_reduce/")
        n = re.sub(r"^(c\d_reverse)/1x1", r"\1.0", n)
        n = re.sub(r"^(c\d_reverse)/3x3/depthwise_", r"\1.1/", n)
        n = re.sub(r"^(c\d_reverse)/3x3/separable_conv2d_", r"\1.2/", n)
        n = re.sub(r"^(c\d_upsample)/branch_(.)_upsample_resize/depthwise_", r"\1.\2.0/", n)
        n = re.sub(r"^(c\d_upsample)/branch_(.)_upsample_resize/separable_conv2d_", r"\1.\2.1/", n)
        n = n.replace("conv1x1_se_a", "gate.0").replace("conv1x1_se_b", "gate.1")
        n = re.sub(r"^centernet_(cls|wh)_output/depthwise_", r"\1.0/", n)
        n = re.sub(r"^centernet_(cls|wh)_output/(pointwise_)?", r"\1.1/", n)
        n = re.sub(r"^Conv/", "conv/", n)
        stem, last = n.rsplit("/", 1)
        if last.endswith("weights"):
            line("centernet", stem + ".weight", oihw(w))
        else:
            line("centernet", stem + ".bias", w.astype(np.float32))


def isnet(network, path):
    graph = onnx.load(path).graph
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    reshaped = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Reshape"}
    users = {}
    for n in graph.node:
        for name in n.input:
            users.setdefault(name, []).append(n)
    for n in graph.node:
        if n.op_type not in ("Conv", "ConvInteger") or re.match(r"/side[2-6]/", n.name):
            continue
        name = re.sub(r"/(conv_s1/)?Conv(_quant)?$", "", n.name)[1:].replace("/", ".")
        if n.op_type == "Conv":
            line(network, name + ".weight", values[n.input[1]])
            line(network, name + ".bias", values[n.input[2]].astype(np.float32))
        else:
            weight, zero = values[n.input[1]], int(values[n.input[3]])
            base = n.input[1].removesuffix("_quantized")
            assert users[base + "_scale"], "the scale is used by a step"
            line(network, name + ".weight", (weight.astype(np.int16) - 128).astype(np.int8))
            line(network, name + ".scale", values[base + "_scale"].reshape(1))
            line(network, name + ".zero", np.array([zero - 128], np.float32))
            path_ = n.name.removesuffix("/Conv_quant")
            line(network, name + ".bias", values[reshaped[path_ + "/Conv_output_0_bias_reshape_output"]])


def main():
    efficientnet(sys.argv[1])
    nanodet(pathlib.Path(sys.argv[2]))
    centernet(pathlib.Path(sys.argv[2]))
    isnet("isnet-small", sys.argv[3])
    isnet("isnet-medium", sys.argv[4])


main()
