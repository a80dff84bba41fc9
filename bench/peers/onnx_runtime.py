"""The peer of `bench/extract`: a ResNet of the original's variant in ONNX Runtime, on all cores, float32.

    onnx_runtime.py WEIGHTS.npz NAME CROPS.npy --json FILE [--descriptors FILE.npy]

The graph has a Conv and a BatchNormalization node a layer, as exporters write it; ONNX Runtime folds and fuses at its
default (highest) optimisation level. Times whole passes over the crops at several batch sizes and reports the best."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/cli"))
from networks import BLOCKS  # noqa: E402

BATCHES = (1, 4, 8, 16, 32)
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class Graph:
    def __init__(self, weights):
        self.weights, self.nodes, self.initialisers = weights, [], []

    def node(self, kind, inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def value(self, name):
        if all(i.name != name for i in self.initialisers):
            self.initialisers.append(numpy_helper.from_array(self.weights[name], name))
        return name

    def convolution(self, x, layer, norm, stride=1, relu=True):
        weight = self.value(layer + ".weight")
        kernel = self.weights[weight].shape[2]
        bias = [self.value(layer + ".bias")] if layer + ".bias" in self.weights else []
        x = self.node("Conv", [x, weight, *bias], strides=[stride] * 2, pads=[kernel // 2] * 4)
        if norm + ".weight" in self.weights:
            parts = [self.value(f"{norm}.{p}") for p in ("weight", "bias", "running_mean", "running_var")]
            x = self.node("BatchNormalization", [x, *parts], epsilon=1e-5)
        return self.node("Relu", [x]) if relu else x


def export(weights, name):
    g = Graph(weights)
    x = g.convolution("crops", "module.trunk.0", "module.trunk.1", 2)
    x = g.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    index = 4
    for stage, blocks in enumerate(BLOCKS[name]):
        for b in range(blocks):
            block, stride = f"module.trunk.{index}", 2 if stage and b == 0 else 1
            index += 1
            bottleneck = block + ".C3.weight" in weights
            y = g.convolution(x, block + ".C1", block + ".BN1", 1 if bottleneck else stride)
            y = g.convolution(y, block + ".C2", block + ".BN2", stride if bottleneck else 1, relu=bottleneck)
            if bottleneck:
                y = g.convolution(y, block + ".C3", block + ".BN3", relu=False)
            if block + ".shortcut.weight" in weights:
                x = g.convolution(x, block + ".shortcut", block + ".BNshortcut", stride, relu=False)
            x = g.node("Relu", [g.node("Add", [y, x])])
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    graph = helper.make_graph(g.nodes, name, [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 3, 224, 224])],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", None])], g.initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("name")
    parser.add_argument("crops")
    parser.add_argument("--json", required=True)
    parser.add_argument("--descriptors")
    o = parser.parse_args()
    model = export(dict(np.load(o.weights)), o.name)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    crops = ((np.load(o.crops) / np.float32(255) - MEAN) / DEVIATION).transpose(0, 3, 1, 2).astype(np.float32)
    crops = np.ascontiguousarray(crops)

    def passed(batch):
        return [session.run(None, {"crops": crops[i:i + batch]})[0] for i in range(0, len(crops), batch)]

    if o.descriptors:
        np.save(o.descriptors, np.concatenate(passed(8)))
    rates = {}
    for batch in BATCHES:
        passed(batch) if batch == BATCHES[0] else session.run(None, {"crops": crops[:batch]})
        start = time.perf_counter()
        passed(batch)
        rates[batch] = len(crops) / (time.perf_counter() - start)
    Path(o.json).write_text(json.dumps({"version": onnxruntime.__version__, "images_per_second": rates}))


if __name__ == "__main__":
    main()
