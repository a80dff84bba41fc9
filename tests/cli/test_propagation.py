"""--weights, --graph, --propagation, --alpha, --solver and --class-mass of `lowshot diffusion`, against float64."""

import json

import numpy as np
import pytest
import scipy.sparse

from propagation_oracle import normalised, propagate, weighted_graph

NBG, LABELS, SEED, K = 60, 3, 4, 8


class Experiment:
    """Validation classes of a SmallData: images of nodes and test rows, in the protocol's order."""

    def __init__(self, data, in_domain=False):
        base, novel = (np.array(data.lists[f"{kind}_classes_1"]) - 1 for kind in ("base", "novel"))
        original = np.sort(np.concatenate([base, novel]))
        random = np.random.RandomState(SEED)
        base_rows, labelled, others = [], [], []
        for c in original:
            rows = np.flatnonzero(data.train_labels == c)
            if c in base:
                base_rows.append(rows)
                continue
            random.shuffle(rows)
            labelled.append(rows[:LABELS])
            others.append(rows[LABELS:])
        known = np.concatenate(base_rows + labelled)
        unknown = np.concatenate(others) if in_domain else np.array([], int)
        self.train_rows = np.concatenate([known, unknown])
        self.test_rows = np.flatnonzero(np.isin(data.val_labels, original))
        self.labels = np.concatenate([np.searchsorted(original, data.train_labels[known]),
                                      np.full(len(unknown) + NBG, -1)])
        self.classes = len(original)
        self.data = data

    def rows(self):
        return normalised(np.concatenate([self.data.train[self.train_rows], self.data.background[:NBG]]))

    def tests(self):
        return normalised(self.data.val[self.test_rows])

    def places(self):
        """Of nodes and test rows among all images: background, train, val."""
        train = NBG + len(self.data.train)
        return np.concatenate([NBG + self.train_rows, np.arange(NBG)]), train + self.test_rows


@pytest.fixture
def run(lowshot, tmp_path):
    """run(data, arguments): (F of every iteration, read-outs, result)."""

    def go(data, *arguments):
        place = tmp_path / "out"
        place.mkdir(exist_ok=True)
        lowshot("diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", NBG, "--nlabeled", LABELS,
                "--seed", SEED, "--storeL", place / "scores.npy", "--storeLiters", place / "L_%d.npy", "--json",
                place / "r.json", "-q", *arguments)
        scores = np.load(place / "scores.npy")
        return [np.load(place / f"L_{t}.npy") for t in range(len(scores))], scores, json.loads((place / "r.json").read_text())

    return go


def check(found, experiment, b, of_tests, expected, atol):
    nodes, scores, result = found
    assert result["nodes"] == len(b) and len(nodes) == len(scores) == len(expected)
    for ours, read_out, f in zip(nodes, scores, expected, strict=True):
        np.testing.assert_allclose(ours, f, rtol=2e-4, atol=atol)
        np.testing.assert_allclose(read_out, of_tests @ f, rtol=2e-4, atol=atol * of_tests.sum(axis=1).max())


METHODS = {
    "diffusion": ([], ("diffusion", 3)),
    "restart": (["--propagation", "restart", "--alpha", "0.8"], ("restart", 3, 0.8)),
    "clamping": (["--propagation", "clamping"], ("clamping", 3)),
    "clamping with class mass": (["--propagation", "clamping", "--class-mass"], ("clamping", 3, None, True)),
    "solution": (["--propagation", "restart", "--alpha", "0.9", "--solver", "conjugate-gradients"], ("solve", 0, 0.9)),
    "solution with class mass": (["--propagation", "restart", "--solver", "conjugate-gradients", "--class-mass"],
                                 ("solve", 0, 0.99, True)),
}


@pytest.mark.parametrize("weights,method", [("cosine:3", "diffusion"), ("selftuning", "diffusion"), ("unit", "restart"),
                                            ("cosine:0.5", "restart"), ("unit", "clamping"), ("selftuning", "clamping with class mass"),
                                            ("unit", "solution"), ("selftuning", "solution with class mass")])
@pytest.mark.parametrize("in_domain", [False, True])
def test_against_float64(run, small_data, weights, method, in_domain):
    data = small_data()
    options, expected = METHODS[method]
    experiment = Experiment(data, in_domain)
    b, of_tests = weighted_graph(experiment.rows(), K, weights)
    expected = propagate(b, experiment.labels, experiment.classes, *expected)
    iterations = ["--niter", 3] if "solution" not in method else []
    found = run(data, "--pca", "none", "--k", K, "--weights", weights, *options, *iterations,
                *(["--in-domain"] if in_domain else []))
    check(found, experiment, b, of_tests(experiment.tests()), expected, atol=2e-6)
    result = found[2]
    assert result["options"]["weights"] == weights and result["options"]["propagation"] == (METHODS[method][0] or [0, "diffusion"])[1]
    if "solution" in method:
        assert [i.get("limit") for i in result["iterations"]] == [True]
        assert 0 < result["propagation"]["steps"] < 200 and result["propagation"]["residual"] <= 1e-6
    else:
        assert [i["iteration"] for i in result["iterations"]] == [0, 1, 2, 3] and "limit" not in result["iterations"][0]


