"""--weights, --graph, --propagation, --alpha, --solver and --class-mass of `lowshot label`, against float64."""

import csv
import json
import re

import numpy as np
import pytest
import scipy.sparse

from propagation_oracle import dense, normalised, propagate, weighted_graph

ROWS, CLASSES, LABELS, K = 200, 4, 5, 8


class Collection:
    def __init__(self, folder):
        random = np.random.default_rng(1)
        self.classes = np.arange(ROWS) % CLASSES
        self.x = (random.normal(size=(CLASSES, 12))[self.classes] + random.normal(size=(ROWS, 12))).astype(np.float32)
        self.labels = np.full(ROWS, -1)
        for c in range(CLASSES):
            rows = random.permutation(np.flatnonzero(self.classes == c))[:LABELS + 3 * c]
            self.labels[rows] = c
        np.save(folder / "x.npy", self.x)
        np.save(folder / "labels.npy", self.labels.astype(np.int32))
        self.folder = folder
        self.call = ["label", folder / "x.npy", "--labels", folder / "labels.npy", "-o", folder / "out.csv",
                     "--scores", folder / "scores.npy", "--json", folder / "out.json", "--work", folder / "work"]


@pytest.fixture
def collection(tmp_path):
    return Collection(tmp_path)


def check(lowshot, collection, arguments, f, labels=None):
    """Runs; the shares of all rows and the labels of the unlabelled ones are those of F."""
    done = lowshot(*collection.call, *arguments)
    scores = np.load(collection.folder / "scores.npy").astype(np.float64)
    sums = f.sum(axis=1, keepdims=True)
    shares = np.divide(f, sums, out=np.zeros_like(f), where=sums > 0)[:len(scores)]
    np.testing.assert_allclose(scores, shares, rtol=2e-3, atol=1e-4)   # float16
    labels = (collection.labels if labels is None else labels)[:len(scores)]
    answer = list(csv.DictReader((collection.folder / "out.csv").open()))
    for i, row in enumerate(answer):
        if labels[i] >= 0:
            assert row["status"] == "given" and row["label"] == str(labels[i])
        elif sums[i] == 0:
            assert row["status"] == "unreached"
        else:
            assert shares[i, int(row["label"])] >= shares[i].max() - 1e-4
            assert float(row["confidence"]) == pytest.approx(shares[i].max(), abs=2e-4)
    return done, json.loads((collection.folder / "out.json").read_text())


METHODS = {
    "diffusion": ([], ("diffusion", 3)),
    "restart": (["--propagation", "restart", "--alpha", "0.8"], ("restart", 3, 0.8)),
    "clamping with class mass": (["--propagation", "clamping", "--class-mass"], ("clamping", 3, None, True)),
    "solution": (["--propagation", "restart", "--alpha", "0.9", "--solver", "conjugate-gradients"], ("solve", 0, 0.9)),
}


@pytest.mark.parametrize("weights,method", [("cosine:3", "diffusion"), ("selftuning", "diffusion"), ("unit", "restart"),
                                            ("cosine:2", "clamping with class mass"), ("unit", "solution"),
                                            ("selftuning", "solution")])
def test_against_float64(lowshot, collection, weights, method):
    options, oracle = METHODS[method]
    b, _ = weighted_graph(normalised(collection.x), K, weights, negative=True)
    f = propagate(b, collection.labels, CLASSES, *oracle)[-1]
    iterations = ["--iterations", 3] if method != "solution" else []
    done, result = check(lowshot, collection, ["--k", K, "--weights", weights, *options, *iterations], f)
    choices = result["choices"]
    assert choices["recipe"] == "graph" and choices["weights"] == weights
    assert re.search(rf"^propagation: {choices['propagation']}.* on edges of weight {weights}", done.stdout, re.MULTILINE)
    if method == "solution":
        assert "steps of conjugate gradients (residual" in done.stdout and "iterations:" not in done.stdout
        assert choices["iterations"] is None and result["propagation"]["residual"] <= 1e-6
    else:
        assert choices["iterations"] == 3 and "iterations: 3 (as given)" in done.stdout


def test_iterations_are_chosen(lowshot, collection):
    """By what is right most often when held out, among 1 to 20 of what comes to a limit."""
    lowshot(*collection.call, "--propagation", "clamping", "--k", K)
    result = json.loads((collection.folder / "out.json").read_text())
    by_iteration = result["hold_out"]["accuracy_by_iteration"]
    assert len(by_iteration) == 20 and result["choices"]["iterations"] == 1 + int(np.argmax(by_iteration))
    assert result["hold_out"]["accuracy"] == max(by_iteration) > 0.6   # chance is 0.25
    assert result["hold_out"]["checked_rows"] == (collection.labels >= 0).sum()


