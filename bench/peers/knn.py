#!/usr/bin/env python3
"""All-pairs k-NN graphs as users of pynndescent and Faiss build them, from rows in memory to a table in memory.

    bench/peers/knn.py METHOD ROWS.npy TRUTH.npz [--k 32] [--recall .95]

METHOD: pynndescent (its defaults, all cores; compiled beforehand on a few rows), flat (Faiss, exact), ivf (IVF-Flat, 4
sqrt(N) lists), pq (IVF, PQ fast scan, refined by the floats), hnsw (M 16, efConstruction 100). Faiss' approximate
indexes are used at the smallest effort that reaches --recall, found by bisection on the sample of TRUTH
(bench/peers/recall.py), which is not timed. Training and adding are timed whole; the search of N rows is timed on 10,000
and scaled. Rows are compared by their inner product as they are; normalised, that is the cosine. Prints JSON.
"""

import argparse
import json
import os
import time
from importlib.metadata import version

import numpy as np
from recall import recall

TIMED_ROWS = 10_000
BISECTED_ROWS = 2_000


def seconds_of(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def pynndescent(x, sample, o):
    import pynndescent

    def build(rows):
        index = pynndescent.NNDescent(rows, metric=o.metric, n_neighbors=o.k, n_jobs=-1)
        return index.neighbor_graph[0]

    for _ in range(2):  # what is compiled when it is first called is not counted
        build(x[:5000].copy())
    seconds, ids = seconds_of(lambda: build(x))
    return {"seconds": seconds, "recall": recall(x, *sample, ids[sample[0]]), "metric": o.metric,
            "version": version("pynndescent")}


class Index:
    """A Faiss index, trained and filled; `effort(index, value)` sets what trades time for recall."""

    def __init__(self, x, o, description, effort, most):
        import faiss
        self.x, self.k, self.effort, self.most = x, o.k, effort, most
        self.index = faiss.index_factory(x.shape[1], description, faiss.METRIC_INNER_PRODUCT)
        if hasattr(self.ivf(), "cp"):
            self.ivf().cp.max_points_per_centroid = 100  # the original's; the default, 256, takes longer
        self.train, _ = seconds_of(lambda: self.index.train(x))
        self.add, _ = seconds_of(lambda: self.index.add(x))
        self.description = description

    def ivf(self):
        import faiss
        inner = faiss.downcast_index(self.index)
        return faiss.downcast_index(inner.base_index) if hasattr(inner, "base_index") else inner

    def recall_at(self, value, rows, last):
        self.effort(self, value)
        return recall(self.x, rows, last, self.index.search(np.ascontiguousarray(self.x[rows]), self.k)[1])

    def least_effort(self, wanted, sample):
        some = [part[np.linspace(0, len(part) - 1, min(len(part), BISECTED_ROWS)).astype(int)] for part in sample]
        low, high = 0, 1
        while high < self.most and self.recall_at(high, *some) < wanted:
            low, high = high, min(self.most, 2 * high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.recall_at(middle, *some) >= wanted else (middle, high)
        return high

    def result(self, sample, value=None):
        if value is not None:
            self.effort(self, value)
        others = np.random.default_rng(1).permutation(len(self.x))
        rows = np.concatenate([sample[0], np.setdiff1d(others, sample[0], assume_unique=True)])[:TIMED_ROWS]
        queries = np.ascontiguousarray(self.x[rows])
        seconds, (_, ids) = seconds_of(lambda: self.index.search(queries, self.k))
        search = seconds * len(self.x) / len(rows)
        return {"seconds": self.train + self.add + search, "scaled_from_rows": len(rows), "effort": value,
                "recall": recall(self.x, *sample, ids[: len(sample[0])]), "index": self.description,
                "phases": {"train": self.train, "add": self.add, "search": search}, "version": version("faiss-cpu")}


def lists(n):
    return 4 * int(np.sqrt(n))


def nprobe(index, value):
    index.ivf().nprobe = value


def flat(x, sample, o):
    return Index(x, o, "Flat", None, 0).result(sample)


def ivf(x, sample, o):
    index = Index(x, o, f"IVF{lists(len(x))},Flat", nprobe, lists(len(x)))
    return index.result(sample, index.least_effort(o.recall, sample))


def pq(x, sample, o):
    index = Index(x, o, f"IVF{lists(len(x))},PQ{x.shape[1] // 2}x4fs,RFlat", nprobe, lists(len(x)))
    best = None
    for factor in (2, 4, 8):  # candidates, times k, that the floats refine
        index.index.k_factor = factor
        found = index.result(sample, index.least_effort(o.recall, sample)) | {"k_factor": factor}
        reached = found["recall"] >= o.recall - 0.002
        if best is None or (reached, -found["seconds"]) > (best["recall"] >= o.recall - 0.002, -best["seconds"]):
            best = found
    return best


def hnsw(x, sample, o):
    import faiss
    index = Index(x[:0], o, "HNSW16,Flat", None, 0)
    index.index.hnsw.efConstruction = 100
    index.x, index.most = x, 1024

    def breadth(own, value):
        own.index.hnsw.efSearch = value

    index.effort = breadth
    index.add, _ = seconds_of(lambda: index.index.add(x))
    return index.result(sample, index.least_effort(o.recall, sample))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method", choices=["pynndescent", "flat", "ivf", "pq", "hnsw"])
    parser.add_argument("rows")
    parser.add_argument("truth")
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--metric", default="cosine", help="of pynndescent")
    o = parser.parse_args()
    x = np.load(o.rows).astype(np.float32, copy=False)
    with np.load(o.truth) as file:
        sample = file["rows"], file["last"]
    result = globals()[o.method](x, sample, o)
    print(json.dumps({"method": o.method, "rows": len(x), "dim": x.shape[1], "k": o.k, "wanted_recall": o.recall,
                      "cores": len(os.sched_getaffinity(0))} | result))


if __name__ == "__main__":
    main()
