"""lowshot combine: the weighted sum against numpy, real runs combined, and files that do not belong together."""

import json
import re

import numpy as np
import pytest


def write_scores(path, scores, kind, labels, classes, novel, rows=None, iterations=None, **more):
    """A score file as a user would write it, from docs/files.md alone."""
    np.save(path, scores)
    info = {"format": 1, "kind": kind, "iterations": iterations or [0], "classes": list(map(int, classes)),
            "novel": list(map(bool, novel)), "rows": list(map(int, range(len(labels)) if rows is None else rows)),
            "labels": list(map(int, labels))} | more
    info = {k: v for k, v in info.items() if v is not None}
    path.with_name(path.name + ".scores.json").write_text(json.dumps(info))
    return path


class MadeUp:
    """Two classifiers that err differently, on `n` rows of 12 classes; a diffusion of 3 layers and a regression."""

    def __init__(self, folder, name, seed, n=400):
        random = np.random.default_rng(seed)
        self.classes = np.sort(random.choice(100, 12, replace=False))
        self.novel = np.arange(12) % 3 == 0
        truth = random.integers(12, size=n)
        self.labels = self.classes[truth]
        signal = np.eye(12)[truth]
        layers = np.exp(random.normal(size=(3, n, 12)) + np.array([0.5, 1.5, 1])[:, None, None] * signal)
        layers *= random.random((3, n, 12)) < 0.7
        layers[:, :5] = 0  # reached by no label
        z = random.normal(size=(n, 12)) + 1.2 * signal
        self.diffusion = layers.astype(np.float32)
        self.regression = (z - np.log(np.exp(z).sum(axis=1, keepdims=True))).astype(np.float32)
        common = dict(labels=self.labels, classes=self.classes, novel=self.novel)
        self.first = write_scores(folder / f"{name}_d.npy", self.diffusion, "diffusion", iterations=[0, 1, 2], **common)
        self.second = write_scores(folder / f"{name}_r.npy", self.regression[None], "log_softmax", **common)

    def logs(self, layer):
        s = self.diffusion[layer].astype(np.float64)
        sums = s.sum(axis=1, keepdims=True)
        shares = np.log(np.divide(s, sums, where=sums > 0, out=np.zeros_like(s)) + 1e-4)
        return np.where(sums > 0, shares, np.log(1 / 12)).astype(np.float32), self.regression

    def combined(self, layer, weight):
        a, b = self.logs(layer)
        return ((1 - weight) * a.astype(np.float64) + weight * b.astype(np.float64)).astype(np.float32)

    def accuracy(self, scores, depth=5, novel=False):
        best = self.classes[np.argsort(-scores, axis=1, kind="stable")[:, :depth]]
        hit = (best == self.labels[:, None]).any(axis=1)
        return hit[np.isin(self.labels, self.classes[self.novel])].mean() if novel else hit.mean()


@pytest.fixture
def sets(tmp_path):
    return {(part, seed): MadeUp(tmp_path, f"{part}{seed}", seed + 10 * (part == "test"))
            for part in ("val", "test") for seed in (1, 2)}


@pytest.mark.parametrize("metric,depth,novel", [("top5_all", 5, False), ("top1_novel", 1, True)])
@pytest.mark.parametrize("iteration", [None, 1])
def test_weight_and_accuracies_are_numpys(lowshot, sets, tmp_path, metric, depth, novel, iteration):
    arguments = ["combine", "--metric", metric, "--json", tmp_path / "r.json"]
    for (part, _), s in sets.items():
        arguments += ["--" + part, s.first, s.second]
    if iteration is not None:
        arguments += ["--iteration", iteration]
    out = lowshot(*arguments).stdout
    result = json.loads((tmp_path / "r.json").read_text())
    layer = 2 if iteration is None else iteration
    weights = [w / 20 for w in range(21)]
    curve = [np.mean([sets["val", seed].accuracy(sets["val", seed].combined(layer, w), depth, novel) for seed in (1, 2)])
             for w in weights]
    np.testing.assert_allclose([v[metric] for v in result["validation"]], curve, atol=1e-12)
    best = [w for w, value in zip(weights, curve) if value > max(curve) - 1e-12]
    assert result["weight"] == min(best, key=lambda w: (abs(w - 0.5), w))
    for seed in (1, 2):
        s, run = sets["test", seed], result["runs"][seed - 1]
        combined = s.combined(layer, result["weight"])
        assert run["combined"]["top5_all"] == pytest.approx(s.accuracy(combined), abs=1e-12)
        assert run["combined"]["top1_novel"] == pytest.approx(s.accuracy(combined, 1, True), abs=1e-12)
        assert run["second"]["top5_novel"] == pytest.approx(s.accuracy(s.regression, 5, True), abs=1e-12)
        assert run["first"]["iteration"] == layer and run["second"]["iteration"] == 0
        best5 = s.classes[np.argsort(-s.diffusion[layer], axis=1, kind="stable")[:, :5]]
        hit = (best5 == s.labels[:, None]).any(axis=1)
        hit[:5] = False  # rows that no label reached
        assert run["first"]["top5_all"] == pytest.approx(hit.mean(), abs=1e-12)
    mean = np.mean([r["combined"]["top5_all"] for r in result["runs"]])
    assert result["combined"]["top5_all"]["mean"] == pytest.approx(mean, abs=1e-12)
    assert f"weight {result['weight']:.2f} of the second" in out
    assert re.search(r"^combined  top-5 accuracy: 0\.\d{3} \(0\.\d{3} on novel\)  \+/- .* over 2 pairs$", out, re.M)


