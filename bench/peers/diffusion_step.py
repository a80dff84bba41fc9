#!/usr/bin/env python3
"""One diffusion step, U <- D^-1 (A + A^T) U, as sparse products of scipy and of MKL, float32, rows split over all cores.

    bench/peers/diffusion_step.py IDS.npy LABELS.npy --classes 128 [--order ORDER.npy] [--methods mkl,scipy]
                                  [--repeats 5] [--rows ROWS.npy --steps 3 --out SCORES.npy]

MKL is called through its C functions: a handle for each part of the rows (of equally many edges), with hints and
optimised, none of which is timed, and its single-threaded product in a thread of its own. scipy's product of a part of
the rows runs in a thread, too (it lets others run meanwhile). --out: the rows of U after the steps, of the nodes that
--rows lists, by the first method; the others must agree with it.
"""

import argparse
import ctypes
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.sparse as sp

AGREEMENT = 1e-5  # of the largest entry: sums of some 50 float32 products in another order


def weights(ids):
    """D^-1 (A + A^T) of a table (n x k)."""
    n, k = ids.shape
    valid = ids >= 0
    offsets = np.concatenate([[0], np.cumsum(valid.sum(axis=1))])
    a = sp.csr_matrix((np.ones(int(offsets[-1]), np.float32), ids[valid].astype(np.int32), offsets), shape=(n, n))
    b = (a + a.T).tocsr()
    b.sort_indices()
    degree = np.asarray(b.sum(axis=1)).ravel()
    b.data /= np.repeat(np.maximum(degree, 1), np.diff(b.indptr)).astype(np.float32)
    return b


def parts_of(w, count):
    cuts = np.searchsorted(w.indptr, np.linspace(0, w.nnz, count + 1)[1:-1]).tolist()
    return list(zip([0, *cuts], [*cuts, w.shape[0]]))


class Scipy:
    def __init__(self, w, classes, parts):
        self.blocks = [(b, e, w[b:e]) for b, e in parts]

    def product(self, part, source, target):
        b, e, block = self.blocks[part]
        target[b:e] = block @ source


class Description(ctypes.Structure):  # struct matrix_descr
    _fields_ = [("type", ctypes.c_int), ("mode", ctypes.c_int), ("diag", ctypes.c_int)]


class Mkl:
    GENERAL, PLAIN, ROW_MAJOR, SEQUENTIAL = 20, 10, 101, 1

    def __init__(self, w, classes, parts):
        self.library = ctypes.CDLL(str(next(Path(sys.prefix, "lib").glob("libmkl_rt.so*"))))
        self.library.MKL_Set_Threading_Layer(self.SEQUENTIAL)
        self.description, self.classes, self.handles, self.kept = Description(self.GENERAL, 0, 0), classes, [], []
        for b, e in parts:
            block = w[b:e]
            starts, ids, values = block.indptr.astype(np.int32), block.indices.astype(np.int32), block.data
            self.kept.append((starts, ids, values))
            handle = ctypes.c_void_p()
            address = starts.ctypes.data
            self.call("mkl_sparse_s_create_csr", ctypes.byref(handle), 0, e - b, w.shape[0], ctypes.c_void_p(address),
                      ctypes.c_void_p(address + 4), ids.ctypes.data_as(ctypes.c_void_p),
                      values.ctypes.data_as(ctypes.c_void_p))
            self.call("mkl_sparse_set_mm_hint", handle, self.PLAIN, self.description, self.ROW_MAJOR, classes, 1000)
            self.call("mkl_sparse_set_memory_hint", handle, 80)  # as much memory as it likes
            self.call("mkl_sparse_optimize", handle)
            self.handles.append((b, handle))

    def call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            sys.exit(f"bench/peers/diffusion_step.py: {name} returned {status}")

    def product(self, part, source, target):
        first, handle = self.handles[part]
        self.call("mkl_sparse_s_mm", self.PLAIN, ctypes.c_float(1), handle, self.description, self.ROW_MAJOR,
                  source.ctypes.data_as(ctypes.c_void_p), self.classes, self.classes, ctypes.c_float(0),
                  ctypes.c_void_p(target.ctypes.data + first * self.classes * 4), self.classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("ids")
    parser.add_argument("labels")
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--classes", type=int, default=128)
    parser.add_argument("--order")
    parser.add_argument("--methods", default="mkl,scipy")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out")
    o = parser.parse_args()
    ids, labels = np.load(o.ids)[:, : o.k], np.load(o.labels).ravel()
    order = np.load(o.order).ravel() if o.order else np.arange(len(ids))
    place = np.empty(len(ids), np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    ids = np.where(ids[order] >= 0, place[ids[order]], -1) if o.order else ids
    w = weights(ids)
    del ids
    cores = len(os.sched_getaffinity(0))
    parts = parts_of(w, cores)
    start = np.zeros((w.shape[0], o.classes), np.float32)
    known = labels[order] >= 0
    start[np.flatnonzero(known), labels[order][known]] = 1
    chosen = place[np.load(o.rows).ravel()] if o.rows else np.arange(min(1000, w.shape[0]))
    results, answer = {}, None
    with ThreadPoolExecutor(cores) as pool:
        for name in o.methods.split(","):
            method = {"mkl": Mkl, "scipy": Scipy}[name](w, o.classes, parts)
            source, target = start.copy(), np.zeros_like(start)
            times = []
            for step in range(max(o.steps, o.repeats)):
                begin = time.perf_counter()
                list(pool.map(lambda p: method.product(p, source, target), range(cores)))
                times.append(time.perf_counter() - begin)
                source, target = target, source
                if step + 1 == o.steps:
                    scores = source[chosen].copy()
            answer = scores if answer is None else answer
            difference = float(np.abs(scores - answer).max() / np.abs(answer).max())
            if difference > AGREEMENT:
                sys.exit(f"bench/peers/diffusion_step.py: {name} differs by {difference:.1e}")
            results[name] = {"step_seconds": min(times), "all_seconds": times,
                             "version": version("mkl" if name == "mkl" else "scipy")}
            del method, source, target
    if o.out:
        np.save(o.out, answer)
    print(json.dumps({"nodes": w.shape[0], "edges": w.nnz, "classes": o.classes, "cores": cores, "results": results}))


if __name__ == "__main__":
    main()
