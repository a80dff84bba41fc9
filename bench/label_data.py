"""What `bench/label` labels and how it is scored, in a process of its own for the packages that takes (numpy, h5py).

    label_data.py prepare DATA FOLDER CASES SEED SIGNED    writes rows-CASE.npy, truth-CASE.npy, labels-CASE.npy
    label_data.py score FOLDER CASE OUT.npy                prints accuracy, calibration error, AUROCs as JSON

A case is a number of labels a class (1, 5, ...), `imbalanced` (1 label for the rarest class to 50 for the most frequent,
evenly in the logarithm), `proportional` (the same labels, and rows of each class in proportion), `base-B` (B classes of
100 labels among classes of 5), or one of them behind `half-`: half of the classes, drawn by lot, have no label at all.
"""

import json
import sys
from pathlib import Path

import h5py
import numpy as np


def collection(data):
    parts = []
    for name in ("train", "val"):
        with h5py.File(data / f"features/{name}.hdf5") as file:
            rows = int(file["count"][0])
            parts.append((file["all_feats"][:rows], file["all_labels"][:rows]))
    return (np.concatenate(both) for both in zip(*parts))


def rotated(x, random):
    rotation, triangle = np.linalg.qr(random.standard_normal((x.shape[1], x.shape[1])))
    return x.astype(np.float32) @ (rotation * np.sign(np.diag(triangle))).astype(np.float32)


def labels_of_classes(kind, classes, numbers, seed):
    if kind.isdigit():
        return np.full(classes, int(kind))
    if kind.startswith("base-"):
        return np.where(np.random.RandomState(seed).permutation(classes) < int(kind.removeprefix("base-")), 100, 5)
    return numbers


def prepare(data, folder, cases, seed, signed):
    x, y = collection(data)
    random = np.random.RandomState(seed)
    drawn = [random.permutation(np.flatnonzero(y == c)) for c in np.unique(y)]
    numbers = random.permutation(np.round(50 ** np.linspace(0, 1, len(drawn))).astype(int))
    if signed:
        x = rotated(x, random)
    known = np.random.RandomState(seed).permutation(len(drawn)) < len(drawn) // 2
    for case in cases:
        kind = case.removeprefix("half-")
        wanted = labels_of_classes(kind, len(drawn), numbers, seed)
        labels = np.full(len(y), -1, np.int32)
        kept = np.ones(len(y), bool)
        for c, rows in enumerate(drawn):
            some = rows[: wanted[c]]
            if kind == case or known[c]:
                labels[some] = y[some]
            if kind == "proportional":
                kept[rows[len(rows) * numbers[c] // 50 :]] = False
                kept[some] = True
        for name, values in (("rows", x.astype(np.float16)), ("truth", y.astype(np.int32)), ("labels", labels)):
            np.save(folder / f"{name}-{case}.npy", values[kept])


def calibration_error(confidence, right, bins=15):
    bin_of = np.minimum(np.ceil(confidence * bins).astype(int), bins)
    return float(np.abs(np.bincount(bin_of, right - confidence)).sum() / len(right))


def auroc(known, unknown):
    place = np.sort(unknown)
    wins = np.searchsorted(place, known, "left") + np.searchsorted(place, known, "right")
    return float(wins.mean() / 2 / len(unknown))


def nearest_label(x, labels):
    """The cosine to the nearest labelled row."""
    x = x.astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.concatenate([(block @ x[labels >= 0].T).max(axis=1) for block in np.array_split(x, 50)])


def score(folder, case, out):
    truth, labels = np.load(folder / f"truth-{case}.npy"), np.load(folder / f"labels-{case}.npy")
    asked = labels < 0
    of_known = np.isin(truth, np.unique(labels[~asked]))

    def column(what):
        path = out.with_suffix(f".{what}.npy")
        return np.load(path).reshape(len(truth), -1)[:, 0] if path.exists() else None

    predicted, names = np.load(out).reshape(len(truth), -1)[:, 0], out.with_suffix(".classes.json")
    if names.exists():  # lowshot numbers the classes that have labels; -1 stays what it is
        predicted = np.array([*map(int, json.loads(names.read_text())), -1])[predicted]
    right = predicted == truth
    confidence, typicality = column("confidence"), column("typicality")
    result = {"accuracy": float(right[asked & of_known].mean()), "calibration_error": None}
    if confidence is not None:
        result["calibration_error"] = calibration_error(confidence[asked & of_known], right[asked & of_known])
    if not of_known.all():
        evidence = {"typicality": typicality, "confidence": confidence,
                    "nearest label": nearest_label(np.load(folder / f"rows-{case}.npy"), labels)}
        result["auroc"] = {name: auroc(e[asked & of_known], e[asked & ~of_known]) for name, e in evidence.items()}
    return result


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4].split(","), int(sys.argv[5]), sys.argv[6] == "True")
    else:
        print(json.dumps(score(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))))
