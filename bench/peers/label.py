#!/usr/bin/env python3
"""Labels for all rows from the labels of a few, with scikit-learn: what `bench/label` compares `lowshot label` with.

    bench/peers/label.py METHOD ROWS.npy LABELS.npy OUT.npy

METHOD is `spreading-K` (LabelSpreading on a graph of K neighbours; scikit-learn's default is 7), or one that learns from
the labelled rows alone: `logistic` (LogisticRegression), `logistic-cv` (LogisticRegressionCV, its ten penalties and
five folds; with one label a class there are no folds, and it is `logistic`) or `lda` (LinearDiscriminantAnalysis, Ledoit and Wolf's shrinkage). Rows are L2-normalised first, which helps all.
LABELS holds -1 for unlabelled rows. Prints the seconds from the loaded arrays to the predictions, imports not counted.
"""

import json
import sys
import time

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize
from sklearn.semi_supervised import LabelSpreading


def classifier(method, labels):
    folds = min(5, np.unique(labels, return_counts=True)[1].max())
    if method == "lda":
        # One label a class leaves no scatter within classes to estimate: then the nearest class mean is all there is.
        within = len(labels) > len(np.unique(labels))
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto") if within else NearestCentroid()
    if method == "logistic-cv" and folds > 1:
        return LogisticRegressionCV(cv=folds, max_iter=1000, n_jobs=-1)
    return LogisticRegression(max_iter=1000)


def main():
    method, rows, labels, out = sys.argv[1:]
    x, y = np.load(rows).astype(np.float32), np.load(labels)
    start = time.perf_counter()
    x = normalize(x)
    if method.startswith("spreading"):
        model = LabelSpreading(kernel="knn", n_neighbors=int(method.split("-")[1]), n_jobs=-1).fit(x, y)
        predicted = model.transduction_
    else:
        known = y >= 0
        predicted = classifier(method, y[known]).fit(x[known], y[known]).predict(x)
    seconds = time.perf_counter() - start
    np.save(out, predicted)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
