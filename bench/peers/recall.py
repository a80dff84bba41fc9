#!/usr/bin/env python3
"""The recall of k-NN tables by exact truth on a sample, the same for ours and the peers; shares no code with the library.

    bench/peers/recall.py truth ROWS.npy OUT.npz [--k 32] [--sample 5000]
    bench/peers/recall.py check OUT.npz ROWS.npy IDS.npy
    bench/peers/recall.py all IDS.npy SIMILARITIES.npy EXACT_IDS.npy EXACT_SIMILARITIES.npy

Recall is the mean share of the k-1 true neighbours other than the row itself that a row of the table returns; a returned
row whose similarity is at least the true last one's - 1e-6 counts, so ties do not matter. Rows are compared by their
inner product as they are. `all`: over every row, by the similarities that two tables hold, one of them exact.
"""

import argparse
import json

import faiss
import numpy as np

TOLERANCE = 1e-6
BLOCK = 1 << 17


def truth(x, k, sample, seed=0):
    """Sampled rows, and the similarity of the last of their k-1 true neighbours, in double precision."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(x))[:sample])
    queries = np.ascontiguousarray(x[rows], np.float32)
    spare = k + 8  # float32 sums may swap neighbours that are almost equal
    ids = np.empty((len(rows), 0), np.int64)
    found = np.empty((len(rows), 0), np.float32)
    for b in range(0, len(x), BLOCK):
        s, i = faiss.knn(queries, np.ascontiguousarray(x[b : b + BLOCK], np.float32), min(spare, len(x) - b),
                         metric=faiss.METRIC_INNER_PRODUCT)
        found, ids = np.concatenate([found, s], axis=1), np.concatenate([ids, i + b], axis=1)
        best = np.argsort(-found, axis=1, kind="stable")[:, :spare]
        found, ids = np.take_along_axis(found, best, 1), np.take_along_axis(ids, best, 1)
    exact = similarities(x, rows, ids)
    return rows, -np.sort(-exact, axis=1)[:, k - 2]


def similarities(x, rows, ids):
    """Of the listed rows, -infinity for the row itself, empty places and repeats."""
    out = np.full(ids.shape, -np.inf)
    for i, (row, own) in enumerate(zip(rows, ids)):
        first = np.zeros(len(own), bool)
        first[np.unique(own, return_index=True)[1]] = True
        kept = first & (own >= 0) & (own < len(x)) & (own != row)
        out[i, kept] = x[own[kept]].astype(np.float64) @ x[row].astype(np.float64)
    return out


def recall(x, rows, last, ids):
    """ids: one row of the table for each of `rows`, k columns."""
    wanted = ids.shape[1] - 1
    hits = (similarities(x, rows, ids) >= last[:, None] - TOLERANCE).sum(axis=1)
    return float((np.minimum(hits, wanted) / wanted).mean())


def recall_over_all(ids, found, exact_ids, exact):
    total, n, k = 0.0, len(ids), ids.shape[1]
    for b in range(0, n, BLOCK):
        own = np.arange(b, min(n, b + BLOCK))[:, None]
        true = np.where(exact_ids[b : b + BLOCK] == own, -np.inf, exact[b : b + BLOCK])
        last = -np.sort(-true, axis=1)[:, k - 2 : k - 1]
        others = (ids[b : b + BLOCK] != own) & (ids[b : b + BLOCK] >= 0)
        hits = (others & (found[b : b + BLOCK] >= last - TOLERANCE)).sum(axis=1)
        total += (np.minimum(hits, k - 1) / (k - 1)).sum()
    return float(total / n)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["truth", "check", "all"])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--sample", type=int, default=5000)
    o = parser.parse_args()
    if o.what == "truth":
        rows, last = truth(np.load(o.files[0], mmap_mode="r"), o.k, o.sample)
        np.savez(o.files[1], rows=rows, last=last)
        return
    if o.what == "check":
        sample, x = np.load(o.files[0]), np.load(o.files[1], mmap_mode="r")
        ids = np.load(o.files[2], mmap_mode="r")
        value = recall(x, sample["rows"], sample["last"], np.asarray(ids[sample["rows"]]))
    else:
        value = recall_over_all(*(np.load(f, mmap_mode="r") for f in o.files))
    print(json.dumps({"recall": value}))


if __name__ == "__main__":
    main()