def test_output_can_be_combined_again(lowshot, sets, tmp_path):
    s = sets["test", 1]
    lowshot("combine", "--test", s.first, s.second, "--weight", "0.3", "-o", tmp_path / "out.npy", "--json",
            tmp_path / "a.json")
    out = np.load(tmp_path / "out.npy")
    expected = s.combined(2, 0.3).astype(np.float64)
    expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    assert out.shape == (1, 400, 12) and out.dtype == np.float32
    np.testing.assert_allclose(out[0], expected, atol=1e-5)
    lowshot("combine", "--test", tmp_path / "out.npy", s.second, "--weight", "0", "--json", tmp_path / "b.json")
    a, b = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert b["runs"][0]["first"]["top5_all"] == a["runs"][0]["combined"]["top5_all"]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_own_classifiers_probabilities(lowshot, sets, tmp_path, dtype):
    """A user's file: [rows, classes] without layers, other float widths, probabilities."""
    s = sets["test", 1]
    shares = np.exp(s.regression).astype(dtype)
    own = write_scores(tmp_path / "own.npy", shares, "probabilities", s.labels, s.classes, s.novel)
    lowshot("combine", "--test", s.first, own, "--weight", "0.5", "--json", tmp_path / "r.json")
    run = json.loads((tmp_path / "r.json").read_text())["runs"][0]
    assert run["second"]["top5_all"] == pytest.approx(s.accuracy(shares.astype(np.float32)), abs=1e-12)


def test_real_runs(lowshot, bundled_data, tmp_path):
    """Both programs' files; the combination is better than its parts on the classes that its weight was chosen on."""
    for mode in ("val", "test"):
        common = ["--data", bundled_data, "--mode", mode, "--nlabeled", "2", "--seed", "1", "-q"]
        lowshot("diffusion", *common, "--work", tmp_path / "work", "--niter", "3", "--storeL", tmp_path / f"d_{mode}.npy",
                "--json", tmp_path / f"d_{mode}.json")
        lowshot("logreg", *common, "--lr", "0.03", "--wd", "0.1", "--maxiter", "1000", "--storeL", tmp_path / f"r_{mode}.npy",
                "--json", tmp_path / f"r_{mode}.json")
    files = {mode: [tmp_path / f"d_{mode}.npy", tmp_path / f"r_{mode}.npy"] for mode in ("val", "test")}
    lowshot("combine", "--val", *files["val"], "--test", *files["test"], "--iteration", "2", "--json", tmp_path / "c.json")
    result = json.loads((tmp_path / "c.json").read_text())
    run = result["runs"][0]
    diffusion = json.loads((tmp_path / "d_test.json").read_text())["iterations"][2]
    regression = json.loads((tmp_path / "r_test.json").read_text())["iterations"][-1]
    for key in ("top5_all", "top5_novel", "top1_all", "top1_novel"):
        assert run["first"][key] == diffusion[key] and run["second"][key] == regression[key]
    curve = [v["top5_all"] for v in result["validation"]]
    assert max(curve) > curve[0] and max(curve) > curve[-1]
    done = lowshot("combine", "--val", *files["test"], "--test", *files["test"])
    assert "chosen on the classes that it is tested on" in done.stderr
    out = lowshot("combine", "--val", *files["val"], "--test", *files["test"], "--dry-run").stdout
    assert "chosen by top5_all over 1 pair(s)" in out and "fits" in out