def matrix(images, symmetric, seed=2):
    """Random weights between all images, some of them 0 or several times the same entry."""
    random = np.random.default_rng(seed)
    i, j = random.integers(images, size=(2, images * 12))
    values = random.uniform(0, 3, len(i)) * (random.uniform(size=len(i)) > 0.05)
    if symmetric:
        i, j, values = np.concatenate([i, j]), np.concatenate([j, i]), np.tile(np.round(8 * values) / 8, 2)
    order = np.argsort(i, kind="stable")
    counts = np.bincount(i, minlength=images)
    m = scipy.sparse.csr_matrix((images, images))
    m.indptr, m.indices, m.data = np.append(0, np.cumsum(counts)), j[order], values[order]
    return m


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("method", ["diffusion", "restart", "clamping with class mass", "solution"])
def test_given_graph(run, small_data, tmp_path, symmetric, method):
    data = small_data()
    experiment = Experiment(data, in_domain=symmetric)
    m = matrix(NBG + len(data.train) + len(data.val), symmetric)
    scipy.sparse.save_npz(tmp_path / "graph.npz", m if symmetric else m.astype(np.float32), compressed=symmetric)
    nodes, tests = experiment.places()
    whole = m.toarray()
    b = whole[np.ix_(nodes, nodes)]
    if not symmetric:
        b = b + b.T
    options, expected = METHODS[method]
    expected = propagate(b, experiment.labels, experiment.classes, *expected)
    iterations = ["--niter", 3] if method != "solution" else []
    found = run(data, "--graph", tmp_path / "graph.npz", *options, *iterations, *(["--in-domain"] if symmetric else []))
    check(found, experiment, b, whole[np.ix_(tests, nodes)], expected, atol=2e-6)
    assert found[2]["edges"] == np.count_nonzero(b)
    assert found[2]["options"]["graph"].endswith("graph.npz") and found[2]["options"]["weights"] is None


def test_does_not_depend_on_threads_or_slices(run, small_data, tmp_path):
    data = small_data()
    for options in (["--weights", "selftuning"], ["--propagation", "restart", "--solver", "conjugate-gradients"]):
        nodes, scores, _ = run(data, *options, "--threads", 1)
        other, other_scores, _ = run(data, *options, "--threads", 2, "--lslice", 3)
        assert np.array_equal(nodes, other) and np.array_equal(scores, other_scores)