@pytest.mark.parametrize("bad_row", [None, 17])
def test_weights_of_a_file(lowshot, collection, bad_row):
    """A weight for each of the first k neighbours of the kept table; a bad row has no row there."""
    skip = []
    good = np.arange(ROWS)
    if bad_row is not None:
        collection.x[bad_row] = np.nan
        np.save(collection.folder / "x.npy", collection.x)
        good, skip = np.delete(good, bad_row), ["--on-bad", "skip"]
        collection.labels[bad_row] = -1
        np.save(collection.folder / "labels.npy", collection.labels.astype(np.int32))
    lowshot(*collection.call, "--k", K, *skip)
    table, = (path for path in (collection.folder / "work").glob("graph-*/neighbours_k*_I_11.int*") if path.suffix != ".json")
    stored = int(table.suffix.removeprefix(".int"))
    assert stored >= K
    ids = np.fromfile(table, np.int32).reshape(len(good), stored)[:, :K]
    weights = np.random.default_rng(4).uniform(0, 5, ids.shape).astype(np.float32)
    np.save(collection.folder / "weights.npy", weights)
    a = dense(ids, weights.astype(np.float64), len(good))
    labels = collection.labels[good]
    f = np.zeros((ROWS, CLASSES))
    f[good] = propagate(a + a.T, labels, CLASSES, "restart", 2, 0.7)[-1]
    arguments = ["--k", K, "--weights", collection.folder / "weights.npy", "--propagation", "restart", "--alpha", "0.7",
                 "--iterations", 2, *skip]
    if bad_row is None:
        done, _ = check(lowshot, collection, arguments, f)
        assert "(kept)" in done.stderr
    else:
        lowshot(*collection.call, *arguments)
        shares = np.divide(f, f.sum(axis=1, keepdims=True), out=np.zeros_like(f), where=f.sum(axis=1, keepdims=True) > 0)
        np.testing.assert_allclose(np.load(collection.folder / "scores.npy"), shares, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_given_graph(lowshot, collection, tmp_path, method, symmetric):
    """Descriptors are only counted: NaN and zeros do not matter."""
    collection.x[3] = np.nan
    collection.x[4] = 0
    np.save(tmp_path / "x.npy", collection.x)
    m = scipy.sparse.random(ROWS, ROWS, 0.04, "csr", random_state=2)
    m = (m + m.T).tocsr() if symmetric else m
    scipy.sparse.save_npz(tmp_path / "g.npz", m)
    m = m.toarray().astype(np.float32).astype(np.float64)
    options, oracle = METHODS[method]
    f = propagate(m if symmetric else m + m.T, collection.labels, CLASSES, *oracle)[-1]
    iterations = ["--iterations", 3] if method != "solution" else []
    done, result = check(lowshot, collection, ["--graph", tmp_path / "g.npz", *options, *iterations], f)
    assert f"on the graph {tmp_path / 'g.npz'}" in done.stdout
    assert result["choices"]["graph"].endswith("g.npz") and result["choices"]["weights"] is None
    assert not (tmp_path / "work").exists()


def test_given_graph_with_labelled_rows_of_another_file(lowshot, collection, tmp_path):
    rows = np.flatnonzero(collection.labels >= 0)
    np.save(tmp_path / "labelled.npy", collection.x[rows])
    np.save(tmp_path / "labels.npy", collection.labels[rows].astype(np.int32))
    m = scipy.sparse.random(ROWS + len(rows), ROWS + len(rows), 0.05, "csr", random_state=2)
    scipy.sparse.save_npz(tmp_path / "g.npz", m)
    labels = np.concatenate([np.full(ROWS, -1), collection.labels[rows]])
    m = m.toarray()
    f = propagate(m + m.T, labels, CLASSES, "clamping", 3)[-1]
    check(lowshot, collection, ["--labelled", tmp_path / "labelled.npy", "--graph", tmp_path / "g.npz", "--propagation",
                                "clamping", "--iterations", 3], f, labels)


def test_unknown_rows_and_threads(lowshot, collection, tmp_path):
    """The rest of the command goes with it: unknown rows, the report, the same bytes whatever the threads."""
    call = [*collection.call, "--propagation", "restart", "--unknown", 0.2, "--report", tmp_path / "out.html", "--precision", 0.8]
    lowshot(*call, "--threads", 1)
    first = (tmp_path / "out.csv").read_bytes()
    assert b"unknown" in first
    lowshot(*call, "--threads", 2)
    assert (tmp_path / "out.csv").read_bytes() == first


def test_a_single_label_a_class(lowshot, collection, tmp_path):
    """Nothing is held out; a solution has no number of iterations to show, the page neither."""
    labels = np.full(ROWS, -1, np.int32)
    for c in range(CLASSES):
        labels[np.flatnonzero(collection.labels == c)[0]] = c
    np.save(tmp_path / "labels.npy", labels)
    solution = ["--propagation", "restart", "--solver", "conjugate-gradients"]
    done = lowshot(*collection.call, *solution, "--report", tmp_path / "out.html")
    assert "No label could be held out" in done.stdout and "iterations:" not in done.stdout
    assert "the limit of its iterations" in (tmp_path / "out.html").read_text()
    assert "iterations: 20 (the default" in lowshot(*collection.call, "--propagation", "restart").stdout


def test_dry_run(lowshot, collection, tmp_path):
    scipy.sparse.save_npz(tmp_path / "g.npz", scipy.sparse.identity(ROWS, format="csr"))
    out = lowshot(*collection.call, "--dry-run", "--graph", tmp_path / "g.npz", "--propagation", "clamping").stdout
    assert "given graph" in out and "propagate by clamping on the graph" in out and "fits" in out and "k-NN" not in out
    out = lowshot(*collection.call, "--dry-run", "--weights", "selftuning").stdout
    assert "edge weights" in out and "propagate by diffusion on edges of weight selftuning" in out


@pytest.mark.parametrize("arguments,sentence", [
    (["--propagation", "restart", "--recipe", "own"], "the recipe own has a classifier beside it; --recipe"),
    (["--weights", "selftuning", "--recipe", "auto"], "the recipe auto has a classifier beside it; --recipe"),
    (["--alpha", "0.5"], "the propagation diffusion has no alpha; --alpha"),
    (["--class-mass"], "class masses cannot be set"),
    (["--propagation", "restart", "--solver", "conjugate-gradients", "--iterations", "3"], "has no iterations; --iterations"),
    (["--graph", "g.npz", "--k", "5"], "a graph that is given has no k; --k"),
    (["--graph", "g.npz", "--on-bad", "skip"], "a graph that is given has no on-bad; --on-bad"),
    (["--graph", "g.npz", "--weights", "w.npy"], "a graph that is given has"),
    (["--weights", "cosine:x"], "needs an exponent above 0"),
])
def test_contradictions_are_refused(refused, collection, arguments, sentence):
    refused(2, sentence, *collection.call, *arguments)


def test_bad_files_are_refused(lowshot, refused, collection, tmp_path):
    call = [*collection.call, "--k", K]
    refused(3, "w.npy", *call, "--weights", tmp_path / "w.npy")
    refused(3, "selftunig", *call, "--weights", "selftunig")
    lowshot(*call)   # the graph is kept from here on
    good = np.ones((ROWS, K), np.float32)
    for shape in ((ROWS, K + 1), (ROWS - 1, K)):
        np.save(tmp_path / "w.npy", np.ones(shape, np.float32))
        refused(3, f"expected a weight for each of the {K} neighbours of {ROWS} rows", *call, "--weights", tmp_path / "w.npy")
    for value, sentence in ((-1, "row 5, column 2: the weight -1 is not from 0"), (np.nan, "row 5.*column 2")):
        bad = good.copy()
        bad[5, 2] = value
        np.save(tmp_path / "w.npy", bad)
        refused(3, sentence, *call, "--weights", tmp_path / "w.npy")
    refused(3, "g.npz", *collection.call, "--graph", tmp_path / "g.npz")
    scipy.sparse.save_npz(tmp_path / "g.npz", scipy.sparse.identity(ROWS + 1, format="csr"))
    refused(3, f"each of {ROWS} descriptors and found {ROWS + 1} x {ROWS + 1}", *collection.call, "--graph", tmp_path / "g.npz")
    scipy.sparse.save_npz(tmp_path / "g.npz", scipy.sparse.identity(ROWS, format="coo"))
    refused(3, "expected a sparse matrix in the format csr and found coo", *collection.call, "--graph", tmp_path / "g.npz")
    m = scipy.sparse.identity(ROWS, format="csr")
    m.data[9] = -2
    scipy.sparse.save_npz(tmp_path / "g.npz", m)
    refused(3, "row 9, column 9: the weight -2 is not from 0", *collection.call, "--graph", tmp_path / "g.npz")