def test_files_that_do_not_belong_together(refused, sets, tmp_path):
    s, other = sets["test", 1], sets["test", 2]

    def pair(first, second, *more):
        return ["combine", "--weight", "0.5", "--test", first, second, *more]

    refused(3, r"test1_d\.npy and \S*test2_r\.npy are of different classes", *pair(s.first, other.second))
    rows = write_scores(tmp_path / "rows.npy", s.regression, "log_softmax", s.labels, s.classes, s.novel,
                        rows=range(1, 401))
    refused(3, r"test1_d\.npy and \S*rows\.npy are of different rows", *pair(s.first, rows))
    labels = write_scores(tmp_path / "labels.npy", s.regression, "log_softmax", s.labels[::-1], s.classes, s.novel)
    refused(3, r"test1_d\.npy and \S*labels\.npy are of different true classes", *pair(s.first, labels))
    refused(3, r"first file of a pair is of the kind diffusion in one and log_softmax in another",
            "combine", "--val", sets["val", 1].second, sets["val", 1].first, "--test", s.first, s.second)
    refused(3, r"no scores of iteration 3, only of 0 to 2.*test1_d\.npy", *pair(s.first, s.second, "--iteration", "3"))
    refused(2, r"3 score files are no pairs", "combine", "--weight", "0", "--test", s.first, s.second, s.first)
    refused(2, r"nothing to choose the weight on", "combine", "--test", s.first, s.second)
    refused(2, r"-o holds one pair and 2", "combine", "--weight", "0", "--test", s.first, s.second, other.first, other.second,
            "-o", tmp_path / "out.npy")
    refused(4, r"this job needs", *pair(s.first, s.second, "--memory", "1M"))
    refused(2, r"weight", "combine", "--weight", "1.5", "--test", s.first, s.second)


BAD = {
    "no side-car": (lambda p, j: (p.with_name(p.name + ".scores.json")).unlink(), r"r\.npy\.scores\.json"),
    "no JSON": (lambda p, j: j.write_text("[1"), r"expected a JSON object"),
    "a kind of its own": (lambda p, j: edit(j, kind="svm"), r"\"kind\" must be"),
    "another format": (lambda p, j: edit(j, format=2), r"\"format\" must be 1"),
    "no classes": (lambda p, j: edit(j, classes=None), r"\"classes\" is missing"),
    "a class twice": (lambda p, j: edit(j, classes=[1] * 12), r"an id twice"),
    "a negative class": (lambda p, j: edit(j, classes=[-1, *range(11)]), r"whole numbers.*entry 0"),
    "a label of no class": (lambda p, j: edit(j, labels=[1000] * 400), r"entry 0 of \"labels\" is 1000"),
    "fewer labels": (lambda p, j: edit(j, labels=[]), r"\"labels\" has 0 entries and \"rows\" 400"),
    "fewer flags": (lambda p, j: edit(j, novel=[True]), r"\"novel\" has 1 entries and \"classes\" 12"),
    "numbers for flags": (lambda p, j: edit(j, novel=[1] * 12), r"true and false"),
    "another shape": (lambda p, j: np.save(p, np.zeros((2, 400, 12), np.float32)), r"float32 \[2, 400, 12\].*\[1, 400, 12\]"),
    "integers": (lambda p, j: np.save(p, np.zeros((1, 400, 12), np.int32)), r"int32"),
    "NaN": (lambda p, j: poke(p, np.nan), r"row 7, column 3 holds nan; expected a logarithm"),
    "infinity": (lambda p, j: poke(p, np.inf), r"row 7, column 3 holds inf"),
    "cut off": (lambda p, j: p.write_bytes(p.read_bytes()[:-9]), r"r\.npy"),
}


def edit(path, **changes):
    info = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in info.items() if v is not None}))


def poke(path, value):
    scores = np.load(path)
    scores[0, 7, 3] = value
    np.save(path, scores)


@pytest.mark.parametrize("what", BAD)
def test_bad_files(refused, sets, what):
    s = sets["test", 1]
    spoil, pattern = BAD[what]
    spoil(s.second, s.second.with_name(s.second.name + ".scores.json"))
    refused(3, pattern, "combine", "--weight", "0.5", "--test", s.first, s.second)
