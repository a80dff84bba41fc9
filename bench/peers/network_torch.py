#!/usr/bin/env python3
"""The GPU's ResNet-50 beside PyTorch's, same weights, same crops, same card; needs an NVIDIA GPU, PyTorch and NumPy.

    bench/peers/network_torch.py PROGRAM [--float32] [--batch N ...]

PROGRAM is lowshot_bench_cuda_network. The peer is what a good user of PyTorch writes without compiling the network:
channels last, float16, cudnn.benchmark, inference mode, batch norms as layers; its crops lie on the GPU, normalised,
when the clock starts (ours still have to be normalised). Stops before anything is timed where descriptors disagree.
"""

import argparse
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Dense float16 and float32 (no tensor cores), as the vendor states them for the SXM cards.
PEAK_TFLOPS = {"H100": (989, 67), "H200": (989, 67), "A100": (312, 19.5)}


class Bottleneck(nn.Module):
    """The low-shot literature's: a bias in the 3 x 3, a shortcut without batch norm."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        middle = outputs // 4
        self.C1 = nn.Conv2d(inputs, middle, 1, bias=False)
        self.BN1 = nn.BatchNorm2d(middle)
        self.C2 = nn.Conv2d(middle, middle, 3, stride=stride, padding=1)
        self.BN2 = nn.BatchNorm2d(middle)
        self.C3 = nn.Conv2d(middle, outputs, 1, bias=False)
        self.BN3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if inputs != outputs else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu(self.BN1(self.C1(x)))
        y = self.relu(self.BN2(self.C2(y)))
        y = self.BN3(self.C3(y))
        return self.relu(y + (x if self.shortcut is None else self.shortcut(x)))


def resnet50():
    layers = [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
              nn.MaxPool2d(3, stride=2, padding=1)]
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            layers.append(Bottleneck(inputs, 256 << stage, 2 if stage > 0 and block == 0 else 1))
            inputs = 256 << stage
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    # The last batch norm of a block is small in trained networks; otherwise the sums grow from block to block.
    for module in net.modules():
        if isinstance(module, Bottleneck):
            nn.init.uniform_(module.BN3.weight, 0.1, 0.5)
    return net


def settle(net, crops):
    """Running means and variances as training leaves them: those of the activations."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    net.train()
    with torch.no_grad():
        for _ in range(2):
            net(crops)
    return net.eval()


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name in sorted(tensors):
        blob = np.ascontiguousarray(tensors[name].float().cpu().numpy()).tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def checkpoint_tensors(net):
    names = {}
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            names["module.trunk." + name] = tensor
    return names


def normalised(crops, side):
    x = torch.from_numpy(crops.reshape(-1, side, side, 3)).cuda().permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(v, device="cuda").view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return (x - mean) / deviation


def images_per_second(net, x, rounds=7):
    for _ in range(5):
        net(x)
    torch.cuda.synchronize()
    calls, rates = 20, []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            net(x)
        torch.cuda.synchronize()
        rates.append(calls * len(x) / (time.perf_counter() - start))
    return statistics.median(rates)


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def centred_cosines(a, b):
    """Random networks give all crops nearly one direction: without their mean the rest must agree, too."""
    mean = b.mean(0)
    return cosines(a - mean, b - mean)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--batch", type=int, nargs="+", default=[128])
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--plans", action="store_true", help="time cuDNN's plans of every convolution, too")
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    side = 224
    # Smooth patches and noise: crops that differ as photographs do.
    random = np.random.default_rng(2)
    coarse = random.integers(0, 256, (options.count, 8, 8, 3)).repeat(28, 1).repeat(28, 2)
    crops = np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)

    net = settle(resnet50().cuda(), normalised(crops[:64], side))
    with torch.inference_mode(), tempfile.TemporaryDirectory() as name:
        expected = np.concatenate([net(normalised(crops[i:i + 64], side)).cpu().numpy()
                                   for i in range(0, options.count, 64)])
        folder = Path(name)
        write_safetensors(folder / "model.safetensors", checkpoint_tensors(net))
        crops.tofile(folder / "crops")
        tensor_cores = not options.float32
        peer = net.half() if tensor_cores else net
        peer = peer.to(memory_format=torch.channels_last)
        device = torch.cuda.get_device_name()
        peak = next((p for key, p in PEAK_TFLOPS.items() if key in device), None)
        for batch in options.batch:
            command = [options.program, "--model", folder / "model.safetensors", "--crops", folder / "crops", "--count",
                       str(options.count), "--out", folder / "out", "--pass", str(batch)]
            command += ["--half"] if tensor_cores else []
            done = subprocess.run(command, capture_output=True, text=True)
            sys.stderr.write(done.stderr)
            if done.returncode != 0:
                sys.exit(f"{options.program} failed")
            ours = json.loads(done.stdout)
            found = np.fromfile(folder / "out", np.float32).reshape(expected.shape)
            x = normalised(crops[:batch], side)
            x = (x.half() if tensor_cores else x).contiguous(memory_format=torch.channels_last)
            theirs = peer(x).float().cpu().numpy()
            cosine, centred = cosines(found, expected).min(), centred_cosines(found, expected).min()
            error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
            print(f"to PyTorch float32: cosine {cosine:.7f}, centred {centred:.6f}, relative error {error:.2e}; "
                  f"PyTorch's own at this precision: cosine {cosines(theirs, expected[:batch]).min():.7f}, "
                  f"centred {centred_cosines(theirs, expected[:batch]).min():.6f}")
            if not (cosine >= 0.9995 if tensor_cores else error < 1e-4):
                sys.exit("the descriptors disagree: nothing is timed")
            rate = images_per_second(peer, x)
            again = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            same = np.array_equal(found.view(np.uint32), np.fromfile(folder / "out", np.uint32).reshape(found.shape))
            alone = (ours["alone_images_per_second"] + again["alone_images_per_second"]) / 2
            tflops = alone * ours["gflop"] / 1e3
            share = f", {tflops / peak[0 if tensor_cores else 1]:.0%} of peak" if peak else ""
            print(f"{device}, batch {batch}: lowshot {ours['alone_images_per_second']:.0f} and "
                  f"{again['alone_images_per_second']:.0f} images/s ({tflops:.1f} TFLOP/s{share}; called with bytes in "
                  f"host memory {ours['called_images_per_second']:.0f}; ready in {ours['start_seconds']:.1f} s), "
                  f"PyTorch {rate:.0f} images/s, ratio {alone / rate:.2f}; bits the same in a second process: {same}",
                  flush=True)
        if options.plans:
            subprocess.run([*command, "--plans"], check=True)


if __name__ == "__main__":
    main()