def test_unit_weights_are_the_papers(run, small_data):
    """The same numbers by both ways: restart with alpha near 1 is no such way, a graph of ones is."""
    data = small_data()
    plain = run(data, "--niter", 4)
    cosine = run(data, "--niter", 4, "--weights", "cosine:1e-9")
    np.testing.assert_allclose(cosine[0], plain[0], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(cosine[1], plain[1], rtol=1e-5, atol=1e-8)


def test_dry_run(lowshot, small_data, tmp_path):
    data = small_data()
    common = ["diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", NBG, "--dry-run"]
    images = NBG + len(data.train) + len(data.val)
    scipy.sparse.save_npz(tmp_path / "g.npz", matrix(images, True))
    out = lowshot(*common, "--graph", tmp_path / "g.npz", "--propagation", "clamping").stdout
    assert "given graph" in out and "iterations of clamping on the graph" in out and "fits" in out
    out = lowshot(*common, "--weights", "cosine:2", "--propagation", "restart", "--solver", "conjugate-gradients").stdout
    assert "conjugate gradients of restart (alpha 0.99) on edges of weight cosine:2" in out
    lowshot(*common[:-1], "--graph", tmp_path / "g.npz", "--memory", "1M", code=4)
    assert not (tmp_path / "work").exists()


def test_solution_is_printed(lowshot, small_data, tmp_path):
    done = lowshot("diffusion", "--data", small_data().root, "--work", tmp_path / "work", "--propagation", "restart",
                   "--solver", "conjugate-gradients")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["solution"]
    assert "steps of conjugate gradients (residual" in done.stderr


@pytest.mark.parametrize("arguments,sentence", [
    (["--weights", "weights.npy"], "every experiment makes its own"),
    (["--weights", "cosine:0"], "needs an exponent above 0"),
    (["--weights", "cosine"], "write it like cosine:3"),
    (["--alpha", "0.5"], "the propagation diffusion has no alpha; --alpha"),
    (["--propagation", "restart", "--alpha", "1"], "alpha must be at least 0 and below 1"),
    (["--propagation", "restart", "--alpha", "nan"], "alpha must be at least 0 and below 1"),
    (["--propagation", "clamping", "--solver", "conjugate-gradients"], "conjugate gradients solve the restart"),
    (["--class-mass"], "class masses cannot be set"),
    (["--propagation", "restart", "--solver", "conjugate-gradients", "--niter", "3"], "has no niter; --niter"),
    (["--weights", "selftuning", "--prune", "on"], "has no prune; --prune"),
    (["--weights", "selftuning", "--storage", "half"], "has no storage; --storage"),
    (["--graph", "g.npz", "--k", "5"], "a graph that is given has no k; --k"),
    (["--graph", "g.npz", "--weights", "selftuning"], "a graph that is given has its own weights"),
    (["--recipe", "full", "--weights", "selftuning"], "the recipe full has its own --weights"),
    (["--recipe", "auto", "--propagation", "restart"], "the recipe auto has its own --propagation"),
])
def test_contradictions_are_refused(refused, small_data, arguments, sentence):
    refused(2, sentence.replace("(", r"\("), "diffusion", "--data", small_data().root, *arguments)


def test_bad_graphs_are_refused(refused, small_data, tmp_path):
    data = small_data()
    images = NBG + len(data.train) + len(data.val)
    path = tmp_path / "g.npz"
    call = ["diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", NBG, "--graph", path]
    refused(3, "g.npz", *call)
    path.write_bytes(b"no zip")
    refused(3, "g.npz", *call)
    m = matrix(images, False)
    scipy.sparse.save_npz(path, m[:-1])
    refused(3, f"a row and a column for each of {images} images .*{images - 1} x {images}", *call)
    scipy.sparse.save_npz(path, m[:-1, :-1])
    refused(3, "--nbg", *call)
    scipy.sparse.save_npz(path, m.tocsc())
    refused(3, "expected a sparse matrix in the format csr and found csc", *call)
    for value, text in ((np.nan, "nan"), (-1, "-1"), (np.inf, "inf")):
        bad = m.copy()
        bad.data[bad.indptr[7]] = value
        scipy.sparse.save_npz(path, bad)
        refused(3, f"row 7, column {bad.indices[bad.indptr[7]]}: the weight {text} is not from 0 to", *call)


def test_plan(lowshot, small_data, tmp_path):
    data = small_data()
    (tmp_path / "plan.yaml").write_text(f"""
data: {data.root}
nbg: {NBG}
groups:
  weights: {{method: diffusion, niter: 2, weights: [unit, "cosine:3.0", selftuning]}}
  limit: {{method: diffusion, propagation: restart, solver: conjugate-gradients, alpha: [0.9, 0.99], class-mass: true}}
""")
    lowshot("sweep", tmp_path / "plan.yaml", "-o", tmp_path / "out", "--work", tmp_path / "work")
    found = [json.loads(p.read_text()) for p in sorted((tmp_path / "out/results").rglob("*.json"))]
    assert sorted(r["settings"]["weights"] for r in found) == ["cosine:3", "selftuning", "unit", "unit", "unit"]
    limit = [r for r in found if r["group"] == "limit"]
    assert {r["settings"]["alpha"] for r in limit} == {"0.9", "0.99"} and {r["settings"]["niter"] for r in limit} == {"0"}
    for r in found:
        s = r["settings"]
        options = ["--weights", s["weights"], "--propagation", s["propagation"], "--solver", s["solver"]]
        options += ["--alpha", s["alpha"], "--class-mass"] if r["group"] == "limit" else ["--niter", s["niter"]]
        lowshot("diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", NBG, *options, "--json", tmp_path / "r.json")
        alone = json.loads((tmp_path / "r.json").read_text())["iterations"]
        for key in ("top5_all", "top1_novel"):
            assert [i[key] for i in alone] == [i[key] for i in r["iterations"]]


@pytest.mark.parametrize("group,sentence", [
    ("alpha: 0.5", "the propagation diffusion has no alpha"),
    ("weights: weights.npy", "weights must be unit, cosine:G or selftuning"),
    ("recipe: full, weights: selftuning", "the recipe full has its own weights"),
    ("graph: g.npz, k: 7", "a graph that is given has no k"),
    ("propagation: restart, alpha: 1", "alpha must be at least 0 and below 1"),
])
def test_plans_that_contradict_themselves(refused, small_data, tmp_path, group, sentence):
    (tmp_path / "plan.yaml").write_text(f"data: {small_data().root}\ngroups:\n  a: {{method: diffusion, {group}}}\n")
    refused(3, sentence, "sweep", tmp_path / "plan.yaml", "-o", tmp_path / "out", "--list")
