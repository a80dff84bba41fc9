#!/usr/bin/env python3
"""Softmax regression by minibatches as a good user of numpy, and of PyTorch, would write it: peers of `lowshot logreg`.

    bench/peers/logreg.py numpy|torch step     X.npy CLASSES BATCH WD OUT
    bench/peers/logreg.py numpy|torch train    X.npy CLASSES BATCH WD N
    bench/peers/logreg.py numpy|torch products X.npy CLASSES BATCH WD N

`step` reads OUT.before.npy (weights, the bias last) and OUT.draws.npy (rows) and writes OUT.PEER.npy, the weights after
one step with rate 1. `train` prints the seconds of N iterations, `products` those of N times the two dense products.
Row i of X is of class i modulo CLASSES. All in float32, on as many threads as the libraries take by themselves.
"""

import json
import sys
import time

import numpy as np

RATE = 1e-4


class Numpy:
    def __init__(self, weights):
        self.w, self.b = np.ascontiguousarray(weights[:, :-1]), weights[:, -1].copy()
        self.gradient = np.empty_like(self.w)

    def step(self, x, labels, rate, wd):
        p = x @ self.w.T
        p += self.b
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(x)), labels] -= 1
        p *= np.float32(rate / len(x))
        np.matmul(p.T, x, out=self.gradient)
        if wd:
            self.w *= np.float32(1 - rate * wd)
            self.b *= np.float32(1 - rate * wd)
        self.w -= self.gradient
        self.b -= p.sum(axis=0)

    def weights(self):
        return np.concatenate([self.w, self.b[:, None]], axis=1)

    def train(self, x, classes, batch, wd, count):
        random = np.random.default_rng(1)
        rows_of = [np.arange(c, len(x), classes) for c in range(classes)]
        lengths = np.array([len(r) for r in rows_of])
        table = np.zeros((classes, lengths.max()), np.int64)
        for c, r in enumerate(rows_of):
            table[c, :len(r)] = r
        for _ in range(count):
            labels = random.integers(classes, size=batch)
            rows = table[labels, (random.random(batch) * lengths[labels]).astype(np.int64)]
            self.step(x[rows], labels, RATE, wd)

    @staticmethod
    def products(x, weights, batch, count):
        x, w = x[:batch].copy(), np.ascontiguousarray(weights[:, :-1])
        z, g = np.empty((batch, len(w)), np.float32), np.empty_like(w)
        for _ in range(count):
            np.matmul(x, w.T, out=z)
            np.matmul(z.T, x, out=g)


class Torch:
    def __init__(self, weights):
        import torch
        self.torch = torch
        self.layer = torch.nn.Linear(weights.shape[1] - 1, len(weights))
        with torch.no_grad():
            self.layer.weight.copy_(torch.from_numpy(weights[:, :-1].copy()))
            self.layer.bias.copy_(torch.from_numpy(weights[:, -1].copy()))
        self.optimiser = None

    def step(self, x, labels, rate, wd):
        if self.optimiser is None:
            self.optimiser = self.torch.optim.SGD(self.layer.parameters(), lr=rate, weight_decay=wd)
        self.optimiser.zero_grad()
        x, labels = self.torch.as_tensor(x), self.torch.as_tensor(labels)
        self.torch.nn.functional.cross_entropy(self.layer(x), labels).backward()
        self.optimiser.step()

    def weights(self):
        return self.torch.cat([self.layer.weight, self.layer.bias[:, None]], dim=1).detach().numpy()

    def train(self, x, classes, batch, wd, count):
        torch = self.torch
        x = torch.from_numpy(x)
        lengths = torch.tensor([len(range(c, len(x), classes)) for c in range(classes)])
        table = torch.zeros((classes, int(lengths.max())), dtype=torch.int64)
        for c in range(classes):
            table[c, :lengths[c]] = torch.arange(c, len(x), classes)
        for _ in range(count):
            labels = torch.randint(classes, (batch,))
            rows = table[labels, (torch.rand(batch) * lengths[labels]).long()]
            self.step(x[rows], labels, RATE, wd)

    @staticmethod
    def products(x, weights, batch, count):
        import torch
        x, w = torch.from_numpy(x[:batch].copy()), torch.from_numpy(weights[:, :-1].copy())
        z, g = torch.empty((batch, len(w))), torch.empty_like(w)
        for _ in range(count):
            torch.mm(x, w.T, out=z)
            torch.mm(z.T, x, out=g)


def main():
    peer, what, data, classes, batch, wd, last = sys.argv[1:]
    x, classes, batch, wd = np.load(data), int(classes), int(batch), float(wd)
    make = {"numpy": Numpy, "torch": Torch}[peer]
    if what == "step":
        model = make(np.load(f"{last}.before.npy"))
        rows = np.load(f"{last}.draws.npy")[0].astype(np.int64)
        model.step(x[rows], rows % classes, 1.0, wd)
        np.save(f"{last}.{peer}.npy", model.weights())
        return
    random = np.random.default_rng(2)
    weights = ((random.random((classes, x.shape[1] + 1)) * 2 - 1) / np.sqrt(x.shape[1])).astype(np.float32)
    model = make(weights)
    run = (lambda n: model.train(x, classes, batch, wd, n)) if what == "train" else \
        (lambda n: make.products(x, weights, batch, n))
    run(3)  # threads start, buffers are made
    processor, start = time.process_time(), time.perf_counter()
    run(int(last))
    print(json.dumps({"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - processor}))


if __name__ == "__main__":
    main()
