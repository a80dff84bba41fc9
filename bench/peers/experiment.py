#!/usr/bin/env python3
"""One low-shot experiment as a good user of numpy, Faiss and scipy would write it: the peer of `lowshot diffusion`.

From reading the descriptors to the accuracies, nothing cached: PCA trained on block 0, exact k-nearest neighbours of
all nodes and test rows in one IndexFlatIP search on all cores, B = A + A^T and the diffusion by scipy.sparse, float32.
Prints one JSON object: accuracies per iteration (fractions), seconds per phase, peak resident bytes.

It shares no code with the library, so bench/experiment also uses it to check the answers before it times anything.
"""

import argparse
import contextlib
import json
import resource
import time
from pathlib import Path

import faiss
import h5py
import numpy as np
import scipy.sparse as sp


@contextlib.contextmanager
def timed(seconds, phase):
    start = time.perf_counter()
    yield
    seconds[phase] = time.perf_counter() - start


def read(path):
    with h5py.File(path, "r") as file:
        rows = int(file["count"][0])
        return file["all_feats"][:rows].astype(np.float32), file["all_labels"][:rows]


class Split:
    """The low-shot split: rows of train in node order with their classes, and the test rows."""

    def __init__(self, class_lists, class_set, train_labels, val_labels, nlabeled, seed):
        base = {c - 1 for c in class_lists[f"base_classes_{class_set}"]}
        novel = {c - 1 for c in class_lists[f"novel_classes_{class_set}"]}
        classes = sorted(base | novel)
        random = np.random.RandomState(seed)
        rows = {"base": [], "labelled": [], "unlabelled": []}
        labels = {"base": [], "labelled": []}
        for number, original in enumerate(classes):
            own = np.flatnonzero(train_labels == original)
            if original in base:
                rows["base"].append(own)
                labels["base"].append(np.full(len(own), number))
                continue
            random.shuffle(own)
            rows["labelled"].append(own[:nlabeled])
            labels["labelled"].append(np.full(nlabeled, number))
            rows["unlabelled"].append(own[nlabeled:])
        self.labelled_rows = np.concatenate(rows["base"] + rows["labelled"])
        self.labels = np.concatenate(labels["base"] + labels["labelled"])
        self.unlabelled_rows = np.concatenate(rows["unlabelled"])
        renumber = np.full(max(train_labels.max(), val_labels.max()) + 1, -1)
        renumber[classes] = np.arange(len(classes))
        self.test_rows = np.flatnonzero(renumber[val_labels] >= 0)
        self.test_labels = renumber[val_labels[self.test_rows]]
        self.is_novel = np.array([c in novel for c in classes])

    @property
    def classes(self):
        return len(self.is_novel)


def nearest(nodes, queries, k):
    """Ids and validity of the k nearest nodes of every query row; negative similarities are no edges."""
    index = faiss.IndexFlatIP(nodes.shape[1])
    index.add(nodes)
    similarities, ids = index.search(queries, k)
    return ids, (similarities >= 0) & (ids >= 0)


def one_hot_rows(ids, valid, columns):
    """Sparse matrix with ones at (i, ids[i, j])."""
    offsets = np.concatenate([[0], np.cumsum(valid.sum(axis=1))])
    chosen = ids[valid].astype(np.int32)
    return sp.csr_matrix((np.ones(len(chosen), np.float32), chosen, offsets), shape=(len(ids), columns))


def diffuse(neighbours, node_valid, test_neighbours, test_valid, labels, classes, iterations):
    """Yields the scores of the test rows after 0 .. iterations steps."""
    nodes = len(neighbours)
    a = one_hot_rows(neighbours, node_valid, nodes)
    b = (a + a.T).tocsr()
    degree = np.asarray(b.sum(axis=1)).ravel()
    w = sp.diags((1 / np.maximum(degree, 1)).astype(np.float32)) @ b
    readout = one_hot_rows(test_neighbours, test_valid, nodes)
    l = np.zeros((nodes, classes), np.float32)
    l[np.arange(len(labels)), labels] = 1
    for t in range(iterations + 1):
        if t > 0:
            l = w @ l
        sums = l.sum(axis=0)
        l /= np.where(sums > 0, sums, 1)
        yield readout @ l


def accuracy(scores, split):
    """Top-5 and top-1 over all and over the novel classes' test rows. Ties: the lower class; all zero: wrong."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    hits = (best == split.test_labels[:, None]) & (scores.max(axis=1) > 0)[:, None]
    novel = split.is_novel[split.test_labels]
    top5, top1 = hits.any(axis=1), hits[:, 0]
    return {"top5_all": top5.mean(), "top5_novel": top5[novel].mean(),
            "top1_all": top1.mean(), "top1_novel": top1[novel].mean()}


def experiment(options, seconds):
    data = Path(options.data)
    class_lists = json.loads((data / "label_idx.json").read_text())
    with timed(seconds, "read"):
        train, train_labels = read(data / "features/train.hdf5")
        val, val_labels = read(data / "features/val.hdf5")
        background, _ = read(data / "features/f100m/block0.hdf5")
    split = Split(class_lists, 1 if options.mode == "val" else 2, train_labels, val_labels, options.nlabeled, options.seed)
    node_rows = split.labelled_rows
    if options.in_domain:
        node_rows = np.concatenate([node_rows, split.unlabelled_rows])
    with timed(seconds, "pca"):
        pca = faiss.PCAMatrix(train.shape[1], min(256, train.shape[1]), 0, True)
        pca.train(background)
        nodes = pca.apply(np.concatenate([train[node_rows], background[: options.nbg]]))
        tests = pca.apply(val[split.test_rows])
        faiss.normalize_L2(nodes)
        faiss.normalize_L2(tests)
    with timed(seconds, "knn"):
        ids, valid = nearest(nodes, np.concatenate([nodes, tests]), options.k)
    with timed(seconds, "diffusion"):
        n = len(nodes)
        iterations = [
            {"iteration": t, **accuracy(scores, split)}
            for t, scores in enumerate(diffuse(ids[:n], valid[:n], ids[n:], valid[n:], split.labels, split.classes,
                                               options.niter))
        ]
    return {"iterations": iterations, "nodes": n, "classes": split.classes, "test_rows": len(tests)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--mode", choices=["val", "test"], default="val")
    parser.add_argument("--nlabeled", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nbg", type=int, default=60000)
    parser.add_argument("--in-domain", action="store_true")
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--niter", type=int, default=3)
    options = parser.parse_args()
    seconds = {}
    with timed(seconds, "total"):
        result = experiment(options, seconds)
    result["seconds"] = seconds
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result["options"] = vars(options)
    print(json.dumps(result, default=float))


if __name__ == "__main__":
    main()
