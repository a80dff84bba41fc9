#!/usr/bin/env python3
"""Labels for all rows from the labels of a few, with scikit-learn: what `bench/label` compares `lowshot label` with.

    bench/peers/label.py METHOD ROWS.npy LABELS.npy OUT.npy

METHOD is `spreading:K` (LabelSpreading on a graph of K neighbours; scikit-learn's default is 7) or `logistic`
(LogisticRegression on the labelled rows). Rows are L2-normalised first, which helps both. LABELS holds -1 for unlabelled
rows. Prints the seconds from the loaded arrays to the predictions, imports not counted.
"""

import json
import sys
import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.semi_supervised import LabelSpreading


def main():
    method, rows, labels, out = sys.argv[1:]
    x, y = np.load(rows).astype(np.float32), np.load(labels)
    start = time.perf_counter()
    x = normalize(x)
    if method.startswith("spreading"):
        model = LabelSpreading(kernel="knn", n_neighbors=int(method.split(":")[1]), n_jobs=-1).fit(x, y)
        predicted = model.transduction_
    else:
        known = y >= 0
        predicted = LogisticRegression(max_iter=1000).fit(x[known], y[known]).predict(x)
    seconds = time.perf_counter() - start
    np.save(out, predicted)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
