"""Random weights of the five networks under the names that the original's checkpoints use."""

import numpy as np

BLOCKS = {"ResNet10": (1, 1, 1, 1), "ResNet18": (2, 2, 2, 2), "ResNet34": (3, 4, 6, 3), "ResNet50": (3, 4, 6, 3),
          "ResNet101": (3, 4, 23, 3)}


def random_resnet(name, seed=0):
    """Dict of float32 arrays, scaled so that activations neither vanish nor explode."""
    random = np.random.default_rng(seed)
    bottleneck = name in ("ResNet50", "ResNet101")
    tensors = {}

    def convolution(layer, inputs, outputs, kernel):
        tensors[layer + ".weight"] = random.normal(0, np.sqrt(2 / inputs) / kernel,
                                                   (outputs, inputs, kernel, kernel)).astype(np.float32)

    def norm(layer, channels, gain=1.0):
        for part, low, high in (("weight", gain / 2, gain), ("bias", -0.2, 0.2), ("running_mean", -0.2, 0.2),
                                ("running_var", 0.5, 1.5)):
            tensors[f"{layer}.{part}"] = random.uniform(low, high, channels).astype(np.float32)

    convolution("module.trunk.0", 3, 64, 7)
    norm("module.trunk.1", 64)
    inputs, index = 64, 4
    for stage, blocks in enumerate(BLOCKS[name]):
        outputs = (256 if bottleneck else 64) << stage
        middle = outputs // 4 if bottleneck else outputs
        for _ in range(blocks):
            block = f"module.trunk.{index}"
            index += 1
            convolution(block + ".C1", inputs, middle, 1 if bottleneck else 3)
            norm(block + ".BN1", middle)
            convolution(block + ".C2", middle, middle, 3)
            norm(block + ".BN2", middle, 1.0 if bottleneck else 0.3)
            if bottleneck:
                tensors[block + ".C2.bias"] = random.uniform(-0.2, 0.2, middle).astype(np.float32)
                convolution(block + ".C3", middle, outputs, 1)
                norm(block + ".BN3", outputs, 0.3)
            if inputs != outputs:
                convolution(block + ".shortcut", inputs, outputs, 1)
                if not bottleneck:
                    norm(block + ".BNshortcut", outputs)
            inputs = outputs
    tensors["module.classifier.weight"] = np.zeros((10, inputs), np.float32)
    return tensors
